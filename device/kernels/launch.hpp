/// One launch of a kernel: what a copy plan becomes on a device. Preparing one is pure; launching it is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "strideport/plan.hpp"

namespace strideport::kernels {

struct Launch {
  static constexpr size_t kMaxParams = 4064;  // sm_75's limit is 4096

  const char* kernel = nullptr;  ///< its extern "C" name in the fat binary, and in the registry of `simulate.hpp`
  char family = 0;               ///< 'A' to 'G'
  uint32_t threads = 0;          ///< a block
  uint64_t grid = 0;             ///< blocks, in grid x: at most 2^31-1
  uint32_t shared_bytes = 0;     ///< dynamic shared memory a block
  size_t params_bytes = 0;
  alignas(16) std::byte params[kMaxParams];  ///< the program's Params, the kernel's one parameter

  Launch() noexcept {}  // params stay uninitialised
};

/// The launch that does a whole plan. `dst` and `src` are the first units, as addresses that the device can reach.
/// Precondition: plan.strategy is not nothing, staged or indirect, and dst and src do not overlap.
[[nodiscard]] Launch prepare(const CopyPlan& plan, void* dst, const void* src);

/// In a few words, why `prepare` chose that family: "contiguous segments of 512 bytes on both sides", for `explain`.
[[nodiscard]] std::string reason(const Launch& launch, const CopyPlan& plan);

}  // namespace strideport::kernels
