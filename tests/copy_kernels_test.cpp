// Every kernel of every instruction set that this machine runs, on blocks that end where readable memory ends: a read
// past the last element, or before the first, is a fault.

#include <gtest/gtest.h>

#include <iterator>

#include "runtime/host/kernels.hpp"
#include "runtime/host/simd/target.hpp"
#include "tests/support/host_copied.hpp"
#include "tests/support/seed.hpp"

namespace strideport::host {
namespace {

using testing::Guarded;
using testing::one_in;
using testing::pick;
using testing::Random;
using testing::Span;

// Blocks such as the executor makes: dst does not overlap itself, src does what it likes.
Block random_block(Random& random) {
  static constexpr int64_t kItems[] = {1, 1, 2, 2, 3, 4, 4, 6, 8, 8, 12, 16, 16, 24, 32, 48, 64, 96, 128};
  Block b;
  b.item =
      one_in(random, 4) ? pick(random, 1, 300) : kItems[static_cast<size_t>(pick(random, 0, std::size(kItems) - 1))];
  const int64_t most = b.item > 32 ? 6 : 70;
  b.rows = one_in(random, 4) ? pick(random, 1, 4) : pick(random, 1, most);
  b.columns = one_in(random, 4) ? pick(random, 1, 4) : pick(random, 1, most);
  if (b.item <= 8 && one_in(random, 8)) b.rows = pick(random, 100, 600);
  const auto gap = [&] {
    return one_in(random, 2) ? 0 : one_in(random, 2) ? pick(random, 0, 3) * b.item : pick(random, 0, 9);
  };
  b.streams = one_in(random, 2);
  b.dst_column = b.item + gap();
  b.dst_row = b.columns * b.dst_column + gap();
  if (one_in(random, 2)) b.dst_row = (b.dst_row + 63) / 64 * 64;  // whole cache lines
  if (one_in(random, 4)) b.dst_row = -b.dst_row;
  if (one_in(random, 2)) {  // dense along the rows: a transpose
    b.src_row = b.item + (one_in(random, 4) ? gap() : 0);
    b.src_column = b.rows * b.src_row + gap();
  } else {
    b.src_column = b.item + gap();
    b.src_row = b.columns * b.src_column + gap();
  }
  if (one_in(random, 4)) b.src_row = -b.src_row;
  if (one_in(random, 4)) b.src_column = -b.src_column;
  if (one_in(random, 12)) b.src_column = 0;
  if (one_in(random, 12)) b.src_row = 0;
  return b;
}

void kernels_stay_inside(const char* name) {
  Random random = testing::seeded_random(name);
  const Guarded src_memory(32);
  const Guarded dst_memory(32);
  for (std::byte* p = src_memory.begin(); p != src_memory.end(); ++p) *p = static_cast<std::byte>(random());
  for (int64_t round = 0, n = testing::rounds(15'000); round < n && !::testing::Test::HasFailure(); ++round) {
    const Block b = random_block(random);
    const Span s = testing::src_span(b);
    const Span d = testing::dst_span(b);
    if (s.bytes() > static_cast<int64_t>(src_memory.size()) || d.bytes() > static_cast<int64_t>(dst_memory.size())) {
      continue;
    }
    // Flush with the end of the memory or with its begin, on both sides.
    const std::byte* src = one_in(random, 2) ? src_memory.end() - s.upper : src_memory.begin() - s.lower;
    std::byte* dst = one_in(random, 2) ? dst_memory.end() - d.upper : dst_memory.begin() - d.lower;
    testing::expect_copied(b, dst, src, dst_memory);
  }
}

TEST(Kernels, OfEveryTargetStayInside) {
  const simd::Target best = simd::target();
  for (const simd::Target target : simd::targets()) {
    SCOPED_TRACE(simd::name(target));
    simd::set_target(target);
    kernels_stay_inside(simd::name(target));
  }
  simd::set_target(best);
}

}  // namespace
}  // namespace strideport::host
