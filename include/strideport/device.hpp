/// Where memory lives: a type and an index, with DLPack's numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace strideport {

/// DLPack's `DLDeviceType`. `simulated` is Strideport's device without a GPU, exported as kDLExtDev.
enum class DeviceType : int32_t {
  cpu = 1,
  cuda = 2,
  cuda_host = 3,
  simulated = 12,
  cuda_managed = 13,
};

/// A value: a device type and the index of the device among those of its type.
struct Device {
  DeviceType type = DeviceType::cpu;
  int32_t id = 0;

  friend constexpr bool operator==(const Device&, const Device&) = default;

  /// True if the host may dereference pointers to this memory.
  constexpr bool host_accessible() const noexcept {
    return type == DeviceType::cpu || type == DeviceType::cuda_host || type == DeviceType::cuda_managed;
  }
};

/// "cpu", "cuda:1", "cuda_host:0": the spelling that `parse_device` reads.
[[nodiscard]] std::string to_string(Device device);

/// Reads "cpu", "cuda", "cuda:1", ... (no index means 0).
/// Throws: InvalidArgument for an unknown name or a bad index.
[[nodiscard]] Device parse_device(std::string_view text);

}  // namespace strideport
