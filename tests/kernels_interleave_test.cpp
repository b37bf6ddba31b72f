// Pixels of few channels: to planes, from planes, and with their channels in reverse, on the simulated machines.

#include <gtest/gtest.h>

#include <tuple>

#include "tests/support/kernel_run.hpp"

namespace strideport::testing {
namespace {

using kernels::MachineKind;

struct Image {
  int64_t itemsize;
  int64_t channels;
  int64_t pixels;
  int64_t batches = 1;
  int64_t gap = 0;  ///< units between batches, and between planes
};

// (batch, channel, pixel) as planes and as pixels.
Index plane_strides(const Image& i) {
  const int64_t plane = (i.pixels + i.gap) * i.itemsize;
  return {plane * i.channels + i.gap * i.itemsize, plane, i.itemsize};
}
Index pixel_strides(const Image& i) {
  const int64_t pixel = i.channels * i.itemsize;
  return {i.pixels * pixel + i.gap * i.itemsize, i.itemsize, pixel};
}

KernelCopy to_planes(const Image& i) {
  return {i.itemsize, {i.batches, i.channels, i.pixels}, plane_strides(i), pixel_strides(i), 0, 0};
}
KernelCopy to_pixels(const Image& i) {
  return {i.itemsize, {i.batches, i.channels, i.pixels}, pixel_strides(i), plane_strides(i), 0, 0};
}
KernelCopy to_reverse(const Image& i) {
  KernelCopy c{i.itemsize, {i.batches, i.channels, i.pixels}, pixel_strides(i), pixel_strides(i), 0, 0};
  c.src_strides[1] = -c.src_strides[1];
  return c;
}
std::vector<KernelCopy> all_ways(const Image& i) { return {to_planes(i), to_pixels(i), to_reverse(i)}; }

class Channels : public ::testing::TestWithParam<std::tuple<int64_t, int64_t>> {
 protected:
  int64_t unit() const { return std::get<0>(GetParam()); }
  Image image(int64_t pixels, int64_t batches = 1, int64_t gap = 0) const {
    return {unit(), std::get<1>(GetParam()), pixels, batches, gap};
  }
  int64_t tile() const { return 4096 / unit(); }
};
INSTANTIATE_TEST_SUITE_P(UnitsAndChannels, Channels,
                         ::testing::Combine(::testing::Values(1, 2, 4), ::testing::Values(2, 3, 4)));

void expect_copied(const KernelCopy& c) {
  EXPECT_TRUE(run_kernel(c, kernels::prepare_interleave, MachineKind::checking).prepared) << c.text();
}

TEST_P(Channels, MoveInTilesWholeAndRagged) {
  for (const int64_t pixels : {tile(), 2 * tile() + 16, tile() + 1, 2 * tile() - 1, tile() / 2 + 3, tile() / 4}) {
    for (const KernelCopy& c : all_ways(image(pixels))) expect_copied(c);
  }
}

TEST_P(Channels, MoveAtEveryAddress) {
  for (int64_t shift = 0; shift < 16; shift += unit()) {
    for (KernelCopy c : all_ways(image(tile() / 2 + 16))) {
      c.dst_shift = shift;
      c.src_shift = shift * 7 % 16;
      expect_copied(c);
    }
  }
}

TEST_P(Channels, MoveInBatchesWithGaps) {
  for (const int64_t gap : {0, 1, 16, 48}) {
    for (const KernelCopy& c : all_ways(image(tile() + tile() / 2, 3, gap))) expect_copied(c);
  }
}

TEST_P(Channels, MoveReversedAndBackwards) {
  for (KernelCopy c : all_ways(image(tile() + 32, 2, 16))) {
    c.src_strides[0] = -c.src_strides[0];
    expect_copied(c);
    if (c.dst_strides[1] != -c.src_strides[1]) c.src_strides[1] = -c.src_strides[1];
    if (std::abs(c.src_strides[1]) == unit() && std::abs(c.dst_strides[1]) == unit()) continue;  // one run
    expect_copied(c);
  }
}

TEST_P(Channels, MoveEachSectorOnceInOneRequest) {
  if (kSanitized) GTEST_SKIP() << "counts are the same under a sanitizer";
  for (const KernelCopy& c : all_ways(image(4 * tile()))) {
    const KernelRun run = run_kernel(c, kernels::prepare_interleave, MachineKind::counting);
    ASSERT_TRUE(run.prepared) << c.text();
    const kernels::Traffic& t = run.traffic;
    EXPECT_EQ(t.load_sectors, run.ideal_load_sectors) << c.text();
    EXPECT_EQ(t.store_sectors, run.ideal_store_sectors) << c.text();
    EXPECT_LE(ratio(t.shared_wavefronts, t.ideal_shared_wavefronts), 1.05) << c.text();
  }
}

TEST(Interleaves, LeaveOthersAlone) {
  const auto prepared = [](const KernelCopy& c) {
    return run_kernel(c, kernels::prepare_interleave, MachineKind::fast).prepared;
  };
  EXPECT_FALSE(prepared(to_planes({1, 5, 5000})));
  EXPECT_FALSE(prepared(to_planes({8, 3, 5000})));
  EXPECT_FALSE(prepared(to_planes({1, 3, 50})));
  KernelCopy three_of_four = to_planes({1, 4, 5000});
  three_of_four.shape[1] = 3;
  EXPECT_FALSE(prepared(three_of_four));
}

}  // namespace
}  // namespace strideport::testing
