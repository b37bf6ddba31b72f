/// The two of them there are.
#pragma once

#include "device/driver_api.hpp"

namespace strideport::device {

[[nodiscard]] DriverApi& cuda_api();
[[nodiscard]] DriverApi& simulated_api();

}  // namespace strideport::device
