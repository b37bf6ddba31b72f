/// Streams, borrowed and owned, and events: the order in which work on memory happens.
///
/// A handle is the driver's (CUstream, which is also the runtime's cudaStream_t, PyTorch's `cuda_stream` and CuPy's
/// `ptr`), or the simulated device's. The device that a stream belongs to is known to the driver, not to the handle.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "strideport/device.hpp"
#include "strideport/error.hpp"

namespace strideport {

/// Borrows a stream by its handle; never owns, synchronises or destroys one. There is no conversion from an
/// integer or from nullptr: a number is not a stream.
class StreamRef {
 public:
  /// No stream. Between host buffers it changes nothing; where a device takes part, the work goes to a stream of ours
  /// and is done when the call returns.
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

class Event;

/// A stream of our own, on a device's primary context, that does not synchronise with the legacy default stream. Work
/// that is queued when the last copy of a Stream goes is still done.
class Stream {
 public:
  /// Throws: InvalidArgument unless the device is of type cuda or simulated; DeviceError.
  /// `priority`: 0 is the lowest; negative numbers go first, clipped to what the driver has.
  [[nodiscard]] static Stream create(Device device, int priority = 0);

  StreamRef ref() const noexcept { return ref_; }
  Device device() const noexcept { return device_; }

  /// Blocks the host until all work queued so far is done. Throws: DeviceError, also for an earlier failure of that
  /// work.
  void synchronize() const;
  /// True if no work is left.
  [[nodiscard]] bool done() const;
  /// Work queued on this stream from now on waits for `event`; the host does not.
  void wait(const Event& event) const;
  /// An event after all the work queued so far.
  [[nodiscard]] Event record() const;

 private:
  Stream(Device device, StreamRef ref, std::shared_ptr<void> handle) noexcept
      : device_(device), ref_(ref), handle_(std::move(handle)) {}
  Device device_;
  StreamRef ref_;
  std::shared_ptr<void> handle_;
};

/// A point in a stream, reached once all the work before it is done. A value; it never changes.
class Event {
 public:
  /// Records on any stream, foreign ones included. Throws: InvalidArgument for StreamRef::host(), a stream of another
  /// device, or one that captures; DeviceError.
  [[nodiscard]] static Event record(Device device, StreamRef stream);

  Device device() const noexcept { return device_; }
  [[nodiscard]] bool done() const;
  /// Blocks the host until it is reached.
  void synchronize() const;
  /// Makes a stream wait for it, a foreign one or one of another device of the same driver included.
  void make_wait(StreamRef stream) const;
  /// Units: seconds on the device's clock from `start` to this; both must have been reached.
  [[nodiscard]] double seconds_since(const Event& start) const;

 private:
  Event(Device device, std::shared_ptr<void> completion) noexcept
      : device_(device), completion_(std::move(completion)) {}
  Device device_;
  std::shared_ptr<void> completion_;
};

}  // namespace strideport
