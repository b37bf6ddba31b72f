#include "device/kernels/launch.hpp"

#include "device/kernels/families.hpp"

namespace strideport::kernels {

Launch prepare(const CopyPlan& plan, void* dst, const void* src) {
  const Problem problem = make_problem(plan, dst, src);
  Launch launch;
  prepare_generic(launch, problem);
  return launch;
}

std::string reason(const Launch& launch, const CopyPlan& plan) {
  static_cast<void>(launch);
  return "any dimensions: " + std::to_string(plan.dims.size()) + " of them, a unit a thread";
}

}  // namespace strideport::kernels
