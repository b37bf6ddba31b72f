#include "device/kernels/rows.hpp"

#include <algorithm>
#include <bit>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'B';
constexpr Kernel kKernels[] = {STRIDEPORT_ROWS_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr uint64_t kWarp = 32;
constexpr uint64_t kBlock = RowsProgram<1, false>::kThreads;

// True if every row of src lies to multiples of 16 bytes as the row of dst does.
bool rows_fit(const Problem& problem) noexcept {
  if (misalignment(problem.dst, 16) != misalignment(problem.src, 16)) return false;
  return std::all_of(problem.begin(), problem.end() - 1, [](const PlanDim& dim) {
    return (static_cast<uint64_t>(dim.dst_stride) - static_cast<uint64_t>(dim.src_stride)) % 16 == 0;
  });
}

}  // namespace

bool prepare_rows(Launch& launch, const Problem& problem) {
  // Below two sectors of a row the bytes at its ends outnumber the vectors.
  if (problem.count < 2 || problem.run_bytes() < 64) return false;
  const auto chunks = static_cast<uint64_t>(problem.run_bytes()) / 16;
  // A row gets as many vectors a thread as it fills with 32 threads, up to four, then more threads.
  const uint64_t vectors = chunks <= kWarp ? 1 : chunks <= 2 * kWarp ? 2 : 4;
  const uint64_t threads = std::clamp(std::bit_ceil((chunks + vectors - 1) / vectors), kWarp, kBlock);
  const uint64_t segments = (chunks + threads * vectors - 1) / (threads * vectors);
  auto& params = params_of<RowsParams>(launch);
  if (segments > kMaxGrid || !fill_outer(params.outer, problem.dims, problem.count - 1)) return false;
  const auto rows = static_cast<uint64_t>(problem.bytes / problem.run_bytes());
  const uint64_t rows_per_block = kBlock / threads;
  const uint64_t groups = (rows + rows_per_block - 1) / rows_per_block;
  if (groups > kMaxGrid / segments) return false;
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.run = problem.run_bytes();
  params.rows = static_cast<uint32_t>(rows);
  params.threads_log2 = static_cast<uint32_t>(std::countr_zero(threads));
  params.segments = make_divider(static_cast<uint32_t>(segments));
  set_kernel(launch, kKernels[(vectors == 4 ? 2 : vectors - 1) + (rows_fit(problem) ? 0 : 3)], groups * segments);
  return true;
}

std::span<const Kernel> rows_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
