#include "strideport/buffer_view.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <utility>

#include "runtime/view_builder.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/allocation_counter.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
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
  const Numbers shape(8, 2), square{16, 16};
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
  EXPECT_EQ(allocations_of([&] { BufferView::of(data, Numbers(9, 1)); }), 1);
}

TEST(BufferView, CopiesAndMovesInlineAndHeapStorage) {
  Random random = seeded_random("BufferView.CopiesAndMovesInlineAndHeapStorage");
  for (int run = 0; run < 2'000; ++run) {
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
  for (int run = 0; run < 20'000; ++run) {
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
  for (int run = 0; run < 100'000; ++run) {
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

// Ways to spoil a valid structure with at least one element of at least a byte; each must be noticed.
struct Spoiler {
  const char* name;
  std::function<bool(Random&, Structure&, ViewSpec&)> apply;  // false: not applicable to this structure
};

size_t long_axis(Random& random, const Structure& s) {
  std::vector<size_t> axes;
  for (size_t axis = 0; axis < s.shape.size(); ++axis) {
    if (s.shape[axis] > 1) axes.push_back(axis);
  }
  return axes.empty() ? s.shape.size() : axes[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(axes.size()) - 1))];
}

size_t any_axis(Random& random, const Structure& s) {
  return s.shape.empty() ? 0 : static_cast<size_t>(pick(random, 0, static_cast<int64_t>(s.shape.size()) - 1));
}

std::vector<Spoiler> spoilers() {
  return {
      {"negative extent",
       [](Random& r, Structure& s, ViewSpec&) {
         if (s.shape.empty()) return false;
         s.shape[any_axis(r, s)] = one_in(r, 2) ? kMin : -pick(r, 1, 9);
         return true;
       }},
      {"overflowing product",
       [](Random& r, Structure& s, ViewSpec&) {
         const size_t axis = long_axis(r, s);
         if (axis == s.shape.size() || s.shape.size() < 2) return false;
         for (int64_t& extent : s.shape) extent = std::max<int64_t>(extent, 2);
         s.shape[axis] = kMax - pick(r, 0, 99);
         return true;
       }},
      {"stride out of memory",
       [](Random& r, Structure& s, ViewSpec& spec) {
         const size_t axis = long_axis(r, s);
         if (axis == s.shape.size() || spec.strides.empty()) return false;
         const int64_t far = static_cast<int64_t>(s.memory.size()) + pick(r, 0, 50);
         s.strides[axis] = one_in(r, 2) ? far : -far - 1;
         return true;
       }},
      {"stride at the end of int64",
       [](Random& r, Structure& s, ViewSpec& spec) {
         const size_t axis = long_axis(r, s);
         if (axis == s.shape.size()) return false;
         const bool down = one_in(r, 2);
         s.strides[axis] = down ? kMin + pick(r, 0, 3) : kMax - pick(r, 0, 3);
         if (down) spec.memory.reset();  // then address 0 is the bound
         return true;
       }},
      {"first element before the memory",
       [](Random& r, Structure& s, ViewSpec& spec) {  // as an address: the pointer arithmetic would be undefined
         spec.buf = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(s.memory.data()) -
                                            static_cast<uintptr_t>(pick(r, 1, 40)));
         return true;
       }},
      {"memory too short",
       [](Random& r, Structure& s, ViewSpec& spec) {
         int64_t upper = 0;
         for (const uintptr_t at : byte_addresses(BufferView::create(s.spec()))) {
           upper = std::max(upper, static_cast<int64_t>(at - reinterpret_cast<uintptr_t>(s.memory.data())) + 1);
         }
         spec.memory->size = pick(r, 0, upper - 1);
         return true;
       }},
      {"negative memory",
       [](Random& r, Structure&, ViewSpec& spec) {
         spec.memory->size = -pick(r, 1, 100);
         return true;
       }},
      {"null", [](Random&, Structure&, ViewSpec& spec) { return spec.buf = nullptr, true; }},
      {"address that wraps",
       [](Random&, Structure&, ViewSpec& spec) {
         spec.memory.reset();
         spec.buf = reinterpret_cast<void*>(UINTPTR_MAX);
         for (const int64_t stride : spec.strides) {
           if (stride < 0) return false;
         }
         return spec.itemsize > 0;
       }},
      {"negative itemsize",
       [](Random& r, Structure&, ViewSpec& spec) {
         spec.itemsize = one_in(r, 2) ? kMin : -pick(r, 1, 9);
         return true;
       }},
      {"too many dimensions",
       [](Random& r, Structure& s, ViewSpec&) {
         s.shape.resize(static_cast<size_t>(pick(r, kMaxNdim + 1, 200)), 1);
         s.strides.resize(s.shape.size(), 1);
         s.suboffsets.clear();
         return true;
       }},
      {"strides of another length",
       [](Random& r, Structure& s, ViewSpec&) {
         s.strides.resize(s.shape.size() + static_cast<size_t>(pick(r, 1, 3)), 1);
         return true;
       }},
      {"suboffsets of another length",
       [](Random& r, Structure& s, ViewSpec&) {
         s.suboffsets.resize(s.shape.size() + static_cast<size_t>(pick(r, 1, 3)), -1);
         return true;
       }},
      {"suboffset past the end of int64",
       [](Random& r, Structure& s, ViewSpec& spec) {
         if (s.shape.empty()) return false;
         s.suboffsets.assign(s.shape.size(), -1);
         s.suboffsets[any_axis(r, s)] = kMax;
         spec.memory.reset();
         return true;
       }},
      {"format of another size",
       [](Random& r, Structure& s, ViewSpec& spec) {
         static const Format formats[] = {Format::parse("5s"), Format::parse("<7s"), Format::parse("T{<i:x:<d:y:}")};
         spec.format = formats[pick(r, 0, 2)];
         return spec.format.itemsize() != s.itemsize;
       }},
      {"dtype of another size",
       [](Random& r, Structure& s, ViewSpec& spec) {
         static constexpr DType kTypes[] = {dtype_of<uint8_t>(), dtype_of<double>(), {TypeCode::bfloat, 16, 5}};
         spec.dtype = kTypes[pick(r, 0, 2)];
         return spec.dtype.itemsize() != s.itemsize;
       }},
      {"packed elements that fill no bytes",
       [](Random& r, Structure& s, ViewSpec& spec) {
         spec.dtype = {TypeCode::float4_e2m1fn, 4, static_cast<uint16_t>(2 * pick(r, 0, 5) + 1)};
         spec.itemsize = spec.dtype.itemsize();
         return s.itemsize == spec.itemsize;
       }},
  };
}

TEST(RandomStructures, AreRefusedWhenSpoiled) {
  Random random = seeded_random("RandomStructures.AreRefusedWhenSpoiled");
  const auto ways = spoilers();
  std::vector<int> counts(ways.size(), 0);
  for (int refused = 0; refused < 30'000;) {
    Structure s = random_structure(random);
    const size_t way = static_cast<size_t>(pick(random, 0, static_cast<int64_t>(ways.size()) - 1));
    ViewSpec spec = s.spec();
    if (s.empty() || s.itemsize == 0 || !ways[way].apply(random, s, spec)) continue;
    spec.shape = s.shape;
    spec.strides = s.strides;
    spec.suboffsets = s.suboffsets;
    ASSERT_THROW(BufferView::create(spec), InvalidArgument)
        << ways[way].name << ": " << layout_text(s.shape, s.strides) << " itemsize " << spec.itemsize;
    ++counts[way];
    ++refused;
  }
  for (size_t way = 0; way < ways.size(); ++way) EXPECT_GT(counts[way], 100) << ways[way].name;
}

TEST(BufferView, NamesRuleAndValueOfWhatItRefuses) {
  char data[64] = {};
  const auto create = [&](Numbers shape, Numbers strides, const std::function<void(ViewSpec&)>& change = [](ViewSpec&) {}) {
    ViewSpec spec;
    spec.buf = data;
    spec.shape = shape;
    spec.strides = strides;
    spec.memory = MemoryRange{data, 64};
    change(spec);
    return BufferView::create(spec);
  };
  expect_throws<InvalidArgument>([&] { create(Numbers(65, 1), {}); }, {"ndim is 65", "64"});
  expect_throws<InvalidArgument>([&] { create({2, -3}, {}); }, {"shape[1] is -3"});
  expect_throws<InvalidArgument>([&] { create({2, 3}, {1}); }, {"strides (1,)", "shape (2, 3)"});
  expect_throws<InvalidArgument>([&] { create({2}, {1}, [](ViewSpec& s) { s.itemsize = -1; }); }, {"itemsize is -1"});
  expect_throws<InvalidArgument>([&] { create({kMax, 2}, {1, 1}); }, {"product of shape overflows", "* 2"});
  expect_throws<InvalidArgument>([&] { create({4, 8}, {20, 1}); }, {"(4, 8)", "(20, 1)", "bytes 0 to 68", "64 bytes"});
  expect_throws<InvalidArgument>([&] { create({4}, {-1}); }, {"bytes -3 to 1"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.buf = nullptr; }); }, {"buf is null", "(4,)"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.format = Format::parse("i"); }); },
                                 {"format 'i' has 4 bytes", "itemsize is 1"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.dtype = dtype_of<float>(); }); },
                                 {"dtype float32 has 4 bytes", "itemsize is 1"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.dtype = {TypeCode::integer, 4, 1}; }); },
                                 {"int4", "padded"});
  EXPECT_NO_THROW(create({4}, {1}, [](ViewSpec& s) { s.dtype = {TypeCode::integer, 4, 1}, s.padded = true; }));
  EXPECT_NO_THROW(create({4}, {1}, [](ViewSpec& s) { s.dtype = {TypeCode::integer, 4, 2}; }));
  EXPECT_NO_THROW(create({0, kMax, kMax}, {kMin, kMin, kMin}, [](ViewSpec& s) { s.buf = nullptr; }));
}

TEST(BufferView, ChecksReachWithSuboffsetsOnlyAsFarAsTheRowPointers) {
  void* rows[4] = {};
  const auto create = [&](Numbers shape, Numbers strides, Numbers suboffsets) {
    ViewSpec spec;
    spec.buf = rows;
    spec.shape = shape;
    spec.strides = strides;
    spec.suboffsets = suboffsets;
    spec.memory = MemoryRange{rows, sizeof rows};
    return BufferView::create(spec);
  };
  EXPECT_NO_THROW(create({4, 1000}, {8, 1}, {0, -1}));
  expect_throws<InvalidArgument>([&] { create({5, 1000}, {8, 1}, {0, -1}); }, {"bytes 0 to 40", "32 bytes"});
  expect_throws<InvalidArgument>([&] { create({4, 1000}, {8, kMax / 2}, {0, -1}); }, {"byte offset overflows"});
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

}  // namespace
}  // namespace strideport::testing
