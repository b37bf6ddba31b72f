// The host's instruction sets, and the transposes under each of them: all misalignments, all tails, in memory that ends
// where a page ends.

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "runtime/host/simd/target.hpp"
#include "strideport/error.hpp"
#include "tests/support/host_copied.hpp"
#include "tests/support/seed.hpp"

namespace strideport::host {
namespace {

using simd::Target;
using testing::Guarded;
using testing::Span;

class Targets : public ::testing::Test {
 protected:
  ~Targets() override { simd::set_target(before_); }

 private:
  const Target before_ = simd::target();
};

TEST_F(Targets, AreThoseOfThisMachineBestFirst) {
  const auto targets = simd::targets();
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(targets.back(), Target::plain);
  EXPECT_TRUE(std::is_sorted(targets.begin(), targets.end()));
  for (const Target target : targets) {
    simd::set_target(target);
    EXPECT_EQ(simd::target(), target) << simd::name(target);
  }
}

TEST_F(Targets, OfOtherMachinesAreRefused) {
  const Target before = simd::target();
  for (int i = 0; i < simd::kTargets; ++i) {
    const auto target = static_cast<Target>(i);
    if (std::ranges::find(simd::targets(), target) != simd::targets().end()) continue;
    EXPECT_THROW(simd::set_target(target), InvalidArgument) << simd::name(target);
    EXPECT_EQ(simd::target(), before);
  }
}

class Transposes : public Targets {
 protected:
  Transposes() {
    testing::Random random = testing::seeded_random("transposes");
    for (std::byte* p = src_memory_.begin(); p != src_memory_.end(); ++p) *p = static_cast<std::byte>(random());
  }

  // Calls check(item) under every target for every item size that has a loop.
  template <class Check>
  void each_target_and_item(Check&& check) {
    for (const Target target : simd::targets()) {
      SCOPED_TRACE(simd::name(target));
      simd::set_target(target);
      for (const int64_t item : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}) {
        check(item);
        if (HasFailure()) return;
      }
    }
  }

  // Rows apart by whole lines, or with nothing between them.
  static Block block(int64_t rows, int64_t columns, int64_t item, bool whole_lines, bool streams) {
    Block b;
    b.rows = rows;
    b.columns = columns;
    b.item = item;
    b.dst_column = item;
    b.dst_row = whole_lines ? (columns * item + 63) / 64 * 64 : columns * item;
    b.src_row = item;
    b.src_column = rows * item;
    b.streams = streams;
    return b;
  }

  // Calls check(block) for all four combinations of what the tests let vary.
  template <class Check>
  void each_block(int64_t rows, int64_t columns, int64_t item, Check&& check) {
    for (const bool whole_lines : {true, false}) {
      for (const bool streams : {true, false}) check(block(rows, columns, item, whole_lines, streams));
    }
  }

  void at_the_end(const Block& b) {
    testing::expect_copied(b, dst_memory_.end() - testing::dst_span(b).upper,
                           src_memory_.end() - testing::src_span(b).upper, dst_memory_);
  }

  const Guarded src_memory_{400};
  const Guarded dst_memory_{400};
};

TEST_F(Transposes, HaveNoColumnTooFewOrTooMany) {
  each_target_and_item([&](int64_t item) {
    const int64_t tile = 192 / item;
    const bool word = (item & (item - 1)) == 0 && item <= 16;
    const int64_t rows = word ? 40 : 520 / item + 9;
    for (int64_t columns = 512 / item; columns <= 512 / item + tile + 1 && !HasFailure(); ++columns) {
      each_block(rows, columns, item, [&](const Block& b) { at_the_end(b); });
    }
    for (int64_t columns = 1; columns <= 70 && !HasFailure(); ++columns) {
      each_block(20, columns, item, [&](const Block& b) { at_the_end(b); });
    }
  });
}

TEST_F(Transposes, HaveNoRowTooFewOrTooMany) {
  each_target_and_item([&](int64_t item) {
    const int64_t columns = 560 / item;
    const int64_t tiles = 2 * 384 / item;
    for (int64_t rows = 1; rows <= 40 && !HasFailure(); ++rows) {
      each_block(rows, columns, item, [&](const Block& b) { at_the_end(b); });
    }
    for (int64_t rows = tiles - 1; rows <= tiles + 17 && !HasFailure(); ++rows) {
      each_block(rows, columns, item, [&](const Block& b) { at_the_end(b); });
    }
    each_block(1100, columns, item, [&](const Block& b) { at_the_end(b); });  // more rows than a band
  });
}

TEST_F(Transposes, BeginAtAnyByte) {
  each_target_and_item([&](int64_t item) {
    for (int64_t shift = 0; shift < 64 && !HasFailure(); shift += testing::kSanitized ? 5 : 1) {
      each_block(600 / item + 5, 560 / item, item, [&](Block b) {
        testing::expect_copied(b, dst_memory_.begin() + shift, src_memory_.begin() + (shift * 5 + 1) % 64, dst_memory_);
        // Upwards, and with a gap that no item fills.
        b.dst_row = -(b.dst_row + shift);
        b.src_column += 3;
        const Span span = testing::dst_span(b);
        testing::expect_copied(b, dst_memory_.begin() - span.lower + shift, src_memory_.begin() + 63 - shift,
                               dst_memory_);
      });
    }
  });
}

// Threads may have little, 128 KiB with some C libraries.
TEST_F(Transposes, TakeLittleStack) {
  if (testing::kSanitized) GTEST_SKIP() << "sanitizers widen the stack's frames";
  each_target_and_item([&](int64_t item) {
    each_block(1040 / item + 9, 1040 / item + 9, item, [&](const Block& b) {
      const std::function<void()> work = [&] { at_the_end(b); };
      pthread_attr_t attributes;
      pthread_t thread;
      ASSERT_EQ(pthread_attr_init(&attributes), 0);
      // 128 KiB are the least on aarch64.
      const auto bytes = std::max(int64_t{80} << 10, static_cast<int64_t>(sysconf(_SC_THREAD_STACK_MIN)));
      ASSERT_EQ(pthread_attr_setstacksize(&attributes, static_cast<size_t>(bytes)), 0);
      const auto run = [](void* context) -> void* {
        (*static_cast<const std::function<void()>*>(context))();
        return nullptr;
      };
      ASSERT_EQ(pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&work)), 0);
      EXPECT_EQ(pthread_join(thread, nullptr), 0);
      EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
    });
  });
}

// What no second-level cache holds goes by tiles, though it is not streamed.
TEST_F(Transposes, LargerThanACacheBeginAndEndAnywhere) {
  each_target_and_item([&](int64_t item) {
    for (const int64_t more : {0, 1, 5, 63}) {
      const Block b = block(1024 + more, 1040 / item + more, item, true, false);
      if (testing::dst_span(b).bytes() > static_cast<int64_t>(dst_memory_.size()) - 64) continue;
      at_the_end(b);
      testing::expect_copied(b, dst_memory_.begin() + more, src_memory_.begin() + 7, dst_memory_);
    }
  });
}

// Rows and columns in two groups each, the second of which lies anywhere; src in the other order.
TEST_F(Transposes, OfListedRowsAndColumnsEndWhereTheirMemoryEnds) {
  testing::Random random = testing::seeded_random("listed");
  each_target_and_item([&](int64_t item) {
    if (item > 16 || item % 3 == 0) return;  // no words
    for (int64_t round = testing::rounds(400); round > 0 && !HasFailure(); --round) {
      const bool whole_lines = testing::one_in(random, 2);
      Block b;
      b.item = item;
      b.rows = testing::pick(random, 2, testing::one_in(random, 4) ? 300 : testing::one_in(random, 8) ? 1100 : 40);
      b.columns = testing::pick(random, 2, testing::one_in(random, 4) ? 300 : 160);
      b.dst_column = b.src_row = item;
      b.streams = testing::one_in(random, 2);
      const auto list = [&](int64_t count, int64_t run, int64_t unit) {
        run = (run + unit - 1) / unit * unit;
        std::vector<int64_t> offsets(static_cast<size_t>(count + kListedBeyond));
        const int64_t half = (count + 1) / 2;
        const int64_t gap = testing::pick(random, 0, 5) * unit;
        for (int64_t i = 0; i < count; ++i)
          offsets[static_cast<size_t>(i)] = (i % half * 2 + i / half) * run + i % half * gap;
        std::fill(offsets.begin() + count, offsets.end(), offsets[static_cast<size_t>(count) - 1]);
        if (testing::one_in(random, 3)) std::reverse(offsets.begin(), offsets.begin() + count);
        const int64_t first = offsets[0];
        for (int64_t& offset : offsets) offset -= first;
        return offsets;
      };
      const auto rows = list(b.rows, b.columns * item, whole_lines ? 64 : item);
      const auto columns = list(b.columns, b.rows * item, item);
      for (const int64_t offset : rows) b.dst_row |= offset;
      b.dst_rows = rows.data();
      b.src_columns = columns.data();
      if (testing::dst_span(b).bytes() > static_cast<int64_t>(dst_memory_.size())) continue;
      if (testing::src_span(b).bytes() > static_cast<int64_t>(src_memory_.size())) continue;
      at_the_end(b);
      testing::expect_copied(b, dst_memory_.begin() - testing::dst_span(b).lower,
                             src_memory_.begin() - testing::src_span(b).lower, dst_memory_);
    }
  });
}

}  // namespace
}  // namespace strideport::host
