#include "device/kernels/interleave.hpp"

#include <algorithm>

#include "device/kernels/families.hpp"
#include "device/kernels/reach.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'C';
constexpr Kernel kKernels[] = {STRIDEPORT_INTERLEAVE_KERNELS(STRIDEPORT_LIST_KERNEL)};

/// Pixels of a few channels on one side or both.
struct Pixels {
  Interleave way;
  int channels;
  int64_t pixels;
  int64_t plane;  ///< bytes from one plane to the next, on the side of planes
  std::byte* dst;
  std::byte* src;
  PlanDim outer[Problem::kMaxDims];
  int outer_count = 0;

  Pixels() noexcept {}
};

void take_outer(Pixels& pixels, const Problem& problem, int one, int other) noexcept {
  for (int i = 0; i < problem.count; ++i) {
    if (i != one && i != other) pixels.outer[pixels.outer_count++] = problem.dims[i];
  }
}

bool is_few(int64_t channels) noexcept { return channels >= 2 && channels <= 4; }

// The dimension that `is_wanted` of those outside of the innermost; -1 for none.
template <class IsWanted>
int find_dim(const Problem& problem, IsWanted is_wanted) noexcept {
  for (int i = problem.count - 2; i >= 0; --i) {
    if (is_wanted(problem.dims[i])) return i;
  }
  return -1;
}

bool find_split(Pixels& pixels, const Problem& problem) noexcept {
  const int64_t unit = problem.unit;
  const PlanDim& inner = problem.inner();
  if (inner.dst_stride != unit || inner.src_stride <= 0 || !is_few(inner.src_stride / unit)) return false;
  const int channel = find_dim(problem, [&](const PlanDim& dim) {
    return dim.extent * unit == inner.src_stride && (dim.src_stride == unit || dim.src_stride == -unit);
  });
  if (channel < 0) return false;
  const PlanDim& dim = problem.dims[channel];
  const bool reversed = dim.src_stride < 0;
  pixels.way = Interleave::split;
  pixels.channels = static_cast<int>(dim.extent);
  pixels.pixels = inner.extent;
  pixels.plane = reversed ? -dim.dst_stride : dim.dst_stride;
  pixels.dst = reversed ? moved(problem.dst, dim.extent - 1, dim.dst_stride) : problem.dst;
  pixels.src = reversed ? moved(problem.src, dim.extent - 1, dim.src_stride) : problem.src;
  take_outer(pixels, problem, channel, problem.count - 1);
  return true;
}

// The innermost dimension is that of channels in dst.
bool find_join(Pixels& pixels, const Problem& problem) noexcept {
  const int64_t unit = problem.unit;
  const PlanDim& inner = problem.inner();
  if (inner.dst_stride != unit || !is_few(inner.extent)) return false;
  const bool reverse = inner.src_stride == -unit;
  const int pixel = find_dim(problem, [&](const PlanDim& dim) {
    return dim.dst_stride == inner.extent * unit && dim.src_stride == (reverse ? inner.extent * unit : unit);
  });
  if (pixel < 0) return false;
  pixels.way = reverse ? Interleave::reverse : Interleave::join;
  pixels.channels = static_cast<int>(inner.extent);
  pixels.pixels = problem.dims[pixel].extent;
  pixels.plane = inner.src_stride;
  pixels.dst = problem.dst;
  pixels.src = reverse ? moved(problem.src, inner.extent - 1, inner.src_stride) : problem.src;
  take_outer(pixels, problem, pixel, problem.count - 1);
  return true;
}

bool fill(Launch& launch, const Pixels& pixels, int unit) noexcept {
  const int64_t in_tile = 256 * 16 / unit;
  // In a quarter of a tile most threads have nothing to do.
  if (pixels.pixels < in_tile / 4) return false;
  const int64_t tiles = (pixels.pixels - 1) / in_tile + 1;
  auto& params = params_of<InterleaveParams>(launch);
  if (tiles > static_cast<int64_t>(kMaxGrid)) return false;
  if (!fill_outer(params.outer, pixels.outer, pixels.outer_count)) return false;
  auto grid = static_cast<uint64_t>(tiles);
  for (int i = 0; i < pixels.outer_count; ++i) grid *= static_cast<uint64_t>(pixels.outer[i].extent);
  if (grid > kMaxGrid) return false;
  params.dst = {pixels.dst};
  params.src = {pixels.src};
  params.plane = pixels.plane;
  params.tiles = make_divider(static_cast<uint32_t>(tiles));
  params.last_pixels = static_cast<uint32_t>(pixels.pixels - (tiles - 1) * in_tile);
  const auto plane = static_cast<uint64_t>(pixels.plane);
  const bool dst_fits = alignment_bits(pixels.dst, pixels.outer, pixels.outer_count, &PlanDim::dst_stride) % 16 == 0;
  const bool src_fits = alignment_bits(pixels.src, pixels.outer, pixels.outer_count, &PlanDim::src_stride) % 16 == 0;
  switch (pixels.way) {
    case Interleave::split:
      params.pixel_vectors = src_fits;
      params.plane_vectors = dst_fits && plane % 16 == 0;
      break;
    case Interleave::join:
      params.pixel_vectors = dst_fits;
      params.plane_vectors = src_fits && plane % 16 == 0;
      break;
    case Interleave::reverse:
      params.pixel_vectors = dst_fits && src_fits;
      params.plane_vectors = 0;
      break;
  }
  const int by_unit = unit == 1 ? 0 : unit / 2;  // the order of STRIDEPORT_INTERLEAVE_KERNELS
  const auto number = static_cast<size_t>(static_cast<int>(pixels.way) * 9 + by_unit * 3 + pixels.channels - 2);
  set_kernel(launch, kKernels[number], grid);
  return true;
}

}  // namespace

bool prepare_interleave(Launch& launch, const Problem& problem) {
  if (problem.count < 2 || problem.unit > 4) return false;
  Pixels pixels;
  if (!find_join(pixels, problem) && !find_split(pixels, problem)) return false;
  return fill(launch, pixels, problem.unit);
}

std::span<const Kernel> interleave_kernels() noexcept { return kKernels; }

}  // namespace strideport::kernels
