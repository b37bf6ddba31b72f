// The inner dimension of the kernel is the densest one of dst. The outer is the densest one of src where that is
// another (a transpose), else the next one of dst.
//
// The dimensions around it are walked in the order of dst. That is right as long as the kernel's block is large, or src
// has the same order. Five dimensions reversed, (48,28,28,28,48), have neither: a block is 48 rows of 192 bytes on
// either side, and the one that continues those rows of src comes 784 blocks later, when their pages have left the TLB
// and the lines at their ends the cache. So dimensions that lie close together, on either side, are walked in pieces,
// until the rows are long on both sides or the tile has its share of the second-level cache:
//
//     for the pieces of all dimensions, in the order of dst
//       for the indices within the pieces, in the order of dst
//         kernel
//
// On pages of 4 KiB that took a quarter off the time of those five dimensions, and 40 % off six of (32,15,15,15,15,32).
// Asking for the lines of the next block in advance took nothing off.

#include "runtime/host/walk.hpp"

#include <algorithm>
#include <utility>

#include "runtime/plan_steps.hpp"
#include "runtime/stride_order.hpp"

namespace strideport::host {
namespace {

// Runs as long as this are moved at nearly full speed wherever the next one lies.
constexpr int64_t kRunBytes = 1024;

// The payload of a tile. With runs of kRunBytes it needs 512 pages of either side at most.
constexpr int64_t kTileBytes = int64_t{512} << 10;

// Copies up to this are in the first-level cache, or soon will be: any order does.
constexpr int64_t kSmallBytes = int64_t{16} << 10;

// The dimension for the kernel's rows, or -1.
int choose_rows(const PlanDim* dims, int count, int64_t item) noexcept {
  if (count < 2) return -1;
  if (item > planning::kLongRunBytes) return count - 2;
  int best = count - 2;
  uint64_t densest = magnitude(dims[count - 1].src_stride);
  if (densest == 0) return best;
  for (int i = count - 2; i >= 0; --i) {
    const uint64_t stride = magnitude(dims[i].src_stride);
    if (stride == 0 || stride >= densest) continue;
    densest = stride;
    best = i;
  }
  return best;
}

// A transpose reads its rows forwards: then a reversed source is dense too.
void read_rows_forwards(Walk& walk) noexcept {
  Block& b = walk.block;
  const bool transposes = magnitude(b.src_row) < magnitude(b.src_column);
  if (b.src_row >= 0 || !transposes) return;
  walk.dst += (b.rows - 1) * b.dst_row;
  walk.src += (b.rows - 1) * b.src_row;
  b.dst_row = -b.dst_row;
  b.src_row = -b.src_row;
}

// Dimensions around the kernel, in the order of dst, and how many indices of each lie in one tile.
struct Tile {
  PlanDim dims[kMaxNdim + 1];
  int64_t piece[kMaxNdim + 1];
  int count = 0;
  int64_t bytes;

  explicit Tile(int64_t block_bytes) noexcept : bytes(block_bytes) {}  // the arrays stay uninitialised

  void add(const PlanDim& dim) noexcept {
    if (dim.extent == 1) return;  // a part of a dimension that is split over threads
    dims[count] = dim;
    piece[count++] = 1;
  }

  // Grows on both sides by turns.
  void grow() noexcept {
    for (bool grows = true; grows;) {
      grows = take(&PlanDim::dst_stride);
      grows = take(&PlanDim::src_stride) || grows;
    }
  }

 private:
  // Takes the next dimension of one side into the tile, as much of it as makes a run, in pieces of nearly the same
  // extent. False if there is none, or no room for two indices.
  bool take(int64_t PlanDim::*stride) noexcept {
    const int i = next_of(stride);
    if (i < 0) return false;
    const auto step = static_cast<int64_t>(magnitude(dims[i].*stride));
    const int64_t most = std::min((kRunBytes + step - 1) / step, kTileBytes / bytes);
    if (most < 2) return false;
    const int64_t pieces = (dims[i].extent + most - 1) / most;
    piece[i] = (dims[i].extent + pieces - 1) / pieces;
    bytes *= piece[i];
    return true;
  }

  // The densest dimension of one side that is not in the tile and whose indices lie less than kRunBytes apart, or -1.
  int next_of(int64_t PlanDim::*stride) const noexcept {
    int best = -1;
    uint64_t densest = kRunBytes;
    for (int i = count - 1; i >= 0; --i) {
      const uint64_t step = magnitude(dims[i].*stride);
      if (piece[i] != 1 || step == 0 || step >= densest) continue;
      densest = step;
      best = i;
    }
    return best;
  }
};

void append_loops(Walk& walk, const Tile& tile) noexcept {
  int over_pieces[kMaxNdim + 1];  // the loop over the pieces of a dimension
  for (int i = 0; i < tile.count; ++i) {
    const PlanDim& dim = tile.dims[i];
    const int64_t piece = tile.piece[i];
    const int64_t pieces = (dim.extent + piece - 1) / piece;
    over_pieces[i] = walk.count;
    if (pieces == 1) continue;
    const int64_t last = dim.extent - (pieces - 1) * piece;
    walk.loops[walk.count++] = {pieces, piece * dim.dst_stride, piece * dim.src_stride, -1, last};
  }
  for (int i = 0; i < tile.count; ++i) {
    const PlanDim& dim = tile.dims[i];
    if (tile.piece[i] == 1) continue;
    if (tile.piece[i] != dim.extent) walk.loops[over_pieces[i]].piece = walk.count;
    walk.loops[walk.count++] = {tile.piece[i], dim.dst_stride, dim.src_stride, -1, 0};
  }
}

// Entering the last piece, and coming back from it.
inline void change_piece(Walk& walk, Loop& loop) noexcept {
  if (loop.piece >= 0) std::swap(walk.loops[loop.piece].extent, loop.last);
}

}  // namespace

void arrange(Walk& walk, const PlanDim* dims, int count, int64_t item, int64_t bytes) noexcept {
  Block& b = walk.block;
  b.item = item;
  const PlanDim& inner = dims[count - 1];
  b.columns = inner.extent;
  b.dst_column = inner.dst_stride;
  b.src_column = inner.src_stride;
  const int rows = choose_rows(dims, count, item);
  if (rows < 0) return;
  b.rows = dims[rows].extent;
  b.dst_row = dims[rows].dst_stride;
  b.src_row = dims[rows].src_stride;
  read_rows_forwards(walk);
  if (count > 3 && bytes > kSmallBytes) {
    Tile tile(item * b.rows * b.columns);
    for (int i = 0; i + 1 < count; ++i) {
      if (i != rows) tile.add(dims[i]);
    }
    tile.grow();
    return append_loops(walk, tile);
  }
  for (int i = 0; i + 1 < count; ++i) {
    if (i != rows) walk.loops[walk.count++] = {dims[i].extent, dims[i].dst_stride, dims[i].src_stride, -1, 0};
  }
}

void walk_all(Walk& walk, Kernel kernel) {
  int64_t index[2 * (kMaxNdim + 1)];
  std::fill_n(index, walk.count, 0);
  std::byte* dst = walk.dst;
  const std::byte* src = walk.src;
  while (true) {
    kernel(dst, src, walk.block);
    int i = walk.count - 1;
    for (; i >= 0; --i) {
      Loop& loop = walk.loops[i];
      if (++index[i] < loop.extent) {
        dst += loop.dst_stride;
        src += loop.src_stride;
        if (index[i] + 1 == loop.extent) change_piece(walk, loop);
        break;
      }
      dst -= (loop.extent - 1) * loop.dst_stride;
      src -= (loop.extent - 1) * loop.src_stride;
      index[i] = 0;
      change_piece(walk, loop);
    }
    if (i < 0) return;
  }
}

}  // namespace strideport::host
