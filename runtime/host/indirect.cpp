// Copies through row pointers. A first pass follows every pointer, so that a null one, or two rows of dst on the same
// bytes, is refused before anything is written. It also learns whether a row of dst meets a row of src or one of the
// row pointers themselves: then all rows go through a temporary, and no pointer is followed again once dst is written
// to. Hulls settle that for ordinary images.

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/host/executor.hpp"
#include "runtime/host/pool.hpp"
#include "runtime/host/rows_apart.hpp"
#include "runtime/host_memory.hpp"
#include "runtime/indirection.hpp"
#include "runtime/plan_indirect.hpp"
#include "runtime/plan_steps.hpp"

namespace strideport::host {
namespace {

// Each block waits for the end of its streaming stores: of 64 MiB, rows of 16 KiB went from 0.95 to 1.12 of a plain
// copy with them, of 64 KiB to 1.47, those of 1 KiB from 0.64 to 0.39.
constexpr int64_t kFewestStreamed = int64_t{8} << 10;

using planning::ChainStep;
using planning::IndirectSplit;

struct Range {
  uintptr_t begin = std::numeric_limits<uintptr_t>::max();
  uintptr_t end = 0;

  void include(Range other) noexcept {
    begin = std::min(begin, other.begin);
    end = std::max(end, other.end);
  }
  bool meets(Range other) const noexcept { return begin < other.end && other.begin < end; }
  friend bool operator<(Range a, Range b) noexcept { return a.begin < b.begin; }
};

// Both ends of one block: addresses of its first units.
struct Ends {
  std::byte* dst;
  const std::byte* src;
};

class Blocks {
 public:
  Blocks(const CopyPlan& plan, const BufferView& dst, const BufferView& src)
      : plan_(plan),
        dst_(dst),
        src_(src),
        split_(planning::split_indirect(dst, src)),
        reach_(planning::reach_of(plan)) {}

  int64_t count() const noexcept { return split_.blocks; }

  // Calls visit(ends, number) for the blocks [begin, end), in order, and before that visit_pointer(range, of_dst) for
  // the place of each row pointer, of either side, that leads there.
  template <class Visit, class VisitPointer>
  void each(int64_t begin, int64_t end, Visit&& visit, VisitPointer&& visit_pointer) const {
    std::vector<int64_t> index(split_.extents.size());
    int64_t rest = begin;
    for (size_t i = index.size(); i-- > 0; rest /= split_.extents[i]) index[i] = rest % split_.extents[i];
    for (int64_t number = begin; number < end; ++number) {
      std::byte* const to = follow(split_.dst, dst_, index, [&](Range place) { visit_pointer(place, true); });
      const std::byte* const from = follow(split_.src, src_, index, [&](Range place) { visit_pointer(place, false); });
      visit(Ends{to + plan_.dst_offset, from + plan_.src_offset}, number);
      for (size_t i = index.size(); i-- > 0;) {
        if (++index[i] < split_.extents[i]) break;
        index[i] = 0;
      }
    }
  }
  template <class Visit>
  void each(int64_t begin, int64_t end, Visit&& visit) const {
    each(begin, end, visit, [](Range, bool) {});
  }

  Range dst_range(const Ends& ends) const noexcept {
    const auto at = reinterpret_cast<uintptr_t>(ends.dst);
    return {at, at + static_cast<uintptr_t>(reach_.dst_upper)};
  }
  Range src_range(const Ends& ends) const noexcept {
    const auto at = reinterpret_cast<uintptr_t>(ends.src);
    return {at + static_cast<uintptr_t>(reach_.src_lower), at + static_cast<uintptr_t>(reach_.src_upper)};
  }

 private:
  // Tells `visit_pointer` where each pointer lies.
  template <class VisitPointer>
  static std::byte* follow(const std::vector<ChainStep>& chain, const BufferView& view,
                           const std::vector<int64_t>& index, VisitPointer&& visit_pointer) {
    auto* at = static_cast<std::byte*>(view.buf());
    for (const ChainStep& step : chain) {
      if (step.loop >= 0) at += step.stride * index[static_cast<size_t>(step.loop)];
      if (step.suboffset < 0) continue;
      const auto place = reinterpret_cast<uintptr_t>(at);
      visit_pointer(Range{place, place + sizeof(void*)});
      at = static_cast<std::byte*>(follow_row_pointer(at, step.suboffset, view.device()));
    }
    return at;
  }

  const CopyPlan& plan_;
  const BufferView& dst_;
  const BufferView& src_;
  IndirectSplit split_;
  planning::Reach reach_;
};

void refuse_shared_rows(const CopyPlan& plan, const std::vector<Range>& rows) {
  std::vector<uintptr_t> starts;
  starts.reserve(rows.size());
  for (const Range& row : rows) starts.push_back(row.begin);
  if (!rows_share_bytes(std::move(starts), plan)) return;
  throw InvalidArgument(
      "dst overlaps itself: two of its row pointers (suboffsets) lead to the same bytes; copy into "
      "rows of their own");
}

bool any_meet(std::vector<Range> dst, std::vector<Range> src) {
  std::sort(dst.begin(), dst.end());
  std::sort(src.begin(), src.end());
  uintptr_t dst_end = 0;
  uintptr_t src_end = 0;
  for (size_t d = 0, s = 0; d < dst.size() || s < src.size();) {
    const bool take_dst = s == src.size() || (d < dst.size() && dst[d].begin <= src[s].begin);
    const Range next = take_dst ? dst[d++] : src[s++];
    if (next.begin < (take_dst ? src_end : dst_end)) return true;
    uintptr_t& end = take_dst ? dst_end : src_end;
    end = std::max(end, next.end);
  }
  return false;
}

struct Survey {
  std::vector<Ends> ends;  // of all blocks where the copy must go through a temporary
  bool staged = false;
};

// Follows every pointer, before anything is written.
Survey survey(const Blocks& blocks, const CopyPlan& plan, bool dst_indirect) {
  Range dst_hull;
  Range src_hull;
  Range pointer_hulls[2];  // apart: rows lie in mappings and pointers in a heap, and what is between them is others'
  bool ascending = true;
  blocks.each(
      0, blocks.count(),
      [&](const Ends& ends, int64_t) {
        const Range row = blocks.dst_range(ends);
        ascending = ascending && row.begin >= dst_hull.end;
        dst_hull.include(row);
        src_hull.include(blocks.src_range(ends));
      },
      [&](Range place, bool of_dst) { pointer_hulls[of_dst].include(place); });
  Survey result;
  const bool check_rows = dst_indirect && !ascending;
  const bool check_pairs =
      dst_hull.meets(src_hull) || dst_hull.meets(pointer_hulls[0]) || dst_hull.meets(pointer_hulls[1]);
  if (!check_rows && !check_pairs) return result;
  std::vector<Range> dst;
  std::vector<Range> read;
  blocks.each(
      0, blocks.count(),
      [&](const Ends& ends, int64_t) {
        dst.push_back(blocks.dst_range(ends));
        if (!check_pairs) return;
        read.push_back(blocks.src_range(ends));
        result.ends.push_back(ends);
      },
      [&](Range place, bool) {
        if (check_pairs) read.push_back(place);
      });
  if (check_rows) refuse_shared_rows(plan, dst);
  result.staged = check_pairs && any_meet(std::move(dst), std::move(read));
  return result;
}

// Follows the pointers of some blocks before the first of these is moved, and asks for their first lines.
class Lookahead {
 public:
  explicit Lookahead(const Blocks& blocks) noexcept : blocks_(blocks) {}

  template <class Visit>
  void add(const Ends& ends, Visit&& visit) {
    if (count_ == kBlocks) finish(visit);
    fetch_begin<0>(blocks_.src_range(ends));
    fetch_begin<1>(blocks_.dst_range(ends));
    ends_[count_++] = ends;
  }

  template <class Visit>
  void finish(Visit&& visit) {
    for (int i = 0; i < count_; ++i) visit(ends_[i]);
    count_ = 0;
  }

 private:
  static constexpr int kBlocks = 8;
  static constexpr uintptr_t kBytes = 512;

  template <int ForWrite>
  static void fetch_begin(Range range) noexcept {
    const uintptr_t end = std::min(range.end, range.begin + kBytes);
    for (uintptr_t at = range.begin; at < end; at += 64) {
      __builtin_prefetch(reinterpret_cast<const void*>(at), ForWrite);
    }
  }

  const Blocks& blocks_;
  Ends ends_[kBlocks];
  int count_ = 0;
};

// Does `move_blocks(begin, end)` for all of `count` blocks, on as many threads as the bytes deserve.
template <class MoveBlocks>
void for_all(int64_t count, int threads, MoveBlocks&& move_blocks) {
  if (threads == 1 || count < threads) return move_blocks(int64_t{0}, count);
  Pool::run(threads, [&](int part) {
    move_blocks(begin_of_part(count, threads, part), begin_of_part(count, threads, part + 1));
  });
}

}  // namespace

void check_indirect(const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  (void)survey(Blocks(plan, dst, src), plan, dst.has_suboffsets());
}

void run_indirect(const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  const Blocks blocks(plan, dst, src);
  const Survey found = survey(blocks, plan, dst.has_suboffsets());
  const int threads = threads_for(plan.bytes);
  const int64_t block_bytes = plan.bytes / plan.blocks;
  if (!found.staged) {
    // Few blocks of many bytes: the threads share each of them.
    const bool split_blocks = threads > 1 && blocks.count() < threads;
    const bool streams = block_bytes >= kFewestStreamed;
    const Move move{plan.dims.data(), plan.dims.size(), plan.unit, streams ? plan.bytes : block_bytes};
    for_all(blocks.count(), threads, [&](int64_t begin, int64_t end) {
      Lookahead ahead(blocks);
      blocks.each(begin, end, [&](const Ends& ends, int64_t) {
        if (split_blocks) return execute(move, ends.dst, ends.src);
        ahead.add(ends, [&move](const Ends& e) { execute_serially(move, e.dst, e.src); });
      });
      ahead.finish([&move](const Ends& e) { execute_serially(move, e.dst, e.src); });
    });
    return;
  }
  planning::Dims pack;
  planning::Dims unpack;
  planning::split_through_temporary(plan, pack, unpack);
  const std::shared_ptr<void> memory = allocate_host(plan.bytes);
  auto* const temporary = static_cast<std::byte*>(memory.get());
  const Move gather{pack.at, pack.count, plan.unit, block_bytes};
  const Move scatter{unpack.at, unpack.count, plan.unit, block_bytes};
  for_all(blocks.count(), threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      execute_serially(gather, temporary + i * block_bytes, found.ends[static_cast<size_t>(i)].src);
    }
  });
  for_all(blocks.count(), threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      execute_serially(scatter, found.ends[static_cast<size_t>(i)].dst, temporary + i * block_bytes);
    }
  });
}

}  // namespace strideport::host
