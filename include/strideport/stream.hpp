/// A borrowed stream: the order in which work on memory happens.
#pragma once

#include <cstdint>

#include "strideport/error.hpp"

namespace strideport {

/// Borrows a stream by its handle; never owns, synchronises or destroys one. There is no conversion from an
/// integer or from nullptr: a number is not a stream.
class StreamRef {
 public:
  /// No stream: for memory that only the host touches.
  static constexpr StreamRef host() noexcept { return StreamRef(kHost); }
  /// The legacy default stream of a device (DLPack's and CUDA's handle 1).
  static constexpr StreamRef legacy_default() noexcept { return StreamRef(1); }
  /// The per-thread default stream (handle 2). It names another stream on another thread.
  static constexpr StreamRef per_thread_default() noexcept { return StreamRef(2); }
  /// Throws: InvalidArgument for 0, which means one default stream or the other, depending on how code was compiled.
  static constexpr StreamRef from_handle(uintptr_t handle) {
    if (handle == kHost) {
      throw InvalidArgument("stream handle 0 is ambiguous: say StreamRef::legacy_default() or per_thread_default()");
    }
    return StreamRef(handle);
  }

  constexpr bool is_host() const noexcept { return handle_ == kHost; }
  constexpr uintptr_t handle() const noexcept { return handle_; }
  friend constexpr bool operator==(StreamRef, StreamRef) = default;

 private:
  static constexpr uintptr_t kHost = 0;  // no handle that `from_handle` takes
  constexpr explicit StreamRef(uintptr_t handle) noexcept : handle_(handle) {}
  uintptr_t handle_;
};

}  // namespace strideport
