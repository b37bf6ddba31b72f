// Whole copies under every instruction set of this machine and on several numbers of threads: random structures against
// the odometer, at all misalignments, in memory that ends where the views do.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "runtime/host/simd/target.hpp"
#include "strideport/copy.hpp"
#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"
#include "tests/support/host_blocks.hpp"

namespace strideport {
namespace {

using testing::Guarded;
using testing::one_in;
using testing::pick;
using testing::Place;
using testing::Random;
using testing::Side;

constexpr std::byte kUntouched{0xA5};
constexpr int64_t kGuardBytes = 256;

/// Two layouts of the same elements, the bytes of the source, and those that the copy must leave; both from `lower` on.
struct Pair {
  int64_t itemsize = 1;
  std::vector<int64_t> shape;
  Side dst;
  Side src;
  std::vector<std::byte> src_bytes;
  std::vector<std::byte> dst_bytes;
};

// The copy by hand, from one set of bytes into the other.
void copy_by_hand(Pair& pair) {
  testing::for_each_index(pair.shape, [&](const testing::Index& index) {
    int64_t to = -pair.dst.lower;
    int64_t from = -pair.src.lower;
    for (size_t axis = 0; axis < index.size(); ++axis) {
      to += index[axis] * pair.dst.strides[axis];
      from += index[axis] * pair.src.strides[axis];
    }
    std::memcpy(pair.dst_bytes.data() + to, pair.src_bytes.data() + from, static_cast<size_t>(pair.itemsize));
  });
}

// Dimensions of extent 1 anywhere, whose strides mean nothing.
void add_units(Random& random, Side& side) {
  for (size_t axis = side.shape.size() + 1; axis-- > 0;) {
    if (!one_in(random, 8)) continue;
    const auto at = static_cast<std::ptrdiff_t>(axis);
    side.shape.insert(side.shape.begin() + at, 1);
    side.strides.insert(side.strides.begin() + at, pick(random, -100'000, 100'000));
  }
}

int64_t random_itemsize(Random& random) {
  static constexpr int64_t kCommon[] = {1, 1, 2, 2, 3, 4, 4, 6, 8, 8, 12, 16, 24, 32, 64};
  return one_in(random, 6) ? pick(random, 1, 100)
                           : kCommon[static_cast<size_t>(pick(random, 0, std::size(kCommon) - 1))];
}

Pair pair_of(Random& random, int64_t itemsize, const Side& dst, const Side& src) {
  Pair pair{itemsize, dst.shape, dst, src, {}, {}};
  testing::bound(pair.dst, itemsize);
  testing::bound(pair.src, itemsize);
  pair.src_bytes.resize(static_cast<size_t>(pair.src.upper - pair.src.lower));
  testing::fill(random, pair.src_bytes);
  pair.dst_bytes.assign(static_cast<size_t>(pair.dst.upper - pair.dst.lower), kUntouched);
  copy_by_hand(pair);
  return pair;
}

Pair random_pair(Random& random, int64_t itemsize, const std::vector<int64_t>& shape) {
  Pair pair = pair_of(random, itemsize, {shape, testing::nested_strides(random, shape, itemsize), {}},
                      {shape, testing::source_strides(random, shape, itemsize), {}});
  add_units(random, pair.dst);
  add_units(random, pair.src);
  return pair;
}

// Pixels of `channels` interleaved channels, `gap` items behind each row, as (height, width, channel).
std::vector<int64_t> pixel_strides(int64_t itemsize, int64_t width, int64_t channels, int64_t gap) {
  return {(width * channels + gap) * itemsize, channels * itemsize, itemsize};
}

// Planes, likewise.
std::vector<int64_t> plane_strides(int64_t itemsize, int64_t height, int64_t width, int64_t gap) {
  return {(width + gap) * itemsize, itemsize, height * (width + gap) * itemsize};
}

class CopyTargets : public ::testing::Test {
 protected:
  ~CopyTargets() override {
    host::simd::set_target(before_);
    set_num_threads(0);
  }

  /// Expects what was done by hand, and not a byte beside it.
  static void check(const Pair& pair, const Guarded& dst_memory, Place to, const Guarded& src_memory, Place from) {
    std::byte* const dst = place(dst_memory, pair.dst_bytes, to);
    std::byte* const src = place(src_memory, pair.src_bytes, from);
    std::byte* const dst_end = dst + pair.dst_bytes.size();
    std::byte* const guard = dst - std::min<int64_t>(kGuardBytes, dst - dst_memory.begin());
    std::byte* const guard_end = dst_end + std::min<int64_t>(kGuardBytes, dst_memory.end() - dst_end);
    std::memcpy(src, pair.src_bytes.data(), pair.src_bytes.size());
    std::fill(guard, guard_end, kUntouched);
    const auto view = [&](std::byte* begin, const Side& side) {
      return testing::view_at(reinterpret_cast<uintptr_t>(begin - side.lower), side, pair.itemsize);
    };
    const BufferView dst_view = view(dst, pair.dst);
    const BufferView src_view = view(src, pair.src);
    copy(dst_view, src_view, StreamRef::host());
    const auto untouched = [](std::byte byte) { return byte == kUntouched; };
    EXPECT_TRUE(std::memcmp(dst, pair.dst_bytes.data(), pair.dst_bytes.size()) == 0 &&
                std::all_of(guard, dst, untouched) && std::all_of(dst_end, guard_end, untouched))
        << testing::describe(dst_view, src_view) << ", dst at " << reinterpret_cast<uintptr_t>(dst) % 64
        << " mod 64, src at " << reinterpret_cast<uintptr_t>(src) % 64 << ", " << num_threads() << " threads\n"
        << explain(dst_view, src_view);
  }

  /// Calls f() under every instruction set, until something fails.
  template <class F>
  static void each_target(F&& f) {
    for (const host::simd::Target target : host::simd::targets()) {
      SCOPED_TRACE(host::simd::name(target));
      host::simd::set_target(target);
      f();
      if (HasFailure()) return;
    }
  }

  static void check_on_any_number_of_threads(const char* name, int64_t pairs);

 private:
  static std::byte* place(const Guarded& memory, const std::vector<std::byte>& bytes, Place where) {
    EXPECT_LE(static_cast<int64_t>(bytes.size()) + where.distance_bytes, static_cast<int64_t>(memory.size()));
    return where.at_end ? memory.end() - bytes.size() - where.distance_bytes : memory.begin() + where.distance_bytes;
  }

  const host::simd::Target before_ = host::simd::target();
};

TEST_F(CopyTargets, EqualTheOdometerOnRandomStructures) {
  Random random = testing::seeded_random("CopyTargets.EqualTheOdometerOnRandomStructures");
  const Guarded dst_memory(256);
  const Guarded src_memory(256);
  const auto somewhere = [&] { return Place{one_in(random, 2), one_in(random, 2) ? 0 : pick(random, 0, 63)}; };
  for (int64_t round = 0, n = testing::rounds(100'000); round < n && !HasFailure(); ++round) {
    const int64_t itemsize = random_itemsize(random);
    const int64_t limit = one_in(random, 20) ? 4000 : 200;
    const auto shape = testing::pair_shape(random, pick(random, 0, 6), std::max<int64_t>(1, limit / itemsize * 4));
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) continue;
    const Pair pair = random_pair(random, itemsize, shape);
    if (std::max(pair.dst_bytes.size(), pair.src_bytes.size()) + 64 > dst_memory.size()) continue;
    const Place to = somewhere();
    const Place from = somewhere();
    each_target([&] { check(pair, dst_memory, to, src_memory, from); });
  }
}

TEST_F(CopyTargets, BeginAtAnyByteOnEitherSide) {
  Random random = testing::seeded_random("CopyTargets.BeginAtAnyByteOnEitherSide");
  const Guarded dst_memory(16);
  const Guarded src_memory(16);
  for (int64_t round = 0, n = testing::rounds(40); round < n && !HasFailure(); ++round) {
    const int64_t itemsize = random_itemsize(random);
    std::vector<int64_t> shape = {pick(random, 2, 9), pick(random, 1, std::max<int64_t>(2, 300 / itemsize))};
    if (one_in(random, 3)) shape.push_back(pick(random, 2, 4));
    testing::shuffle(random, shape);
    const Pair pair = random_pair(random, itemsize, shape);
    if (std::max(pair.dst_bytes.size(), pair.src_bytes.size()) + 64 > dst_memory.size()) continue;
    each_target([&] {
      for (int64_t to = 0; to < 64; ++to) {
        for (int64_t from = 0; from < 64 && !HasFailure(); ++from) {
          check(pair, dst_memory, {round % 2 == 0, to}, src_memory, {round % 2 == 0, from});
        }
      }
    });
  }
}

// Larger than the loops for channels ask for their lines ahead from.
TEST_F(CopyTargets, InterleavedImagesOfMegabytesGoToPlanesAndBack) {
  Random random = testing::seeded_random("CopyTargets.InterleavedImagesOfMegabytesGoToPlanesAndBack");
  const Guarded dst_memory(size_t{2} << 10);
  const Guarded src_memory(size_t{2} << 10);
  const auto check_all = [&](int64_t itemsize, int64_t channels, int64_t gap) {
    const int64_t width = pick(random, 100, 700);
    const int64_t height = (int64_t{5} << 20) / 4 / (width * channels * itemsize);
    const std::vector<int64_t> shape = {height, width, channels};
    const Side planes{shape, plane_strides(itemsize, height, width, gap), {}};
    const Side pixels{shape, pixel_strides(itemsize, width, channels, gap), {}};
    Side swapped = pixels;
    swapped.strides[2] = -itemsize;
    for (const auto& [dst, src] : {std::pair{planes, pixels}, std::pair{pixels, planes}, std::pair{pixels, swapped}}) {
      const Pair pair = pair_of(random, itemsize, dst, src);
      const Place to{one_in(random, 2), pick(random, 0, 63)};
      const Place from{one_in(random, 2), pick(random, 0, 63)};
      each_target([&] { check(pair, dst_memory, to, src_memory, from); });
    }
  };
  for (const int64_t itemsize : {1, 2, 4, 8}) {
    for (const int64_t channels : {2, 3, 4}) {
      check_all(itemsize, channels, 0);
      check_all(itemsize, channels, pick(random, 1, 70));
    }
  }
}

// About `count` elements in up to five dimensions.
std::vector<int64_t> large_shape(Random& random, int64_t count) {
  std::vector<int64_t> shape;
  for (int64_t more = pick(random, 0, 4); more > 0; --more) {
    shape.push_back(std::min(count, pick(random, 2, one_in(random, 3) ? 3000 : 40)));
    count /= shape.back();
  }
  shape.push_back(std::max<int64_t>(count, 1));
  testing::shuffle(random, shape);
  return shape;
}

// Of a size for several threads and, above 4 or 8 MiB, for stores past the caches.
void CopyTargets::check_on_any_number_of_threads(const char* name, int64_t pairs) {
  Random random = testing::seeded_random(name);
  const Guarded dst_memory(size_t{16} << 10);
  const Guarded src_memory(size_t{16} << 10);
  while (pairs > 0 && !HasFailure()) {
    const int64_t itemsize = random_itemsize(random);
    const int64_t bytes = pick(random, 2 << 20, 11 << 20);
    const auto shape = large_shape(random, bytes / itemsize);
    const Pair pair = random_pair(random, itemsize, shape);
    if (std::max(pair.dst_bytes.size(), pair.src_bytes.size()) + 64 > dst_memory.size()) continue;
    --pairs;
    const Place to{one_in(random, 2), pick(random, 0, 63)};
    const Place from{one_in(random, 2), pick(random, 0, 63)};
    each_target([&] {
      for (const int threads : {1, 2, 3, 8}) {
        set_num_threads(threads);
        check(pair, dst_memory, to, src_memory, from);
      }
    });
  }
}

TEST_F(CopyTargets, CopyAlikeOnAnyNumberOfThreads) {
  check_on_any_number_of_threads("CopyTargets.CopyAlikeOnAnyNumberOfThreads", std::max<int64_t>(1, testing::rounds(8)));
}

using SlowCopyTargets = CopyTargets;

TEST_F(SlowCopyTargets, CopyAlikeOnAnyNumberOfThreads) {
  check_on_any_number_of_threads("SlowCopyTargets.CopyAlikeOnAnyNumberOfThreads", testing::rounds(100));
}

}  // namespace
}  // namespace strideport
