#include "strideport/device.hpp"

#include <charconv>
#include <string>

#include "strideport/error.hpp"

namespace strideport {
namespace {

struct DeviceName {
  int32_t type;
  std::string_view name;
  bool supported;  ///< others are named in errors, never accepted
};

// clang-format off
constexpr DeviceName kDeviceNames[] = {
    {1, "cpu", true},               {2, "cuda", true},              {3, "cuda_host", true},     {4, "opencl", false},
    {7, "vulkan", false},           {8, "metal", false},            {9, "vpi", false},          {10, "rocm", false},
    {11, "rocm_host", false},       {12, "simulated", true},        {13, "cuda_managed", true}, {14, "oneapi", false},
    {15, "webgpu", false},          {16, "hexagon", false},         {17, "maia", false},        {18, "trn", false},
    {1003, "simulated_host", true}, {1013, "simulated_managed", true},
};
// clang-format on

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw InvalidArgument("device '" + std::string(text) + "' " + why);
}

// Decimal digits alone: no sign, no space.
int32_t parse_index(std::string_view text, std::string_view digits) {
  int32_t id = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, id);
  if (error != std::errc() || stop != end || id < 0 || digits.front() == '-') {
    refuse(text, "has a bad index '" + std::string(digits) + "': expected a number from 0 to 2147483647");
  }
  return id;
}

}  // namespace

std::string to_string(Device device) {
  const auto type = static_cast<int32_t>(device.type);
  std::string name = "device_type_" + std::to_string(type);
  for (const DeviceName& entry : kDeviceNames) {
    if (entry.type == type) name = entry.name;
  }
  // There is one host: its index is left out where it says nothing.
  if (device.type == DeviceType::cpu && device.id == 0) return name;
  return name + ":" + std::to_string(device.id);
}

Device parse_device(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  for (const DeviceName& entry : kDeviceNames) {
    if (!entry.supported || entry.name != name) continue;
    Device device{static_cast<DeviceType>(entry.type), 0};
    if (colon != std::string_view::npos) device.id = parse_index(text, text.substr(colon + 1));
    return device;
  }
  refuse(text, "is unknown: expected cpu, cuda, cuda_host, cuda_managed or simulated, and perhaps ':' and an index");
}

}  // namespace strideport
