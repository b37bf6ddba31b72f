// The walk around the kernels, seen through a kernel that notes where it is called: every element once, whatever the
// order and the pieces.

#include "runtime/host/walk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "strideport/copy.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"

namespace strideport::host {
namespace {

using testing::one_in;
using testing::pick;
using testing::Random;
using Places = std::vector<std::pair<intptr_t, intptr_t>>;  // of dst and src

// Never followed.
std::byte* const kDst = reinterpret_cast<std::byte*>(uintptr_t{1} << 40);
const std::byte* const kSrc = reinterpret_cast<const std::byte*>(uintptr_t{1} << 44);

Places blocks;
Places items;

void note_block(std::byte* dst, const std::byte* src, const Block&) { blocks.emplace_back(dst - kDst, src - kSrc); }

void note_items(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t row = 0; row < b.rows; ++row) {
    for (int64_t column = 0; column < b.columns; ++column) {
      items.emplace_back(dst - kDst + row * b.dst_row + column * b.dst_column,
                         src - kSrc + row * b.src_row + column * b.src_column);
    }
  }
}

void walk(const std::vector<PlanDim>& dims, int64_t item, int64_t bytes, Kernel kernel) {
  blocks.clear();
  items.clear();
  Walk walk(kDst, kSrc);
  arrange(walk, dims.data(), static_cast<int>(dims.size()), item, bytes);
  walk_all(walk, kernel);
}

Places by_hand(const std::vector<PlanDim>& dims) {
  std::vector<int64_t> shape;
  for (const PlanDim& dim : dims) shape.push_back(dim.extent);
  Places result;
  testing::for_each_index(shape, [&](const testing::Index& index) {
    std::pair<intptr_t, intptr_t> at{0, 0};
    for (size_t i = 0; i < index.size(); ++i) {
      at.first += index[i] * dims[i].dst_stride;
      at.second += index[i] * dims[i].src_stride;
    }
    result.push_back(at);
  });
  return result;
}

// In the order of dst, dense there; src in any order, with gaps, reversed and repeated dimensions.
std::vector<PlanDim> random_dims(Random& random, int64_t item) {
  std::vector<PlanDim> dims(static_cast<size_t>(pick(random, 1, 7)));
  int64_t room = 20000;
  for (PlanDim& dim : dims) {
    dim.extent = pick(random, one_in(random, 8) ? 1 : 2, std::clamp<int64_t>(room, 2, one_in(random, 3) ? 40 : 6));
    room /= dim.extent;
  }
  std::vector<size_t> order(dims.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  int64_t dst_stride = item;
  int64_t src_stride = item;
  for (size_t i = dims.size(); i-- > 0;) {
    dims[i].dst_stride = dst_stride;
    dst_stride *= dims[i].extent;
  }
  testing::shuffle(random, order);
  for (const size_t i : order) {
    dims[i].src_stride = one_in(random, 12) ? 0 : one_in(random, 5) ? -src_stride : src_stride;
    src_stride = src_stride * dims[i].extent + (one_in(random, 5) ? item : 0);
  }
  return dims;
}

TEST(Walk, ComesToEveryElementOnce) {
  Random random = testing::seeded_random("Walk");
  for (int64_t round = testing::rounds(300); round > 0; --round) {
    const int64_t item = int64_t{1} << pick(random, 0, 7);
    const auto dims = random_dims(random, item);
    walk(dims, item, one_in(random, 4) ? 1 : int64_t{1} << 20, note_items);
    Places expected = by_hand(dims);
    std::sort(expected.begin(), expected.end());
    std::sort(items.begin(), items.end());
    ASSERT_EQ(items, expected) << "round " << round;
  }
}

TEST(Walk, KeepsTheOrderOfDstWhereTheCopyIsSmall) {
  walk({{5, 4 * 210, 4}, {6, 4 * 35, 20}, {7, 20, 120}, {5, 4, 840}}, 4, 4200, note_block);
  EXPECT_TRUE(std::is_sorted(blocks.begin(), blocks.end()));
}

// (48,28,28,28,48) reversed, 4 bytes each: the next neighbours of the first block come soon on both sides. In the order
// of dst those of src come 784 blocks apart.
TEST(Walk, StaysCloseOnBothSides) {
  const std::vector<PlanDim> dims = {
      {48, 4214784, 4}, {28, 150528, 192}, {28, 5376, 5376}, {28, 192, 150528}, {48, 4, 4214784}};
  walk(dims, 4, int64_t{48} * 28 * 28 * 28 * 48 * 4, note_block);
  ASSERT_EQ(blocks.size(), 28U * 28 * 28);
  for (const std::pair<intptr_t, intptr_t> neighbour : {std::pair(192, 150528), std::pair(150528, 192)}) {
    for (intptr_t i = 0; i < 4; ++i) {
      const std::pair<intptr_t, intptr_t> place(i * neighbour.first, i * neighbour.second);
      EXPECT_NE(std::find(blocks.begin(), blocks.begin() + 64, place), blocks.begin() + 64) << "neighbour " << i;
    }
  }
}

// Through the real kernels: each source element is the number of its place.
TEST(Walk, CopiesPermutationsInTilesRight) {
  Random random = testing::seeded_random("WalkCopies");
  for (int64_t round = testing::rounds(60); round > 0; --round) {
    const auto shape = std::vector<int64_t>{pick(random, 2, 19), pick(random, 2, 9), pick(random, 2, 9),
                                            pick(random, 2, 9), pick(random, 2, 19)};
    std::vector<size_t> order = {0, 1, 2, 3, 4};
    testing::shuffle(random, order);
    std::vector<int64_t> strides(5);
    int64_t count = 1;
    for (const size_t axis : order) {
      strides[axis] = count * 4;
      count *= shape[axis];
    }
    std::vector<uint32_t> src(static_cast<size_t>(count));
    for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<uint32_t>(i);
    std::vector<uint32_t> dst(src.size(), ~0U);
    copy(BufferView::of(dst.data(), shape), BufferView::of(src.data(), shape, strides), StreamRef::host());
    size_t at = 0;
    testing::for_each_index(shape, [&](const testing::Index& index) {
      int64_t offset = 0;
      for (size_t axis = 0; axis < 5; ++axis) offset += index[axis] * strides[axis];
      ASSERT_EQ(dst[at++], static_cast<uint32_t>(offset / 4));
    });
  }
}

}  // namespace
}  // namespace strideport::host
