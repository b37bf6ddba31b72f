// Copies through row pointers. A first pass follows every pointer, so that a null one, or two rows of dst on the same
// bytes, is refused before anything is written; it also learns whether rows of src and dst share bytes, in which case all
// rows go through a temporary. Address ranges settle that for ordinary images; exact questions are asked only of rows
// whose ranges meet.

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/host/executor.hpp"
#include "runtime/host/pool.hpp"
#include "runtime/host/rows_apart.hpp"
#include "runtime/indirection.hpp"
#include "runtime/plan_indirect.hpp"
#include "runtime/plan_steps.hpp"

namespace strideport::host {
namespace {

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
      : plan_(plan), dst_(dst), src_(src), split_(planning::split_indirect(dst, src)), reach_(planning::reach_of(plan)) {}

  int64_t count() const noexcept { return split_.blocks; }

  // Calls visit(ends, number) for the blocks [begin, end), in order.
  template <class Visit>
  void each(int64_t begin, int64_t end, Visit&& visit) const {
    std::vector<int64_t> index(split_.extents.size());
    int64_t rest = begin;
    for (size_t i = index.size(); i-- > 0; rest /= split_.extents[i]) index[i] = rest % split_.extents[i];
    for (int64_t number = begin; number < end; ++number) {
      visit(Ends{follow(split_.dst, dst_, index) + plan_.dst_offset, follow(split_.src, src_, index) + plan_.src_offset},
            number);
      for (size_t i = index.size(); i-- > 0;) {
        if (++index[i] < split_.extents[i]) break;
        index[i] = 0;
      }
    }
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
  static std::byte* follow(const std::vector<ChainStep>& chain, const BufferView& view,
                           const std::vector<int64_t>& index) {
    auto* at = static_cast<std::byte*>(view.buf());
    for (const ChainStep& step : chain) {
      if (step.loop >= 0) at += step.stride * index[static_cast<size_t>(step.loop)];
      if (step.suboffset >= 0) at = static_cast<std::byte*>(follow_row_pointer(at, step.suboffset, view.device()));
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
  throw InvalidArgument("dst overlaps itself: two of its row pointers (suboffsets) lead to the same bytes; copy into "
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

// Follows every pointer once. Returns true if the copy must go through a temporary.
bool survey(const Blocks& blocks, const CopyPlan& plan, bool dst_indirect) {
  Range dst_hull;
  Range src_hull;
  bool ascending = true;
  blocks.each(0, blocks.count(), [&](const Ends& ends, int64_t) {
    const Range row = blocks.dst_range(ends);
    ascending = ascending && row.begin >= dst_hull.end;
    dst_hull.include(row);
    src_hull.include(blocks.src_range(ends));
  });
  const bool check_rows = dst_indirect && !ascending;
  const bool check_pairs = dst_hull.meets(src_hull);
  if (!check_rows && !check_pairs) return false;
  std::vector<Range> dst;
  std::vector<Range> src;
  blocks.each(0, blocks.count(), [&](const Ends& ends, int64_t) {
    dst.push_back(blocks.dst_range(ends));
    if (check_pairs) src.push_back(blocks.src_range(ends));
  });
  if (check_rows) refuse_shared_rows(plan, dst);
  return check_pairs && any_meet(std::move(dst), std::move(src));
}

// Does `move(ends, number)` for all blocks, on as many threads as the bytes deserve.
template <class MoveBlock>
void for_all(const Blocks& blocks, int threads, MoveBlock&& move_block) {
  if (threads == 1 || blocks.count() < threads) return blocks.each(0, blocks.count(), move_block);
  Pool::run(threads, [&](int part) {
    blocks.each(begin_of_part(blocks.count(), threads, part), begin_of_part(blocks.count(), threads, part + 1),
                move_block);
  });
}

}  // namespace

void run_indirect(const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  const Blocks blocks(plan, dst, src);
  const bool staged = survey(blocks, plan, dst.has_suboffsets());
  const int threads = threads_for(plan.bytes);
  const int64_t block_bytes = plan.bytes / plan.blocks;
  if (!staged) {
    // Few blocks of many bytes: the threads share each of them.
    const bool split_blocks = threads > 1 && blocks.count() < threads;
    const Move move{plan.dims.data(), plan.dims.size(), plan.unit, block_bytes};
    for_all(blocks, threads, [&](const Ends& ends, int64_t) {
      split_blocks ? execute(move, ends.dst, ends.src) : execute_serially(move, ends.dst, ends.src);
    });
    return;
  }
  planning::Dims pack;
  planning::Dims unpack;
  planning::split_through_temporary(plan, pack, unpack);
  const std::unique_ptr<std::byte[]> temporary(new std::byte[static_cast<size_t>(plan.bytes)]);
  const Move gather{pack.at, pack.count, plan.unit, block_bytes};
  const Move scatter{unpack.at, unpack.count, plan.unit, block_bytes};
  for_all(blocks, threads, [&](const Ends& ends, int64_t number) {
    execute_serially(gather, temporary.get() + number * block_bytes, ends.src);
  });
  for_all(blocks, threads, [&](const Ends& ends, int64_t number) {
    execute_serially(scatter, ends.dst, temporary.get() + number * block_bytes);
  });
}

}  // namespace strideport::host
