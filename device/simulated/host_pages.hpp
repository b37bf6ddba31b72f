/// Host memory of the simulated driver's own: whole pages outside of the heap.
///
/// The heap would not do: a reset takes the access to these pages away, and LeakSanitizer reads all that is in a heap.
#pragma once

#include <cstddef>

namespace strideport::simulated {

/// Zeros. Null where there is no memory, or where `bytes` is 0.
[[nodiscard]] void* take_host_pages(size_t bytes) noexcept;

/// For ThreadSanitizer the caller writes all of them: whoever still reads or writes there without an order has a race.
void give_back_host_pages(void* pages, size_t bytes) noexcept;

/// From now on who touches them crashes.
void close_host_pages(void* pages, size_t bytes) noexcept;

}  // namespace strideport::simulated
