/// What a driver says of a device, and the giving back of what we keep of it.
#pragma once

#include "strideport/device.hpp"

namespace strideport::device {

class DeviceState;
class Session;

[[nodiscard]] DeviceInfo device_info(DeviceState& state);

/// Gives what is kept for reuse back to the driver, on all devices that are in use.
void trim_all(Session& session);

}  // namespace strideport::device
