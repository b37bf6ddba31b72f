/// Streams: ours, and whatever a StreamRef names.
#pragma once

#include <mutex>
#include <vector>

#include "device/driver/driver.hpp"
#include "runtime/device_api.hpp"
#include "strideport/stream.hpp"

namespace strideport::device {

class DeviceState;
class Session;

/// The driver's stream: handles 1 and 2 are its own names for the two default streams.
[[nodiscard]] inline CUstream to_driver(StreamRef stream) noexcept {
  return reinterpret_cast<CUstream>(stream.handle());
}
[[nodiscard]] constexpr bool is_default(StreamRef stream) noexcept {
  return stream.handle() == 1 || stream.handle() == 2;
}

/// What we keep for ourselves of one device's streams. All are created at first need, and kept.
class Streams {
 public:
  explicit Streams(DeviceState& state) noexcept : state_(state) {}

  /// Not synchronising with the legacy default stream. `priority` is clipped. Needs an Entry.
  [[nodiscard]] CUstream create(int priority);
  /// A stream on which nothing is pending, as far as we know; given back with `put_back`. Needs an Entry.
  [[nodiscard]] CUstream take();
  void put_back(CUstream stream) noexcept;
  /// A stream for memory that is freed after pending work; given back with `put_back_for_frees`. Needs an Entry.
  [[nodiscard]] CUstream take_for_frees();
  void put_back_for_frees(CUstream stream) noexcept;
  /// Blocks until what was freed on streams of ours is free. Needs an Entry.
  void wait_for_frees();
  /// Destroys what is idle, all but streams that wait to free memory. What was freed on the others is free then, as the
  /// pools see it. Needs an Entry.
  void trim() noexcept;

 private:
  static constexpr size_t kFreeStreams = 4;
  void put(std::vector<CUstream>& shelf, CUstream stream) noexcept;

  DeviceState& state_;
  std::mutex mutex_;
  std::vector<CUstream> idle_;
  std::vector<CUstream> frees_;
};

/// The stream that a piece of work goes to: checked to be one of the device, or one of ours for StreamRef::host(), and
/// then the work is done when `finish` returns. Needs an Entry for as long as it lives.
class StreamUse {
 public:
  /// Throws: InvalidArgument for a stream of another device or of another context than the primary one.
  StreamUse(DeviceState& state, StreamRef stream);
  ~StreamUse();
  StreamUse(const StreamUse&) = delete;
  StreamUse& operator=(const StreamUse&) = delete;

  CUstream get() const noexcept { return stream_; }
  bool ours() const noexcept { return ours_; }
  [[nodiscard]] bool captures() const;
  void finish();

 private:
  DeviceState& state_;
  CUstream stream_;
  bool ours_;
};

/// Needs an Entry of the stream's device. `graph` is written where it captures.
[[nodiscard]] bool is_capturing(DeviceState& state, CUstream stream, CUgraph* graph = nullptr);

/// Throws: InvalidArgument for StreamRef::host(), and for a stream that is in no primary context; DeviceError.
[[nodiscard]] DeviceState& device_of_stream(Session& session, int device, StreamRef stream);
[[nodiscard]] StreamInfo inspect_stream(Session& session, int device, StreamRef stream);

}  // namespace strideport::device
