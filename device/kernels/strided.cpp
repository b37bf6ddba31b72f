#include <algorithm>

#include "device/kernels/families.hpp"
#include "device/kernels/reach.hpp"
#include "device/kernels/strided_units.hpp"
#include "device/kernels/strided_vectors.hpp"

namespace strideport::kernels {
namespace {

namespace scatter {
constexpr char kFamily = 'E';
constexpr Kernel kUnitsKernels[] = {STRIDEPORT_STRIDED_UNITS_KERNELS(STRIDEPORT_LIST_KERNEL)};
}  // namespace scatter

constexpr char kFamily = 'D';
constexpr Kernel kUnitsKernels[] = {STRIDEPORT_STRIDED_UNITS_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr Kernel kVectorsKernels[] = {STRIDEPORT_STRIDED_VECTORS_KERNELS(STRIDEPORT_LIST_KERNEL)};

// Two warps' worth: in shorter rows too many lanes would have nothing to do.
constexpr int64_t kShortestRow = 64;
// What 32 lanes move at least; with vectors, shorter rows are mostly ends.
constexpr int64_t kShortestRowOfVectors = 1024;

/// A kernel that makes vectors, and what it is for.
struct VectorsKernel {
  int unit;
  int64_t src_step;  ///< bytes
  uint32_t units_per_thread;
};

template <uint32_t kUnit, uint32_t kStep, bool kBackwards>
constexpr VectorsKernel describe(StridedVectorsProgram<kUnit, kStep, kBackwards>) noexcept {
  constexpr auto kBytes = static_cast<int64_t>(kUnit * kStep);
  return {kUnit, kBackwards ? -kBytes : kBytes, StridedVectorsProgram<kUnit, kStep, kBackwards>::kUnitsPerThread};
}
#define STRIDEPORT_DESCRIBE(name, ...) describe(__VA_ARGS__()),
constexpr VectorsKernel kVectors[] = {STRIDEPORT_STRIDED_VECTORS_KERNELS(STRIDEPORT_DESCRIBE)};
#undef STRIDEPORT_DESCRIBE

/// Lays rows of `nx` units over blocks, of threads that move `units_per_thread` each; `before`: units that tiles may
/// begin ahead of a row.
bool fill(Launch& launch, const Problem& problem, const Kernel& kernel, uint32_t units_per_thread, int64_t before) {
  const PlanDim& inner = problem.inner();
  auto& params = params_of<RowTilesParams>(launch);
  if (!fill_outer(params.outer, problem.dims, problem.count - 1)) return false;
  uint64_t rows = 1;
  for (int i = 0; i + 1 < problem.count; ++i) rows *= static_cast<uint64_t>(problem.dims[i].extent);
  const int64_t length = inner.extent + before;
  params.lanes_log2 = 5;
  while (params.lanes_log2 < 8 && (int64_t{units_per_thread} << params.lanes_log2) < length) ++params.lanes_log2;
  const int64_t tile = int64_t{units_per_thread} << params.lanes_log2;
  const auto tiles_x = static_cast<uint64_t>((length - 1) / tile + 1);
  const uint64_t rows_per_block = uint64_t{256} >> params.lanes_log2;
  const uint64_t groups = (rows - 1) / rows_per_block + 1;
  if (tiles_x > kMaxGrid / groups) return false;
  params.dst = {problem.dst};
  params.src = {problem.src};
  params.dst_x = inner.dst_stride;
  params.src_x = inner.src_stride;
  params.nx = inner.extent;
  params.tiles_x = make_divider(static_cast<uint32_t>(tiles_x));
  params.rows = static_cast<uint32_t>(rows);
  params.vectors = 0;
  params.src_begin = params.src_end = params.src;
  set_kernel(launch, kernel, tiles_x * groups);
  return true;
}

// True if every window of src begins, and every row of dst too, where a vector may.
bool vectors_fit(const Problem& problem) noexcept {
  const PlanDim& inner = problem.inner();
  std::byte* const lowest = inner.src_stride < 0 ? problem.src - inner.src_stride : problem.src;
  const int outer = problem.count - 1;
  const uint64_t bits = alignment_bits(problem.dst, problem.dims, outer, &PlanDim::dst_stride) |
                        alignment_bits(lowest, problem.dims, outer, &PlanDim::src_stride);
  return bits % 16 == 0;
}

bool prepare_vectors(Launch& launch, const Problem& problem) {
  const PlanDim& inner = problem.inner();
  if (inner.dst_stride != problem.unit || inner.extent * problem.unit < kShortestRowOfVectors) return false;
  const AddressRange loadable = loadable_range(problem);
  if (loadable.begin == loadable.end) return false;
  for (size_t i = 0; i < std::size(kVectors); ++i) {
    if (kVectors[i].unit != problem.unit || kVectors[i].src_step != inner.src_stride) continue;
    const bool aligned = alignment_bits(problem.dst, problem.dims, problem.count - 1, &PlanDim::dst_stride) % 16 == 0;
    if (!fill(launch, problem, kVectorsKernels[i], kVectors[i].units_per_thread, aligned ? 0 : 16 / problem.unit - 1)) {
      return false;
    }
    auto& params = *std::launder(reinterpret_cast<RowTilesParams*>(launch.params));
    params.vectors = vectors_fit(problem);
    params.src_begin = {reinterpret_cast<std::byte*>(loadable.begin)};
    params.src_end = {reinterpret_cast<std::byte*>(loadable.end)};
    return true;
  }
  return false;
}

template <uint32_t kUnit>
bool fill_units(Launch& launch, const Problem& problem, size_t number) {
  const Kernel* kernels = problem.inner().dst_stride == problem.unit ? kUnitsKernels : scatter::kUnitsKernels;
  return fill(launch, problem, kernels[number], StridedUnitsProgram<kUnit>::kUnitsPerThread, 0);
}

}  // namespace

bool prepare_strided(Launch& launch, const Problem& problem) {
  if (problem.count == 0 || problem.has_run() || problem.inner().extent < kShortestRow) return false;
  if (problem.inner().src_stride == 0) return false;  // a broadcast
  if (prepare_vectors(launch, problem)) return true;
  switch (problem.unit) {
    case 1: return fill_units<1>(launch, problem, 0);
    case 2: return fill_units<2>(launch, problem, 1);
    case 4: return fill_units<4>(launch, problem, 2);
    case 8: return fill_units<8>(launch, problem, 3);
    default: return fill_units<16>(launch, problem, 4);
  }
}

std::span<const Kernel> strided_units_kernels() noexcept { return kUnitsKernels; }
std::span<const Kernel> strided_vectors_kernels() noexcept { return kVectorsKernels; }

}  // namespace strideport::kernels
