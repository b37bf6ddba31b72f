/// Where memory lives: a type and an index, with DLPack's numbers; and the devices that there are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace strideport {

/// DLPack's `DLDeviceType`. `simulated` is Strideport's device without a GPU, exported as kDLExtDev. The last two are
/// its pinned and managed memory: numbers of ours, which DLPack does not have; plain host memory to everybody else, and
/// exported as kDLCPU.
enum class DeviceType : int32_t {
  cpu = 1,
  cuda = 2,
  cuda_host = 3,  ///< pinned host memory
  simulated = 12,
  cuda_managed = 13,
  simulated_host = 1003,
  simulated_managed = 1013,
};

/// A value: a device type and the index of the device among those of its type.
struct Device {
  DeviceType type = DeviceType::cpu;
  int32_t id = 0;

  friend constexpr bool operator==(const Device&, const Device&) = default;

  /// True if the host may dereference pointers to this memory.
  constexpr bool host_accessible() const noexcept { return type != DeviceType::cuda && type != DeviceType::simulated; }
  /// True for pinned, managed and device memory: a driver knows it, and work on it may be pending on a stream.
  constexpr bool has_driver() const noexcept { return type != DeviceType::cpu; }
};

/// "cpu", "cuda:1", "cuda_host:0": the spelling that `parse_device` reads.
[[nodiscard]] std::string to_string(Device device);

/// Reads "cpu", "cuda", "cuda:1", ... (no index means 0).
/// Throws: InvalidArgument for an unknown name or a bad index.
[[nodiscard]] Device parse_device(std::string_view text);

/// What a driver says of one device.
struct DeviceInfo {
  Device device;
  std::string name;         ///< "NVIDIA H200", or "simulated device 0"
  int64_t total_bytes = 0;  ///< of its memory
  int64_t free_bytes = 0;   ///< when asked; -1 for a device that the process does not use yet: only its use tells
  int compute_major = 0;    ///< compute capability
  int compute_minor = 0;
  int multiprocessors = 0;
  int driver_version = 0;     ///< 13000 is 13.0
  bool pools = false;         ///< memory comes from the driver's stream-ordered pools
  bool batch_copies = false;  ///< the driver has cuMemcpyBatchAsync
};

/// GPUs first, then simulated devices (there are none unless STRIDEPORT_SIMULATED_DEVICES asks for them). Initialises
/// the driver, which takes a second the first time; a machine without one, or a build without device side, has none.
[[nodiscard]] std::vector<DeviceInfo> devices();

/// Why there is no device of a type: "no driver: ...", "driver too old: ..."; empty where there is one.
[[nodiscard]] std::string why_no_device(DeviceType type);

}  // namespace strideport
