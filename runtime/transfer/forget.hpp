/// For tests that start their driver afresh.
#pragma once

#include "runtime/device_api.hpp"

namespace strideport::transfer {

/// Forgets the kept streams, the slots of pinned memory and the rates of a driver, without giving anything back to it.
/// Precondition: no copy is under way.
void forget(DeviceApi& api);

void forget_streams(DeviceApi& api);
void forget_rings(DeviceApi& api);
void forget_rates(DeviceApi& api);

}  // namespace strideport::transfer
