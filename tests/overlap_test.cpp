#include "runtime/overlap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "strideport/layout.hpp"
#include "tests/support/random_structure.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

using Numbers = std::vector<int64_t>;

bool overlaps(const Numbers& shape, const Numbers& strides, int64_t itemsize) {
  return overlaps_itself(shape, strides, itemsize);
}

BufferView bytes_view(void* buf, Numbers shape, Numbers strides, int64_t itemsize = 1) {
  ViewSpec spec;
  spec.buf = buf;
  spec.shape = shape;
  spec.strides = strides;
  spec.itemsize = itemsize;
  return BufferView::create(spec);
}

void* at(uintptr_t address) { return reinterpret_cast<void*>(address); }

TEST(OverlapsItself, IsFalseForOrdinaryLayouts) {
  EXPECT_FALSE(overlaps({}, {}, 8));
  EXPECT_FALSE(overlaps({4, 8}, {64, 8}, 8));
  EXPECT_FALSE(overlaps({4, 8}, {-8, 100}, 8));
  EXPECT_FALSE(overlaps({1 << 20, 1 << 20, 1 << 20}, {int64_t{1} << 40, 1 << 20, 1}, 1));
}

TEST(OverlapsItself, IsTrueForRepeatedElements) {
  EXPECT_TRUE(overlaps({4}, {0}, 8));
  EXPECT_TRUE(overlaps({4}, {7}, 8));
  EXPECT_TRUE(overlaps({3, 3}, {8, 8}, 8)) << "a sliding window";
  EXPECT_TRUE(overlaps({2, 2}, {24, -24}, 8));
}

TEST(OverlapsItself, LooksAtNoStrideThatMeansNothing) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  EXPECT_FALSE(overlaps({1, 4}, {0, 8}, 8));
  EXPECT_FALSE(overlaps({1, 4}, {kMin, 8}, 8));
  EXPECT_FALSE(overlaps({0, 4}, {0, 0}, 8));
  EXPECT_FALSE(overlaps({5}, {0}, 0)) << "elements of no bytes share none";
}

TEST(OverlapsItself, DecidesInterleavedLayoutsExactly) {
  EXPECT_FALSE(overlaps({2, 3}, {3, 2}, 1)) << "offsets 0 2 4 3 5 7";
  EXPECT_TRUE(overlaps({3, 4}, {3, 2}, 1)) << "2*3 == 3*2";
  EXPECT_FALSE(overlaps({2, 1000000}, {1000001, 2}, 1)) << "odd and even bytes, interleaved";
  EXPECT_TRUE(overlaps({2, 1000000}, {1000002, 2}, 1));
  EXPECT_FALSE(overlaps({1000, 4096}, {4097, 4096 * 4097}, 4097));
}

TEST(OverlapsItself, RefusesMoreDimensionsThanAViewHas) {
  expect_throws<InvalidArgument>([] { overlaps(Numbers(65, 1), Numbers(65, 1), 1); }, {"65", "64"});
}

// Ten incommensurable strides: more to search than the bound allows, and few enough elements to sort.
TEST(OverlapsItself, SettlesHardLayoutsOfFewElements) {
  Random random = seeded_random("OverlapsItself.SettlesHardLayoutsOfFewElements");
  for (int run = 0; run < 20; ++run) {
    Numbers shape(10, 3);
    Numbers strides(10);
    for (int64_t& stride : strides) stride = pick(random, 100'000'000, 300'000'000);
    std::vector<int64_t> offsets;
    for_each_index(shape, [&](const Index& index) {
      offsets.push_back(std::inner_product(index.begin(), index.end(), strides.begin(), int64_t{0}));
    });
    std::sort(offsets.begin(), offsets.end());
    const bool meets = std::adjacent_find(offsets.begin(), offsets.end()) != offsets.end();
    EXPECT_EQ(overlaps(shape, strides, 1), meets);
  }
}

TEST(OverlapsItself, EndsOnHardLayoutsOfManyElements) {
  Random random = seeded_random("OverlapsItself.EndsOnHardLayoutsOfManyElements");
  Numbers strides(30);
  for (int64_t& stride : strides) stride = pick(random, 100'000'000'000'000, 300'000'000'000'000);
  EXPECT_TRUE(overlaps(Numbers(30, 3), strides, 1));  // found, or given up
}

TEST(OverlapsItself, SettlesSmallLayoutsThatAreTooHardToSearch) {
  const Numbers strides{1326084676269, 1325051778492, 1233019307449, 1189123386765, 1317059155223,
                        1137908818794, 1189591893259, 1234930050624, 1238073848326};
  EXPECT_FALSE(overlaps({4, 3, 4, 4, 4, 2, 3, 3, 2}, strides, 1));  // 27,648 elements, far apart, no structure
}

TEST(OverlapsItself, AgreesWithTheOdometer) {
  Random random = seeded_random("OverlapsItself.AgreesWithTheOdometer");
  int overlapping = 0;
  constexpr int kRuns = 60'000;
  for (int run = 0; run < kRuns; ++run) {
    Structure s = random_structure(random);
    if (s.itemsize > 4) s.itemsize = 1;
    if (one_in(random, 2)) {  // interleaved on purpose: small strides of no order
      for (int64_t& stride : s.strides) stride = pick(random, -30, 30);
      s.offset = make_memory(random, s.shape, s.strides, s.itemsize, s.memory);
    }
    s.memory.resize(s.memory.size() + 8);
    const BufferView view = BufferView::create(s.spec());
    const bool expected = shares_bytes(view);
    overlapping += expected ? 1 : 0;
    ASSERT_EQ(overlaps_itself(s.shape, s.strides, s.itemsize), expected) << layout_text(view);
  }
  EXPECT_GT(overlapping, kRuns / 20);
  EXPECT_LT(overlapping, kRuns - kRuns / 20);
}

TEST(MayOverlap, ComparesTheBytesThatTwoViewsReach) {
  const BufferView low = bytes_view(at(0x1000), {4, 4}, {4, 1});
  EXPECT_TRUE(may_overlap(low, bytes_view(at(0x100f), {1}, {1})));
  EXPECT_FALSE(may_overlap(low, bytes_view(at(0x1010), {1}, {1})));
  EXPECT_TRUE(may_overlap(low, bytes_view(at(0x1013), {5}, {-1})));
  EXPECT_FALSE(may_overlap(low, bytes_view(at(0x1013), {4}, {-1})));
  EXPECT_FALSE(may_overlap(low, bytes_view(at(0x1004), {0}, {1})));
}

TEST(MayShareElements, SeesThatInterleavedChannelsAreApart) {
  const BufferView red = bytes_view(at(0x1000), {480, 640}, {1920, 3});
  const BufferView green = bytes_view(at(0x1001), {480, 640}, {1920, 3});
  EXPECT_TRUE(may_overlap(red, green));
  EXPECT_FALSE(may_share_elements(red, green));
  EXPECT_TRUE(may_share_elements(red, red));
  EXPECT_TRUE(may_share_elements(red, bytes_view(at(0x1000), {480, 640}, {3, 1920})));
  EXPECT_TRUE(may_share_elements(red, bytes_view(at(0x1003), {480, 640}, {1920, 3})));
}

TEST(MayShareElements, SeesThatColumnsOfOneArrayAreApart) {
  const BufferView left = bytes_view(at(0x1000), {1000, 50}, {800, 8}, 8);
  const BufferView right = bytes_view(at(0x1000 + 400), {1000, 50}, {800, 8}, 8);
  EXPECT_FALSE(may_share_elements(left, right));
  EXPECT_TRUE(may_share_elements(left, bytes_view(at(0x1000 + 393), {1000, 50}, {800, 8}, 8)));
}

TEST(MayShareElements, WorksAtTheTopOfTheAddressSpace) {
  const BufferView top = bytes_view(at(UINTPTR_MAX - 16), {16}, {1});
  EXPECT_FALSE(may_overlap(top, bytes_view(at(16), {16}, {1})));
  EXPECT_TRUE(may_share_elements(top, bytes_view(at(UINTPTR_MAX - 1), {1}, {1})));
}

TEST(MayShareElements, AssumesTheWorstOfSuboffsets) {
  Random random = seeded_random("MayShareElements.AssumesTheWorstOfSuboffsets");
  Structure s = random_indirect_structure(random);
  while (s.empty()) s = random_indirect_structure(random);
  const BufferView indirect = BufferView::create(s.spec());
  EXPECT_TRUE(may_share_elements(indirect, bytes_view(at(16), {1}, {1})));
  EXPECT_FALSE(may_share_elements(indirect, bytes_view(at(16), {0}, {1})));
}

TEST(MayShareElements, AgreesWithTheOdometer) {
  Random random = seeded_random("MayShareElements.AgreesWithTheOdometer");
  int sharing = 0;
  constexpr int kRuns = 40'000;
  for (int run = 0; run < kRuns; ++run) {
    const auto random_view = [&] {
      Numbers shape(static_cast<size_t>(pick(random, 0, 3)));
      for (int64_t& extent : shape) extent = pick(random, 1, 4);
      Numbers strides(shape.size());
      for (int64_t& stride : strides) stride = pick(random, -24, 24);
      return bytes_view(at(static_cast<uintptr_t>(0x10000 + pick(random, 0, 60))), shape, strides, pick(random, 1, 4));
    };
    const BufferView a = random_view();
    const BufferView b = random_view();
    const auto of_a = byte_addresses(a);
    const std::set<uintptr_t> bytes(of_a.begin(), of_a.end());
    const auto of_b = byte_addresses(b);
    const bool expected = std::any_of(of_b.begin(), of_b.end(), [&](uintptr_t byte) { return bytes.count(byte) > 0; });
    sharing += expected ? 1 : 0;
    ASSERT_EQ(may_share_elements(a, b), expected)
        << layout_text(a) << " at " << a.buf() << "; " << layout_text(b) << " at " << b.buf();
    ASSERT_TRUE(!expected || may_overlap(a, b));
  }
  EXPECT_GT(sharing, kRuns / 20);
  EXPECT_LT(sharing, kRuns - kRuns / 20);
}

}  // namespace
}  // namespace strideport::testing
