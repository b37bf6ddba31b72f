#include "device/kernels/tile.hpp"

#include "device/kernels/families.hpp"
#include "device/kernels/tile_words.hpp"
#include "runtime/stride_order.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'C';
constexpr Kernel kWordsKernels[] = {STRIDEPORT_TILE_WORDS_KERNELS(STRIDEPORT_LIST_KERNEL)};

// A dimension that is shorter than a sector leaves most of a tile's threads without work.
constexpr int64_t kShortestSegmentBytes = 32;

/// A problem as a tile transpose: what is dense in dst, what is dense in src, and the rest.
struct TileProblem {
  PlanDim x;
  PlanDim y;
  PlanDim outer[Problem::kMaxDims];
  int outer_count = 0;
  std::byte* dst;
  std::byte* src;

  TileProblem() noexcept {}
};

std::byte* moved(std::byte* address, int64_t steps, int64_t stride) noexcept {
  return reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(address) +
                                      static_cast<uintptr_t>(steps) * static_cast<uintptr_t>(stride));
}

// The longest dimension but the innermost that is dense in src; -1 for none.
int dense_in_src(const Problem& problem) noexcept {
  int found = -1;
  for (int i = 0; i + 1 < problem.count; ++i) {
    if (magnitude(problem.dims[i].src_stride) != static_cast<uint64_t>(problem.unit)) continue;
    if (found < 0 || problem.dims[i].extent > problem.dims[found].extent) found = i;
  }
  return found;
}

bool split(TileProblem& tiles, const Problem& problem) noexcept {
  if (problem.count < 2 || problem.inner().dst_stride != problem.unit) return false;
  if (magnitude(problem.inner().src_stride) == static_cast<uint64_t>(problem.unit)) return false;
  const int dense = dense_in_src(problem);
  if (dense < 0) return false;
  tiles.x = problem.inner();
  tiles.y = problem.dims[dense];
  tiles.dst = problem.dst;
  tiles.src = problem.src;
  if (tiles.y.src_stride < 0) {  // src rises along y; dst may fall
    tiles.dst = moved(tiles.dst, tiles.y.extent - 1, tiles.y.dst_stride);
    tiles.src = moved(tiles.src, tiles.y.extent - 1, tiles.y.src_stride);
    tiles.y.dst_stride = -tiles.y.dst_stride;
    tiles.y.src_stride = -tiles.y.src_stride;
  }
  for (int i = 0; i + 1 < problem.count; ++i) {
    if (i != dense) tiles.outer[tiles.outer_count++] = problem.dims[i];
  }
  return true;
}

uint64_t address_bits(const std::byte* address) noexcept { return reinterpret_cast<uintptr_t>(address); }

// True if every row of src (of dst) begins at a multiple of `bytes`.
bool src_rows_at(const TileProblem& tiles, uint64_t bytes) noexcept {
  uint64_t bits = address_bits(tiles.src) | static_cast<uint64_t>(tiles.x.src_stride);
  for (int i = 0; i < tiles.outer_count; ++i) bits |= static_cast<uint64_t>(tiles.outer[i].src_stride);
  return bits % bytes == 0;
}
bool dst_rows_at(const TileProblem& tiles, uint64_t bytes) noexcept {
  uint64_t bits = address_bits(tiles.dst) | static_cast<uint64_t>(tiles.y.dst_stride);
  for (int i = 0; i < tiles.outer_count; ++i) bits |= static_cast<uint64_t>(tiles.outer[i].dst_stride);
  return bits % bytes == 0;
}

/// What there is to choose of a program.
struct TileShape {
  const Kernel& kernel;
  int64_t x;
  int64_t y;
  uint64_t load_bytes;  ///< of a vector load
};

template <uint32_t kUnit>
TileShape words_shape(size_t number) noexcept {
  using Program = TileWordsProgram<kUnit>;
  return {kWordsKernels[number], Program::kX, Program::kY, 16};
}

TileShape shape_for(int unit) noexcept {
  if (unit == 4) return words_shape<4>(0);
  if (unit == 8) return words_shape<8>(1);
  return words_shape<16>(2);
}

bool fill(Launch& launch, const TileProblem& tiles, const TileShape& shape) noexcept {
  const int64_t tiles_x = (tiles.x.extent - 1) / shape.x + 1;
  const int64_t tiles_y = (tiles.y.extent - 1) / shape.y + 1;
  constexpr auto kMost = static_cast<int64_t>(kMaxGrid);
  if (tiles_x > kMost || tiles_y > kMost / tiles_x) return false;
  auto& params = params_of<TileParams>(launch);
  if (!fill_outer(params.outer, tiles.outer, tiles.outer_count)) return false;
  int64_t grid = tiles_x * tiles_y;
  for (int i = 0; i < tiles.outer_count; ++i) {
    if (__builtin_mul_overflow(grid, tiles.outer[i].extent, &grid) || grid > kMost) return false;
  }
  params.dst = {tiles.dst};
  params.src = {tiles.src};
  params.dst_y = tiles.y.dst_stride;
  params.src_x = tiles.x.src_stride;
  params.tiles_x = make_divider(static_cast<uint32_t>(tiles_x));
  params.tiles_y = make_divider(static_cast<uint32_t>(tiles_y));
  params.last_x = static_cast<uint32_t>(tiles.x.extent - (tiles_x - 1) * shape.x);
  params.last_y = static_cast<uint32_t>(tiles.y.extent - (tiles_y - 1) * shape.y);
  params.vector_load = src_rows_at(tiles, shape.load_bytes);
  params.vector_store = dst_rows_at(tiles, 16);
  set_kernel(launch, shape.kernel, static_cast<uint64_t>(grid));
  return true;
}

}  // namespace

bool prepare_tile(Launch& launch, const Problem& problem) {
  TileProblem tiles;
  if (problem.unit < 4 || !split(tiles, problem)) return false;
  const int64_t shortest = std::max<int64_t>(1, kShortestSegmentBytes / problem.unit);
  if (tiles.x.extent < shortest || tiles.y.extent < shortest) return false;
  return fill(launch, tiles, shape_for(problem.unit));
}

std::span<const Kernel> tile_words_kernels() noexcept { return kWordsKernels; }

}  // namespace strideport::kernels
