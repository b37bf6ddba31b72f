#include "device/kernels/tile.hpp"

#include <algorithm>

#include "device/kernels/families.hpp"
#include "device/kernels/reach.hpp"
#include "device/kernels/tile_bytes.hpp"
#include "device/kernels/tile_items.hpp"
#include "device/kernels/tile_words.hpp"
#include "runtime/stride_order.hpp"

namespace strideport::kernels {
namespace {

constexpr char kFamily = 'C';
constexpr Kernel kBytesKernels[] = {STRIDEPORT_TILE_BYTES_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr Kernel kItemsKernels[] = {STRIDEPORT_TILE_ITEMS_KERNELS(STRIDEPORT_LIST_KERNEL)};
constexpr Kernel kWordsKernels[] = {STRIDEPORT_TILE_WORDS_KERNELS(STRIDEPORT_LIST_KERNEL)};

// With fewer units of x, the loads of a kernel that goes unit by unit meet in few sectors too, and no thread of it is
// idle. With fewer units of y, such a kernel reads sectors up to that many times, and still beats a tile of idle
// threads.
constexpr int64_t kFewestX = 8;
constexpr int64_t kFewestY = 5;

/// A problem as a tile transpose: what is dense in dst, what is dense in src, and the rest.
struct TileProblem {
  int unit = 0;
  int item = 0;         ///< bytes that stay together: a unit, or three
  bool aligned = true;  ///< to the unit
  PlanDim x;
  PlanDim y;
  PlanDim outer[Problem::kMaxDims];
  int outer_count = 0;
  std::byte* dst;
  std::byte* src;

  TileProblem() noexcept {}
};

// The longest of `count` dimensions that is dense in src; -1 for none.
int dense_in_src(const PlanDim* dims, int count, int item) noexcept {
  int found = -1;
  for (int i = 0; i < count; ++i) {
    if (magnitude(dims[i].src_stride) != static_cast<uint64_t>(item)) continue;
    if (found < 0 || dims[i].extent > dims[found].extent) found = i;
  }
  return found;
}

// The number of dimensions around an item. A run of three units is one; a run of 2 or 4 bytes is a unit whose addresses
// are no multiples of it.
int take_item(TileProblem& tiles, const Problem& problem) noexcept {
  tiles.unit = tiles.item = problem.unit;
  if (!problem.has_run()) return problem.count;
  const int64_t run = problem.run_bytes();
  if (run == 3 * problem.unit) {
    tiles.item = 3 * problem.unit;
  } else if (run == 2 || run == 4) {
    tiles.unit = tiles.item = static_cast<int>(run);
    tiles.aligned = false;
  } else {
    return problem.count;
  }
  return problem.count - 1;
}

bool split(TileProblem& tiles, const Problem& problem) noexcept {
  const int inner = take_item(tiles, problem) - 1;
  if (inner < 1) return false;
  const PlanDim& x = problem.dims[inner];
  // A source that stands still along x is a broadcast.
  if (x.dst_stride != tiles.item || x.src_stride == 0) return false;
  if (magnitude(x.src_stride) == static_cast<uint64_t>(tiles.item)) return false;
  const int dense = dense_in_src(problem.dims, inner, tiles.item);
  if (dense < 0) return false;
  tiles.x = x;
  tiles.y = problem.dims[dense];
  tiles.dst = problem.dst;
  tiles.src = problem.src;
  if (tiles.y.src_stride < 0) {  // src rises along y; dst may fall
    tiles.dst = moved(tiles.dst, tiles.y.extent - 1, tiles.y.dst_stride);
    tiles.src = moved(tiles.src, tiles.y.extent - 1, tiles.y.src_stride);
    tiles.y.dst_stride = -tiles.y.dst_stride;
    tiles.y.src_stride = -tiles.y.src_stride;
  }
  for (int i = 0; i < inner; ++i) {
    if (i != dense) tiles.outer[tiles.outer_count++] = problem.dims[i];
  }
  return true;
}

// True if every row of src (of dst) begins at a multiple of `bytes`.
bool src_rows_at(const TileProblem& tiles, uint64_t bytes) noexcept {
  return ((alignment_bits(tiles.src, tiles.outer, tiles.outer_count, &PlanDim::src_stride) |
           static_cast<uint64_t>(tiles.x.src_stride)) %
          bytes) == 0;
}
bool dst_rows_at(const TileProblem& tiles, uint64_t bytes) noexcept {
  return ((alignment_bits(tiles.dst, tiles.outer, tiles.outer_count, &PlanDim::dst_stride) |
           static_cast<uint64_t>(tiles.y.dst_stride)) %
          bytes) == 0;
}

/// What there is to choose of a program.
struct TileShape {
  const Kernel& kernel;
  int64_t x;
  int64_t y;
  uint64_t load_bytes;  ///< of a vector load
};

template <class Program>
TileShape shape_of(const Kernel& kernel, uint64_t load_bytes) noexcept {
  return {kernel, Program::kX, Program::kY, load_bytes};
}

TileShape items_shape(int unit) noexcept {
  switch (unit) {
    case 1: return shape_of<TileItemsProgram<1>>(kItemsKernels[0], 1);
    case 2: return shape_of<TileItemsProgram<2>>(kItemsKernels[1], 2);
    case 4: return shape_of<TileItemsProgram<4>>(kItemsKernels[2], 4);
    case 8: return shape_of<TileItemsProgram<8>>(kItemsKernels[3], 8);
    default: return shape_of<TileItemsProgram<16>>(kItemsKernels[4], 16);
  }
}

TileShape shape_for(const TileProblem& tiles) noexcept {
  if (tiles.item != tiles.unit) return items_shape(tiles.unit);
  switch (tiles.unit) {
    case 1: return shape_of<TileBytesProgram<1>>(kBytesKernels[0], TileBytesProgram<1>::kVectorBytes);
    case 2: return shape_of<TileBytesProgram<2>>(kBytesKernels[1], TileBytesProgram<2>::kVectorBytes);
    case 4:
      return tiles.aligned ? shape_of<TileWordsProgram<4>>(kWordsKernels[0], 16)
                           : shape_of<TileBytesProgram<4>>(kBytesKernels[2], 16);
    case 8: return shape_of<TileWordsProgram<8>>(kWordsKernels[1], 16);
    default: return shape_of<TileWordsProgram<16>>(kWordsKernels[2], 16);
  }
}

bool fill(Launch& launch, const TileProblem& tiles, const TileShape& shape, AddressRange loadable) noexcept {
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
  params.src_begin = {reinterpret_cast<std::byte*>(loadable.begin)};
  params.src_end = {reinterpret_cast<std::byte*>(loadable.end)};
  set_kernel(launch, shape.kernel, static_cast<uint64_t>(grid));
  return true;
}

}  // namespace

bool prepare_tile(Launch& launch, const Problem& problem) {
  TileProblem tiles;
  if (!split(tiles, problem)) return false;
  if (tiles.x.extent < kFewestX || tiles.y.extent < kFewestY) return false;
  return fill(launch, tiles, shape_for(tiles), loadable_range(problem));
}

std::span<const Kernel> tile_bytes_kernels() noexcept { return kBytesKernels; }
std::span<const Kernel> tile_items_kernels() noexcept { return kItemsKernels; }
std::span<const Kernel> tile_words_kernels() noexcept { return kWordsKernels; }

}  // namespace strideport::kernels
