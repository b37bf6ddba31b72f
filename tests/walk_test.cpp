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
      const int64_t dst_row = b.dst_rows == nullptr ? row * b.dst_row : b.dst_rows[row];
      const int64_t src_column = b.src_columns == nullptr ? column * b.src_column : b.src_columns[column];
      items.emplace_back(dst - kDst + dst_row + column * b.dst_column, src - kSrc + row * b.src_row + src_column);
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
    dim.extent = pick(random, one_in(random, 8) ? 1 : 2,
                      std::clamp<int64_t>(room, 2,
                                          one_in(random, 16)  ? 5000
                                          : one_in(random, 3) ? 40
                                                              : 6));
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

// What a kernel was called with.
Block last_block;
std::vector<std::pair<int64_t, int64_t>> extents;

void note_extents(std::byte*, const std::byte*, const Block& b) {
  last_block = b;
  extents.emplace_back(b.rows, b.columns);
}

// (48,28,28,28,48) reversed, 4 bytes each: two dimensions make runs of 5376 bytes on either side.
TEST(Walk, MakesRunsLongOnBothSides) {
  const std::vector<PlanDim> dims = {
      {48, 4214784, 4}, {28, 150528, 192}, {28, 5376, 5376}, {28, 192, 150528}, {48, 4, 4214784}};
  extents.clear();
  walk(dims, 4, int64_t{48} * 28 * 28 * 28 * 48 * 4, note_extents);
  EXPECT_EQ(extents, (std::vector<std::pair<int64_t, int64_t>>(28, {48 * 28, 48 * 28})));
  EXPECT_EQ(last_block.dst_row % 128, 0) << "rows that begin lines are to be known by it";
}

TEST(Walk, MakesLongRunsInPieces) {
  const std::vector<PlanDim> dims = {{3000, 4 * 300 * 64, 4 * 64}, {64, 4 * 300, 4}, {300, 4, 4 * 64 * 3000}};
  extents.clear();
  walk(dims, 4, int64_t{3000} * 64 * 300 * 4, note_extents);
  ASSERT_EQ(extents.size(), 94U);
  EXPECT_EQ(extents.front(), std::pair(kMostListed, int64_t{300}));
  EXPECT_EQ(extents.back(), std::pair(int64_t{24 * 64}, int64_t{300}));
}

// Through the real kernels: each source element is the number of its place. dst begins where no line does.
template <class T>
void copies_permutations(Random& random) {
  for (int64_t round = testing::rounds(60); round > 0; --round) {
    std::vector<int64_t> shape(static_cast<size_t>(pick(random, 3, 6)));
    int64_t room = one_in(random, 8) ? 3'000'000 / static_cast<int64_t>(sizeof(T)) : 60'000;
    for (int64_t& extent : shape) {
      extent = std::clamp<int64_t>(one_in(random, 10) ? pick(random, 2, 3000) : pick(random, 2, 40), 1, room);
      room /= extent;
    }
    std::vector<size_t> order(shape.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;  // axes reversed, mostly
    if (one_in(random, 2)) testing::shuffle(random, order);
    std::vector<int64_t> strides(shape.size());
    int64_t count = 1;
    int64_t first = 0;
    for (const size_t axis : order) {
      strides[axis] = one_in(random, 8) ? -count : count;
      if (strides[axis] < 0) first += (shape[axis] - 1) * count;
      count *= shape[axis];
    }
    std::vector<T> src(static_cast<size_t>(count));
    for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<T>(i * 2654435761U >> 7);
    const auto shift = static_cast<size_t>(one_in(random, 2) ? 0 : pick(random, 0, 63));
    std::vector<T> dst(src.size() + shift + 1, T{0x5A});
    std::vector<int64_t> bytes = strides;
    for (int64_t& stride : bytes) stride *= static_cast<int64_t>(sizeof(T));
    copy(BufferView::of(dst.data() + shift, shape), BufferView::of(src.data() + first, shape, bytes),
         StreamRef::host());
    size_t at = shift;
    testing::for_each_index(shape, [&](const testing::Index& index) {
      int64_t from = first;
      for (size_t axis = 0; axis < shape.size(); ++axis) from += index[axis] * strides[axis];
      ASSERT_EQ(dst[at++], src[static_cast<size_t>(from)]);
    });
    ASSERT_EQ(dst[at], T{0x5A});
    ASSERT_EQ(std::count(dst.begin(), dst.begin() + static_cast<ptrdiff_t>(shift), T{0x5A}),
              static_cast<ptrdiff_t>(shift));
  }
}

TEST(Walk, CopiesPermutationsInTilesRight) {
  Random random = testing::seeded_random("WalkCopies");
  copies_permutations<uint8_t>(random);
  copies_permutations<uint16_t>(random);
  copies_permutations<uint32_t>(random);
  copies_permutations<uint64_t>(random);
}

}  // namespace
}  // namespace strideport::host
