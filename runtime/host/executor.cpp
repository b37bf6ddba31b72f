// Direct plans: at most two dimensions go to a kernel, the others are walked around it.
//
// The inner dimension of the kernel is the densest one of dst. The outer is the densest one of src where that is
// another (a transpose), else the next one of dst.

#include "runtime/host/executor.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/host/kernels.hpp"
#include "runtime/host/pool.hpp"
#include "runtime/plan_steps.hpp"
#include "runtime/stride_order.hpp"
#include "strideport/copy.hpp"

namespace strideport::host {
namespace {

constexpr int64_t kBytesPerThread = int64_t{1} << 20;

// From here on source and destination together leave no room in a second-level cache. Streaming stores spare the
// reading of each destination line: transposes of 32 MiB and more took half the time, those of 4 to 6 MiB a third more.
constexpr int64_t kStreamBytes = int64_t{8} << 20;

struct Walk {
  Block block;
  PlanDim outer[kMaxNdim + 1];
  int count = 0;
  std::byte* dst;
  const std::byte* src;

  Walk(std::byte* to, const std::byte* from) noexcept : dst(to), src(from) {}
};

// The dimension for the kernel's rows, or -1.
int choose_rows(const PlanDim* dims, int count, int64_t item) {
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
void read_rows_forwards(Walk& walk) {
  Block& b = walk.block;
  const bool transposes = magnitude(b.src_row) < magnitude(b.src_column);
  if (b.src_row >= 0 || !transposes) return;
  walk.dst += (b.rows - 1) * b.dst_row;
  walk.src += (b.rows - 1) * b.src_row;
  b.dst_row = -b.dst_row;
  b.src_row = -b.src_row;
}

void arrange(Walk& walk, const PlanDim* dims, int count, int64_t item) {
  Block& b = walk.block;
  b.item = item;
  const PlanDim& inner = dims[count - 1];
  b.columns = inner.extent;
  b.dst_column = inner.dst_stride;
  b.src_column = inner.src_stride;
  const int rows = choose_rows(dims, count, item);
  if (rows >= 0) {
    b.rows = dims[rows].extent;
    b.dst_row = dims[rows].dst_stride;
    b.src_row = dims[rows].src_stride;
    read_rows_forwards(walk);
  }
  for (int i = 0; i + 1 < count; ++i) {
    if (i != rows) walk.outer[walk.count++] = dims[i];
  }
}

void walk_outer(const Walk& walk, Kernel kernel) {
  int64_t index[kMaxNdim + 1];
  std::fill_n(index, walk.count, 0);
  std::byte* dst = walk.dst;
  const std::byte* src = walk.src;
  while (true) {
    kernel(dst, src, walk.block);
    int i = walk.count - 1;
    for (; i >= 0; --i) {
      const PlanDim& dim = walk.outer[i];
      if (++index[i] < dim.extent) {
        dst += dim.dst_stride;
        src += dim.src_stride;
        break;
      }
      dst -= (dim.extent - 1) * dim.dst_stride;
      src -= (dim.extent - 1) * dim.src_stride;
      index[i] = 0;
    }
    if (i < 0) return;
  }
}

// The outermost dimension that feeds every thread, else the longest.
int dimension_to_split(const Move& move, int threads) {
  int longest = 0;
  for (int i = 0; i < move.count; ++i) {
    if (move.dims[i].extent >= threads) return i;
    if (move.dims[i].extent > move.dims[longest].extent) longest = i;
  }
  return longest;
}

}  // namespace

void execute_serially(const Move& move, std::byte* dst, const std::byte* src) {
  int count = move.count;
  int64_t item = move.unit;
  if (count > 0 && move.dims[count - 1].dst_stride == item && move.dims[count - 1].src_stride == item) {
    item *= move.dims[--count].extent;
  }
  if (count == 0) {
    std::memmove(dst, src, static_cast<size_t>(item));  // one block may overlap itself
    return;
  }
  Walk walk(dst, src);
  arrange(walk, move.dims, count, item);
  walk.block.streams = move.bytes >= kStreamBytes;
  walk_outer(walk, best_kernels()(walk.block));
}

int threads_for(int64_t bytes) noexcept {
  if (bytes < 2 * kBytesPerThread) return 1;
  return static_cast<int>(std::min<int64_t>(num_threads(), bytes / kBytesPerThread));
}

void execute(const Move& move, std::byte* dst, const std::byte* src) {
  const int threads = threads_for(move.bytes);
  if (threads == 1 || move.count == 0) return execute_serially(move, dst, src);
  const int split = dimension_to_split(move, threads);
  const PlanDim whole = move.dims[split];
  const int parts = static_cast<int>(std::min<int64_t>(threads, whole.extent));
  Pool::run(parts, [&](int part) {
    const int64_t begin = begin_of_part(whole.extent, parts, part);
    PlanDim dims[kMaxNdim + 1];
    std::copy_n(move.dims, move.count, dims);
    dims[split].extent = begin_of_part(whole.extent, parts, part + 1) - begin;
    execute_serially({dims, move.count, move.unit, move.bytes}, dst + begin * whole.dst_stride,
                     src + begin * whole.src_stride);
  });
}

}  // namespace strideport::host
