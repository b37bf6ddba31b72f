#include "strideport/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "tests/support/copy_pair.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/throws.hpp"

namespace {
std::atomic<int64_t> allocations{0};
}  // namespace

// Not inlined: GCC would take the malloc and the free inside for a mismatched pair.
__attribute__((noinline)) void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace strideport {
namespace {

using testing::expect_throws;
using testing::one_in;
using testing::pick;
using testing::Random;

// Addresses that nobody ever follows: planning touches no memory.
constexpr uintptr_t kDst = uintptr_t{1} << 40;
constexpr uintptr_t kSrc = uintptr_t{1} << 44;

BufferView raw(uintptr_t buf, std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t itemsize) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(buf);
  spec.shape = shape;
  spec.strides = strides;
  spec.itemsize = itemsize;
  return BufferView::create(spec);
}

CopyPlan plan(std::vector<int64_t> shape, std::vector<int64_t> dst, std::vector<int64_t> src, int64_t itemsize,
              uintptr_t dst_buf = kDst, uintptr_t src_buf = kSrc) {
  return plan_copy(raw(dst_buf, shape, std::move(dst), itemsize), raw(src_buf, shape, std::move(src), itemsize));
}

std::string layouts(const CopyPlan& plan) { return dst_layout(plan) + " " + src_layout(plan); }

TEST(CopyPlan, MergesAdjacentDims) {
  const CopyPlan p = plan({4, 5, 6}, {120, 24, 4}, {240, 24, 4}, 4);
  EXPECT_EQ(layouts(p), "(4,15):(120,8) (4,15):(240,8)");
  EXPECT_EQ(p.unit, 8);
  EXPECT_EQ(p.strategy, Strategy::rows);
}

TEST(CopyPlan, MergesRepeatedDims) { EXPECT_EQ(layouts(plan({4, 5}, {20, 4}, {0, 0}, 4)), "(20):(4) (20):(0)"); }

TEST(CopyPlan, IsOneBlockWhereBothAreContiguous) {
  const CopyPlan p = plan({8, 3, 5}, {60, 20, 4}, {60, 20, 4}, 4);
  EXPECT_EQ(p.strategy, Strategy::memcpy);
  EXPECT_EQ(layouts(p), "(30):(16) (30):(16)");
  EXPECT_EQ(p.bytes, 480);
}

TEST(CopyPlan, IsOneBlockWhereBothAreDenseInTheSameOrder) {
  EXPECT_EQ(plan({4, 5, 6}, {4, 96, 16}, {4, 96, 16}, 4).strategy, Strategy::memcpy);
}

TEST(CopyPlan, IsOneBlockWhereBothRunBackwards) {
  const CopyPlan p = plan({4, 5}, {-20, -4}, {-20, -4}, 4);
  EXPECT_EQ(p.strategy, Strategy::memcpy);
  EXPECT_EQ(p.dst_offset, -76);
  EXPECT_EQ(p.src_offset, -76);
}

TEST(CopyPlan, DropsUnitDimsAndTheirStrides) {
  const BufferView dst = raw(kDst, {1, 4, 1, 5}, {7, 5, std::numeric_limits<int64_t>::min(), 1}, 1);
  const BufferView src = raw(kSrc, {4, 5, 1}, {8, 1, std::numeric_limits<int64_t>::max()}, 1);
  EXPECT_EQ(layouts(plan_copy(dst, src)), "(4,5):(5,1) (4,5):(8,1)");
}

TEST(CopyPlan, CopiesOneElementOfNoDimensions) {
  const CopyPlan p = plan({}, {}, {}, 8);
  EXPECT_EQ(p.strategy, Strategy::memcpy);
  EXPECT_EQ(layouts(p), "():() ():()");
  EXPECT_EQ(p.unit, 8);
  EXPECT_EQ(p.bytes, 8);
}

TEST(CopyPlan, DoesNothingForEmptyViews) {
  EXPECT_EQ(plan({4, 0}, {4, 4}, {4, 4}, 4).strategy, Strategy::nothing);
  EXPECT_EQ(plan({4, 5}, {0, 0}, {0, 0}, 0).strategy, Strategy::nothing);
}

TEST(CopyPlan, MakesDestinationStridesPositive) {
  const CopyPlan p = plan({4, 5}, {40, -8}, {40, 8}, 8);
  EXPECT_EQ(layouts(p), "(4,5):(40,8) (4,5):(40,-8)");
  EXPECT_EQ(p.dst_offset, -32);
  EXPECT_EQ(p.src_offset, 32);
  EXPECT_EQ(p.strategy, Strategy::strided);
}

TEST(CopyPlan, SortsByDestinationStride) {
  const CopyPlan p = plan({4, 5, 6}, {4, 16, 80}, {120, 24, 4}, 4);
  EXPECT_EQ(layouts(p), "(6,5,4):(80,16,4) (6,5,4):(4,24,120)");
  EXPECT_EQ(p.strategy, Strategy::transpose);
}

TEST(CopyPlan, SplitsItemsThatNoRegisterHolds) {
  EXPECT_EQ(layouts(plan({7}, {6}, {9}, 3)), "(7,3):(6,1) (7,3):(9,1)");
  EXPECT_EQ(layouts(plan({7}, {24}, {36}, 12)), "(7,3):(24,4) (7,3):(36,4)");
  EXPECT_EQ(layouts(plan({7}, {48}, {72}, 24)), "(7,3):(48,8) (7,3):(72,8)");
  EXPECT_EQ(layouts(plan({7}, {48}, {64}, 32)), "(7,2):(48,16) (7,2):(64,16)");
  EXPECT_EQ(layouts(plan({7}, {1008}, {2000}, 1000)), "(7,125):(1008,8) (7,125):(2000,8)");
}

TEST(CopyPlan, WidensTheUnitWhileStridesDivide) {
  EXPECT_EQ(plan({5, 8}, {16, 1}, {32, 1}, 1).unit, 8);
  EXPECT_EQ(layouts(plan({5, 8}, {16, 1}, {32, 1}, 1)), "(5):(16) (5):(32)");
  EXPECT_EQ(plan({5, 8}, {16, 1}, {12, 1}, 1).unit, 4);
  EXPECT_EQ(plan({5, 8}, {16, 1}, {11, 1}, 1).unit, 1);
  EXPECT_EQ(plan({5, 6}, {16, 1}, {32, 1}, 1).unit, 2);
  EXPECT_EQ(plan({5, 64}, {64, 1}, {128, 1}, 1).unit, 16);
}

TEST(CopyPlan, WidensNoFurtherThanAddressesAreAligned) {
  EXPECT_EQ(plan({5, 64}, {64, 1}, {128, 1}, 1, kDst + 4, kSrc).unit, 4);
  EXPECT_EQ(plan({5, 64}, {64, 1}, {128, 1}, 1, kDst, kSrc + 1).unit, 1);
  EXPECT_TRUE(plan({5}, {8}, {12}, 4).aligned);
  EXPECT_FALSE(plan({5}, {8}, {12}, 4, kDst, kSrc + 1).aligned);
  EXPECT_FALSE(plan({5}, {8}, {13}, 4).aligned);
}

TEST(CopyPlan, NamesBroadcasts) {
  EXPECT_EQ(plan({4, 5}, {20, 4}, {4, 0}, 4).strategy, Strategy::broadcast);
  EXPECT_EQ(plan({4, 5}, {20, 4}, {0, 4}, 4).strategy, Strategy::rows);
}

TEST(CopyPlan, ProvesThat32BitOffsetsSuffice) {
  EXPECT_TRUE(plan({1 << 20, 1 << 9}, {1 << 11, 4}, {1 << 10, 2}, 2).offsets_fit_32);
  EXPECT_FALSE(plan({1 << 21, 1 << 9}, {1 << 11, 4}, {1 << 10, 2}, 2).offsets_fit_32);
  EXPECT_FALSE(plan({1 << 20, 1 << 9}, {1 << 10, 2}, {-(1 << 12), 2}, 2).offsets_fit_32);
}

TEST(CopyPlan, HoldsMoreThanTwoToThe31Elements) {
  const int64_t n = int64_t{1} << 20;
  const CopyPlan p = plan({n, n}, {n * 4, 4}, {4, n * 4}, 4, kDst, uintptr_t{1} << 46);
  EXPECT_EQ(p.bytes, int64_t{1} << 42);
  EXPECT_EQ(layouts(p), "(1048576,1048576):(4194304,4) (1048576,1048576):(4,4194304)");
  EXPECT_FALSE(p.offsets_fit_32);
  EXPECT_EQ(plan({n, n}, {n, 1}, {n, 1}, 1).dims[0], (PlanDim{n * n / 16, 16, 16}));
}

TEST(CopyPlan, AllocatesNothingForEightDims) {
  const std::vector<int64_t> shape(8, 3);
  std::vector<int64_t> dst(8);
  std::vector<int64_t> src(8);
  contiguous_strides(shape, 4, Order::C, dst);
  contiguous_strides(shape, 4, Order::F, src);
  const BufferView to = raw(kDst, shape, dst, 4);
  const BufferView from = raw(kSrc, shape, src, 4);
  const int64_t before = allocations;
  const CopyPlan p = plan_copy(to, from);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(p.dims.size(), 8);
}

TEST(CopyPlan, HoldsSixtyFourDims) {
  // Every dimension but one is 1 or 2 long, and none merges: reversed strides.
  std::vector<int64_t> shape(64, 1);
  for (size_t i = 0; i < 20; ++i) shape[3 * i] = 2;
  std::vector<int64_t> dst(64);
  std::vector<int64_t> src(64);
  contiguous_strides(shape, 2, Order::C, dst);
  contiguous_strides(shape, 2, Order::F, src);
  const CopyPlan p = plan(shape, dst, src, 2);
  EXPECT_EQ(p.dims.size(), 20);
  const CopyPlan copied = p;
  CopyPlan moved = plan(shape, dst, src, 2);
  EXPECT_EQ(copied.dims, moved.dims);
  const CopyPlan taken = std::move(moved);
  EXPECT_EQ(taken.dims, p.dims);
}

TEST(CopyPlan, StagesPartialOverlap) {
  const CopyPlan p = plan({8, 8}, {8, 1}, {1, 8}, 1, kDst, kDst);
  EXPECT_EQ(p.strategy, Strategy::staged);
  EXPECT_EQ(p.temporary_bytes, 64);
}

TEST(CopyPlan, DoesNothingForAViewOntoItself) {
  EXPECT_EQ(plan({8, 8}, {8, 1}, {8, 1}, 1, kDst, kDst).strategy, Strategy::nothing);
  EXPECT_EQ(plan({8, 8}, {-16, 2}, {-16, 2}, 1, kDst, kDst).strategy, Strategy::nothing);
  EXPECT_EQ(plan({8, 8}, {-16, 2}, {-16, 2}, 1, kDst, kDst).bytes, 0);
}

TEST(CopyPlan, MovesABlockOverItselfWithoutATemporary) {
  const CopyPlan p = plan({64}, {4}, {4}, 4, kDst, kDst + 4);
  EXPECT_EQ(p.strategy, Strategy::memcpy);
  EXPECT_TRUE(p.overlapping);
  EXPECT_EQ(p.temporary_bytes, 0);
}

TEST(CopyPlan, NeedsNoTemporaryForInterleavedViews) {
  EXPECT_EQ(plan({64}, {8}, {8}, 4, kDst, kDst + 4).strategy, Strategy::strided);
  EXPECT_EQ(plan({64}, {8}, {8}, 4, kDst, kDst + 2).strategy, Strategy::staged);
}

TEST(CopyPlan, EnumeratesTheSameBytesAsTheLayouts) {
  Random random = testing::seeded_random("CopyPlan.EnumeratesTheSameBytesAsTheLayouts");
  using Pairs = std::vector<std::pair<uintptr_t, uintptr_t>>;
  for (int64_t round = 0, n = testing::rounds(20'000); round < n && !HasFailure(); ++round) {
    const int64_t itemsize = pick(random, 1, 33);
    const auto shape = testing::pair_shape(random, pick(random, 0, 7), 100);
    testing::Side dst_side{testing::with_unit_dims(random, shape), {}, {}};
    testing::Side src_side{testing::with_unit_dims(random, shape), {}, {}};
    dst_side.strides = testing::nested_strides(random, dst_side.shape, itemsize);
    src_side.strides = testing::source_strides(random, src_side.shape, itemsize);
    const auto misaligned = static_cast<uintptr_t>(one_in(random, 2) ? pick(random, 0, 16) : 0);
    const BufferView dst = testing::view_at(kDst + misaligned, dst_side, itemsize);
    const BufferView src = testing::view_at(kSrc, src_side, itemsize);
    Pairs expected;
    const auto dst_bytes = testing::byte_addresses(dst);
    const auto src_bytes = testing::byte_addresses(src);
    for (size_t i = 0; i < dst_bytes.size(); ++i) expected.emplace_back(dst_bytes[i], src_bytes.at(i));
    const CopyPlan p = plan_copy(dst, src);
    Pairs planned;
    std::vector<int64_t> extents;
    for (const PlanDim& dim : p.dims) extents.push_back(dim.extent);
    const auto visit = [&](const testing::Index& index) {
      uintptr_t to = kDst + misaligned + static_cast<uintptr_t>(p.dst_offset);
      uintptr_t from = kSrc + static_cast<uintptr_t>(p.src_offset);
      for (size_t i = 0; i < index.size(); ++i) {
        to += static_cast<uintptr_t>(index[i] * p.dims[static_cast<int>(i)].dst_stride);
        from += static_cast<uintptr_t>(index[i] * p.dims[static_cast<int>(i)].src_stride);
      }
      EXPECT_TRUE(!p.aligned || (to | from) % static_cast<uintptr_t>(p.unit) == 0);
      for (uintptr_t i = 0; i < static_cast<uintptr_t>(p.unit); ++i) planned.emplace_back(to + i, from + i);
    };
    if (p.strategy != Strategy::nothing) testing::for_each_index(extents, visit);
    std::sort(expected.begin(), expected.end());
    std::sort(planned.begin(), planned.end());
    EXPECT_EQ(planned, expected) << testing::describe(dst, src) << " planned as " << layouts(p);
    EXPECT_EQ(p.bytes, static_cast<int64_t>(expected.size()));
    for (const PlanDim& dim : p.dims) EXPECT_GT(dim.dst_stride, 0);
  }
}

TEST(CopyPlan, TakesEmptyViewsOfAnyExtentsWithSuboffsets) {
  const int64_t huge = int64_t{1} << 40;
  const std::vector<int64_t> shape{huge, huge, 0};
  const std::vector<int64_t> strides{8, 8, 1};
  const std::vector<int64_t> suboffsets{-1, 0, -1};
  ViewSpec spec;
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.itemsize = 1;
  const BufferView view = BufferView::create(spec);
  const CopyPlan p = plan_copy(view, view);
  EXPECT_EQ(p.strategy, Strategy::nothing);
  EXPECT_EQ(p.bytes, 0);
}

// Refusals -----------------------------------------------------------------------------------------------------------

TEST(CopyPlan, RefusesShapesThatDiffer) {
  const BufferView dst = raw(kDst, {4, 8}, {8, 1}, 1);
  const BufferView src = raw(kSrc, {8, 4}, {4, 1}, 1);
  expect_throws<InvalidArgument>([&] { return plan_copy(dst, src); },
                                 {"dst.shape (4, 8) differs from src.shape (8, 4)"});
  expect_throws<InvalidArgument>([&] { return plan_copy(dst, raw(kSrc, {4}, {1}, 1)); }, {"(4, 8)", "(4,)"});
  expect_throws<InvalidArgument>([&] { return plan_copy(dst, raw(kSrc, {4, 8, 2}, {16, 2, 1}, 1)); }, {"(4, 8, 2)"});
  expect_throws<InvalidArgument>(
      [&] {
        return plan_copy(raw(kDst, {0, 3}, {3, 1}, 1), raw(kSrc, {3, 0}, {1, 1}, 1));
      },
      {"(0, 3)", "(3, 0)"});
}

TEST(CopyPlan, RefusesElementTypesThatDiffer) {
  int32_t ints[4] = {};
  float floats[4] = {};
  double doubles[4] = {};
  const BufferView dst = BufferView::of(ints, {4});
  expect_throws<InvalidArgument>([&] { return plan_copy(dst, BufferView::of(floats, {4})); }, {"'i'", "'f'", "cast()"});
  expect_throws<InvalidArgument>([&] { return plan_copy(dst, BufferView::of(doubles, {4})); },
                                 {"itemsize 4", "itemsize 8"});
}

BufferView typed(uintptr_t buf, const char* format, DType dtype) {
  static constexpr int64_t kShape[] = {3};
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(buf);
  spec.shape = kShape;
  spec.itemsize = 4;
  spec.dtype = dtype;
  if (format != nullptr) spec.format = Format::parse(format);
  return BufferView::create(spec);
}

TEST(CopyPlan, RefusesTypedElementsAgainstUntypedOnes) {
  const DType int32 = dtype_of<int32_t>();
  const BufferView untyped = typed(kSrc, nullptr, {});
  for (const char* format : {">i", "T{h:a:h:b:}"}) {
    expect_throws<InvalidArgument>([&] { return plan_copy(typed(kDst, format, {}), untyped); },
                                   {format, "src of 4 bytes without a type", "cast()"});
    expect_throws<InvalidArgument>([&] { return plan_copy(untyped, typed(kDst, format, {})); }, {format});
    expect_throws<InvalidArgument>([&] { return plan_copy(typed(kDst, format, {}), typed(kSrc, nullptr, int32)); },
                                   {format, "'i'"});
  }
  expect_throws<InvalidArgument>([&] { return plan_copy(typed(kDst, nullptr, int32), untyped); }, {"'i'"});
  EXPECT_EQ(plan_copy(untyped, typed(kDst, nullptr, {})).bytes, 12);
  EXPECT_EQ(plan_copy(typed(kDst, "i", int32), typed(kSrc, nullptr, int32)).bytes, 12);
  EXPECT_EQ(plan_copy(typed(kDst, nullptr, int32), typed(kSrc, "i", int32)).bytes, 12);
}

TEST(CopyPlan, TakesFormatsOfEqualMeaning) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(kDst);
  const int64_t shape[] = {3};
  spec.shape = shape;
  spec.itemsize = 8;
  spec.format = Format::parse("l");
  const BufferView dst = BufferView::create(spec);
  spec.buf = reinterpret_cast<void*>(kSrc);
  spec.format = Format::parse("q");
  EXPECT_EQ(plan_copy(dst, BufferView::create(spec)).strategy, Strategy::memcpy);
  spec.format = Format::parse(">q");
  expect_throws<InvalidArgument>([&] { return plan_copy(dst, BufferView::create(spec)); }, {"'l'", "'>q'"});
}

TEST(CopyPlan, RefusesReadOnlyDestinations) {
  const int data[4] = {};
  int other[4] = {};
  expect_throws<ReadOnly>([&] { return plan_copy(BufferView::of(data, {4}), BufferView::of(other, {4})); },
                          {"dst", "read-only"});
}

TEST(CopyPlan, RefusesReferences) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(kDst);
  const int64_t shape[] = {3};
  spec.shape = shape;
  spec.itemsize = 8;
  spec.format = Format::parse("O");
  const BufferView objects = BufferView::create(spec);
  expect_throws<TypeMismatch>([&] { return plan_copy(objects, objects); }, {"'O'"});
}

TEST(CopyPlan, RefusesDestinationsThatOverlapThemselves) {
  expect_throws<InvalidArgument>([] { return plan({4, 5}, {0, 4}, {20, 4}, 4); }, {"dst overlaps itself", "(0, 4)"});
  expect_throws<InvalidArgument>([] { return plan({4}, {3}, {4}, 4); }, {"dst overlaps itself"});
  expect_throws<InvalidArgument>([] { return plan({4, 4}, {4, 4}, {16, 4}, 4); }, {"dst overlaps itself"});
}

TEST(CopyPlan, TakesInterleavedDestinationsThatDoNotOverlap) {
  EXPECT_EQ(plan({2, 3}, {5, 3}, {3, 1}, 1).bytes, 6);  // 0 3 6 and 5 8 11
}

TEST(CopyPlan, NeedsNoDeviceForMemoryOfOne) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(kDst);
  const int64_t shape[] = {3};
  spec.shape = shape;
  spec.device = {DeviceType::cuda, 1};
  const BufferView device = BufferView::create(spec);
  const BufferView host = raw(kSrc, {3}, {1}, 1);
  EXPECT_EQ(plan_copy(device, host).strategy, Strategy::memcpy);
  EXPECT_EQ(plan_copy(host, device).strategy, Strategy::memcpy);
}

TEST(CopyPlan, RefusesRowPointersThatTheHostCannotRead) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(kDst);
  const int64_t shape[] = {3};
  const int64_t strides[] = {8};
  const int64_t suboffsets[] = {0};
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.device = {DeviceType::cuda, 1};
  const BufferView device = BufferView::create(spec);
  const BufferView host = raw(kSrc, {3}, {1}, 1);
  expect_throws<BufferError>([&] { return plan_copy(device, host); }, {"dst has suboffsets", "cuda:1"});
  expect_throws<BufferError>([&] { return plan_copy(host, device); }, {"src has suboffsets", "cuda:1"});
}

}  // namespace
}  // namespace strideport
