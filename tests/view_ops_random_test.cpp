// View operations on random views: the odometer walks the view and the result, and a rule as simple as can be says
// which element of the one must be which of the other.
#include "strideport/view_ops.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "strideport/buffer_view.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/slice_indices.hpp"
#include "tests/support/spans.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr std::nullopt_t kNone = std::nullopt;
using Numbers = std::vector<int64_t>;

Numbers numbers(std::span<const int64_t> values) { return {values.begin(), values.end()}; }

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
    ASSERT_EQ(shape_of(cast(result, Format::parse(std::to_string(view.itemsize()) + "s"))), numbers(view.shape()));
  });
  EXPECT_GT(casts, 10'000);
}

}  // namespace
}  // namespace strideport::testing
