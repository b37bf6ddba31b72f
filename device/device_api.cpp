#include "runtime/device_api.hpp"

#include "device/device_api.hpp"
#include "device/simulated/table.hpp"
#include "strideport/error.hpp"

namespace strideport {
namespace device {

// Leaked: what they know may be needed until the last thread of the process ends.
DriverApi& cuda_api() {
  static auto* const api = new DriverApi(DeviceType::cuda, driver::libcuda);
  return *api;
}

DriverApi& simulated_api() {
  static auto* const api = new DriverApi(DeviceType::simulated, simulated::table);
  return *api;
}

}  // namespace device

DeviceApi* device_api(DeviceType type) {
  switch (type) {
    case DeviceType::cuda:
    case DeviceType::cuda_host:
    case DeviceType::cuda_managed: return &device::cuda_api();
    case DeviceType::simulated:
    case DeviceType::simulated_host:
    case DeviceType::simulated_managed: return &device::simulated_api();
    case DeviceType::cpu: return nullptr;
  }
  throw BufferError("memory of " + to_string({type, 0}) + " cannot be reached: Strideport does not know that kind");
}

}  // namespace strideport
