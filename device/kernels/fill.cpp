#include "device/kernels/fill.hpp"

#include <algorithm>
#include <bit>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'F';
constexpr Kernel kKernels[] = {STRIDEPORT_FILL_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr uint64_t kWarp = 32;
constexpr uint64_t kBlock = FillProgram<1>::kThreads;
constexpr uint64_t kMaxVectors = 8;  // a thread: 32 KiB a block

}  // namespace

bool prepare_fill(Launch& launch, const Problem& problem) {
  if (problem.count < 1) return false;
  const PlanDim& inner = problem.inner();
  if (inner.src_stride != 0 || inner.dst_stride != problem.unit) return false;
  const int64_t run = inner.extent * problem.unit;
  const auto chunks = std::max<uint64_t>(1, static_cast<uint64_t>(run) / 16);
  const uint64_t threads = std::clamp(std::bit_ceil(chunks / kMaxVectors), kWarp, kBlock);
  const uint64_t vectors = std::min(kMaxVectors, (chunks + threads - 1) / threads);
  const uint64_t segments = (chunks + threads * vectors - 1) / (threads * vectors);
  auto& params = params_of<FillParams>(launch);
  if (segments > kMaxGrid || !fill_outer(params.outer, problem.dims, problem.count - 1)) return false;
  const auto rows = static_cast<uint64_t>(problem.bytes / run);
  const uint64_t rows_per_block = kBlock / threads;
  const uint64_t groups = (rows + rows_per_block - 1) / rows_per_block;
  if (groups > kMaxGrid / segments) return false;
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.run = run;
  params.rows = static_cast<uint32_t>(rows);
  params.threads_log2 = static_cast<uint32_t>(std::countr_zero(threads));
  params.vectors = static_cast<uint32_t>(vectors);
  params.segments = make_divider(static_cast<uint32_t>(segments));
  set_kernel(launch, kKernels[std::countr_zero(static_cast<unsigned>(problem.unit))], groups * segments);
  return true;
}

std::span<const Kernel> fill_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
