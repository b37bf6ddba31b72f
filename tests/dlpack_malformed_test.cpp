// Tensors by the thousand, with one thing wrong each, and with everything random: whatever comes in, the deleter is
// called exactly once.
#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"
#include "tests/support/dlpack_producer.hpp"
#include "tests/support/dlpack_walk.hpp"
#include "tests/support/seed.hpp"

namespace {

using strideport::BufferError;
using strideport::DLPackLegacyTensor;
using strideport::DLPackTensor;
using strideport::import_dlpack;
using strideport::InvalidArgument;
using strideport::StreamRef;
using strideport::testing::pick;
using strideport::testing::Random;
using strideport::testing::seeded_random;
using strideport::testing::TensorFields;

alignas(64) std::array<std::byte, 1 << 16> memory{};

template <class T>
const T& one_of(Random& random, const std::vector<T>& values) {
  return values[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(values.size()) - 1))];
}

/// A tensor that must come in: at most 4096 elements inside `memory`, which is large enough for 16-byte ones.
TensorFields valid_tensor(Random& random) {
  TensorFields fields;
  fields.dtype = one_of(random, strideport::testing::whole_byte_types());
  fields.data = memory.data();
  const int64_t ndim = pick(random, 0, 9) == 0 ? pick(random, 9, 64) : pick(random, 0, 8);
  int64_t count = 1;
  for (int64_t i = 0; i < ndim; ++i) {
    const int64_t extent = pick(random, 0, 40) == 0 ? 0 : pick(random, 1, count < 512 ? 4 : 1);
    fields.shape.push_back(extent);
    count *= extent == 0 ? 1 : extent;
  }
  if (pick(random, 0, 2) != 0) {
    fields.strides.emplace(fields.shape.size(), 0);
    int64_t dense = 1;
    for (size_t i = fields.shape.size(); i-- > 0;) {
      (*fields.strides)[i] = pick(random, 0, 5) == 0 ? 0 : dense;
      dense *= fields.shape[i] == 0 ? 1 : fields.shape[i];
    }
  }
  return fields;
}

bool is_empty(const TensorFields& fields) {
  return std::find(fields.shape.begin(), fields.shape.end(), 0) != fields.shape.end();
}

void make_non_empty(TensorFields& fields) {
  for (int64_t& extent : fields.shape) extent = extent == 0 ? 1 : extent;
}

size_t some_axis(TensorFields& fields, Random& random) {
  if (fields.shape.empty()) {
    fields.shape = {2};
    fields.strides.reset();
  }
  return static_cast<size_t>(pick(random, 0, static_cast<int64_t>(fields.shape.size()) - 1));
}

struct Mistake {
  const char* name;
  bool in_legacy;  // the legacy struct can carry it
  std::function<void(TensorFields&, Random&)> make;
};

const std::vector<Mistake>& mistakes() {
  constexpr int64_t kHuge = int64_t{1} << 62;
  static const std::vector<Mistake> all = {
      {"major", false, [](TensorFields& f, Random& r) { f.major = static_cast<uint32_t>(pick(r, 2, 1 << 30)); }},
      {"flag", false, [](TensorFields& f, Random& r) { f.flags |= uint64_t{1} << pick(r, 3, 63); }},
      {"device", true,
       [](TensorFields& f, Random& r) {
         f.device_type = one_of(r, std::vector<int32_t>{-1, 0, kDLCUDA, 4, 5, 7, 8, 9, 10, 11, kDLExtDev, 14, 18, 19});
       }},
      {"code", true, [](TensorFields& f, Random& r) { f.dtype.code = static_cast<uint8_t>(pick(r, 18, 255)); }},
      {"bits", true, [](TensorFields& f, Random&) { f.dtype.bits = 0; }},
      {"lanes", true, [](TensorFields& f, Random&) { f.dtype.lanes = 0; }},
      {"negative ndim", true, [](TensorFields& f, Random& r) { f.ndim = static_cast<int32_t>(-pick(r, 1, 9)); }},
      {"ndim", true, [](TensorFields& f, Random& r) { f.ndim = static_cast<int32_t>(pick(r, 65, 1 << 30)); }},
      {"null shape", true, [](TensorFields& f, Random& r) { some_axis(f, r), f.null_shape = true; }},
      {"extent", true,
       [](TensorFields& f, Random& r) {
         f.shape[some_axis(f, r)] = one_of(r, std::vector<int64_t>{-1, -2, std::numeric_limits<int64_t>::min()});
       }},
      {"product", true,
       [](TensorFields& f, Random& r) {
         make_non_empty(f);
         f.shape[some_axis(f, r)] = int64_t{1} << 40;
         f.shape.push_back(int64_t{1} << 40);
         if (f.strides) f.strides->resize(f.shape.size(), 0);
         if (f.shape.size() > 64) f.ndim = 65;
       }},
      {"bytes", true,
       [](TensorFields& f, Random&) {
         f.shape = {kHuge + kHuge / 2}, f.strides.reset(), f.dtype = {kDLFloat, 32, 1};
       }},
      {"stride", true,
       [](TensorFields& f, Random& r) {
         make_non_empty(f);
         f.shape[some_axis(f, r)] = pick(r, 3, 5);
         f.strides.emplace(f.shape.size(), one_of(r, std::vector<int64_t>{kHuge, -kHuge}));
       }},
      {"reach", true,
       [](TensorFields& f, Random&) {
         f.dtype = {kDLUInt, 8, 1}, f.shape = {2, 2, 2}, f.strides = {kHuge, kHuge, kHuge};
       }},
      {"byte_offset", true,
       [](TensorFields& f, Random& r) { f.byte_offset = ~uint64_t{0} - static_cast<uint64_t>(pick(r, 0, 1000)); }},
      {"null data", true, [](TensorFields& f, Random&) { make_non_empty(f), f.data = nullptr; }},
      {"packed", true,
       [](TensorFields& f, Random&) {
         f.dtype = {kDLFloat4_e2m1fn, 4, 1};
         if (!f.shape.empty()) f.shape.back() = 3;
       }},
  };
  return all;
}

/// Imports and lets go. Returns whether it came in.
bool import_and_drop(const TensorFields& fields, bool legacy, std::atomic<int>& deletions) {
  try {
    const auto buffer =
        legacy ? import_dlpack(DLPackLegacyTensor(strideport::testing::produce_legacy(fields, deletions)),
                               StreamRef::host())
               : import_dlpack(DLPackTensor(strideport::testing::produce(fields, deletions)), StreamRef::host());
    EXPECT_EQ(deletions, 0);
    return true;
  } catch (const BufferError& error) {
    EXPECT_STRNE(error.what(), "");
  } catch (const InvalidArgument& error) {
    EXPECT_STRNE(error.what(), "");
  }
  return false;
}

TEST(DlpackMalformed, ValidTensorsComeIn) {
  Random random = seeded_random("DlpackMalformed.ValidTensorsComeIn");
  for (int i = 0; i < 4000; ++i) {
    std::atomic<int> deletions = 0;
    ASSERT_TRUE(import_and_drop(valid_tensor(random), i % 4 == 0, deletions)) << i;
    ASSERT_EQ(deletions, 1);
  }
}

TEST(DlpackMalformed, OneMistakeIsRefusedAndDeletedOnce) {
  Random random = seeded_random("DlpackMalformed.OneMistakeIsRefusedAndDeletedOnce");
  for (int i = 0; i < 8000; ++i) {
    const Mistake& mistake = one_of(random, mistakes());
    TensorFields fields = valid_tensor(random);
    if (is_empty(fields) && pick(random, 0, 1) == 0) make_non_empty(fields);
    mistake.make(fields, random);
    std::atomic<int> deletions = 0;
    const bool legacy = mistake.in_legacy && pick(random, 0, 1) == 0;
    ASSERT_FALSE(import_and_drop(fields, legacy, deletions)) << mistake.name << " came in, case " << i;
    ASSERT_EQ(deletions, 1) << mistake.name;
  }
}

TEST(DlpackMalformed, RandomFieldsAreDeletedOnceWhetherTheyComeInOrNot) {
  Random random = seeded_random("DlpackMalformed.RandomFieldsAreDeletedOnceWhetherTheyComeInOrNot");
  const auto wild = [&] {
    const int64_t bits = pick(random, 0, 63);
    return static_cast<int64_t>(random()) >> bits;
  };
  int came_in = 0;
  for (int i = 0; i < 20000; ++i) {
    TensorFields fields;
    fields.major = pick(random, 0, 19) == 0 ? static_cast<uint32_t>(random()) : 1;
    fields.flags = random() & (pick(random, 0, 9) == 0 ? ~uint64_t{0} : 7);
    fields.device_type = pick(random, 0, 3) == 0 ? static_cast<int32_t>(pick(random, -1, 20)) : kDLCPU;
    fields.device_id = static_cast<int32_t>(wild());
    fields.dtype = {static_cast<uint8_t>(pick(random, 0, 19)), static_cast<uint8_t>(1 << pick(random, 0, 7)),
                    static_cast<uint16_t>(pick(random, 0, 2))};
    fields.shape.resize(static_cast<size_t>(pick(random, 0, 3)));
    for (int64_t& extent : fields.shape) extent = pick(random, 0, 1) == 0 ? pick(random, 0, 3) : wild();
    if (pick(random, 0, 1) == 0) {
      fields.strides.emplace(fields.shape.size());
      for (int64_t& stride : *fields.strides) stride = wild();
    }
    fields.data = pick(random, 0, 4) == 0 ? nullptr : memory.data();
    fields.byte_offset = pick(random, 0, 1) == 0 ? 0 : static_cast<uint64_t>(wild());
    std::atomic<int> deletions = 0;
    came_in += import_and_drop(fields, pick(random, 0, 3) == 0, deletions) ? 1 : 0;
    ASSERT_EQ(deletions, 1) << i;
  }
  EXPECT_GT(came_in, 0);
  EXPECT_LT(came_in, 20000);
}

}  // namespace
