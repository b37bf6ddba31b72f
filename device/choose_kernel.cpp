#include "device/kernels/launch.hpp"
#include "device/one_block.hpp"
#include "runtime/device_api.hpp"

namespace strideport {

KernelChoice choose_kernel(const CopyPlan& plan, const void* dst, const void* src, BlockBy block_by) {
  if (plan.strategy == Strategy::nothing) return {};
  if (plan.strategy == Strategy::staged || plan.strategy == Strategy::indirect) return {};
  if (block_by == BlockBy::driver && device::is_one_block(plan)) {
    return {0, {}, 0, "one contiguous block on both sides"};
  }
  const kernels::Launch launch = kernels::prepare(plan, const_cast<void*>(dst), src);
  return {launch.family, launch.kernel, 1, kernels::reason(launch, plan)};
}

}  // namespace strideport
