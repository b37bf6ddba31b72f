#include "strideport/buffer_view.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <utility>

#include "runtime/view_builder.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
using Numbers = std::vector<int64_t>;

Numbers numbers(std::span<const int64_t> values) { return {values.begin(), values.end()}; }

TEST(BufferView, IsAnEmptyViewOfBytesByDefault) {
  const BufferView view;
  EXPECT_EQ(view.buf(), nullptr);
  EXPECT_EQ(view.len(), 0);
  EXPECT_EQ(numbers(view.shape()), Numbers{0});
  EXPECT_EQ(numbers(view.strides()), Numbers{1});
  EXPECT_EQ(view.format().text(), "B");
  EXPECT_EQ(view.dtype(), dtype_of<uint8_t>());
  EXPECT_TRUE(view.is_contiguous(Order::C));
}

TEST(BufferView, TakesTypedMemory) {
  double data[6] = {};
  const BufferView view = BufferView::of(data, {2, 3});
  EXPECT_EQ(view.buf(), data);
  EXPECT_EQ(view.len(), 48);
  EXPECT_EQ(numbers(view.strides()), (Numbers{24, 8}));
  EXPECT_EQ(view.format().text(), "d");
  EXPECT_FALSE(view.readonly());
  EXPECT_TRUE(BufferView::of(std::as_const(data), {6}).readonly());
}

TEST(BufferView, FillsInWhatFormatOrDtypeSayOfEachOther) {
  int data[2] = {};
  ViewSpec spec;
  spec.buf = data;
  spec.itemsize = 4;
  spec.format = Format::parse("i");
  EXPECT_EQ(BufferView::create(spec).dtype(), dtype_of<int32_t>());
  spec.format = Format();
  spec.dtype = dtype_of<float>();
  EXPECT_EQ(BufferView::create(spec).format().text(), "f");
}

TEST(BufferView, CountsSuboffsetsThatAreAllNegativeAsNone) {
  int data[6] = {};
  const Numbers shape{2, 3}, direct{-1, kMin};
  ViewSpec spec;
  spec.buf = data;
  spec.shape = shape;
  spec.suboffsets = direct;
  spec.itemsize = 4;
  const BufferView view = BufferView::create(spec);
  EXPECT_FALSE(view.has_suboffsets());
  EXPECT_TRUE(view.suboffsets().empty());
  EXPECT_TRUE(view.is_contiguous(Order::C));
}

TEST(BufferView, AllocatesNothingUpToEightDimensions) {
  char data[256] = {};
  const Numbers shape(8, 2), square{16, 16}, nine(9, 1);
  (void)Format::of(dtype_of<float>());  // builds the table of formats, once a process
  EXPECT_EQ(allocations_of([&] {
              BufferView view = BufferView::of(data, shape);
              BufferView copy = view;
              BufferView moved = std::move(view);
              view = copy;
              copy = slice(moved, 3, {std::nullopt, std::nullopt, -1});
              copy = index(transpose(copy), 0, 1);
              copy = cast(reshape(moved, square), dtype_of<uint32_t>());
            }),
            0);
  EXPECT_EQ(allocations_of([&] { BufferView::of(data, nine); }), 1);
}

TEST(BufferView, CopiesAndMovesInlineAndHeapStorage) {
  Random random = seeded_random("BufferView.CopiesAndMovesInlineAndHeapStorage");
  for (int64_t run = 0, n = testing::rounds(2'000); run < n; ++run) {
    Structure s = one_in(random, 2) ? random_structure(random) : random_indirect_structure(random);
    Structure other = one_in(random, 2) ? random_structure(random) : random_indirect_structure(random);
    const BufferView original = BufferView::create(s.spec());
    BufferView copy = BufferView::create(other.spec());
    copy = original;
    BufferView moved = BufferView::create(other.spec());
    moved = std::move(copy);
    const BufferView taken = std::move(moved);
    for (const BufferView* left : {&copy, &moved}) {
      ASSERT_EQ(numbers(left->shape()), Numbers{0});
      ASSERT_EQ(left->len(), 0);
      ASSERT_EQ(left->buf(), nullptr);
      ASSERT_FALSE(left->has_suboffsets());
    }
    ASSERT_EQ(numbers(taken.shape()), s.shape);
    ASSERT_EQ(numbers(taken.strides()), s.strides);
    ASSERT_EQ(numbers(taken.suboffsets()), numbers(original.suboffsets()));
    ASSERT_EQ(addresses(taken), addresses(original));
  }
}

TEST(BufferView, SurvivesAssignmentToItself) {
  Numbers shape(9, 1);
  char byte = 0;
  BufferView view = BufferView::of(&byte, shape);
  const BufferView& same = view;
  view = same;
  BufferView& alias = view;
  view = std::move(alias);
  EXPECT_EQ(numbers(view.shape()), shape);
}

TEST(BufferView, HasNoContiguityWithSuboffsetsAsInCPython) {
  void* row = nullptr;
  const Numbers shape{0, 3}, strides{8, 1}, suboffsets{0, -1};
  ViewSpec spec;
  spec.buf = &row;
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  EXPECT_FALSE(BufferView::create(spec).is_contiguous(Order::C));
}

TEST(BufferView, CountsElementsOfNoBytes) {
  char byte = 0;
  const Numbers shape{3, 4};
  ViewSpec spec;
  spec.buf = &byte;
  spec.shape = shape;
  spec.itemsize = 0;
  const BufferView view = BufferView::create(spec);
  EXPECT_EQ(view.element_count(), 12);
  EXPECT_EQ(view.len(), 0);
}

TEST(ItemPointer, FollowsStridesAndSuboffsets) {
  Random random = seeded_random("ItemPointer.FollowsStridesAndSuboffsets");
  for (int64_t run = 0, n = testing::rounds(20'000); run < n; ++run) {
    Structure s = one_in(random, 2) ? random_structure(random) : random_indirect_structure(random);
    const BufferView view = BufferView::create(s.spec());
    for_each_index(view.shape(), [&](const Index& index) {
      const auto expected = element_address(view, index);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(view.item_pointer(index)), expected) << layout_text(view);
      Index from_end = index;
      for (size_t i = 0; i < index.size(); ++i) from_end[i] -= view.shape()[i];
      ASSERT_EQ(reinterpret_cast<uintptr_t>(view.item_pointer(from_end)), expected);
    });
  }
}

TEST(ItemPointer, NamesTheBadIndex) {
  int data[6] = {};
  const BufferView view = BufferView::of(data, {2, 3});
  expect_throws<InvalidArgument>([&] { view.item_pointer(Numbers{1}); }, {"1 indices", "2 dimensions"});
  expect_throws<OutOfRange>([&] { view.item_pointer(Numbers{1, 3}); }, {"index 3", "axis 1", "extent 3"});
  expect_throws<OutOfRange>([&] { view.item_pointer(Numbers{-3, 0}); }, {"index -3", "axis 0", "extent 2"});
  expect_throws<OutOfRange>([&] { view.item_pointer(Numbers{kMin, 0}); }, {"axis 0"});
}

TEST(ItemPointer, ReadsNoRowPointersOutOfTheHostsReach) {
  void* row = nullptr;
  const Numbers shape{1, 3}, strides{8, 1}, suboffsets{0, -1};
  ViewSpec spec;
  spec.buf = &row;
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  expect_throws<BufferError>([&] { BufferView::create(spec).item_pointer(Numbers{0, 0}); }, {"row pointer is null"});
  spec.device = {DeviceType::cuda, 1};
  expect_throws<BufferError>([&] { BufferView::create(spec).item_pointer(Numbers{0, 0}); }, {"cuda:1"});
}

TEST(RandomStructures, AreTakenAsTheyAre) {
  Random random = seeded_random("RandomStructures.AreTakenAsTheyAre");
  for (int64_t run = 0, n = testing::rounds(100'000); run < n; ++run) {
    Structure s = one_in(random, 4) ? random_indirect_structure(random) : random_structure(random);
    const BufferView view = BufferView::create(s.spec());
    SCOPED_TRACE(layout_text(view));
    const bool indirect = std::any_of(s.suboffsets.begin(), s.suboffsets.end(), [](int64_t x) { return x >= 0; });
    const auto at = addresses(view);
    ASSERT_EQ(numbers(view.shape()), s.shape);
    ASSERT_EQ(numbers(view.strides()), s.strides);
    ASSERT_EQ(numbers(view.suboffsets()), indirect ? s.suboffsets : Numbers{});
    ASSERT_EQ(view.element_count(), static_cast<int64_t>(at.size()));
    ASSERT_EQ(view.len(), view.element_count() * s.itemsize);
    ASSERT_EQ(view.empty(), view.len() == 0);
    ASSERT_EQ(gather(view).size(), static_cast<size_t>(view.len())) << "reads every byte, under ASan";
  }
}

TEST(ViewBuilder, ReturnsToInlineStorageWhenSuboffsetsTurnOutDirect) {
  char data[6] = {};
  ViewBuilder builder(2, true);
  builder.set_buf(data).set_element(1, Format::of(dtype_of<uint8_t>()), dtype_of<uint8_t>());
  builder.shape()[0] = 2;
  builder.shape()[1] = 3;
  builder.strides()[0] = 3;
  builder.strides()[1] = 1;
  builder.suboffsets()[0] = builder.suboffsets()[1] = -1;
  const BufferView view = std::move(builder).finish();
  EXPECT_FALSE(view.has_suboffsets());
  EXPECT_EQ(numbers(view.shape()), (Numbers{2, 3}));
  EXPECT_EQ(allocations_of([&] { BufferView copy = view; }), 0);
}

TEST(BufferView, TellsItsPartsSoThatTheyMakeItAgain) {
  const float data[6] = {};
  const BufferView view = BufferView::of(data, {2, 3}, {4, 8});
  const BufferView again = BufferView::create(view.spec());
  EXPECT_EQ(again.buf(), view.buf());
  EXPECT_EQ(numbers(again.shape()), (Numbers{2, 3}));
  EXPECT_EQ(numbers(again.strides()), (Numbers{4, 8}));
  EXPECT_EQ(again.dtype(), dtype_of<float>());
  EXPECT_TRUE(again.format() == view.format());
  EXPECT_TRUE(again.readonly());
}

}  // namespace
}  // namespace strideport::testing
