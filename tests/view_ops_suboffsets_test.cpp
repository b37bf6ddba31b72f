#include "strideport/view_ops.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "strideport/buffer_view.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/spans.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr std::nullopt_t kNone = std::nullopt;
using Numbers = std::vector<int64_t>;

Numbers numbers(std::span<const int64_t> values) { return {values.begin(), values.end()}; }

// An image as Pillow keeps it: a pointer a row.
class RowPointers : public ::testing::Test {
 protected:
  RowPointers() {
    spec_.buf = rows_;
    spec_.shape = shape_;
    spec_.strides = strides_;
    spec_.suboffsets = suboffsets_;
  }
  BufferView image() const { return BufferView::create(spec_); }

  char pixels_[3][4] = {{0, 1, 2, 3}, {10, 11, 12, 13}, {20, 21, 22, 23}};
  char* rows_[3] = {pixels_[2], pixels_[0], pixels_[1]};  // in no order
  Numbers shape_{3, 4};
  Numbers strides_{8, 1};
  Numbers suboffsets_{0, -1};
  ViewSpec spec_;
};

TEST_F(RowPointers, ARowIsDirect) {
  const BufferView row = index(image(), 0, 1);
  EXPECT_EQ(row.buf(), pixels_[0]);
  EXPECT_FALSE(row.has_suboffsets());
}

TEST_F(RowPointers, AColumnKeepsItsDereference) {
  const BufferView column = index(image(), 1, 2);
  EXPECT_EQ(numbers(column.suboffsets()), Numbers{2});
  EXPECT_EQ(addresses(column)[0], reinterpret_cast<uintptr_t>(&pixels_[2][2]));
}

TEST_F(RowPointers, SlicingBehindThePointersMovesTheSuboffset) {
  const BufferView part = slice(image(), 1, {3, kNone, -2});
  EXPECT_EQ(part.buf(), rows_);
  EXPECT_EQ(numbers(part.suboffsets()), (Numbers{3, -1}));
  EXPECT_EQ(numbers(part.strides()), (Numbers{8, -2}));
}

TEST_F(RowPointers, ASuboffsetMustNotBecomeNegative) {
  const Numbers backwards{8, -1};
  spec_.strides = backwards;
  expect_throws<BufferError>([&] { slice(image(), 1, {1, kNone, 1}); }, {"axis 1", "axis 0", "-1", ".contiguous()"});
  expect_throws<BufferError>([&] { index(image(), 1, 3); }, {"axis 1", "-3", ".contiguous()"});
}

TEST_F(RowPointers, RowsAndColumnsDoNotChangePlaces) {
  expect_throws<BufferError>([&] { transpose(image()); }, {"axis 1", "place 0", "indirect axis 0", ".contiguous()"});
  expect_throws<BufferError>([&] { permute(unsqueeze(image(), 0), std::vector<int>{2, 0, 1}); }, {"axis 2", "axis 1"});
}

TEST_F(RowPointers, AxesBetweenTwoDereferencesDo) {
  const Numbers shape{1, 3, 2, 2}, strides{24, 8, 2, 1}, suboffsets{-1, 0, -1, -1};
  spec_.shape = shape;
  spec_.strides = strides;
  spec_.suboffsets = suboffsets;
  const BufferView moved = permute(image(), std::vector<int>{1, 0, 3, 2});
  EXPECT_EQ(numbers(moved.shape()), (Numbers{3, 1, 2, 2}));
  EXPECT_EQ(numbers(moved.strides()), (Numbers{8, 24, 1, 2}));
  EXPECT_EQ(numbers(moved.suboffsets()), (Numbers{-1, 0, -1, -1}));
}

TEST_F(RowPointers, ReshapeWorksOnEitherSideOfThePointers) {
  const BufferView split = reshape(image(), Numbers{3, 1, 2, 2});
  EXPECT_EQ(numbers(split.suboffsets()), (Numbers{0, -1, -1, -1}));
  EXPECT_EQ(addresses(split), addresses(image()));
  expect_throws<BufferError>([&] { reshape(image(), Numbers{12}); }, {"(12,)", ".contiguous()"});
  expect_throws<BufferError>([&] { reshape(image(), Numbers{2, 6}); }, {"(2, 6)", ".contiguous()"});
}

TEST_F(RowPointers, TwoDereferencesDoNotMerge) {
  char** planes[1] = {rows_};
  const Numbers shape{1, 3, 4}, strides{8, 8, 1}, suboffsets{0, 0, -1};
  spec_.buf = planes;
  spec_.shape = shape;
  spec_.strides = strides;
  spec_.suboffsets = suboffsets;
  expect_throws<BufferError>([&] { index(image(), 1, 1); }, {"axis 1", "axis 0", "merge", ".contiguous()"});
  EXPECT_EQ(addresses(index(image(), 0, 0)), addresses(image()));
}

TEST_F(RowPointers, CastIsForDirectAxesUnlessTheSizeStays) {
  EXPECT_EQ(shape_of(cast(image(), dtype_of<int32_t>())), (Numbers{3, 1}));
  const BufferView column = index(image(), 1, 0);
  expect_throws<TypeMismatch>([&] { cast(column, dtype_of<int16_t>()); }, {"axis 0 is indirect", ".contiguous()"});
  EXPECT_TRUE(cast(column, dtype_of<int8_t>()).has_suboffsets());
}

TEST_F(RowPointers, AreNotReadWhereThereIsNothingToRead) {
  const Numbers shape{1, 0};
  spec_.shape = shape;
  spec_.buf = nullptr;
  EXPECT_EQ(index(image(), 0, 0).len(), 0);
  EXPECT_EQ(squeeze(image()).ndim(), 1);
  EXPECT_EQ(shape_of(reshape(image(), Numbers{0, 7})), (Numbers{0, 7}));
}

TEST_F(RowPointers, AreNotReadOnADevice) {
  spec_.device = {DeviceType::cuda, 0};
  expect_throws<BufferError>([&] { index(image(), 0, 0); }, {"cuda:0"});
  EXPECT_EQ(suboffsets_of(slice(image(), 1, {2, kNone, 1}))[0], 2);
}

}  // namespace
}  // namespace strideport::testing
