#include <string>

#include "runtime/device_api.hpp"
#include "strideport/device.hpp"
#include "strideport/error.hpp"

namespace strideport {

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> result;
  for (const DeviceType type : {DeviceType::cuda, DeviceType::simulated}) {
    if (!why_no_device(type).empty()) continue;
    DeviceApi& api = *device_api(type);
    const int count = api.count();
    for (int i = 0; i < count; ++i) result.push_back(api.info(i));
  }
  return result;
}

std::string why_no_device(DeviceType type) {
  if (type == DeviceType::cpu) return {};
  try {
    return device_api(type)->count() > 0 ? std::string() : "the driver finds no device of type " + to_string({type, 0});
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace strideport
