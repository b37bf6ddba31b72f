// What BufferView::create refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "strideport/buffer.hpp"
#include "strideport/buffer_view.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
using Numbers = std::vector<int64_t>;

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
  return axes.empty() ? s.shape.size()
                      : axes[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(axes.size()) - 1))];
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
  const auto create = [&](
                          Numbers shape, Numbers strides,
                          const std::function<void(ViewSpec&)>& change = [](ViewSpec&) {}) {
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
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.buf = nullptr; }); },
                                 {"buf is null", "(4,)"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.format = Format::parse("i"); }); },
                                 {"format 'i' has 4 bytes", "itemsize is 1"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) { s.dtype = dtype_of<float>(); }); },
                                 {"dtype float32 has 4 bytes", "itemsize is 1"});
  expect_throws<InvalidArgument>([&] { create({4}, {1}, [](ViewSpec& s) {
                                         s.dtype = {TypeCode::integer, 4, 1};
                                       }); },
                                 {"int4", "padded"});
  EXPECT_NO_THROW(create({4}, {1}, [](ViewSpec& s) { s.dtype = {TypeCode::integer, 4, 1}, s.padded = true; }));
  EXPECT_NO_THROW(create({4}, {1}, [](ViewSpec& s) { s.dtype = {TypeCode::integer, 4, 2}; }));
  EXPECT_NO_THROW(create({0, kMax, kMax}, {kMin, kMin, kMin}, [](ViewSpec& s) { s.buf = nullptr; }));
}

TEST(BufferView, RefusesElementTypesThatContradictThemselves) {
  alignas(16) char memory[64] = {};
  const auto make = [&](int64_t itemsize, DType dtype, const char* format) {
    ViewSpec spec;
    spec.buf = memory;
    spec.itemsize = itemsize;
    spec.dtype = dtype;
    if (format != nullptr) spec.format = Format::parse(format);
    return BufferView::create(spec);
  };
  expect_throws<InvalidArgument>([&] { make(4, dtype_of<int32_t>(), "f"); }, {"format 'f'", "float32", "int32"});
  expect_throws<InvalidArgument>([&] { make(4, dtype_of<int32_t>(), ">i"); }, {"format '>i'", "int32"});
  expect_throws<InvalidArgument>([&] { make(3, {TypeCode::integer, 24, 1}, nullptr); }, {"24 bits"});
  expect_throws<InvalidArgument>([&] { make(0, {TypeCode::integer, 32, 0}, nullptr); }, {"0 lanes"});
  expect_throws<InvalidArgument>([&] { make(2, {TypeCode::boolean, 16, 1}, nullptr); }, {"16 bits"});
  EXPECT_EQ(make(8, dtype_of<int64_t>(), "l").dtype(), dtype_of<int64_t>());
}

TEST(BufferView, IsPaddedOnlyWhereBitsAreUnused) {
  char memory[4] = {};
  ViewSpec spec;
  spec.buf = memory;
  spec.padded = true;
  spec.itemsize = 4;
  spec.dtype = dtype_of<float>();
  EXPECT_FALSE(BufferView::create(spec).padded());
  spec.itemsize = 1;
  spec.dtype = {TypeCode::integer, 4, 1};
  EXPECT_TRUE(BufferView::create(spec).padded());
}

template <class T>
concept LendsItsShape = requires(T view) { std::forward<T>(view).shape(); };
template <class T>
concept LendsItself = requires(T buffer) { std::forward<T>(buffer).view(); };

TEST(BufferView, LendsNothingOfATemporary) {
  static_assert(LendsItsShape<BufferView&> && LendsItsShape<const BufferView&> && !LendsItsShape<BufferView>);
  static_assert(LendsItsShape<Buffer&> && LendsItsShape<const Buffer&> && !LendsItsShape<Buffer>);
  static_assert(LendsItself<const Buffer&> && !LendsItself<Buffer> && !LendsItself<const Buffer>);
  EXPECT_EQ(BufferView().format().text(), "B");  // a handle, and so a value
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

}  // namespace
}  // namespace strideport::testing
