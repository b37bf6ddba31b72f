#include "runtime/host/executor.hpp"
#include "runtime/host_memory.hpp"
#include "runtime/plan_steps.hpp"

namespace strideport::host {

void run_staged(const CopyPlan& plan, std::byte* dst, const std::byte* src) {
  planning::Dims pack;
  planning::Dims unpack;
  planning::split_through_temporary(plan, pack, unpack);
  const std::shared_ptr<void> memory = allocate_host(plan.bytes);
  auto* const temporary = static_cast<std::byte*>(memory.get());
  execute({pack.at, pack.count, plan.unit, plan.bytes}, temporary, src);
  execute({unpack.at, unpack.count, plan.unit, plan.bytes}, dst, temporary);
}

}  // namespace strideport::host
