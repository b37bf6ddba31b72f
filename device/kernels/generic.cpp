#include "device/kernels/generic.hpp"

#include <algorithm>
#include <bit>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'G';
constexpr Kernel kKernels[] = {STRIDEPORT_GENERIC_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr size_t kUnits = 5;  // 1 to 16 bytes

// `width`: near, far or many, in the order of the list.
template <class U, class Offset>
bool fill(Launch& launch, const Problem& problem, size_t width) {
  using Program = GenericProgram<1, U, Offset>;  // the parameters are the same for all units
  const auto units = static_cast<uint64_t>(problem.units());
  const size_t unit = static_cast<size_t>(std::countr_zero(static_cast<unsigned>(problem.unit)));
  set_kernel(launch, kKernels[width * kUnits + unit],
             std::min(kMaxGrid, (units + Program::kUnitsPerBlock - 1) / Program::kUnitsPerBlock));
  auto& params = params_of<typename Program::Params>(launch);
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.units = static_cast<U>(units);
  params.count = static_cast<uint32_t>(problem.count);
  for (int i = 0; i < problem.count; ++i) {
    const PlanDim& dim = problem.dims[problem.count - 1 - i];
    params.dims[i] = {make_divider(static_cast<U>(dim.extent)), static_cast<Offset>(dim.dst_stride),
                      static_cast<Offset>(dim.src_stride)};
  }
  return true;
}

}  // namespace

bool prepare_generic_many(Launch& launch, const Problem& problem) {
  return fill<uint64_t, uint64_t>(launch, problem, 2);
}

bool prepare_generic(Launch& launch, const Problem& problem) {
  if (problem.units() >= int64_t{1} << 31) return prepare_generic_many(launch, problem);
  if (!problem.offsets_fit_32) return fill<uint32_t, uint64_t>(launch, problem, 1);
  return fill<uint32_t, uint32_t>(launch, problem, 0);
}

std::span<const Kernel> generic_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
