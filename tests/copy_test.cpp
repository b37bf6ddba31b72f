#include "strideport/copy.hpp"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <thread>

#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

using testing::Arena;
using testing::one_in;
using testing::pick;
using testing::Random;
using testing::Side;

int64_t random_itemsize(Random& random) {
  static constexpr int64_t kCommon[] = {1, 2, 4, 8, 16, 3, 12, 24, 6};
  if (one_in(random, 200)) return 1000;
  if (one_in(random, 100)) return 0;
  if (one_in(random, 3)) return pick(random, 1, 64);
  return kCommon[static_cast<size_t>(pick(random, 0, std::size(kCommon) - 1))];
}

std::vector<int64_t> random_shape(Random& random, int64_t itemsize) {
  const int64_t limit = itemsize > 64 ? 12 : one_in(random, 20) ? 4000 : 150;
  return testing::pair_shape(random, pick(random, 0, 7), limit);
}

// Copies, or sees the refusal that a self-overlapping dst deserves; then compares the whole arena.
void copy_and_compare(const BufferView& dst, Arena& arena, const BufferView& src) {
  if (testing::shares_bytes(dst)) {
    const auto before = arena.memory;
    EXPECT_THROW(copy(dst, src, StreamRef::host()), InvalidArgument) << testing::describe(dst, src);
    EXPECT_EQ(arena.memory, before);
    return;
  }
  const auto expected = testing::copied_by_hand(dst, arena, src);
  copy(dst, src, StreamRef::host());
  ASSERT_EQ(arena.memory, expected) << testing::describe(dst, src) << "\n" << explain(dst, src);
}

uintptr_t place(Random& random, Side& side, int64_t itemsize, Arena& arena) {
  testing::bound(side, itemsize);
  arena.randomise(random, side.upper - side.lower + pick(random, 0, 40));
  const int64_t slack = static_cast<int64_t>(arena.memory.size()) - (side.upper - side.lower);
  return arena.begin() + static_cast<uintptr_t>(pick(random, 0, slack) - side.lower);
}

bool has_elements(const std::vector<int64_t>& shape, int64_t itemsize) {
  return itemsize > 0 && std::find(shape.begin(), shape.end(), 0) == shape.end();
}

TEST(Copy, EqualsTheOdometerOnRandomStructures) {
  Random random = testing::seeded_random("Copy.EqualsTheOdometerOnRandomStructures");
  for (int round = 0; round < 100'000 && !HasFatalFailure(); ++round) {
    const int64_t itemsize = random_itemsize(random);
    const auto shape = random_shape(random, itemsize);
    Side dst{testing::with_unit_dims(random, shape), {}, {}};
    Side src{testing::with_unit_dims(random, shape), {}, {}};
    dst.strides = testing::nested_strides(random, dst.shape, itemsize);
    src.strides = testing::source_strides(random, src.shape, itemsize);
    Arena dst_arena;
    Arena src_arena;
    const uintptr_t to = place(random, dst, itemsize, dst_arena);
    const uintptr_t from = place(random, src, itemsize, src_arena);
    copy_and_compare(testing::view_at(to, dst, itemsize), dst_arena, testing::view_at(from, src, itemsize));
  }
}

TEST(Copy, EqualsACopyThroughATemporaryWhereViewsOverlap) {
  Random random = testing::seeded_random("Copy.EqualsACopyThroughATemporaryWhereViewsOverlap");
  for (int round = 0; round < 30'000 && !HasFatalFailure(); ++round) {
    const int64_t itemsize = random_itemsize(random);
    const auto shape = random_shape(random, itemsize);
    if (!has_elements(shape, itemsize)) continue;
    Side dst{shape, testing::nested_strides(random, shape, itemsize), {}};
    Side src{shape, one_in(random, 3) ? dst.strides : testing::source_strides(random, shape, itemsize), {}};
    testing::bound(dst, itemsize);
    testing::bound(src, itemsize);
    Arena arena;
    const int64_t reach = std::max(dst.upper - dst.lower, src.upper - src.lower) + pick(random, 0, 3 * itemsize);
    arena.randomise(random, reach);
    const auto anywhere = [&](const Side& side) {
      return arena.begin() + static_cast<uintptr_t>(pick(random, 0, reach - (side.upper - side.lower)) - side.lower);
    };
    const uintptr_t to = anywhere(dst);
    const uintptr_t from = anywhere(src);
    copy_and_compare(testing::view_at(to, dst, itemsize), arena, testing::view_at(from, src, itemsize));
  }
}

TEST(Copy, FollowsRowPointersOnEitherSide) {
  Random random = testing::seeded_random("Copy.FollowsRowPointersOnEitherSide");
  for (int round = 0; round < 20'000 && !HasFatalFailure(); ++round) {
    const int64_t itemsize = pick(random, 1, 24);
    auto shape = testing::pair_shape(random, pick(random, 1, 5), 150);
    if (!has_elements(shape, itemsize)) continue;
    Side dst{shape, testing::nested_strides(random, shape, itemsize), {}};
    Side src{shape, testing::nested_strides(random, shape, itemsize), {}};
    Arena dst_arena;
    Arena src_arena;
    const int64_t which = pick(random, 1, 3);
    const uintptr_t to = (which & 1) != 0 ? testing::make_indirect(random, dst, itemsize, dst_arena)
                                          : place(random, dst, itemsize, dst_arena);
    const uintptr_t from = (which & 2) != 0 ? testing::make_indirect(random, src, itemsize, src_arena)
                                            : place(random, src, itemsize, src_arena);
    copy_and_compare(testing::view_at(to, dst, itemsize), dst_arena, testing::view_at(from, src, itemsize));
  }
}

}  // namespace
}  // namespace strideport
