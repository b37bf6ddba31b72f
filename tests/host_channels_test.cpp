// Interleaved channels: every kernel of every instruction set that this machine runs, at all misalignments, with all
// tails, at both ends of readable memory.

#include <gtest/gtest.h>

#include "tests/support/host_blocks.hpp"

namespace strideport::host {
namespace {

using simd::Target;
using testing::BlockMemory;
using testing::for_each_target;
using testing::one_in;
using testing::pick;
using testing::Place;
using testing::Random;

// n pixels to planes that are `gap` bytes apart.
Block to_planes(int64_t n, int64_t channels, int64_t item, int64_t gap) {
  return {.rows = channels,
          .dst_row = n * item + gap,
          .src_row = item,
          .columns = n,
          .dst_column = item,
          .src_column = channels * item,
          .item = item};
}

Block to_pixels(int64_t n, int64_t channels, int64_t item, int64_t gap) {
  return {.rows = n,
          .dst_row = channels * item,
          .src_row = item,
          .columns = channels,
          .dst_column = item,
          .src_column = n * item + gap,
          .item = item};
}

// The channels of each pixel in opposite order.
Block swapped(int64_t n, int64_t channels, int64_t item, int64_t) {
  return {.rows = n,
          .dst_row = channels * item,
          .src_row = channels * item,
          .columns = channels,
          .dst_column = item,
          .src_column = -item,
          .item = item};
}

using Make = Block (*)(int64_t n, int64_t channels, int64_t item, int64_t gap);

void channels_match(Random& random, Make make, bool streams) {
  BlockMemory memory(random);
  const int64_t misalignments = testing::rounds(64);
  for_each_target(simd::kChannelPickers, [&](Target target, const char* name, simd::Picker picker) {
    if (target == Target::plain) return;
    ASSERT_NE(picker, nullptr) << name;
    for (const int64_t channels : {2, 3, 4}) {
      for (const int64_t item : {1, 2, 4, 8}) {
        const int64_t vectors = 64 / item;
        for (int64_t at = 0; at < misalignments && !::testing::Test::HasFailure(); ++at) {
          const int64_t n = streams ? pick(random, 5 * vectors, 12 * vectors) : pick(random, 2, 3 * vectors + 20);
          int64_t gap = one_in(random, 2) ? 0 : pick(random, 1, 70);
          if (streams && one_in(random, 2)) gap = (64 - n * item % 64) % 64;  // planes on lines
          Block b = make(n, channels, item, gap);
          b.streams = streams;
          const Kernel kernel = picker(b);
          ASSERT_NE(kernel, nullptr) << name << ": " << testing::text(b);
          memory.check(name, kernel, b, {one_in(random, 2), at}, {one_in(random, 2), pick(random, 0, 63)});
        }
      }
    }
  });
}

TEST(HostChannels, PixelsToPlanesMatchTheOdometer) {
  Random random = testing::seeded_random("HostChannels.PixelsToPlanes");
  channels_match(random, to_planes, false);
  channels_match(random, to_planes, true);
}

TEST(HostChannels, PlanesToPixelsMatchTheOdometer) {
  Random random = testing::seeded_random("HostChannels.PlanesToPixels");
  channels_match(random, to_pixels, false);
  channels_match(random, to_pixels, true);
}

TEST(HostChannels, ThatTradePlacesMatchTheOdometer) {
  Random random = testing::seeded_random("HostChannels.ThatTradePlaces");
  channels_match(random, swapped, false);
  channels_match(random, swapped, true);
}

}  // namespace
}  // namespace strideport::host
