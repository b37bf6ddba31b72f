#include "strideport/buffer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <thread>

#include "runtime/toolchain.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/spans.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr bool kAddressSanitizer = STRIDEPORT_ADDRESS_SANITIZER != 0;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
using Numbers = std::vector<int64_t>;

Numbers numbers(std::span<const int64_t> values) { return {values.begin(), values.end()}; }

bool is_aligned(const Buffer& buffer) { return reinterpret_cast<uintptr_t>(buffer.buf()) % 64 == 0; }

TEST(Buffer, SharesItsOwnerWithEveryViewOfIt) {
  int released = 0;
  float data[12] = {};
  {
    Buffer part;
    {
      const Buffer whole(BufferView::of(data, {3, 4}), std::shared_ptr<void>(data, [&](void*) { ++released; }));
      part = whole.slice(0, {1, std::nullopt, 1}).transpose().cast(dtype_of<int32_t>());
    }
    EXPECT_EQ(released, 0);
    EXPECT_EQ(numbers(part.shape()), (Numbers{4, 2}));
  }
  EXPECT_EQ(released, 1);
}

TEST(Buffer, ReleasesItsOwnerOnceFromManyThreads) {
  std::atomic<int> released = 0;
  char data[4] = {};
  {
    const Buffer whole(BufferView::of(data, {4}), std::shared_ptr<void>(data, [&](void*) { ++released; }));
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([copy = whole]() mutable {
        for (int round = 0; round < 1000; ++round) copy = copy.flip(0);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(released, 0);
  }
  EXPECT_EQ(released, 1);
}

TEST(Buffer, KeepsReadOnlyAndStreamThroughRebind) {
  char data[4] = {};
  const Buffer locked(BufferView::of(static_cast<const char*>(data), {4}), nullptr, StreamRef::from_handle(7));
  const Buffer again = locked.rebind(BufferView::of(data, {2}));
  EXPECT_TRUE(again.readonly());
  EXPECT_EQ(again.stream(), StreamRef::from_handle(7));
  EXPECT_TRUE(Buffer(BufferView::of(data, {4}), nullptr).toreadonly().rebind(BufferView::of(data, {4})).readonly());
  EXPECT_FALSE(Buffer(BufferView::of(data, {4}), nullptr).flip(0).readonly());
}

TEST(Empty, IsAlignedAndWritable) {
  const Buffer buffer = empty(Numbers{3, 5}, dtype_of<double>());
  EXPECT_TRUE(is_aligned(buffer));
  EXPECT_FALSE(buffer.readonly());
  EXPECT_EQ(buffer.len(), 120);
  EXPECT_EQ(numbers(buffer.strides()), (Numbers{40, 8}));
  EXPECT_EQ(buffer.format().text(), "d");
  std::memset(buffer.buf(), 1, 120);  // all of it is there, under ASan
}

TEST(Empty, LaysTheFirstDimensionDensestInOrderF) {
  EXPECT_EQ(strides_of(empty(Numbers{3, 5}, dtype_of<double>(), Order::F)), (Numbers{8, 24}));
}

TEST(Empty, HasAnAddressAtSizeZero) {
  const Buffer buffer = empty(Numbers{0, kMax, kMax}, dtype_of<double>());
  EXPECT_EQ(buffer.len(), 0);
  EXPECT_NE(buffer.buf(), nullptr);
  EXPECT_TRUE(is_aligned(buffer));
}

TEST(Empty, TakesPackedTypesThatFillBytes) {
  EXPECT_EQ(empty(Numbers{3}, DType{TypeCode::float4_e2m1fn, 4, 2}).len(), 3);
  expect_throws<InvalidArgument>(
      [] {
        empty(Numbers{3}, DType{TypeCode::float4_e2m1fn, 4, 1});
      },
      {"float4_e2m1fn", "lanes"});
}

TEST(Empty, RefusesWhatCannotBe) {
  expect_throws<InvalidArgument>([] { empty(Numbers{3, -1}, dtype_of<int>()); }, {"shape[1] is -1"});
  expect_throws<InvalidArgument>([] { empty(Numbers{kMax / 4, 4}, dtype_of<int>()); }, {"overflows int64"});
  expect_throws<InvalidArgument>([] { empty(Numbers(65, 1), dtype_of<int>()); }, {"65", "64"});
  expect_throws<InvalidArgument>([] { empty(Numbers{1}, DType{}); }, {"empty_like"});
  // A device that no machine has: refused by the build, by the missing driver, or by the driver's count.
  EXPECT_THROW(empty(Numbers{1}, dtype_of<int>(), Order::C, {DeviceType::cuda, 9999}), Error);
}

TEST(Empty, SaysWhenMemoryIsShort) {
  if (kAddressSanitizer) GTEST_SKIP() << "AddressSanitizer ends the program instead";
  EXPECT_THROW(empty(Numbers{kMax / 8}, dtype_of<int>()), std::bad_alloc);
}

TEST(EmptyLike, KeepsTheElementTypeAndTheOrderOfAxes) {
  Random random = seeded_random("EmptyLike.KeepsTheElementTypeAndTheOrderOfAxes");
  for (int run = 0; run < 5'000; ++run) {
    Structure s = one_in(random, 3) ? random_indirect_structure(random) : random_structure(random);
    ViewSpec spec = s.spec();
    spec.format = Format::opaque("?", s.itemsize);
    spec.readonly = one_in(random, 2);
    const BufferView like = BufferView::create(spec);
    for (const Order order : {Order::C, Order::F, Order::A, Order::K}) {
      const Buffer fresh = empty_like(like, order);
      ASSERT_EQ(numbers(fresh.shape()), s.shape);
      ASSERT_EQ(fresh.format(), like.format());
      ASSERT_EQ(fresh.itemsize(), like.itemsize());
      ASSERT_FALSE(fresh.readonly());
      ASSERT_FALSE(shares_bytes(fresh.view()));
      ASSERT_TRUE(fresh.is_contiguous(order)) << layout_text(like) << " " << static_cast<char>(order);
      for (const Order kept : {Order::C, Order::F}) {
        ASSERT_TRUE(order != Order::K || !like.is_contiguous(kept) || fresh.is_contiguous(kept));
      }
      if (fresh.len() > 0) std::memset(fresh.buf(), 1, static_cast<size_t>(fresh.len()));
    }
  }
}

TEST(EmptyLike, TakesOrderAFromTheSource) {
  char data[6] = {};
  const Numbers shape{2, 3};
  const auto strides_like = [&](Numbers strides) {
    return strides_of(empty_like(BufferView::of(data, shape, strides), Order::A));
  };
  EXPECT_EQ(strides_like({1, 2}), (Numbers{1, 2}));
  EXPECT_EQ(strides_like({3, 1}), (Numbers{3, 1}));
  EXPECT_EQ(strides_like({-3, 1}), (Numbers{3, 1}));
}

TEST(EmptyLike, MakesNoReferences) {
  void* slot = nullptr;
  ViewSpec spec;
  spec.buf = &slot;
  spec.itemsize = 8;
  spec.format = Format::parse("O");
  expect_throws<TypeMismatch>([&] { empty_like(BufferView::create(spec)); }, {"'O'", "references"});
}

TEST(EmptyLike, LeavesTheDeviceOfTheSourceForTheOneAsked) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(64);
  spec.device = {DeviceType::cuda, 1};
  EXPECT_EQ(empty_like(BufferView::create(spec)).device(), Device{});
  EXPECT_THROW(empty_like(BufferView::create(spec), Order::C, {DeviceType::cuda, 9999}), Error);
}

TEST(StreamRef, KeepsTheHostApartFromEveryHandle) {
  expect_throws<InvalidArgument>([] { StreamRef::from_handle(0); }, {"handle 0", "legacy_default()"});
  EXPECT_FALSE(StreamRef::from_handle(~uintptr_t{0}).is_host());
  EXPECT_EQ(StreamRef::from_handle(1), StreamRef::legacy_default());
  EXPECT_NE(StreamRef::from_handle(1), StreamRef::host());
}

TEST(Buffer, AnswersWhatItsViewAnswers) {
  const Buffer buffer = empty({2, 3}, dtype_of<float>()).permute({1, 0});
  EXPECT_EQ(shape_of(buffer), (Numbers{3, 2}));
  EXPECT_EQ(buffer.element_count(), 6);
  EXPECT_FALSE(buffer.empty() || buffer.padded() || buffer.has_suboffsets());
  EXPECT_EQ(buffer.item_pointer(Numbers{1, 1}), buffer.view().item_pointer(Numbers{1, 1}));
}

}  // namespace
}  // namespace strideport::testing
