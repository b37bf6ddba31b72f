#include "strideport/copy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/seed.hpp"
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
  const auto where = testing::places(dst, arena);
  if (testing::repeats(where, arena.memory.size())) {
    const auto before = arena.memory;
    EXPECT_THROW(copy(dst, src, StreamRef::host()), InvalidArgument) << testing::describe(dst, src);
    EXPECT_EQ(arena.memory, before);
    return;
  }
  const auto expected = testing::copied_by_hand(where, arena, src);
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
  for (int64_t round = 0, n = testing::rounds(100'000); round < n && !HasFatalFailure(); ++round) {
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
  for (int64_t round = 0, n = testing::rounds(30'000); round < n && !HasFatalFailure(); ++round) {
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
  for (int64_t round = 0, n = testing::rounds(20'000); round < n && !HasFatalFailure(); ++round) {
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

// Row pointers -------------------------------------------------------------------------------------------------------

// Rows of bytes reached through a table of pointers.
BufferView rows_through(std::vector<void*>& pointers, int64_t columns, int64_t stride = 1) {
  const int64_t shape[] = {static_cast<int64_t>(pointers.size()), columns};
  const int64_t strides[] = {static_cast<int64_t>(sizeof(void*)), stride};
  const int64_t suboffsets[] = {0, -1};
  ViewSpec spec;
  spec.buf = pointers.data();
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.dtype = dtype_of<uint8_t>();
  spec.format = Format::of(spec.dtype);
  return BufferView::create(spec);
}

TEST(Copy, FlipsRowPointersOfOneImageThroughATemporary) {
  std::array<std::array<uint8_t, 3>, 4> image{{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}}};
  std::vector<void*> down;
  for (auto& row : image) down.push_back(row.data());
  std::vector<void*> up(down.rbegin(), down.rend());
  copy(rows_through(down, 3), rows_through(up, 3), StreamRef::host());
  const std::array<std::array<uint8_t, 3>, 4> flipped{{{10, 11, 12}, {7, 8, 9}, {4, 5, 6}, {1, 2, 3}}};
  EXPECT_EQ(image, flipped);
}

TEST(Copy, RefusesTwoRowPointersToTheSameBytes) {
  std::array<uint8_t, 8> memory{1, 2, 3, 4, 5, 6, 7, 8};
  const auto before = memory;
  const uint8_t other[2][4] = {};
  std::vector<void*> rows{memory.data() + 2, memory.data()};  // the second row ends inside the first
  testing::expect_throws<InvalidArgument>(
      [&] {
        copy(rows_through(rows, 4), BufferView::of(&other[0][0], {2, 4}), StreamRef::host());
      },
      {"dst overlaps itself", "row pointers"});
  EXPECT_EQ(memory, before);
}

bool leads_into(const BufferView& view, const Arena& arena) {
  for (const uintptr_t address : testing::byte_addresses(view)) {
    if (address - arena.begin() >= arena.memory.size()) return false;
  }
  return true;
}

// The question for each pair of columns would take a minute: all their ranges meet.
TEST(Copy, TakesManyColumnPointersThatInterleave) {
  const int64_t rows = 5;
  for (const int64_t skipped : {int64_t{-1}, int64_t{77}}) {  // evenly spaced, and not
    const int64_t pitch = 20'001;
    std::vector<uint8_t> matrix(static_cast<size_t>(rows * pitch), 0xA5);
    std::vector<int64_t> places;
    for (int64_t i = pitch; i-- > 0;) {
      if (i != skipped) places.push_back(i);
    }
    std::vector<void*> pointers;
    for (const int64_t place : places) pointers.push_back(matrix.data() + place);
    const auto count = static_cast<int64_t>(places.size());
    std::vector<uint8_t> src(static_cast<size_t>(rows * count));
    for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<uint8_t>(i * 7 + i / 256);
    std::vector<uint8_t> expected(matrix);
    for (size_t i = 0; i < src.size(); ++i) {
      const auto column = static_cast<size_t>(places[i / static_cast<size_t>(rows)]);
      expected[i % static_cast<size_t>(rows) * static_cast<size_t>(pitch) + column] = src[i];
    }
    copy(rows_through(pointers, rows, pitch), BufferView::of(src.data(), {count, rows}), StreamRef::host());
    EXPECT_TRUE(matrix == expected) << "without column " << skipped;
  }
}

TEST(Copy, RefusesOneSharedByteAmongManyColumnPointers) {
  const int64_t rows = 5;
  const int64_t pitch = 20'000;
  const int64_t far = 1000 * pitch;  // rows so far apart that runs are sorted
  std::vector<uint8_t> matrix(static_cast<size_t>(4 * far + pitch));
  std::vector<void*> pointers;
  for (int64_t i = 0; i < pitch; ++i) pointers.push_back(matrix.data() + i);
  pointers[5] = pointers[19'000];
  const std::vector<uint8_t> src(static_cast<size_t>(rows * pitch), 1);
  const auto from = BufferView::of(src.data(), {pitch, rows});
  for (const int64_t between : {pitch, far}) {
    testing::expect_throws<InvalidArgument>(
        [&] { copy(rows_through(pointers, rows, between), from, StreamRef::host()); }, {"dst overlaps itself"});
  }
  EXPECT_EQ(std::count(matrix.begin(), matrix.end(), uint8_t{0}), static_cast<int64_t>(matrix.size()));
  pointers[5] = matrix.data() + 5;
  pointers[6] = pointers[6 + 1];
  testing::expect_throws<InvalidArgument>([&] { copy(rows_through(pointers, rows, pitch), from, StreamRef::host()); },
                                          {"dst overlaps itself"});
}

TEST(Copy, TakesColumnPointersFarApartThatInterleave) {
  std::vector<uint8_t> matrix(100'000);
  std::vector<void*> pointers{matrix.data() + 9, matrix.data(), matrix.data() + 3};
  const uint8_t src[3][2] = {{1, 2}, {3, 4}, {5, 6}};
  copy(rows_through(pointers, 2, 90'000), BufferView::of(&src[0][0], {3, 2}), StreamRef::host());
  std::vector<uint8_t> expected(matrix.size());
  expected[9] = 1, expected[90'009] = 2, expected[0] = 3, expected[90'000] = 4, expected[3] = 5, expected[90'003] = 6;
  EXPECT_TRUE(matrix == expected);
}

// Row 0 of dst lies on the pointer of row 1.
TEST(Copy, ReadsRowPointersBeforeItWritesOverThem) {
  const std::array<uint8_t, 8> first{1, 2, 3, 4, 5, 6, 7, 8};
  std::array<uint8_t, 8> second{11, 12, 13, 14, 15, 16, 17, 18};
  auto row = first;
  std::vector<void*> pointers{row.data(), second.data()};
  const BufferView src = rows_through(pointers, 8);
  copy(BufferView::of(reinterpret_cast<uint8_t*>(pointers.data()) + 8, {2, 8}, {-8, 1}), src, StreamRef::host());
  EXPECT_EQ(std::memcmp(&pointers[1], first.data(), 8), 0);
  EXPECT_EQ(std::memcmp(&pointers[0], second.data(), 8), 0);

  // Now through dst's own table, which is one of its rows.
  std::vector<void*> own(3);
  std::array<uint8_t, 16> out{};
  own = {own.data() + 1, out.data(), out.data() + 8};
  const uint8_t values[3][8] = {
      {1, 2, 3, 4, 5, 6, 7, 8}, {11, 12, 13, 14, 15, 16, 17, 18}, {21, 22, 23, 24, 25, 26, 27, 28}};
  copy(rows_through(own, 8), BufferView::of(&values[0][0], {3, 8}), StreamRef::host());
  EXPECT_EQ(std::memcmp(&own[1], values[0], 8), 0);
  EXPECT_EQ(std::memcmp(out.data(), values[1], 16), 0);
}

// Tables and rows of both sides anywhere in one arena, so that anything may lie on anything.
TEST(Copy, EqualsACopyThroughATemporaryWhereRowsAndPointersOverlap) {
  Random random = testing::seeded_random("Copy.EqualsACopyThroughATemporaryWhereRowsAndPointersOverlap");
  int copied = 0;
  for (int64_t round = 0, n = testing::rounds(20'000); round < n && !HasFatalFailure(); ++round) {
    const int64_t rows = pick(random, 1, 6);
    const int64_t columns = pick(random, 1, 9);
    Arena arena;
    const int64_t size = pick(random, 200, 600);
    arena.randomise(random, size);
    const auto side = [&](int64_t stride) {
      const int64_t table = pick(random, 0, size - 8 * rows);
      for (int64_t row = 0; row < rows; ++row) {
        const uintptr_t start = arena.begin() + static_cast<uintptr_t>(pick(random, 0, size - columns * stride));
        std::memcpy(arena.memory.data() + table + 8 * row, &start, sizeof start);
      }
      return testing::view_at(arena.begin() + static_cast<uintptr_t>(table), {{rows, columns}, {8, stride}, {0, -1}},
                              1);
    };
    const BufferView plain = testing::view_at(arena.begin(), {{rows, columns}, {columns, 1}, {}}, 1);
    const int64_t which = pick(random, 1, 3);
    const BufferView src = (which & 1) != 0 ? side(pick(random, 1, 12)) : plain;
    const BufferView dst = (which & 2) != 0 ? side(pick(random, 1, 12)) : plain;
    if (!leads_into(src, arena) || !leads_into(dst, arena)) continue;  // one table lay on the other
    copy_and_compare(dst, arena, src);
    ++copied;
  }
  EXPECT_GT(copied, testing::rounds(20'000) / 2);
}

TEST(Copy, RefusesNullRowPointersBeforeItWrites) {
  std::array<uint8_t, 4> row{1, 2, 3, 4};
  const auto before = row;
  const uint8_t other[2][4] = {};
  std::vector<void*> rows{row.data(), nullptr};
  EXPECT_THROW(copy(rows_through(rows, 4), BufferView::of(&other[0][0], {2, 4}), StreamRef::host()), BufferError);
  EXPECT_EQ(row, before);
}

// Other entries ------------------------------------------------------------------------------------------------------

TEST(Copy, LeavesEverythingAloneWhereItRefuses) {
  uint8_t dst[4] = {1, 2, 3, 4};
  const uint8_t src[5] = {9, 9, 9, 9, 9};
  testing::expect_throws<InvalidArgument>(
      [&] { copy(BufferView::of(dst, {4}), BufferView::of(src, {5}), StreamRef::host()); },
      {"dst.shape (4,) differs from src.shape (5,)"});
  EXPECT_TRUE(std::equal(dst, dst + 4, std::array<uint8_t, 4>{1, 2, 3, 4}.begin()));
}

TEST(Copy, DoesNothingForEmptyViews) {
  copy(BufferView::of<int>(nullptr, {0, 3}), BufferView::of<int>(nullptr, {0, 3}), StreamRef::host());
  copy(BufferView(), BufferView(), StreamRef::host());
}

constexpr std::array<uint8_t, 6> kRowMajor{1, 2, 3, 4, 5, 6};
constexpr std::array<uint8_t, 6> kColumnMajor{1, 4, 2, 5, 3, 6};

std::array<uint8_t, 6> block_of(const BufferView& view, Order order) {
  std::array<uint8_t, 6> out{};
  to_contiguous(std::as_writable_bytes(std::span(out)), view, order, StreamRef::host());
  return out;
}

TEST(ToContiguous, WritesTheOrderThatIsAskedFor) {
  auto data = kRowMajor;
  const BufferView c = BufferView::of(data.data(), {2, 3});
  EXPECT_EQ(block_of(c, Order::C), kRowMajor);
  EXPECT_EQ(block_of(c, Order::F), kColumnMajor);
  EXPECT_EQ(block_of(c, Order::A), kRowMajor);
  auto columns = kColumnMajor;
  const BufferView f = BufferView::of(columns.data(), {2, 3}, {1, 2});
  EXPECT_EQ(block_of(f, Order::C), kRowMajor);
  EXPECT_EQ(block_of(f, Order::F), kColumnMajor);
  EXPECT_EQ(block_of(f, Order::A), kColumnMajor);
}

TEST(ToContiguous, RefusesOtherSizesAndOrderK) {
  auto data = kRowMajor;
  const BufferView view = BufferView::of(data.data(), {2, 3});
  std::array<std::byte, 7> out{};
  testing::expect_throws<InvalidArgument>([&] { return to_contiguous(out, view, Order::C, StreamRef::host()); },
                                          {"out.size() is 7 bytes", "src.len() is 6"});
  testing::expect_throws<InvalidArgument>(
      [&] { return to_contiguous(std::span(out).first(6), view, Order::K, StreamRef::host()); }, {"order K"});
}

TEST(ToContiguous, MakesABufferOfItsOwn) {
  auto data = kRowMajor;
  const Buffer made = to_contiguous(BufferView::of(data.data(), {2, 3}), Order::F, StreamRef::host());
  EXPECT_TRUE(made.is_contiguous(Order::F));
  EXPECT_FALSE(made.readonly());
  EXPECT_NE(made.buf(), data.data());
  EXPECT_TRUE(std::equal(kColumnMajor.begin(), kColumnMajor.end(), static_cast<const uint8_t*>(made.buf())));
}

TEST(FromContiguous, ReadsTheOrderThatIsGiven) {
  const auto filled = [](Order order, const std::array<uint8_t, 6>& in) {
    std::array<uint8_t, 6> out{};
    from_contiguous(BufferView::of(out.data(), {2, 3}), std::as_bytes(std::span(in)), order, StreamRef::host());
    return out;
  };
  EXPECT_EQ(filled(Order::C, kRowMajor), kRowMajor);
  EXPECT_EQ(filled(Order::F, kColumnMajor), kRowMajor);
  EXPECT_EQ(filled(Order::A, kRowMajor), kRowMajor);
}

TEST(FromContiguous, RefusesOtherSizes) {
  uint8_t out[6] = {};
  testing::expect_throws<InvalidArgument>(
      [&] {
        from_contiguous(BufferView::of(out, {6}), std::as_bytes(std::span(kRowMajor).first(5)), Order::C,
                        StreamRef::host());
      },
      {"in.size() is 5 bytes", "dst.len() is 6"});
}

}  // namespace
}  // namespace strideport
