/// Completions: events of ours, each recorded once, then given back to a shelf that outlives all of them.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "device/driver/driver.hpp"
#include "runtime/device_api.hpp"

namespace strideport::device {

class DeviceState;
class Session;

/// What a Completion points to.
struct Recorded {
  Recorded(DeviceState& of, bool with_time) noexcept : state(of), timed(with_time) {}
  ~Recorded();
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  DeviceState& state;
  const bool timed;
  CUevent event = nullptr;
  std::atomic<bool> reached{false};  // it stays so: nobody needs to ask again
};

/// The events of one device.
class Events {
 public:
  explicit Events(DeviceState& state) noexcept : state_(state) {}

  /// Needs an Entry.
  [[nodiscard]] CUevent take(bool timed);
  /// From any thread, whatever became of the device; nothing in a forked child.
  void put_back(CUevent event, bool timed) noexcept;
  /// Destroys those on the shelf. Needs an Entry.
  void trim() noexcept;

 private:
  DeviceState& state_;
  std::mutex mutex_;
  std::vector<CUevent> untimed_;
  std::vector<CUevent> timed_;
};

/// Throws: InvalidArgument for a completion of another driver.
[[nodiscard]] Recorded& recorded(Session& session, const Completion& completion);

[[nodiscard]] Completion record(DeviceState& state, StreamRef stream, bool timed);
[[nodiscard]] bool done(Recorded& point);
void synchronize(Recorded& point);
void wait(DeviceState& state, StreamRef stream, Recorded& point);
[[nodiscard]] double seconds_between(Recorded& start, Recorded& end);

/// Puts the waiting for all that is not reached yet on a stream of ours. Needs an Entry of `state`.
void wait_for_all(DeviceState& state, CUstream stream, std::span<const Completion> pending);

/// What is known without an exception. `failed`: the device did, and nothing runs there any more.
enum class Reached : uint8_t { yes, no, failed };
[[nodiscard]] Reached look(Recorded& point) noexcept;

}  // namespace strideport::device
