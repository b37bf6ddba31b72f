// The planner has a short way for most views, and a general one. They must not differ.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "runtime/plan_checks.hpp"
#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/seed.hpp"

namespace strideport {
namespace {

using testing::one_in;
using testing::pick;
using testing::Random;

// Addresses that nobody ever follows: planning touches no memory.
constexpr uintptr_t kDst = uintptr_t{1} << 40;
constexpr uintptr_t kSrc = uintptr_t{1} << 44;

struct Layout {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

BufferView view(uintptr_t buf, const Layout& layout, int64_t itemsize) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(buf);
  spec.shape = layout.shape;
  spec.strides = layout.strides;
  spec.itemsize = itemsize;
  return BufferView::create(spec);
}

// A dimension more makes ranks differ, which the short way leaves to the other.
Layout with_unit_dim(Layout layout, Random& random) {
  const int64_t at = pick(random, 0, static_cast<int64_t>(layout.shape.size()));
  layout.shape.insert(layout.shape.begin() + at, 1);
  layout.strides.insert(layout.strides.begin() + at, pick(random, -999, 999));
  return layout;
}

// Strides in C or F order, sorted no further, or anything that nests; some extents are 1, some sides have gaps, repeats
// and reversals.
Layout random_layout(Random& random, const std::vector<int64_t>& shape, int64_t itemsize, bool repeats) {
  Layout layout{shape, testing::nested_strides(random, shape, itemsize)};
  if (!one_in(random, 3)) {
    const bool rising = one_in(random, 3);
    int64_t stride = itemsize;
    for (size_t k = 0; k < shape.size(); ++k) {
      const size_t i = rising ? k : shape.size() - 1 - k;
      layout.strides[i] = stride;
      stride = stride * std::max<int64_t>(shape[i], 1) + (one_in(random, 3) ? pick(random, 0, 40) : 0);
    }
  }
  for (int64_t& stride : layout.strides) {
    if (one_in(random, 12)) stride = -stride;
    if (repeats && one_in(random, 8)) stride = 0;
  }
  return layout;
}

std::string text(const CopyPlan& plan) {
  return to_string(plan.strategy) + " unit " + std::to_string(plan.unit) + " " + dst_layout(plan) + " " +
         src_layout(plan) + " offsets " + std::to_string(plan.dst_offset) + " " + std::to_string(plan.src_offset) +
         " bytes " + std::to_string(plan.bytes) + " temporary " + std::to_string(plan.temporary_bytes) +
         (plan.offsets_fit_32 ? " fits" : "") + (plan.aligned ? " aligned" : "") +
         (plan.overlapping ? " overlapping" : "");
}

std::string planned(const BufferView& dst, const BufferView& src) {
  try {
    return text(plan_copy(dst, src));
  } catch (const InvalidArgument& error) {
    return std::string(error.what()).substr(0, 20);  // the rest names the shapes
  }
}

TEST(PlanOrder, MakesNoDifference) {
  Random random = testing::seeded_random("PlanOrder");
  for (int64_t round = testing::rounds(100'000); round > 0; --round) {
    const int64_t itemsize = one_in(random, 5) ? pick(random, 1, 33) : int64_t{1} << pick(random, 0, 4);
    const std::vector<int64_t> shape = testing::pair_shape(random, pick(random, 0, 8), 5000);
    const Layout dst_layout = random_layout(random, shape, itemsize, one_in(random, 20));
    const Layout src_layout = random_layout(random, shape, itemsize, true);
    const uintptr_t dst_buf = kDst + static_cast<uintptr_t>(one_in(random, 3) ? pick(random, 0, 63) : 0);
    // Some share their memory, and some reach past what 32 bits tell.
    const uintptr_t src_buf = one_in(random, 4) ? dst_buf + static_cast<uintptr_t>(pick(random, -64, 64)) : kSrc;
    const BufferView dst = view(dst_buf, dst_layout, itemsize);
    const BufferView src = view(src_buf, src_layout, itemsize);
    const BufferView longer = view(src_buf, with_unit_dim(src_layout, random), itemsize);
    ASSERT_EQ(planned(dst, src), planned(dst, longer))
        << round << " rounds before the end: itemsize " << itemsize << ", " << ::testing::PrintToString(shape) << " "
        << ::testing::PrintToString(dst_layout.strides) << " " << ::testing::PrintToString(src_layout.strides);
  }
}

TEST(PlanOrder, MakesNoDifferenceFarOut) {
  const int64_t far = int64_t{1} << 30;
  for (const int64_t stride : {far - 1, far, 2 * far - 2, 2 * far - 1, 2 * far, 4 * far}) {
    Random random(1);
    const Layout near{{2, 3}, {12, 4}};
    for (const Layout& other : {Layout{{2, 3}, {stride, 4}}, Layout{{2, 3}, {-stride, 4}}}) {
      const BufferView src = view(kSrc, other, 4);
      EXPECT_EQ(planned(view(kDst, near, 4), src),
                planned(view(kDst, near, 4), view(kSrc, with_unit_dim(other, random), 4)));
      EXPECT_EQ(planned(src, view(kDst, near, 4)),
                planned(view(kSrc, with_unit_dim(other, random), 4), view(kDst, near, 4)));
    }
  }
}

// What `is_plain_pair` rests on: no format is looked at where both sides have one DType.
TEST(PlanChecks, TakeFormatsOfOneDTypeForEqual) {
  std::vector<Format> formats;
  for (const char* prefix : {"", "@", "=", "<", ">", "!", "^"}) {
    for (char code = '!'; code <= '~'; ++code) {
      for (const std::string middle : {"", "Z", "1", "2", "(1)", "&"}) {
        try {
          formats.push_back(Format::parse(prefix + middle + code));
        } catch (const InvalidArgument&) {
        }
      }
    }
  }
  ASSERT_GT(formats.size(), 100U);
  for (const Format& a : formats) {
    if (!a.dtype()) continue;
    EXPECT_FALSE(a.has_references()) << a.text();
    EXPECT_EQ(a.itemsize(), a.dtype().itemsize()) << a.text();
    for (const Format& b : formats) {
      EXPECT_TRUE(a.dtype() != b.dtype() || a == b) << a.text() << " and " << b.text();
    }
  }
}

TEST(PlanChecks, LookAtNothingInPlainPairsAlone) {
  float memory[4] = {};
  const float constant[4] = {};
  const BufferView plain = BufferView::of(memory, {4});
  EXPECT_TRUE(planning::is_plain_pair(plain, BufferView::of(constant, {2, 2})));
  EXPECT_FALSE(planning::is_plain_pair(BufferView::of(constant, {4}), plain));
  EXPECT_FALSE(planning::is_plain_pair(plain, BufferView::of(reinterpret_cast<int*>(memory), {4})));
  ViewSpec spec = plain.spec();
  spec.device = {DeviceType::cuda_host, 0};
  EXPECT_FALSE(planning::is_plain_pair(plain, BufferView::create(spec)));
  EXPECT_FALSE(planning::is_plain_pair(BufferView::create(spec), plain));
  spec = plain.spec();
  spec.dtype = {};
  spec.format = Format::parse(">f");
  EXPECT_FALSE(planning::is_plain_pair(BufferView::create(spec), BufferView::create(spec)));
  spec = plain.spec();
  const int64_t suboffsets[] = {0};
  spec.itemsize = 4;
  spec.suboffsets = suboffsets;
  EXPECT_FALSE(planning::is_plain_pair(plain, BufferView::create(spec)));
  EXPECT_FALSE(planning::is_plain_pair(BufferView::create(spec), plain));
}

}  // namespace
}  // namespace strideport
