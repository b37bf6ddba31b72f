#include "strideport/layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "runtime/checked.hpp"
#include "strideport/buffer_view.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
using Numbers = std::vector<int64_t>;

Numbers contiguous(const Numbers& shape, int64_t itemsize, Order order) {
  Numbers strides(shape.size());
  contiguous_strides(shape, itemsize, order, strides);
  return strides;
}

Numbers kept(const Numbers& shape, const Numbers& strides, int64_t itemsize) {
  Numbers result(shape.size());
  kept_strides(shape, strides, itemsize, result);
  return result;
}

TEST(Checked, AcceptsTheExtremesAndRefusesOneMore) {
  EXPECT_EQ(checked_add(kMax, kMin, "x"), -1);
  EXPECT_EQ(checked_mul(kMin, 1, "x"), kMin);
  expect_throws<InvalidArgument>([] { checked_add(kMax, 1, "a sum"); },
                                 {"a sum overflows int64", "9223372036854775807 + 1"});
  expect_throws<InvalidArgument>([] { checked_mul(kMin, -1, "a product"); },
                                 {"a product overflows int64", "-9223372036854775808 * -1"});
}

TEST(ElementCount, IsTheProductOfTheExtents) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count(Numbers{4, 8, 1}), 32);
  EXPECT_EQ(element_count(Numbers{kMax, 1}), kMax);
}

TEST(ElementCount, IsZeroWithAnExtentOfZeroHoweverLargeTheOthers) {
  EXPECT_EQ(element_count(Numbers{0, kMax, kMax}), 0);
  EXPECT_EQ(element_count(Numbers{kMax, kMax, 0}), 0);
}

TEST(ElementCount, RefusesNegativeExtentsAndOverflow) {
  expect_throws<InvalidArgument>([] { element_count(Numbers{3, -2}); }, {"shape[1] is -2", "negative"});
  expect_throws<InvalidArgument>([] { element_count(Numbers{0, -1}); }, {"shape[1] is -1"});
  expect_throws<InvalidArgument>(
      [] {
        element_count(Numbers{kMax, 2});
      },
      {"overflows int64", "9223372036854775807 * 2"});
}

TEST(ContiguousStrides, AreThoseOfPyBufferFillContiguousStrides) {
  EXPECT_EQ(contiguous({2, 3, 4}, 8, Order::C), (Numbers{96, 32, 8}));
  EXPECT_EQ(contiguous({2, 3, 4}, 8, Order::F), (Numbers{8, 16, 48}));
  EXPECT_EQ(contiguous({2, 3, 4}, 8, Order::A), (Numbers{96, 32, 8}));
  EXPECT_EQ(contiguous({2, 0, 4}, 8, Order::C), (Numbers{0, 32, 8}));
  EXPECT_EQ(contiguous({2, 0, 4}, 8, Order::F), (Numbers{8, 16, 0}));
  EXPECT_EQ(contiguous({}, 8, Order::C), Numbers{});
  EXPECT_EQ(contiguous({kMax}, 2, Order::C), Numbers{2});
}

TEST(ContiguousStrides, RefuseOverflowOnlyWhereAStrideMeansSomething) {
  expect_throws<InvalidArgument>([] { contiguous({2, kMax}, 8, Order::C); }, {"stride", "8 * 9223372036854775807"});
  EXPECT_EQ(contiguous({0, 2, kMax}, 8, Order::C), (Numbers{0, 0, 8}));
}

TEST(KeptStrides, FollowTheSourcesOrderAndCloseGaps) {
  EXPECT_EQ(kept({2, 3, 4}, {400, 8, 40}, 8), (Numbers{96, 8, 24}));
  EXPECT_EQ(kept({2, 3}, {-8, -100}, 8), (Numbers{8, 16}));
  EXPECT_EQ(kept({4, 3}, {0, 8}, 8), (Numbers{8, 32})) << "a repeated axis is the densest, as in numpy.empty_like";
  EXPECT_EQ(kept({3, 4}, {0, 0}, 8), (Numbers{32, 8})) << "ties keep C order";
  EXPECT_EQ(kept({3, 1, 4}, {8, kMin, 24}, 8), (Numbers{8, 24, 24}));
  EXPECT_EQ(kept({0, 3}, {kMin, kMin}, 8), (Numbers{24, 8}));
}

TEST(OffsetBounds, CoverNegativeStridesAndIgnoreThoseThatMeanNothing) {
  EXPECT_EQ(offset_bounds({}, {}, 8), (OffsetBounds{0, 8}));
  EXPECT_EQ(offset_bounds(Numbers{3, 4}, Numbers{-10, 2}, 2), (OffsetBounds{-20, 8}));
  EXPECT_EQ(offset_bounds(Numbers{1, 2}, Numbers{kMin, 8}, 8), (OffsetBounds{0, 16}));
  EXPECT_EQ(offset_bounds(Numbers{9, 0}, Numbers{kMin, kMax}, 8), (OffsetBounds{0, 0}));
  EXPECT_EQ(offset_bounds(Numbers{2}, Numbers{kMax - 8}, 8), (OffsetBounds{0, kMax}));
}

TEST(OffsetBounds, RefuseWhatInt64CannotHold) {
  expect_throws<InvalidArgument>([] { offset_bounds(Numbers{3}, Numbers{kMin}, 1); }, {"byte offset", "overflows"});
  expect_throws<InvalidArgument>([] { offset_bounds(Numbers{2}, Numbers{kMin}, 1); },
                                 {"span of byte offsets", "overflows"});
  expect_throws<InvalidArgument>([] { offset_bounds(Numbers{2}, Numbers{kMax}, 1); },
                                 {"9223372036854775807", "overflows"});
  expect_throws<InvalidArgument>(
      [] {
        offset_bounds(Numbers{2, 2}, Numbers{kMax / 2 + 1, -kMax / 2 - 1}, 1);
      },
      {"span"});
}

TEST(Layouts, RefuseListsOfDifferentLengthAndNegativeItemsizes) {
  const Numbers shape{2, 3, 4};
  const Numbers one{12};
  Numbers out(1);
  const std::initializer_list<const char*> lengths = {"strides (12,)", "shape (2, 3, 4)", "differ in length"};
  expect_throws<InvalidArgument>([&] { overlaps_itself(shape, one, 1); }, lengths);
  expect_throws<InvalidArgument>([&] { offset_bounds(shape, one, 1); }, lengths);
  expect_throws<InvalidArgument>([&] { is_contiguous(shape, one, 1, Order::C); }, lengths);
  expect_throws<InvalidArgument>([&] { contiguous_strides(shape, 1, Order::C, out); }, {"shape (2, 3, 4)", "length"});
  expect_throws<InvalidArgument>([&] { kept_strides(shape, shape, 1, out); }, {"shape (2, 3, 4)", "length"});
  expect_throws<InvalidArgument>([&] { contiguous_strides(one, -4, Order::C, out); }, {"itemsize is -4"});
}

TEST(IsContiguous, LooksAtNoStrideOfAnExtentOfOne) {
  EXPECT_TRUE(is_contiguous(Numbers{1, 4, 1}, Numbers{kMin, 8, kMax}, 8, Order::C));
  EXPECT_TRUE(is_contiguous(Numbers{1, 4, 1}, Numbers{kMin, 8, kMax}, 8, Order::F));
  EXPECT_TRUE(is_contiguous(Numbers{1, 4, 1}, Numbers{kMin, 8, kMax}, 8, Order::K));
}

TEST(IsContiguous, HoldsForEmptyLayoutsInEveryOrder) {
  for (const Order order : {Order::C, Order::F, Order::A, Order::K}) {
    EXPECT_TRUE(is_contiguous(Numbers{3, 0}, Numbers{kMin, 5}, 8, order));
    EXPECT_TRUE(is_contiguous(Numbers{3, 2}, Numbers{kMin, 5}, 0, order));
  }
}

TEST(IsContiguous, DoesNotWrapAroundWhereExtentsOverflow) {
  EXPECT_FALSE(is_contiguous(Numbers{2, kMax, 2, 2}, Numbers{0, 32, 16, 8}, 8, Order::C));
}

TEST(IsContiguous, KeepsApartTheFourOrders) {
  const Numbers shape{2, 3};
  EXPECT_FALSE(is_contiguous(shape, Numbers{1, 2}, 1, Order::C));
  EXPECT_TRUE(is_contiguous(shape, Numbers{1, 2}, 1, Order::A));
  EXPECT_FALSE(is_contiguous(shape, Numbers{-3, 1}, 1, Order::A));
  EXPECT_TRUE(is_contiguous(shape, Numbers{-3, 1}, 1, Order::K));
  EXPECT_FALSE(is_contiguous(shape, Numbers{4, 1}, 1, Order::K));
}

// What contiguity means, by addresses.
bool addresses_run_on(const std::vector<uintptr_t>& addresses, int64_t itemsize) {
  for (size_t i = 1; i < addresses.size(); ++i) {
    if (addresses[i] != addresses[i - 1] + static_cast<uintptr_t>(itemsize)) return false;
  }
  return true;
}

TEST(RandomLayouts, AgreeWithTheOdometer) {
  Random random = seeded_random("RandomLayouts.AgreeWithTheOdometer");
  for (int64_t run = 0, n = testing::rounds(100'000); run < n; ++run) {
    Structure s = random_structure(random);
    const BufferView view = BufferView::create(s.spec());
    auto at = addresses(view);
    SCOPED_TRACE(layout_text(view));
    ASSERT_EQ(element_count(s.shape), static_cast<int64_t>(at.size()));
    const bool runs_c = s.itemsize == 0 || addresses_run_on(at, s.itemsize);
    const bool runs_f = s.itemsize == 0 || addresses_run_on(fortran_addresses(view), s.itemsize);
    ASSERT_EQ(is_contiguous(s.shape, s.strides, s.itemsize, Order::C), runs_c);
    ASSERT_EQ(is_contiguous(s.shape, s.strides, s.itemsize, Order::F), runs_f);
    ASSERT_EQ(is_contiguous(s.shape, s.strides, s.itemsize, Order::A), runs_c || runs_f);
    std::sort(at.begin(), at.end());
    ASSERT_EQ(is_contiguous(s.shape, s.strides, s.itemsize, Order::K),
              s.itemsize == 0 || addresses_run_on(at, s.itemsize));
    const auto first = reinterpret_cast<uintptr_t>(view.buf());
    const OffsetBounds bounds = offset_bounds(s.shape, s.strides, s.itemsize);
    ASSERT_EQ(bounds.lower, at.empty() ? 0 : static_cast<int64_t>(at.front() - first));
    ASSERT_EQ(bounds.upper, at.empty() ? 0 : static_cast<int64_t>(at.back() - first) + s.itemsize);
  }
}

TEST(RandomLayouts, KeepTheirOrderOfAxesWithoutGaps) {
  Random random = seeded_random("RandomLayouts.KeepTheirOrderOfAxesWithoutGaps");
  for (int64_t run = 0, n = testing::rounds(20'000); run < n; ++run) {
    Structure s = random_structure(random);
    Numbers result(s.shape.size());
    kept_strides(s.shape, s.strides, s.itemsize, result);
    SCOPED_TRACE(layout_text(s.shape, s.strides) + " -> " + layout_text(s.shape, result));
    ASSERT_TRUE(is_contiguous(s.shape, result, s.itemsize, Order::K));
    if (s.empty() || s.itemsize == 0) continue;
    for (size_t a = 0; a < result.size(); ++a) {
      for (size_t b = 0; b < result.size(); ++b) {
        if (s.shape[a] == 1 || s.shape[b] == 1) continue;
        ASSERT_GT(result[a], 0);
        ASSERT_TRUE(std::abs(s.strides[a]) >= std::abs(s.strides[b]) || result[a] < result[b]);
      }
    }
  }
}

}  // namespace
}  // namespace strideport::testing
