/// Memory of our own on the host, for Buffers and for temporaries.
///
/// Fresh pages cost more than the copy into them: 4 KiB at a time, each is faulted in and zeroed by the kernel. So blocks
/// of 4 MiB and more lie on huge pages where the system gives them on advice, and what is freed is kept for the next one.
#pragma once

#include <cstdint>
#include <memory>

namespace strideport {

/// From here on memory is kept. Smaller blocks are the allocator's.
inline constexpr int64_t kKeptBlockBytes = int64_t{4} << 20;

/// The most that is kept while nobody uses it. The system may take its pages when it runs out of others.
inline constexpr int64_t kMostKeptBytes = int64_t{256} << 20;

/// Uninitialised memory, aligned to 64 bytes; at least a byte, so that an empty Buffer has an address that consumers
/// accept. Safe from any thread, and on both sides of a fork.
/// Throws: std::bad_alloc.
std::shared_ptr<void> allocate_host(int64_t size);

/// Bytes that are kept at the moment; `trim_host` (strideport/buffer.hpp) gives them back.
int64_t kept_host_bytes() noexcept;

}  // namespace strideport
