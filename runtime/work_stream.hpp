/// A stream, and what the driver says of it: where work is queued.
#pragma once

#include <cstdint>

#include "runtime/device_api.hpp"

namespace strideport {

struct WorkStream {
  DeviceApi* api = nullptr;
  int device = 0;  ///< where its work runs
  StreamRef stream = StreamRef::host();
  uint64_t id = 0;  ///< as StreamInfo::id
  bool captures = false;
};

/// `near` names the driver, and the device that the handles 1 and 2 belong to; others belong to the device that the
/// driver says. Precondition: not StreamRef::host(), and `near` has a driver.
/// Throws: DeviceError; BufferError in a build without a device side.
[[nodiscard]] inline WorkStream inspect_stream(Device near, StreamRef stream) {
  DeviceApi* const api = device_api(near.type);
  const StreamInfo info = api->inspect(near.id, stream);
  return {api, info.device, stream, info.id, info.captures};
}

}  // namespace strideport
