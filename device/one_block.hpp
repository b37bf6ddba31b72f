/// Which plans need no kernel.
#pragma once

#include "strideport/plan.hpp"

namespace strideport::device {

/// One contiguous block on both sides, in the same order.
[[nodiscard]] inline bool is_one_block(const CopyPlan& plan) noexcept {
  if (plan.dims.empty()) return true;
  return plan.dims.size() == 1 && plan.dims[0].dst_stride == plan.unit && plan.dims[0].src_stride == plan.unit;
}

}  // namespace strideport::device
