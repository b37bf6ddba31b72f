#include "strideport/view_ops.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "strideport/buffer_view.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/spans.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr std::nullopt_t kNone = std::nullopt;
using Numbers = std::vector<int64_t>;

Numbers numbers(std::span<const int64_t> values) { return {values.begin(), values.end()}; }

class SmallViews : public ::testing::Test {
 protected:
  int32_t data_[24] = {};
  BufferView view_ = BufferView::of(data_, {2, 3, 4});
  const BufferView scalar_ = BufferView::of(data_, std::initializer_list<int64_t>{});
};

TEST_F(SmallViews, NameTheBadAxis) {
  expect_throws<OutOfRange>([&] { slice(view_, 3, {}); }, {"axis 3", "3 dimensions"});
  expect_throws<OutOfRange>([&] { flip(view_, -4); }, {"axis -4"});
  expect_throws<OutOfRange>([&] { index(scalar_, 0, 0); }, {"axis 0", "0 dimensions"});
  expect_throws<OutOfRange>([&] { index(view_, 1, 3); }, {"index 3", "axis 1", "extent 3"});
  expect_throws<OutOfRange>([&] { index(view_, 1, kMin); }, {"axis 1"});
  expect_throws<OutOfRange>([&] { unsqueeze(view_, 5); }, {"axis 5"});
}

TEST_F(SmallViews, NameTheBadArgument) {
  expect_throws<InvalidArgument>([&] { slice(view_, 0, {kNone, kNone, 0}); }, {"step is 0"});
  expect_throws<InvalidArgument>([&] { permute(view_, std::vector<int>{0, 1}); }, {"axes (0, 1)", "3 dimensions"});
  expect_throws<InvalidArgument>([&] { permute(view_, std::vector<int>{0, 1, -2}); }, {"axes (0, 1, -2)"});
  expect_throws<OutOfRange>([&] { permute(view_, std::vector<int>{0, 1, 3}); }, {"axis 3"});
  expect_throws<InvalidArgument>([&] { squeeze(view_, 1); }, {"axis 1 has extent 3"});
  expect_throws<InvalidArgument>([&] { expand(view_, Numbers{2, 5, 4}); }, {"(2, 3, 4)", "(2, 5, 4)", "axis 1"});
  expect_throws<InvalidArgument>([&] { expand(view_, Numbers{3, 4}); }, {"(3, 4)", "fewer"});
  expect_throws<InvalidArgument>([&] { expand(scalar_, Numbers{kMax}); }, {"overflows", "9223372036854775807 * 4"});
  expect_throws<InvalidArgument>([&] { expand(scalar_, Numbers{-1}); }, {"shape[0] is -1"});
  expect_throws<InvalidArgument>([&] { expand(view_, Numbers(65, 1)); }, {"65", "64"});
}

TEST_F(SmallViews, TransposeReversesAllAxes) {
  EXPECT_EQ(shape_of(transpose(view_)), (Numbers{4, 3, 2}));
  EXPECT_EQ(strides_of(transpose(view_)), (Numbers{4, 16, 48}));
}

TEST_F(SmallViews, FlipReversesOneAxis) {
  const BufferView flipped = flip(view_, -1);
  EXPECT_EQ(flipped.buf(), data_ + 3);
  EXPECT_EQ(numbers(flipped.strides()), (Numbers{48, 16, -4}));
}

TEST_F(SmallViews, UnsqueezeStopsAt64Dimensions) {
  const BufferView wide = reshape(scalar_, Numbers(64, 1));
  expect_throws<InvalidArgument>([&] { unsqueeze(wide, 0); }, {"65", "64"});
  EXPECT_EQ(squeeze(wide).ndim(), 0);
}

TEST_F(SmallViews, ReshapeInfersOneExtent) {
  EXPECT_EQ(shape_of(reshape(view_, Numbers{-1})), Numbers{24});
  EXPECT_EQ(strides_of(reshape(view_, Numbers{6, -1})), (Numbers{16, 4}));
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{5, -1}); }, {"(5, -1)", "24 elements"});
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{-1, -1}); }, {"(-1, -1)"});
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{-2, -12}); }, {"shape[0] is -2"});
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{5, 5}); }, {"(5, 5) has 25", "(2, 3, 4) has 24"});
  const BufferView none = slice(view_, 0, {0, 0, 1});
  EXPECT_EQ(shape_of(reshape(none, Numbers{5, -1})), (Numbers{5, 0}));
  expect_throws<InvalidArgument>([&] { reshape(none, Numbers{0, -1}); }, {"(0, -1)"});
}

TEST_F(SmallViews, ReshapeNamesTheAxisThatDoesNotFit) {
  expect_throws<BufferError>([&] { reshape(transpose(view_), Numbers{24}); },
                             {"(4, 3, 2)", "(4, 16, 48)", "(24,)", "axis 0", ".contiguous()"});
}

TEST_F(SmallViews, CastSaysWhyNot) {
  expect_throws<TypeMismatch>([&] { cast(scalar_, dtype_of<int16_t>()); },
                              {"'i' (4 bytes)", "'h' (2 bytes)", "without dimensions"});
  expect_throws<TypeMismatch>([&] { cast(flip(view_, 2), dtype_of<int16_t>()); },
                              {"axis 2 has stride -4", ".contiguous()"});
  expect_throws<TypeMismatch>(
      [&] {
        cast(slice(view_, 2, {0, 3, 1}), dtype_of<int64_t>());
      },
      {"the 12 bytes of axis 2"});
  expect_throws<TypeMismatch>([&] { cast(view_, Format::parse("0s")); }, {"axis 2"});
  expect_throws<InvalidArgument>([&] { cast(view_, DType{}); }, {"both are empty"});
  expect_throws<InvalidArgument>([&] { cast(view_, Format::parse("i"), dtype_of<int16_t>()); },
                                 {"format 'i' is of dtype int32", "int16"});
  EXPECT_EQ(cast(scalar_, dtype_of<float>()).dtype(), dtype_of<float>());
}

TEST_F(SmallViews, CastForgesNoReferences) {
  expect_throws<TypeMismatch>([&] { cast(cast(view_, dtype_of<int64_t>()), Format::parse("O")); },
                              {"'O'", "references"});
  ViewSpec spec;
  spec.buf = data_;
  spec.itemsize = 8;
  spec.format = Format::parse("O");
  expect_throws<TypeMismatch>([&] { cast(BufferView::create(spec), Format::parse("q")); }, {"'O'", "references"});
}

TEST_F(SmallViews, CastTakesSubByteTypesAsPackedOnlyWhereTheyFillBytes) {
  const BufferView bytes = cast(view_, dtype_of<uint8_t>());
  EXPECT_TRUE(cast(bytes, DType{TypeCode::integer, 4, 1}).padded());
  EXPECT_FALSE(cast(bytes, DType{TypeCode::integer, 4, 2}).padded());
}

TEST_F(SmallViews, EmptyResultsStayInsideTheirMemory) {
  EXPECT_EQ(slice(view_, 0, {2, kNone, 1}).buf(), data_);
  const Numbers shape{0, 3}, strides{kMin, kMin};
  ViewSpec spec;
  spec.shape = shape;
  spec.strides = strides;
  const BufferView none = BufferView::create(spec);
  EXPECT_EQ(slice(none, 1, {2, kNone, -2}).buf(), nullptr);
  EXPECT_EQ(index(none, 1, 2).buf(), nullptr);
  EXPECT_EQ(shape_of(expand(none, Numbers{2, 0, 3})), (Numbers{2, 0, 3}));
}

TEST_F(SmallViews, ReadOnlyStaysReadOnly) {
  const BufferView locked = toreadonly(view_);
  EXPECT_TRUE(locked.readonly());
  EXPECT_TRUE(transpose(locked).readonly());
  EXPECT_TRUE(cast(reshape(slice(locked, 0, {1, kNone, 1}), Numbers{12}), dtype_of<uint8_t>()).readonly());
  EXPECT_TRUE(squeeze(unsqueeze(locked, 0)).readonly());
}

}  // namespace
}  // namespace strideport::testing
