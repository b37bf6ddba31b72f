/// What is known of a device's ways to the host.
#pragma once

#include <optional>

#include "runtime/device_api.hpp"

namespace strideport::transfer {

/// Measured at the first call. Throws: DeviceError.
[[nodiscard]] TransferRates measured_rates(DeviceApi& api, int device);

/// What an earlier `measured_rates` found. Asks no driver.
[[nodiscard]] std::optional<TransferRates> known_rates(DeviceType type, int device);

}  // namespace strideport::transfer
