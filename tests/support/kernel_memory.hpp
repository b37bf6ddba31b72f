/// Memory as a simulated device sees it: vectors of the host under addresses that no host can read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/kernels/simulate.hpp"

namespace strideport::testing {

/// Every byte of `add`ed memory has a device address, `kDistance` from its own.
class KernelMemory : public kernels::DeviceMemory {
 public:
  static constexpr uintptr_t kDistance = uintptr_t{1} << 56;

  KernelMemory() {
    window_begin = kDistance;
    window_end = 2 * kDistance;
    to_host = -static_cast<ptrdiff_t>(kDistance);
  }

  /// The device's address of host memory.
  static std::byte* on_device(const void* host) {
    return reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(host) + kDistance);
  }
  void add(std::vector<std::byte>& memory) {
    ranges_.push_back({on_device(memory.data()), static_cast<int64_t>(memory.size())});
  }
  MemoryRange allocation_of(uintptr_t address) const override {
    for (const MemoryRange& range : ranges_) {
      if (address - reinterpret_cast<uintptr_t>(range.begin) < static_cast<uintptr_t>(range.size)) return range;
    }
    return {};
  }

 private:
  std::vector<MemoryRange> ranges_;
};

}  // namespace strideport::testing
