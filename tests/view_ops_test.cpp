#include "strideport/view_ops.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "strideport/buffer_view.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr std::nullopt_t kNone = std::nullopt;
using Numbers = std::vector<int64_t>;

Numbers numbers(std::span<const int64_t> values) { return {values.begin(), values.end()}; }

// A slice by its definition: of the indices in the direction of the step, those between the bounds, every step-th.
Numbers sliced_indices(const Slice& slice, int64_t extent) {
  __extension__ typedef __int128 Wide;
  const auto bound = [&](std::optional<int64_t> given, Wide otherwise) {
    return given ? Wide{*given} + (*given < 0 ? extent : 0) : otherwise;
  };
  Numbers between;
  if (slice.step > 0) {
    const Wide start = bound(slice.start, 0), stop = bound(slice.stop, extent);
    for (int64_t i = 0; i < extent; ++i) {
      if (i >= start && i < stop) between.push_back(i);
    }
  } else {
    const Wide start = bound(slice.start, extent - 1), stop = bound(slice.stop, -1);
    for (int64_t i = extent - 1; i >= 0; --i) {
      if (i <= start && i > stop) between.push_back(i);
    }
  }
  Numbers result;
  const Wide step = slice.step > 0 ? Wide{slice.step} : -Wide{slice.step};
  for (size_t i = 0; i < between.size(); ++i) {
    if (static_cast<Wide>(i) % step == 0) result.push_back(between[i]);
  }
  return result;
}

// Expects `result` to have `shape` and, at each index, the element of `view` that `source_index` names.
template <class F>
void expect_elements(const BufferView& result, const Numbers& shape, const BufferView& view, F&& source_index) {
  ASSERT_EQ(numbers(result.shape()), shape);
  ASSERT_EQ(result.itemsize(), view.itemsize());
  for_each_index(shape, [&](const Index& index) {
    ASSERT_EQ(element_address(result, index), element_address(view, source_index(index)))
        << layout_text(view) << " -> " << layout_text(result) << " at " << layout_text(index, {});
  });
}

// Runs `operation`; if the view is direct it must not refuse, otherwise a BufferError is an answer.
template <class F>
std::optional<BufferView> attempt(const BufferView& view, F&& operation) {
  if (!view.has_suboffsets()) return operation(view);
  try {
    return operation(view);
  } catch (const BufferError& error) {
    EXPECT_NE(std::string(error.what()).find("axis"), std::string::npos) << error.what();
    return std::nullopt;
  }
}

class RandomViews : public ::testing::Test {
 protected:
  template <class F>
  void for_each_view(int runs, F&& check) {
    Random random = seeded_random(::testing::UnitTest::GetInstance()->current_test_info()->name());
    for (int run = 0; run < runs && !HasFatalFailure(); ++run) {
      Structure s = one_in(random, 3) ? random_indirect_structure(random) : random_structure(random);
      check(random, BufferView::create(s.spec()));
    }
  }
};

TEST_F(RandomViews, SliceAsPythonDoes) {
  int refused = 0;
  for_each_view(60'000, [&](Random& random, const BufferView& view) {
    if (view.ndim() == 0) return;
    const auto bound = [&]() -> std::optional<int64_t> {
      if (one_in(random, 4)) return kNone;
      if (one_in(random, 10)) return one_in(random, 2) ? kMin : kMax;
      return pick(random, -7, 7);
    };
    Slice range{bound(), bound(), pick(random, -3, 3)};
    if (range.step == 0) range.step = one_in(random, 2) ? kMin : kMax;
    const auto axis = static_cast<size_t>(pick(random, 0, view.ndim() - 1));
    const auto result = attempt(view, [&](const BufferView& v) { return slice(v, static_cast<int>(axis), range); });
    if (!result) {
      ++refused;
      return;
    }
    const Numbers indices = sliced_indices(range, view.shape()[axis]);
    Numbers shape = numbers(view.shape());
    shape[axis] = static_cast<int64_t>(indices.size());
    expect_elements(*result, shape, view, [&](Index index) {
      index[axis] = indices[static_cast<size_t>(index[axis])];
      return index;
    });
  });
  EXPECT_LT(refused, 3'000);
}

TEST_F(RandomViews, IndexDropsTheAxis) {
  for_each_view(40'000, [&](Random& random, const BufferView& view) {
    if (view.ndim() == 0) return;
    const auto axis = static_cast<size_t>(pick(random, 0, view.ndim() - 1));
    const int64_t extent = view.shape()[axis];
    if (extent == 0) {
      EXPECT_THROW(index(view, static_cast<int>(axis), 0), OutOfRange);
      return;
    }
    const int64_t position = pick(random, -extent, extent - 1);
    const auto result = attempt(view, [&](const BufferView& v) { return index(v, static_cast<int>(axis), position); });
    if (!result) return;
    Numbers shape = numbers(view.shape());
    const auto at = static_cast<std::ptrdiff_t>(axis);
    shape.erase(shape.begin() + at);
    expect_elements(*result, shape, view, [&](Index i) {
      i.insert(i.begin() + at, position < 0 ? position + extent : position);
      return i;
    });
  });
}

TEST_F(RandomViews, PermuteMovesAxes) {
  for_each_view(40'000, [&](Random& random, const BufferView& view) {
    std::vector<int> axes(static_cast<size_t>(view.ndim()));
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i) - (one_in(random, 2) ? view.ndim() : 0);
    shuffle(random, axes);
    const auto result = attempt(view, [&](const BufferView& v) { return permute(v, axes); });
    if (!result) return;
    const auto source = [&](size_t i) { return static_cast<size_t>(axes[i] < 0 ? axes[i] + view.ndim() : axes[i]); };
    Numbers shape(axes.size());
    for (size_t i = 0; i < axes.size(); ++i) shape[i] = view.shape()[source(i)];
    expect_elements(*result, shape, view, [&](const Index& index) {
      Index from(index.size());
      for (size_t i = 0; i < index.size(); ++i) from[source(i)] = index[i];
      return from;
    });
  });
}

TEST_F(RandomViews, ExpandRepeats) {
  for_each_view(40'000, [&](Random& random, const BufferView& view) {
    const auto added = static_cast<size_t>(pick(random, 0, std::min(2, kMaxNdim - view.ndim())));
    Numbers shape(added);
    bool repeats = false;
    for (int64_t& extent : shape) extent = pick(random, 0, 3);
    for (const int64_t extent : view.shape()) {
      shape.push_back(extent == 1 && one_in(random, 3) ? pick(random, 0, 3) : extent);
    }
    for (size_t i = 0; i < shape.size(); ++i) repeats = repeats || shape[i] > (i < added ? 1 : view.shape()[i - added]);
    for (const int64_t extent : shape) repeats = repeats && extent != 0;
    const BufferView result = expand(view, shape);
    EXPECT_EQ(result.readonly(), repeats) << layout_text(view) << " -> " << layout_text(result);
    expect_elements(result, shape, view, [&](const Index& index) {
      Index from(index.begin() + static_cast<std::ptrdiff_t>(added), index.end());
      for (size_t i = 0; i < from.size(); ++i) from[i] = view.shape()[i] == 1 ? 0 : from[i];
      return from;
    });
  });
}

TEST_F(RandomViews, SqueezeAndUnsqueezeKeepTheElements) {
  for_each_view(40'000, [&](Random& random, const BufferView& view) {
    if (view.ndim() < kMaxNdim) {
      const int axis = static_cast<int>(pick(random, -view.ndim() - 1, view.ndim()));
      const BufferView wider = unsqueeze(view, axis);
      ASSERT_EQ(wider.shape()[static_cast<size_t>(axis < 0 ? axis + wider.ndim() : axis)], 1);
      ASSERT_EQ(addresses(wider), addresses(view)) << layout_text(view) << " -> " << layout_text(wider);
      const auto back = attempt(wider, [&](const BufferView& v) { return squeeze(v, axis); });
      ASSERT_TRUE(back) << "a direct axis can always go";
      ASSERT_EQ(addresses(*back), addresses(view));
    }
    const auto tight = attempt(view, [](const BufferView& v) { return squeeze(v); });
    if (!tight) return;
    for (const int64_t extent : tight->shape()) ASSERT_NE(extent, 1);
    ASSERT_EQ(addresses(*tight), addresses(view)) << layout_text(view) << " -> " << layout_text(*tight);
  });
}

// A random shape with as many elements.
Numbers refactored(Random& random, int64_t count) {
  Numbers shape;
  if (count == 0) {
    shape = {pick(random, 0, 4), pick(random, 0, 4), 0};
    shuffle(random, shape);
    return shape;
  }
  for (int64_t left = count; left > 1;) {
    int64_t factor = pick(random, 1, left);
    while (left % factor != 0) --factor;
    shape.push_back(factor);
    left /= factor;
    if (shape.size() == 8) shape.push_back(left), left = 1;
  }
  while (one_in(random, 3)) shape.push_back(1);
  shuffle(random, shape);
  return shape;
}

// True if strides exist that reach these addresses, in C order, with this shape.
bool strides_exist(const std::vector<uintptr_t>& at, const Numbers& shape) {
  Numbers strides(shape.size(), 0);
  size_t step = 1;
  for (size_t axis = shape.size(); axis-- > 0; step *= static_cast<size_t>(shape[axis])) {
    if (shape[axis] > 1) strides[axis] = static_cast<int64_t>(at[step] - at[0]);
  }
  bool fits = true;
  size_t i = 0;
  for_each_index(shape, [&](const Index& index) {
    fits = fits && element_address(reinterpret_cast<void*>(at[0]), strides, {}, index) == at[i++];
  });
  return fits;
}

TEST_F(RandomViews, ReshapeExactlyWhereStridesExist) {
  int views = 0;
  int copies = 0;
  for_each_view(60'000, [&](Random& random, const BufferView& view) {
    const auto at = addresses(view);
    const Numbers shape = refactored(random, view.element_count());
    Numbers asked = shape;
    if (!at.empty() && !asked.empty() && one_in(random, 3)) asked[asked.size() / 2] = -1;
    const std::string text = layout_text(view) + " as " + layout_text(shape, {});
    try {
      const BufferView result = reshape(view, asked);
      ++views;
      ASSERT_EQ(numbers(result.shape()), shape) << text;
      ASSERT_EQ(addresses(result), at) << text << ": " << layout_text(result);
    } catch (const BufferError& error) {
      ++copies;
      ASSERT_NE(std::string(error.what()).find(".contiguous()"), std::string::npos) << error.what();
      ASSERT_TRUE(view.has_suboffsets() || !strides_exist(at, shape)) << text << ": " << error.what();
    }
  });
  EXPECT_GT(views, 20'000);
  EXPECT_GT(copies, 5'000);
}

// True if each row of the last axis is one block of bytes that divides into items of this size.
bool rows_divide(const BufferView& view, int64_t itemsize) {
  if (itemsize == view.itemsize()) return true;
  if (view.ndim() == 0 || view.itemsize() == 0) return false;
  const size_t last = view.shape().size() - 1;
  if (view.shape()[last] * view.itemsize() % itemsize != 0) return false;
  return view.empty() || view.shape()[last] == 1 || view.strides()[last] == view.itemsize();
}

TEST_F(RandomViews, CastReadsTheSameBytes) {
  static constexpr int64_t kSizes[] = {1, 2, 3, 4, 6, 8, 12, 24};
  int casts = 0;
  for_each_view(60'000, [&](Random& random, const BufferView& view) {
    const int64_t itemsize = kSizes[pick(random, 0, 7)];
    const Format format = Format::parse(std::to_string(itemsize) + "s");
    const bool indirect = view.has_suboffsets() && view.suboffsets().back() >= 0;
    if (!rows_divide(view, itemsize) || (indirect && itemsize != view.itemsize())) {
      ASSERT_THROW(cast(view, format), TypeMismatch) << layout_text(view) << " as " << itemsize;
      return;
    }
    ++casts;
    const BufferView result = cast(view, format);
    ASSERT_EQ(result.itemsize(), itemsize);
    ASSERT_EQ(byte_addresses(result), byte_addresses(view)) << layout_text(view) << " -> " << layout_text(result);
    ASSERT_EQ(result.len(), view.len());
    ASSERT_EQ(numbers(cast(result, Format::parse(std::to_string(view.itemsize()) + "s")).shape()), numbers(view.shape()));
  });
  EXPECT_GT(casts, 10'000);
}

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
  EXPECT_EQ(numbers(transpose(view_).shape()), (Numbers{4, 3, 2}));
  EXPECT_EQ(numbers(transpose(view_).strides()), (Numbers{4, 16, 48}));
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
  EXPECT_EQ(numbers(reshape(view_, Numbers{-1}).shape()), Numbers{24});
  EXPECT_EQ(numbers(reshape(view_, Numbers{6, -1}).strides()), (Numbers{16, 4}));
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{5, -1}); }, {"(5, -1)", "24 elements"});
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{-1, -1}); }, {"(-1, -1)"});
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{-2, -12}); }, {"shape[0] is -2"});
  expect_throws<InvalidArgument>([&] { reshape(view_, Numbers{5, 5}); }, {"(5, 5) has 25", "(2, 3, 4) has 24"});
  const BufferView none = slice(view_, 0, {0, 0, 1});
  EXPECT_EQ(numbers(reshape(none, Numbers{5, -1}).shape()), (Numbers{5, 0}));
  expect_throws<InvalidArgument>([&] { reshape(none, Numbers{0, -1}); }, {"(0, -1)"});
}

TEST_F(SmallViews, ReshapeNamesTheAxisThatDoesNotFit) {
  expect_throws<BufferError>([&] { reshape(transpose(view_), Numbers{24}); },
                             {"(4, 3, 2)", "(4, 16, 48)", "(24,)", "axis 0", ".contiguous()"});
}

TEST_F(SmallViews, CastSaysWhyNot) {
  expect_throws<TypeMismatch>([&] { cast(scalar_, dtype_of<int16_t>()); }, {"'i' (4 bytes)", "'h' (2 bytes)", "without dimensions"});
  expect_throws<TypeMismatch>([&] { cast(flip(view_, 2), dtype_of<int16_t>()); }, {"axis 2 has stride -4", ".contiguous()"});
  expect_throws<TypeMismatch>([&] { cast(slice(view_, 2, {0, 3, 1}), dtype_of<int64_t>()); }, {"the 12 bytes of axis 2"});
  expect_throws<TypeMismatch>([&] { cast(view_, Format::parse("0s")); }, {"axis 2"});
  expect_throws<InvalidArgument>([&] { cast(view_, DType{}); }, {"both are empty"});
  expect_throws<InvalidArgument>([&] { cast(view_, Format::parse("i"), dtype_of<int16_t>()); }, {"4 bytes", "int16 has 2"});
  EXPECT_EQ(cast(scalar_, dtype_of<float>()).dtype(), dtype_of<float>());
}

TEST_F(SmallViews, CastForgesNoReferences) {
  expect_throws<TypeMismatch>([&] { cast(cast(view_, dtype_of<int64_t>()), Format::parse("O")); }, {"'O'", "references"});
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
  EXPECT_EQ(numbers(expand(none, Numbers{2, 0, 3}).shape()), (Numbers{2, 0, 3}));
}

TEST_F(SmallViews, ReadOnlyStaysReadOnly) {
  const BufferView locked = toreadonly(view_);
  EXPECT_TRUE(locked.readonly());
  EXPECT_TRUE(transpose(locked).readonly());
  EXPECT_TRUE(cast(reshape(slice(locked, 0, {1, kNone, 1}), Numbers{12}), dtype_of<uint8_t>()).readonly());
  EXPECT_TRUE(squeeze(unsqueeze(locked, 0)).readonly());
}

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
  EXPECT_EQ(numbers(cast(image(), dtype_of<int32_t>()).shape()), (Numbers{3, 1}));
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
  EXPECT_EQ(numbers(reshape(image(), Numbers{0, 7}).shape()), (Numbers{0, 7}));
}

TEST_F(RowPointers, AreNotReadOnADevice) {
  spec_.device = {DeviceType::cuda, 0};
  expect_throws<BufferError>([&] { index(image(), 0, 0); }, {"cuda:0"});
  EXPECT_EQ(slice(image(), 1, {2, kNone, 1}).suboffsets()[0], 2);
}

}  // namespace
}  // namespace strideport::testing
