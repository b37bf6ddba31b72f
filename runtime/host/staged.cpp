#include <memory>

#include "runtime/host/executor.hpp"
#include "runtime/plan_steps.hpp"

namespace strideport::host {

void run_staged(const CopyPlan& plan, std::byte* dst, const std::byte* src) {
  planning::Dims pack;
  planning::Dims unpack;
  planning::split_through_temporary(plan, pack, unpack);
  const std::unique_ptr<std::byte[]> temporary(new std::byte[static_cast<size_t>(plan.bytes)]);
  execute({pack.at, pack.count, plan.unit, plan.bytes}, temporary.get(), src);
  execute({unpack.at, unpack.count, plan.unit, plan.bytes}, dst, temporary.get());
}

}  // namespace strideport::host
