// Most views take a short way through `create`. A memory that holds nearly every address sends a description the long
// way, where each rule is checked by itself: both must say the same.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "strideport/buffer_view.hpp"
#include "tests/support/seed.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
using Numbers = std::vector<int64_t>;

struct Outcome {
  std::string refusal;
  Numbers shape, strides;
  int64_t len = 0, itemsize = 0;
  void* buf = nullptr;
  std::string format;
  DType dtype;
  bool readonly = false, padded = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

template <class Make>
Outcome outcome_of(const Make& make) {
  Outcome outcome;
  try {
    const BufferView view = make();
    outcome.shape.assign(view.shape().begin(), view.shape().end());
    outcome.strides.assign(view.strides().begin(), view.strides().end());
    outcome.len = view.len();
    outcome.itemsize = view.itemsize();
    outcome.buf = view.buf();
    outcome.format = view.format().text();
    outcome.dtype = view.dtype();
    outcome.readonly = view.readonly();
    outcome.padded = view.padded();
  } catch (const InvalidArgument& error) {
    outcome.refusal = error.what();
  }
  return outcome;
}

Outcome outcome_of(const ViewSpec& spec) {
  return outcome_of([&] { return BufferView::create(spec); });
}

template <class T>
const T& one_of(Random& random, const std::vector<T>& values) {
  return values[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(values.size()) - 1))];
}

const Numbers kExtents{0, 1, 1, 2, 2, 3, 3, 5, 7, -1, int64_t{1} << 31, int64_t{1} << 60, kMax};
const Numbers kStrides{0, 1, 4, 8, -8, 24, -24, 40, 160, kMin, kMax, int64_t{1} << 60, -(int64_t{1} << 60)};
const Numbers kItemsizes{4, 4, 4, 8, 1, 16, 0, -1, kMax};
const Numbers kAddresses{0, 4, 4096, int64_t{1} << 46, -16, -4096, kMin};  // the negative ones: near the end
const std::vector<const char*> kFormats{"B", "i", "i", "f", "d", "<i", ">i", "T{h:x:xx}", "Zd", "4s", "(2)h", "0s"};
const std::vector<DType> kDTypes{
    {}, {}, {}, dtype_of<int32_t>(), dtype_of<float>(), {TypeCode::integer, 4}, {TypeCode::bfloat, 16}};

// Mostly descriptions that are nearly right: of each property, the right value is likely.
struct Description {
  explicit Description(Random& random) {
    const auto ndim = static_cast<size_t>(one_in(random, 10) ? pick(random, 8, 10) : pick(random, 0, 4));
    for (size_t i = 0; i < ndim; ++i)
      shape.push_back(one_in(random, 4) ? one_of(random, kExtents) : pick(random, 1, 4));
    const size_t count = one_in(random, 20) ? ndim + 1 : ndim;
    const bool given = !one_in(random, 3);
    for (size_t i = 0; given && i < count; ++i) {
      strides.push_back(one_in(random, 4) ? one_of(random, kStrides) : 4 * pick(random, -9, 9));
    }
    spec.buf = reinterpret_cast<void*>(one_in(random, 8) ? one_of(random, kAddresses) : int64_t{1} << 46);
    spec.shape = shape;
    spec.strides = strides;
    spec.itemsize = one_in(random, 4) ? one_of(random, kItemsizes) : 4;
    if (!one_in(random, 8)) spec.format = Format::parse(one_of(random, kFormats));
    if (one_in(random, 2) && spec.format) spec.itemsize = spec.format.itemsize();
    spec.dtype = one_of(random, kDTypes);
    spec.readonly = one_in(random, 2);
    spec.padded = one_in(random, 4);
  }
  Numbers shape, strides;
  ViewSpec spec;
};

TEST(BufferViewCreate, SaysTheSameByTheShortWayAndByTheLongOne) {
  Random random = seeded_random("BufferViewCreate.SaysTheSameByTheShortWayAndByTheLongOne");
  for (int64_t round = rounds(200'000); round > 0; --round) {
    Description description(random);
    const Outcome direct = outcome_of(description.spec);
    description.spec.memory = MemoryRange{nullptr, kMax};
    const Outcome checked = outcome_of(description.spec);
    if (checked.refusal.find("of a memory of") != std::string::npos) continue;  // past kMax: no other rule forbids that
    ASSERT_EQ(direct.refusal, checked.refusal);
    ASSERT_TRUE(direct == checked) << "format " << checked.format << ", len " << checked.len << " and " << direct.len;
  }
}

TEST(BufferViewCreate, SaysTheSameOfAnElementInCOrder) {
  Random random = seeded_random("BufferViewCreate.SaysTheSameOfAnElementInCOrder");
  for (int64_t round = rounds(200'000); round > 0; --round) {
    const Description description(random);
    ViewSpec spec = description.spec;
    if (!spec.format) spec.format = Format::parse("i");
    spec.strides = {};
    spec.itemsize = spec.format.itemsize();
    spec.dtype = {};
    const Outcome plain = outcome_of(spec);
    const Outcome known =
        outcome_of([&] { return BufferView::of(spec.buf, spec.shape, Element(spec.format), spec.readonly); });
    ASSERT_EQ(known.refusal, plain.refusal);
    ASSERT_TRUE(known == plain) << "format " << plain.format << ", len " << known.len << " and " << plain.len;
  }
}

}  // namespace
}  // namespace strideport::testing
