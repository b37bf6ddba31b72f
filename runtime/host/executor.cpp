// Direct plans: at most two dimensions go to a kernel, the others are walked around it, on one thread or several.

#include "runtime/host/executor.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/host/kernels.hpp"
#include "runtime/host/pool.hpp"
#include "runtime/host/walk.hpp"
#include "runtime/stride_order.hpp"
#include "strideport/copy.hpp"

namespace strideport::host {
namespace {

constexpr int64_t kBytesPerThread = int64_t{1} << 20;

// From here on source and destination together leave no room in a second-level cache. Streaming stores spare the
// reading of each destination line: transposes of 32 MiB and more took half the time, those of 4 to 6 MiB a third more.
constexpr int64_t kStreamBytes = int64_t{8} << 20;

// The same where every second item of src, or fewer, is read: then half the payload fills as much of the cache.
constexpr int64_t kStreamGappyBytes = int64_t{4} << 20;
constexpr int64_t kLineBytes = 64;

// The same where several threads repeat an item: 12 to 48 MiB took two threads 0.83 of the time by plain stores, 64 MiB
// 0.88, and 1.4 of it where other work had used the cache. One thread alone was as fast with 16 MiB and took 2.5 times
// as long with 64; repeated rows of 8 KiB took two threads 1.4 times as long with 16 MiB.
constexpr int64_t kStreamFillBytes = int64_t{32} << 20;

bool streams(const Block& b, int64_t bytes) noexcept {
  const bool fills = b.src_column == 0 && b.dst_column == b.item && b.item < kLineBytes && b.columns > 1;
  if (fills && threads_for(bytes) > 1) return bytes >= kStreamFillBytes;
  uint64_t densest = magnitude(b.src_column);
  if (b.rows > 1) densest = std::min(densest, magnitude(b.src_row));
  const bool gappy = b.item < kLineBytes && densest >= 2 * static_cast<uint64_t>(b.item);
  return bytes >= (gappy ? kStreamGappyBytes : kStreamBytes);
}

// Channels and the like, which a kernel takes together: 1080 x 1920 pixels of 4 bytes took 4 times as long by 2
// channels.
constexpr int64_t kFewIndices = 4;

// A dimension whose parts are alike, to an eighth, and of more than a few indices if there is one; of these the one
// whose indices lie farthest apart, on the side where they lie closer, and the outermost of equals: a cut through what
// follows itself there makes short runs of long ones. Else the longest.
int dimension_to_split(const Move& move, int threads) {
  int longest = 0;
  int best = -1;
  bool best_is_long = false;
  uint64_t farthest = 0;
  for (int i = 0; i < move.count; ++i) {
    const PlanDim& dim = move.dims[i];
    if (dim.extent > move.dims[longest].extent) longest = i;
    const int64_t largest_part = (dim.extent + threads - 1) / threads;
    const bool alike = 8 * (largest_part * threads - dim.extent) <= dim.extent;
    const uint64_t distance = std::min(magnitude(dim.dst_stride), magnitude(dim.src_stride));
    const bool is_long = dim.extent > kFewIndices;
    if (!alike || is_long < best_is_long) continue;
    if (best >= 0 && is_long == best_is_long && distance <= farthest) continue;
    best_is_long = is_long;
    farthest = distance;
    best = i;
  }
  return best >= 0 ? best : longest;
}

// Up to kStreamBytes the C library's memcpy is as fast as any loop; it streams too, on this machine from 181 MiB on.
void copy_run(std::byte* dst, const std::byte* src, int64_t run_bytes, int64_t bytes) {
  if (bytes < kStreamBytes) {
    std::memcpy(dst, src, static_cast<size_t>(run_bytes));
    return;
  }
  const Block block{.item = run_bytes, .streams = true};
  pick_kernel(block)(dst, src, block);
}

}  // namespace

void execute_serially(const Move& move, std::byte* dst, const std::byte* src) {
  int count = move.count;
  int64_t item = move.unit;
  if (count > 0 && move.dims[count - 1].dst_stride == item && move.dims[count - 1].src_stride == item) {
    item *= move.dims[--count].extent;
  }
  if (count == 0) return copy_run(dst, src, item, move.bytes);
  Walk walk(dst, src);
  arrange(walk, move.dims, count, item, move.bytes);
  walk.block.streams = streams(walk.block, move.bytes);
  walk_all(walk, pick_kernel(walk.block));
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
