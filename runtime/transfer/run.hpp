/// A copy from its checks to its end: the route, the stream that it is queued on, and what is remembered of it.
#pragma once

#include <memory>

#include "runtime/memory_use.hpp"
#include "strideport/buffer_view.hpp"
#include "strideport/copy.hpp"
#include "strideport/stream.hpp"

namespace strideport::transfer {

/// A side of a copy. A view alone has neither use nor owner: what is pending on it, and that it lives, is the caller's
/// affair.
struct Side {
  const BufferView& view;
  MemoryUse* use;
  std::shared_ptr<void> owner;
};

/// Throws: as `copy`.
void run(const Side& dst, const Side& src, StreamRef stream, const Progress& progress);

/// The device that the handles 1 and 2 belong to: dst's where it is one, else src's, else that of managed or pinned
/// memory.
/// Precondition: one of the two has a driver.
[[nodiscard]] Device near_device(const BufferView& dst, const BufferView& src) noexcept;

}  // namespace strideport::transfer
