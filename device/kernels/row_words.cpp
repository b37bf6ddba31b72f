#include "device/kernels/row_words.hpp"

#include <algorithm>

#include "device/kernels/families.hpp"
#include "runtime/stride_order.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'B';
constexpr Kernel kKernels[] = {STRIDEPORT_ROW_WORDS_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr uint32_t kNoRow = ~uint32_t{0};

// The words that a row of dst can touch, wherever it begins.
uint64_t words_of_row(const Problem& problem) noexcept {
  const bool all_alike = std::all_of(problem.begin(), problem.end() - 1,
                                     [](const PlanDim& dim) { return static_cast<uint64_t>(dim.dst_stride) % 4 == 0; });
  const uint32_t before = all_alike ? misalignment(problem.dst, 4) : 3;
  return (before + static_cast<uint64_t>(problem.run_bytes()) + 3) / 4;
}

// The rows at the very ends of src, where those are no multiples of 4. Others keep away by their stride.
void find_edges(RowWordsProgram::Params& params, const Problem& problem) noexcept {
  uint32_t lowest = 0;
  uint32_t highest = 0;
  uint64_t low = reinterpret_cast<uintptr_t>(problem.src);
  uint64_t high = low + static_cast<uint64_t>(problem.run_bytes());
  bool crowded = false;
  for (const PlanDim* dim = problem.begin(); dim != problem.end() - 1; ++dim) {
    const auto last = static_cast<uint32_t>(dim->extent - 1);
    const uint64_t reach = last * static_cast<uint64_t>(dim->src_stride);
    lowest = lowest * (last + 1) + (dim->src_stride < 0 ? last : 0);
    highest = highest * (last + 1) + (dim->src_stride < 0 ? 0 : last);
    (dim->src_stride < 0 ? low : high) += reach;
    crowded = crowded || magnitude(dim->src_stride) < 4;
  }
  params.edge_rows[0] = low % 4 == 0 ? kNoRow : lowest;
  params.edge_rows[1] = high % 4 == 0 ? kNoRow : highest;
  params.bytes_only = crowded && (low % 4 != 0 || high % 4 != 0);
}

}  // namespace

bool prepare_row_words(Launch& launch, const Problem& problem) {
  constexpr int64_t kMaxRun = int64_t{1} << 30;  // indices within a row are 32-bit numbers
  if (!problem.has_run() || problem.run_bytes() > kMaxRun) return false;
  auto& params = params_of<RowWordsProgram::Params>(launch);
  if (!fill_outer(params.outer, problem.dims, problem.count - 1)) return false;
  const uint64_t words = words_of_row(problem);
  const uint64_t slots = words * static_cast<uint64_t>(problem.bytes / problem.run_bytes());
  if (slots > kMaxGrid - RowWordsProgram::kWordsPerBlock) return false;
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.run = static_cast<uint32_t>(problem.run_bytes());
  params.slots = static_cast<uint32_t>(slots);
  params.words = make_divider(static_cast<uint32_t>(words));
  find_edges(params, problem);
  set_kernel(launch, kKernels[0], (slots + RowWordsProgram::kWordsPerBlock - 1) / RowWordsProgram::kWordsPerBlock);
  return true;
}

std::span<const Kernel> row_words_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
