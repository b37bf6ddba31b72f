#include "device/kernels/generic.hpp"

#include <algorithm>
#include <bit>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'G';
constexpr Kernel kKernels[] = {STRIDEPORT_GENERIC_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr size_t kUnits = 5;  // of each width of offsets, from 1 to 16 bytes

template <class U>
void fill(Launch& launch, const Problem& problem) {
  using Program = GenericProgram<1, U>;  // the parameters are the same for all units
  const auto units = static_cast<uint64_t>(problem.units());
  const size_t unit = static_cast<size_t>(std::countr_zero(static_cast<unsigned>(problem.unit)));
  set_kernel(launch, kKernels[unit + (sizeof(U) == 8 ? kUnits : 0)],
             std::min(kMaxGrid, (units + Program::kUnitsPerBlock - 1) / Program::kUnitsPerBlock));
  // All Params are laid out alike.
  auto& params = params_of<typename Program::Params>(launch);
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.units = static_cast<U>(units);
  params.count = static_cast<uint32_t>(problem.count);
  for (int i = 0; i < problem.count; ++i) {
    const PlanDim& dim = problem.dims[problem.count - 1 - i];
    params.dims[i] = {make_divider(static_cast<U>(dim.extent)), static_cast<U>(dim.dst_stride),
                      static_cast<U>(dim.src_stride)};
  }
}

}  // namespace

bool prepare_generic(Launch& launch, const Problem& problem) {
  if (problem.offsets_fit_32 && problem.units() < (int64_t{1} << 31)) {
    fill<uint32_t>(launch, problem);
  } else {
    fill<uint64_t>(launch, problem);
  }
  return true;
}

std::span<const Kernel> generic_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
