#include <cstring>

#include "runtime/host/executor.hpp"

namespace strideport::host {

void run(const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  if (plan.strategy == Strategy::nothing) return;
  if (plan.strategy == Strategy::indirect) return run_indirect(plan, dst, src);
  std::byte* to = static_cast<std::byte*>(dst.buf()) + plan.dst_offset;
  const std::byte* from = static_cast<const std::byte*>(src.buf()) + plan.src_offset;
  if (plan.strategy == Strategy::staged) return run_staged(plan, to, from);
  if (plan.overlapping) {
    std::memmove(to, from, static_cast<size_t>(plan.bytes));  // one block
    return;
  }
  execute({plan.dims.data(), plan.dims.size(), plan.unit, plan.bytes}, to, from);
}

}  // namespace strideport::host
