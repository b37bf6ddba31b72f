#include "device/kernels/repeat.hpp"

#include <algorithm>
#include <bit>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'F';
constexpr Kernel kKernels[] = {STRIDEPORT_REPEAT_KERNELS(STRIDEPORT_LIST_KERNEL)};

// The longest dimension that stands still in src, the innermost left out; -1 for none.
int repeated_dim(const Problem& problem) noexcept {
  int found = -1;
  for (int i = 0; i + 1 < problem.count; ++i) {
    if (problem.dims[i].src_stride != 0) continue;
    if (found < 0 || problem.dims[i].extent > problem.dims[found].extent) found = i;
  }
  return found;
}

}  // namespace

bool prepare_repeat(Launch& launch, const Problem& problem) {
  const int found = repeated_dim(problem);
  if (found < 0) return false;
  const PlanDim repeated = problem.dims[found];
  PlanDim others[Problem::kMaxDims];
  std::copy(problem.begin(), problem.begin() + found, others);
  std::copy(problem.begin() + found + 1, problem.end(), others + found);
  auto& params = params_of<RepeatParams>(launch);
  if (!fill_outer(params.dims, others, problem.count - 1)) return false;
  using Program = RepeatProgram<1>;
  const auto units = static_cast<uint64_t>(problem.units() / repeated.extent);
  const uint64_t blocks = (units + Program::kThreads - 1) / Program::kThreads;
  const uint64_t parts =
      (static_cast<uint64_t>(repeated.extent) + Program::kRepeatsPerBlock - 1) / Program::kRepeatsPerBlock;
  if (repeated.extent > static_cast<int64_t>(kMaxGrid) || parts > kMaxGrid / blocks) return false;
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.units = static_cast<uint32_t>(units);
  params.extent = static_cast<uint32_t>(repeated.extent);
  params.stride = repeated.dst_stride;
  params.blocks = make_divider(static_cast<uint32_t>(blocks));
  set_kernel(launch, kKernels[std::countr_zero(static_cast<unsigned>(problem.unit))], blocks * parts);
  return true;
}

std::span<const Kernel> repeat_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
