// The inner dimension of the kernel is the densest one of dst. The outer is the densest one of src where that is
// another (a transpose), else the next one of dst.
//
// That is right as long as the kernel's block is large. Five dimensions reversed, (48,28,28,28,48), make 21952 blocks
// of 48 x 48 items: runs of 192 bytes on either side, and what continues them comes 28 or 784 blocks later. But the next
// dimension of src follows the rows of the kernel there without a gap, and the next of dst its columns. So a transpose
// takes them in, until its runs are long on both sides: it is then one of 1344 x 1344 items, whose rows lie in dst, and
// whose columns in src, where lists say. That took a third of the time, for six dimensions of 12 a quarter.
//
// Where that is not to be had, for gaps lie between or the items are no words, dimensions that lie close together, on
// either side, are walked in pieces, until the rows are long on both sides or the tile has its share of the
// second-level cache:
//
//     for the pieces of all dimensions, in the order of dst
//       for the indices within the pieces, in the order of dst
//         kernel
//
// All others are walked in the order of dst.

#include "runtime/host/walk.hpp"

#include <algorithm>
#include <utility>

#include "runtime/host/walk_sides.hpp"
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

// The runs that a kernel of several dimensions is to have on either side, and those that it must have. 1024 instead of
// 2048 took a quarter more time for (32,15,15,15,15,32), 512 half as much again for (12,12,12,12,12,12).
constexpr int64_t kMergedBytes = 2048;
constexpr int64_t kLeastMergedBytes = 128;

// The first where a second-level cache holds both sides: longer ones are as fast there without a stage.
constexpr int64_t kMergedInCacheBytes = 160;
constexpr int64_t kInCacheBytes = int64_t{1} << 20;

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
    walk.loops[walk.count++] = {pieces, piece * dim.dst_stride, piece * dim.src_stride, nullptr, last};
  }
  for (int i = 0; i < tile.count; ++i) {
    const PlanDim& dim = tile.dims[i];
    if (tile.piece[i] == 1) continue;
    if (tile.piece[i] != dim.extent) walk.loops[over_pieces[i]].piece = &walk.loops[walk.count].extent;
    walk.loops[walk.count++] = {tile.piece[i], dim.dst_stride, dim.src_stride, nullptr, 0};
  }
}

// The dimensions that are left for the loops, innermost first.
struct Left {
  PlanDim dims[kMaxNdim + 1];
  int count = 0;

  void remove(int i) noexcept { std::copy(dims + i + 1, dims + count--, dims + i); }
};

// One more dimension for the rows, or the columns, if one follows and the runs are not yet long.
bool extend(Side& side, Left& left, int64_t run_bytes) noexcept {
  if (side.run_bytes() >= run_bytes) return false;
  for (int i = 0; i < left.count; ++i) {
    if (!side.takes(left.dims[i])) continue;
    side.take(left.dims[i]);
    left.remove(i);
    return true;
  }
  return false;
}

// Lets the kernel have as many dimensions as make its runs long on both sides. False where it has all that it can use.
bool merge(Walk& walk, const PlanDim* dims, int count, int rows_dim, int64_t run_bytes) noexcept {
  Block& b = walk.block;
  const bool word = b.item <= 16 && (b.item & (b.item - 1)) == 0;
  if (!word || b.dst_column != b.item || b.src_row != b.item) return false;
  Side columns(&PlanDim::dst_stride, &PlanDim::src_stride, b.item);
  Side rows(&PlanDim::src_stride, &PlanDim::dst_stride, b.item);
  columns.take(dims[count - 1]);
  rows.take({b.rows, b.dst_row, b.src_row});
  Left left;
  for (int i = count - 2; i >= 0; --i) {
    if (i != rows_dim && dims[i].extent > 1) left.dims[left.count++] = dims[i];
  }
  const int loops = left.count;
  for (bool grows = true; grows;) {
    const bool columns_first = columns.extent() < rows.extent();
    grows = extend(columns_first ? columns : rows, left, run_bytes);
    grows = extend(columns_first ? rows : columns, left, run_bytes) || grows;
  }
  if (left.count == loops || std::min(columns.run_bytes(), rows.run_bytes()) < kLeastMergedBytes) return false;
  columns.begin(walk, b.columns);
  rows.begin(walk, b.rows);
  for (int i = left.count - 1; i >= 0; --i) {
    walk.loops[walk.count++] = {left.dims[i].extent, left.dims[i].dst_stride, left.dims[i].src_stride, nullptr, 0};
  }
  b.dst_row = rows.list(walk.dst_rows);
  columns.list(walk.src_columns);
  b.dst_rows = walk.dst_rows;
  b.src_columns = walk.src_columns;
  return true;
}

// Entering the last piece, and coming back from it.
inline void change_piece(Loop& loop) noexcept {
  if (loop.piece != nullptr) std::swap(*loop.piece, loop.last);
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
  const int64_t run_bytes = bytes < kInCacheBytes ? kMergedInCacheBytes : kMergedBytes;
  if (count > 2 && bytes > kSmallBytes && merge(walk, dims, count, rows, run_bytes)) return;
  if (count > 3 && bytes > kSmallBytes) {
    Tile tile(item * b.rows * b.columns);
    for (int i = 0; i + 1 < count; ++i) {
      if (i != rows) tile.add(dims[i]);
    }
    tile.grow();
    return append_loops(walk, tile);
  }
  for (int i = 0; i + 1 < count; ++i) {
    if (i != rows) walk.loops[walk.count++] = {dims[i].extent, dims[i].dst_stride, dims[i].src_stride, nullptr, 0};
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
        if (index[i] + 1 == loop.extent) change_piece(loop);
        break;
      }
      dst -= (loop.extent - 1) * loop.dst_stride;
      src -= (loop.extent - 1) * loop.src_stride;
      index[i] = 0;
      change_piece(loop);
    }
    if (i < 0) return;
  }
}

}  // namespace strideport::host
