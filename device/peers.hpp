/// Access of devices to each other's memory, asked for at the first copy between the two.
#pragma once

#include <mutex>
#include <set>
#include <utility>

namespace strideport::device {

class DeviceState;
class Session;

class Peers {
 public:
  explicit Peers(Session& session) noexcept : session_(session) {}
  /// Lets the two reach each other, where the hardware can: the driver copies through the host otherwise. Once a pair.
  /// Throws: DeviceError.
  void connect(DeviceState& a, DeviceState& b);

 private:
  void allow(DeviceState& user, DeviceState& owner);

  Session& session_;
  std::mutex mutex_;
  std::set<std::pair<int, int>> connected_;
};

}  // namespace strideport::device
