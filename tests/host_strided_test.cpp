// Rows of items that lie apart, and rows of runs: every kernel of every instruction set that this machine runs, at all
// misalignments, with all tails, of both signs, at both ends of readable memory.

#include <gtest/gtest.h>

#include "runtime/host/rows_apart.hpp"
#include "tests/support/host_blocks.hpp"

namespace strideport::host {
namespace {

using simd::Target;
using testing::BlockMemory;
using testing::for_each_target;
using testing::one_in;
using testing::pick;
using testing::Place;
using testing::Random;

// At either end of the memory, as far from it as `misaligned` says.
Place place(Random& random, int64_t misaligned) { return {one_in(random, 2), misaligned}; }

// A block of few rows, `dst_items` and `src_items` apart; in every second, rows have gaps between them.
Block block_of(Random& random, int64_t item, int64_t dst_items, int64_t src_items, int64_t columns) {
  Block b;
  b.item = item;
  b.columns = columns;
  b.rows = pick(random, 1, 3);
  b.dst_column = dst_items * item;
  b.src_column = src_items * item;
  b.dst_row = columns * b.dst_column + (one_in(random, 2) ? pick(random, 0, 70) : 0);
  b.src_row = columns * (b.src_column < 0 ? -b.src_column : b.src_column) + pick(random, 1, 70);
  if (one_in(random, 4)) b.dst_row = -b.dst_row;
  if (one_in(random, 4)) b.src_row = -b.src_row;
  return b;
}

TEST(HostStrided, RowsOfEveryStrideMatchTheOdometer) {
  Random random = testing::seeded_random("HostStrided.RowsOfEveryStride");
  BlockMemory memory(random);
  const int64_t misalignments = testing::rounds(64);
  for_each_target(simd::kStridedPickers, [&](Target, const char* name, simd::Picker picker) {
    ASSERT_NE(picker, nullptr) << name;
    for (const int64_t item : {1, 2, 3, 4, 6, 8, 12, 16, 24}) {
      for (const int64_t dst_items : {1, 2, 3, 4}) {
        for (int64_t src_items = -5; src_items <= 5; ++src_items) {
          // Dense rows have the most ways to be moved.
          const int64_t step = dst_items == 1 ? 1 : 4;
          for (int64_t at = 0; at < misalignments && !HasFailure(); at += step) {
            const int64_t longest = 3 * 64 / item + 16;
            const Block b = block_of(random, item, dst_items, src_items, pick(random, 1, longest));
            const Kernel kernel = picker(b);
            ASSERT_NE(kernel, nullptr) << name << ": " << testing::text(b);
            memory.check(name, kernel, b, place(random, at), place(random, pick(random, 0, 63)));
          }
        }
      }
    }
  });
}

// Rows that are long enough for streaming stores, of which only whole lines may be written past the cache.
TEST(HostStrided, LongRowsThatStreamMatchTheOdometer) {
  Random random = testing::seeded_random("HostStrided.LongRowsThatStream");
  BlockMemory memory(random);
  const int64_t misalignments = testing::rounds(64);
  for_each_target(simd::kStridedPickers, [&](Target, const char* name, simd::Picker picker) {
    for (const int64_t item : {1, 2, 4, 8}) {
      for (int64_t src_items = -4; src_items <= 4; ++src_items) {
        for (int64_t at = 0; at < misalignments && !HasFailure(); ++at) {
          Block b = block_of(random, item, 1, src_items, pick(random, 300, 700) / item);
          b.streams = true;
          memory.check(name, picker(b), b, place(random, at), place(random, pick(random, 0, 63)));
        }
      }
    }
  });
}

// Items whose strides are no multiple of their size.
TEST(HostStrided, RowsOfOddStridesMatchTheOdometer) {
  Random random = testing::seeded_random("HostStrided.RowsOfOddStrides");
  BlockMemory memory(random);
  static constexpr int64_t kItems[] = {1, 2, 3, 4, 6, 8, 12, 16, 24};
  for_each_target(simd::kStridedPickers, [&](Target, const char* name, simd::Picker picker) {
    for (int64_t round = 0, n = testing::rounds(4000); round < n && !HasFailure(); ++round) {
      const int64_t item = kItems[round % static_cast<int64_t>(std::size(kItems))];
      Block b = block_of(random, item, 1, 1, pick(random, 1, 80));
      const bool same_gaps = one_in(random, 3);
      b.dst_column = same_gaps ? int64_t{4} << pick(random, 0, 4) : item + (one_in(random, 2) ? 0 : pick(random, 0, 9));
      if (b.dst_column < item) b.dst_column = item;
      b.src_column = same_gaps ? b.dst_column : pick(random, -70, 70);
      b.dst_row = b.columns * b.dst_column + pick(random, 0, 9);
      const Kernel kernel = picker(b);
      if (kernel == nullptr) continue;  // a transpose
      memory.check(name, kernel, b, place(random, pick(random, 0, 63)), place(random, pick(random, 0, 63)));
    }
  });
}

// Items that lie farther apart in dst than in src, at distances that divide a line.
TEST(HostStrided, RowsThatSpreadMatchTheOdometer) {
  Random random = testing::seeded_random("HostStrided.RowsThatSpread");
  BlockMemory memory(random);
  for_each_target(simd::kStridedPickers, [&](Target, const char* name, simd::Picker picker) {
    for (const int64_t item : {1, 2, 3, 4, 6, 8, 12, 16, 24}) {
      for (int64_t apart = 2; apart <= 64; apart *= 2) {
        for (int64_t at = 0, n = testing::rounds(64); at < n && apart > item && !HasFailure(); ++at) {
          Block b = block_of(random, item, 1, 1, pick(random, 1, 3 * 64 / apart + 20));
          b.dst_column = apart;
          b.dst_row = b.columns * apart + pick(random, 0, 9);
          b.src_column = item + (one_in(random, 2) ? 0 : pick(random, 0, apart - item + 2));
          b.src_row = b.columns * b.src_column + pick(random, 0, 9);
          const Kernel kernel = picker(b);
          if (kernel == nullptr) continue;  // a transpose
          memory.check(name, kernel, b, place(random, at), place(random, pick(random, 0, 63)));
        }
      }
    }
  });
}

TEST(HostRuns, OfEverySizeMatchTheOdometer) {
  Random random = testing::seeded_random("HostRuns.OfEverySize");
  BlockMemory memory(random);
  for_each_target(simd::kRunPickers, [&](Target, const char* name, simd::Picker picker) {
    ASSERT_NE(picker, nullptr) << name;
    for (int64_t item = 5; item <= 700 && !HasFailure(); ++item) {
      for (int64_t round = 0, n = testing::rounds(20); round < n; ++round) {
        Block b;
        b.item = item;
        const int64_t most = 20'000 / (item + 70);
        b.columns = pick(random, 1, std::min<int64_t>(most, 20));
        b.rows = pick(random, 1, std::min<int64_t>(most / b.columns, 30));
        const bool on_lines = item % 64 == 0 && one_in(random, 2);
        const auto gap = [&] { return one_in(random, 2) ? 0 : on_lines ? 64 : pick(random, 0, 9); };
        b.dst_column = item + gap();
        b.dst_row = b.columns * b.dst_column + gap();
        b.src_column = item + gap();
        b.src_row = b.columns * b.src_column;
        if (one_in(random, 2)) {  // a transpose
          b.src_row = item + gap();
          b.src_column = b.rows * b.src_row;
        }
        if (one_in(random, 4)) b.src_column = -b.src_column;
        if (one_in(random, 8)) b.src_column = 0;
        b.streams = one_in(random, 2);
        const Place to = on_lines ? Place{} : place(random, pick(random, 0, 63));
        const Kernel kernel = picker(b);
        if (kernel == nullptr) break;  // a size of the strided rows
        memory.check(name, kernel, b, to, place(random, pick(random, 0, 63)));
      }
    }
  });
}

// Runs of many pages, which streaming stores write four pages in turn.
TEST(HostRuns, OfManyPagesArriveWhole) {
  Random random = testing::seeded_random("HostRuns.OfManyPages");
  testing::Guarded dst(40);
  testing::Guarded src(40);
  for (std::byte* p = src.begin(); p != src.end(); ++p) *p = static_cast<std::byte>(random());
  std::vector<std::byte> expected(dst.size());
  for_each_target(simd::kRunPickers, [&](Target, const char* name, simd::Picker picker) {
    for (int64_t at = 0, n = testing::rounds(64); at < n && !HasFailure(); ++at) {
      const Block b{.item = pick(random, 64 << 10, 150 << 10), .streams = true};
      const int64_t from = pick(random, 0, 63);
      std::byte* const to = one_in(random, 2) ? dst.begin() + at : dst.end() - at - b.item;
      std::memset(dst.begin(), 0xA5, dst.size());
      std::fill(expected.begin(), expected.end(), std::byte{0xA5});
      const std::byte* const first = one_in(random, 2) ? src.begin() + from : src.end() - from - b.item;
      std::memcpy(expected.data() + (to - dst.begin()), first, static_cast<size_t>(b.item));
      picker(b)(to, first, b);
      EXPECT_EQ(std::memcmp(dst.begin(), expected.data(), expected.size()), 0)
          << name << ": " << b.item << " bytes, " << at << " bytes from an end";
    }
  });
}

// Rows that whole lines are put together from.
TEST(HostRuns, SideBySideMatchTheOdometer) {
  Random random = testing::seeded_random("HostRuns.SideBySide");
  BlockMemory memory(random);
  for_each_target(simd::kRunPickers, [&](Target, const char* name, simd::Picker picker) {
    for (int64_t at = 0, n = testing::rounds(64); at < n && !HasFailure(); ++at) {
      for (const int64_t item : {9, 20, 31, 40, 48, 64, 96, 100, 500, 513, 1000, 1023, 1024}) {
        Block b{.item = item, .streams = true};
        b.columns = pick(random, 1, 11'000 / item);
        b.dst_column = item;
        b.dst_row = b.columns * item + (one_in(random, 2) ? pick(random, 0, 70) : 0);
        b.rows = pick(random, 1, 12'000 / b.dst_row);
        const int64_t gap = pick(random, 0, 9);
        b.src_column = item + gap;
        b.src_row = b.columns * b.src_column;
        if (one_in(random, 2)) {  // a transpose
          b.src_row = item + gap;
          b.src_column = b.rows * b.src_row;
        }
        memory.check(name, picker(b), b, place(random, at), place(random, pick(random, 0, 63)));
      }
    }
  });
}

// Rows without and with gaps in them, in any order, at and around the distance at which they touch.
TEST(HostRowsApart, AnswersAsMarkedBytesDo) {
  Random random = testing::seeded_random("HostRowsApart.AnswersAsMarkedBytesDo");
  int shared = 0;
  for (int64_t round = 0, n = testing::rounds(4000); round < n && !HasFailure(); ++round) {
    const PlanDim dims[] = {{pick(random, 2, 4), pick(random, 4, 40), 0}, {pick(random, 1, 3), 4, 0}};
    const bool gaps = one_in(random, 2) && dims[0].dst_stride > 12;
    CopyPlan plan;
    plan.unit = 4;
    plan.dims.assign(gaps ? dims : dims + 1, gaps ? 2 : 1);
    std::vector<uintptr_t> starts;
    uintptr_t at = 1000;
    for (int64_t i = pick(random, 1, 12); i > 0; --i) {
      starts.push_back(at);
      at += static_cast<uintptr_t>(pick(random, one_in(random, 3) ? 0 : 13, one_in(random, 9) ? 3000 : 160));
    }
    for (size_t i = starts.size(); i > 1; --i) {
      std::swap(starts[i - 1], starts[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(i) - 1))]);
    }
    std::vector<int> writes(at + 4000);
    for (const uintptr_t start : starts) {
      for (int64_t i = 0; i < (gaps ? dims[0].extent : 1); ++i) {
        int* const run = writes.data() + start + i * dims[0].dst_stride;
        for (int64_t byte = 0; byte < 4 * dims[1].extent; ++byte) ++run[byte];
      }
    }
    const bool expected = *std::max_element(writes.begin(), writes.end()) > 1;
    shared += expected;
    EXPECT_EQ(rows_share_bytes(starts, plan), expected) << starts.size() << " rows, round " << round;
  }
  EXPECT_GT(shared, 0);
}

}  // namespace
}  // namespace strideport::host
