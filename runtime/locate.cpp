#include "strideport/locate.hpp"

#include <cstdint>
#include <string>

#include "runtime/device_api.hpp"
#include "strideport/error.hpp"

namespace strideport {
namespace {

std::optional<Location> ask(DeviceType type, const void* address) {
  if (!why_no_device(type).empty()) return std::nullopt;
  const std::optional<PointerInfo> info = device_api(type)->locate(address, true);
  if (!info || info->device.type == DeviceType::cpu) return std::nullopt;
  return Location{info->device, info->allocation};
}

std::string hex(const void* address) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (auto rest = reinterpret_cast<uintptr_t>(address); rest != 0; rest /= 16) text.insert(0, 1, kDigits[rest % 16]);
  return "0x" + (text.empty() ? "0" : text);
}

/// Managed memory goes for memory of its device as well, and all pinned memory belongs to every device.
bool agree(Device known, Device said) noexcept {
  if (is_pinned(said.type)) return known.type == said.type;
  if (is_managed(said.type)) return known.type == said.type;
  if (is_managed(known.type)) return true;
  return known == said;
}

}  // namespace

std::optional<Location> locate(const void* address) {
  if (auto found = ask(DeviceType::cuda, address)) return found;
  return ask(DeviceType::simulated, address);
}

std::optional<Location> check_location(const void* address, Device device) {
  if (!device.has_driver()) return std::nullopt;
  const DeviceType driver = driver_of(device.type);
  const std::string reason = why_no_device(driver);
  if (!reason.empty()) {
    if (device.host_accessible()) return std::nullopt;
    throw DeviceError("memory of " + to_string(device) + " cannot be reached: " + reason);
  }
  const std::optional<Location> known = ask(driver, address);
  if (!known) {
    throw BufferError("address " + hex(address) + " is no memory of " + to_string(device) +
                      ": the driver does not know it (it was freed, or it is plain host memory)");
  }
  if (!agree(known->device, device)) {
    throw BufferError("address " + hex(address) + " is said to be memory of " + to_string(device) +
                      ", but the driver says " + to_string(known->device));
  }
  return known;
}

}  // namespace strideport
