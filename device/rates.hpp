/// How fast the ways between a device and the host are: measured once a device, with a few MiB, at the first copy that
/// has a choice.
#pragma once

#include <mutex>
#include <optional>

#include "runtime/device_api.hpp"

namespace strideport::device {

class DeviceState;

class Rates {
 public:
  explicit Rates(DeviceState& state) noexcept : state_(state) {}
  [[nodiscard]] TransferRates get();

 private:
  DeviceState& state_;
  std::mutex mutex_;
  std::optional<TransferRates> known_;
};

/// Measures: on streams and memory of our own, beside whatever else is going on, a capture too.
/// Throws: DeviceError.
[[nodiscard]] TransferRates measure_rates(DeviceState& state);

/// What holds until something is measured, and on the simulated device for good: of a PCIe 4 x16 link, in round
/// numbers.
[[nodiscard]] constexpr TransferRates assumed_rates() noexcept {
  TransferRates rates;
  rates.dma_to_device = 24e9;
  rates.dma_to_host = 24e9;
  rates.zero_copy_to_device = 20e9;
  rates.zero_copy_to_host = 20e9;
  return rates;
}

}  // namespace strideport::device
