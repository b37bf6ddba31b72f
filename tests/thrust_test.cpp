// The strided iterators on Thrust's C++ backend, against the odometer and the standard algorithms on a plain vector.
// That they compile for a GPU is a test of its own (tests/CMakeLists.txt); samples/08_thrust.cu runs them there.

#include "strideport/thrust.hpp"

#include <gtest/gtest.h>
#include <thrust/functional.h>
#include <thrust/gather.h>
#include <thrust/iterator/permutation_iterator.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/sort.h>
#include <thrust/transform.h>
#include <thrust/unique.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

using testing::expect_throws;
using testing::Random;

// A view of ints of random strides, each element at bytes of its own, over memory that remembers what was in it.
struct Scattered {
  std::vector<int32_t> memory;
  std::vector<int32_t> before;
  std::vector<int64_t> shape, strides;
  BufferView view;
};

// Dimensions in a random order of density, with random gaps and signs.
Scattered scattered(Random& random, int ndim) {
  Scattered result;
  std::vector<size_t> order(static_cast<size_t>(ndim));
  std::iota(order.begin(), order.end(), size_t{0});
  testing::shuffle(random, order);
  result.shape.resize(order.size());
  result.strides.resize(order.size());
  int64_t room = 1, first = 0;
  for (const size_t axis : order) {
    const int64_t extent = testing::pick(random, 1, 5), stride = room + testing::pick(random, 0, 1);
    const bool reversed = testing::one_in(random, 3);
    result.shape[axis] = extent;
    result.strides[axis] = 4 * (reversed ? -stride : stride);
    if (reversed) first += (extent - 1) * stride;
    room = stride * extent;
  }
  result.memory.resize(static_cast<size_t>(room));
  for (int32_t& value : result.memory) value = static_cast<int32_t>(testing::pick(random, -50, 50));
  result.before = result.memory;
  result.view = BufferView::of(result.memory.data() + first, result.shape, result.strides);
  return result;
}

// CCCL 3.0's own sort of ints by thrust::greater puts those below 0 wrong on the host, plain pointers included; with a
// comparator that it does not know it merges instead.
struct Descending {
  bool operator()(int32_t a, int32_t b) const { return a > b; }
};

// What the memory must be once the elements hold `values`: all else as before.
std::vector<int32_t> with(const Scattered& scattered, const std::vector<int32_t>& values) {
  std::vector<int32_t> result = scattered.before;
  size_t i = 0;
  for (const uintptr_t address : testing::addresses(scattered.view)) {
    const auto place = (address - reinterpret_cast<uintptr_t>(scattered.memory.data())) / 4;
    result[place] = values[i++];
  }
  return result;
}

std::vector<int32_t> values_of(const BufferView& view) {
  const auto bytes = testing::gather(view);
  std::vector<int32_t> result(bytes.size() / 4);
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

TEST(Thrust, VisitsEveryElementInCOrderFromAnyPlace) {
  Random random = testing::seeded_random("Thrust.VisitsEveryElementInCOrderFromAnyPlace");
  for (int64_t round = 0, n = testing::rounds(2'000); round < n; ++round) {
    const Scattered data = scattered(random, static_cast<int>(testing::pick(random, 0, 6)));
    SCOPED_TRACE(testing::layout_text(data.view));
    const auto expected = testing::addresses(data.view);
    const auto begin = strided_begin<int32_t>(data.view);
    const auto end = strided_end<int32_t>(data.view);
    ASSERT_EQ(end - begin, static_cast<std::ptrdiff_t>(expected.size()));
    auto walker = begin;
    for (size_t i = 0; i < expected.size(); ++i, ++walker) {
      ASSERT_EQ(reinterpret_cast<uintptr_t>(&*walker), expected[i]) << i;
      const auto other = static_cast<std::ptrdiff_t>(random() % expected.size());
      ASSERT_EQ(reinterpret_cast<uintptr_t>(&walker[other - static_cast<std::ptrdiff_t>(i)]),
                expected[static_cast<size_t>(other)]);
    }
    ASSERT_TRUE(walker == end);
    while (walker != begin) --walker;
  }
}

TEST(Thrust, SortsAStridedViewInPlace) {
  Random random = testing::seeded_random("Thrust.SortsAStridedViewInPlace");
  for (int round = 0; round < 300; ++round) {
    Scattered data = scattered(random, static_cast<int>(testing::pick(random, 1, 5)));
    auto expected = values_of(data.view);
    std::sort(expected.begin(), expected.end(), std::greater<>());
    thrust::sort(thrust::device, strided_begin<int32_t>(data.view), strided_end<int32_t>(data.view), Descending());
    ASSERT_EQ(data.memory, with(data, expected)) << testing::layout_text(data.view);
  }
}

TEST(Thrust, SortsKeysOfOneLayoutWithValuesOfAnother) {
  Random random = testing::seeded_random("Thrust.SortsKeysOfOneLayoutWithValuesOfAnother");
  std::vector<int32_t> keys(60), values(120);
  for (int32_t& key : keys) key = static_cast<int32_t>(testing::pick(random, 0, 9));
  std::iota(values.begin(), values.end(), 0);
  const BufferView key_view = BufferView::of(keys.data(), {5, 12}, {4, 20});
  const BufferView value_view = BufferView::of(values.data() + 118, {60}, {-8});
  std::vector<std::pair<int32_t, int32_t>> expected;
  for (size_t i = 0; i < 60; ++i) expected.emplace_back(values_of(key_view)[i], values_of(value_view)[i]);
  std::stable_sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  thrust::stable_sort_by_key(strided_begin<int32_t>(key_view), strided_end<int32_t>(key_view),
                             strided_begin<int32_t>(value_view));
  for (size_t i = 0; i < 60; ++i) {
    EXPECT_EQ(values_of(key_view)[i], expected[i].first);
    EXPECT_EQ(values_of(value_view)[i], expected[i].second);
  }
}

TEST(Thrust, ReducesScansGathersAndTransforms) {
  Random random = testing::seeded_random("Thrust.ReducesScansGathersAndTransforms");
  for (int round = 0; round < 300; ++round) {
    Scattered data = scattered(random, static_cast<int>(testing::pick(random, 1, 5)));
    const auto values = values_of(data.view);
    const auto begin = strided_begin<const int32_t>(data.view), end = strided_end<const int32_t>(data.view);
    ASSERT_EQ(thrust::reduce(thrust::device, begin, end, int64_t{0}),
              std::accumulate(values.begin(), values.end(), int64_t{0}));

    std::vector<int32_t> sums(values.size()), expected(values.size());
    thrust::inclusive_scan(thrust::host, strided_begin<const int32_t>(thrust::host, data.view),
                           strided_end<const int32_t>(thrust::host, data.view), sums.begin());
    std::partial_sum(values.begin(), values.end(), expected.begin());
    ASSERT_EQ(sums, expected);

    std::vector<int64_t> map(values.size());
    std::iota(map.begin(), map.end(), 0);
    testing::shuffle(random, map);
    for (size_t i = 0; i < map.size(); ++i) expected[i] = values[static_cast<size_t>(map[i])];
    thrust::gather(thrust::device, map.begin(), map.end(), begin, sums.begin());
    ASSERT_EQ(sums, expected);

    thrust::transform(thrust::device, begin, end, strided_begin<int32_t>(data.view), thrust::negate<int32_t>());
    for (size_t i = 0; i < values.size(); ++i) expected[i] = -values[i];
    ASSERT_EQ(data.memory, with(data, expected));
  }
}

TEST(Thrust, ReadsBroadcastElementsManyTimes) {
  const std::array<float, 3> row = {1, 2, 4};
  const BufferView view = BufferView::of(row.data(), {1000, 3}, {0, 4});
  EXPECT_EQ(thrust::reduce(strided_begin<const float>(view), strided_end<const float>(view)), 7000.0F);
}

TEST(Thrust, EmptyViewsAndScalarsHaveNoneAndOneElement) {
  int32_t value = 7;
  const BufferView scalar = BufferView::of(&value, std::span<const int64_t>());
  EXPECT_EQ(strided_end<int32_t>(scalar) - strided_begin<int32_t>(scalar), 1);
  EXPECT_EQ(*strided_begin<int32_t>(scalar), 7);
  const BufferView empty = BufferView::of(&value, {3, 0, 5});
  EXPECT_TRUE(strided_begin<int32_t>(empty) == strided_end<int32_t>(empty));
  const BufferView nowhere = BufferView::of<int32_t>(nullptr, {0});
  thrust::sort(strided_begin<int32_t>(nowhere), strided_end<int32_t>(nowhere));
}

// Extents up to 2^40 and what must be divided by them: the strides are those of bytes, nothing is read.
TEST(Thrust, DividesLargeIndicesExactly) {
  Random random = testing::seeded_random("Thrust.DividesLargeIndicesExactly");
  std::byte here{};
  for (int64_t round = 0, n = testing::rounds(200'000); round < n; ++round) {
    std::array<int64_t, 3> shape{}, strides{};
    int64_t room = 1;
    for (size_t axis = 3; axis-- > 0;) {
      shape[axis] = (int64_t{1} << testing::pick(random, 0, 14)) + testing::pick(random, -1, 1);
      if (shape[axis] < 1) shape[axis] = 1;
      strides[axis] = room + testing::pick(random, 0, 1);
      room = shape[axis] * strides[axis];
    }
    const BufferView view = BufferView::of(&here, shape, strides);
    const StridedOffsets<3> offsets(view);
    const int64_t count = view.element_count();
    for (int64_t index : {int64_t{0}, count - 1, testing::pick(random, 0, count - 1), count / shape[0] - 1}) {
      const int64_t k = index % shape[2], j = index / shape[2] % shape[1], i = index / shape[2] / shape[1];
      ASSERT_EQ(offsets(index), i * strides[0] + j * strides[1] + k * strides[2])
          << testing::layout_text(view) << " at " << index;
    }
  }
}

TEST(Thrust, DividesByExtentsOfAnySizeExactly) {
  Random random = testing::seeded_random("Thrust.DividesByExtentsOfAnySizeExactly");
  std::byte here{};
  for (int64_t round = 0, n = testing::rounds(200'000); round < n; ++round) {
    // Two dimensions that do not merge: (outer, inner) with strides (1, 0) gives the quotient, (0, 1) the remainder.
    const int bits = static_cast<int>(testing::pick(random, 1, 45));
    const int64_t inner = std::max<int64_t>(2, testing::pick(random, int64_t{1} << (bits - 1), int64_t{1} << bits));
    const int64_t outer = testing::pick(random, 2, std::max<int64_t>(2, (int64_t{1} << 46) / inner));
    const std::array<int64_t, 2> shape = {outer, inner}, one = {1, 0}, other = {0, 1};
    const StridedOffsets<2> quotient(BufferView::of(&here, shape, one)), remainder(BufferView::of(&here, shape, other));
    const int64_t multiple = testing::pick(random, 0, outer - 1) * inner;
    for (int64_t index : {multiple, multiple + inner - 1, testing::pick(random, 0, outer * inner - 1)}) {
      ASSERT_EQ(quotient(index), index / inner) << index << " / " << inner;
      ASSERT_EQ(remainder(index), index % inner) << index << " % " << inner;
    }
  }
}

TEST(Thrust, MergesWhatLiesAdjacent) {
  std::vector<int32_t> memory(4096);
  std::vector<int64_t> shape(12, 2);
  const BufferView contiguous = BufferView::of(memory.data(), shape);
  EXPECT_EQ(StridedOffsets<8>(contiguous).ndim(), 1);
  BufferView reversed = contiguous;
  for (int axis = 0; axis < 12; ++axis) reversed = flip(reversed, axis);
  EXPECT_EQ(StridedOffsets<8>(reversed).ndim(), 1);
  EXPECT_EQ(StridedOffsets<8>(BufferView::of(memory.data(), {4, 1, 5}, {40, 12345, 4})).ndim(), 2);
  const BufferView transposed = transpose(contiguous);
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(transposed); },
                             {"12 dimensions", "more than 8", "strided_begin<T, 12>(view)"});
  std::iota(memory.begin(), memory.end(), 0);
  EXPECT_EQ(thrust::reduce(strided_begin<int32_t, 12>(transposed), strided_end<int32_t, 12>(transposed)), 4095 * 2048);
  EXPECT_EQ((strided_begin<int32_t, 12>(transposed)[1]), 2048);
}

TEST(Thrust, RefusesAnotherElementType) {
  std::array<float, 4> memory{};
  const BufferView view = BufferView::of(memory.data(), {4});
  expect_throws<TypeMismatch>([&] { (void)strided_begin<int32_t>(view); }, {"float32", "int32"});
  expect_throws<TypeMismatch>([&] { (void)strided_begin<double>(view); }, {"float32", "float64"});
  ViewSpec foreign = view.spec();
  foreign.dtype = {};
  foreign.format = Format::parse(">f");
  expect_throws<TypeMismatch>([&] { (void)strided_begin<float>(BufferView::create(foreign)); }, {"none of 4 bytes"});
  struct Pair {
    float a, b;
  };
  expect_throws<TypeMismatch>([&] { (void)strided_begin<Pair>(view); }, {"a class of 8"});
}

TEST(Thrust, TakesClassTypesBySizeAndComplexNumbersByType) {
  struct Pixel {
    uint8_t r, g, b;
  };
  const std::array<uint8_t, 6> bytes = {1, 2, 3, 4, 5, 6};
  ViewSpec spec;
  spec.buf = const_cast<uint8_t*>(bytes.data());
  const int64_t shape[] = {2};
  spec.shape = shape;
  spec.itemsize = 3;
  spec.format = Format::parse("BBB");
  EXPECT_EQ((*(strided_begin<Pixel>(BufferView::create(spec)) + 1)).b, 6);
  std::array<std::complex<float>, 2> numbers = {std::complex<float>{1, 2}, std::complex<float>{3, 4}};
  const BufferView view = BufferView::of(numbers.data(), {2});
  EXPECT_EQ((*(strided_begin<thrust::complex<float>>(view) + 1)).imag(), 4.0F);
  expect_throws<TypeMismatch>([&] { (void)strided_begin<thrust::complex<double>>(view); }, {"complex64", "complex128"});
}

TEST(Thrust, RefusesToWriteReadOnlyMemory) {
  const std::array<int32_t, 4> memory = {1, 2, 3, 4};
  const BufferView view = BufferView::of(memory.data(), {4});
  expect_throws<ReadOnly>([&] { (void)strided_begin<int32_t>(view); }, {"read-only", "strided_begin<const float>"});
  expect_throws<ReadOnly>([&] { (void)strided_end<int32_t>(thrust::host, view); }, {"read-only"});
  EXPECT_EQ(*strided_begin<const int32_t>(view), 1);
}

TEST(Thrust, RefusesWhatItCannotAddress) {
  alignas(8) std::array<std::byte, 64> memory{};
  const auto at = [&](size_t offset, int64_t stride) {
    return BufferView::of(reinterpret_cast<int32_t*>(memory.data() + offset), {4}, {stride});
  };
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(at(1, 4)); }, {"aligned to 4", "to_contiguous()"});
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(at(0, 6)); }, {"aligned to 4"});
  std::array<std::byte*, 2> rows = {memory.data(), memory.data() + 32};
  ViewSpec spec;
  spec.buf = rows.data();
  const int64_t shape[] = {2, 4}, strides[] = {sizeof(void*), 4}, suboffsets[] = {0, -1};
  spec.shape = shape, spec.strides = strides, spec.suboffsets = suboffsets;
  spec.itemsize = 4;
  spec.dtype = dtype_of<int32_t>();
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(BufferView::create(spec)); },
                             {"suboffsets", "to_contiguous()"});
}

TEST(Thrust, RefusesMemoryThatTheHostDoesNotRead) {
  std::array<int32_t, 4> memory{};
  const BufferView here = BufferView::of(memory.data(), {4});
  ViewSpec spec = here.spec();
  spec.device = {DeviceType::cuda, 1};
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(BufferView::create(spec)); }, {"cuda:1", "copy it"});
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(thrust::host, BufferView::create(spec)); }, {"cuda:1"});
  spec.device = {DeviceType::simulated, 0};
  expect_throws<BufferError>([&] { (void)strided_begin<int32_t>(BufferView::create(spec)); }, {"simulated:0"});
}

}  // namespace
}  // namespace strideport
