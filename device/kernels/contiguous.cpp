#include "device/kernels/contiguous.hpp"

#include <algorithm>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'A';
constexpr Kernel kKernels[] = {STRIDEPORT_CONTIGUOUS_KERNELS(STRIDEPORT_LIST_KERNEL)};

}  // namespace

bool prepare_contiguous(Launch& launch, const Problem& problem) {
  if (problem.run_bytes() != problem.bytes) return false;
  const bool shifted = misalignment(problem.dst, 16) != misalignment(problem.src, 16);
  const uint64_t chunks = static_cast<uint64_t>(problem.bytes) / 16;
  constexpr uint64_t kPerBlock = ContiguousProgram<false>::kChunksPerBlock;
  const uint64_t grid = std::max<uint64_t>(1, (chunks + kPerBlock - 1) / kPerBlock);
  if (grid > kMaxGrid) return false;
  set_kernel(launch, kKernels[shifted ? 1 : 0], grid);
  params_of<ContiguousProgram<false>::Params>(launch) = {{problem.dst}, {problem.src}, problem.bytes};
  static_assert(sizeof(ContiguousProgram<true>::Params) == sizeof(ContiguousProgram<false>::Params));
  return true;
}

std::span<const Kernel> contiguous_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
