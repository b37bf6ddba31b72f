/// The kernels: one fat binary for all devices, and its functions on each of them.
#pragma once

#include <atomic>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "device/driver/driver.hpp"
#include "device/kernels/launch.hpp"

namespace strideport::device {

class DeviceState;
class Session;

/// The fat binary, loaded once a driver.
class Library {
 public:
  explicit Library(Session& session) noexcept : session_(session) {}
  /// Throws: DeviceError, also where the binary has no code for the device.
  [[nodiscard]] CUkernel kernel(DeviceState& state, const char* name);

 private:
  CUlibrary load(DeviceState& state);

  Session& session_;
  std::mutex mutex_;
  std::atomic<CUlibrary> library_{nullptr};
};

/// The functions of one device.
class Kernels {
 public:
  explicit Kernels(DeviceState& state) noexcept : state_(state) {}

  /// Loads all kernels at the device's first use: a driver that loads code at its first launch may wait for the device,
  /// or do what a capture forbids. What fails is left to the first launch, which says so. Needs the context to be
  /// current.
  void prepare_once() noexcept;
  /// Needs an Entry.
  void launch(const kernels::Launch& launch, CUstream stream);

 private:
  CUfunction function(const char* name, uint32_t shared_bytes);

  DeviceState& state_;
  std::atomic<bool> prepared_{false};
  std::mutex mutex_;
  std::unordered_map<std::string_view, CUfunction> functions_;  // keys are the registry's literals
};

}  // namespace strideport::device
