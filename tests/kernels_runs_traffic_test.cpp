// What families A, B and F fetch and write, in sectors over the least that the copy can do: exact, from the counting
// machine.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/kernel_case.hpp"

namespace strideport::kernels {
namespace {

using testing::KernelCase;
using testing::KernelLayout;
using testing::Random;

struct Ratios {
  char family;
  double load;
  double store;
  double load_requests;  // sectors request by request
  double store_requests;
};

// Elements of `itemsize` bytes in rows: pitches and shifts in elements.
KernelLayout rows(int64_t itemsize, int64_t count, int64_t length, int64_t dst_pitch, int64_t src_pitch,
                  int64_t dst_shift = 0, int64_t src_shift = 0) {
  KernelLayout layout;
  layout.aligned = true;
  layout.itemsize = itemsize;
  layout.shape = {count, length};
  layout.dst_strides = {dst_pitch * itemsize, itemsize};
  layout.src_strides = {src_pitch * itemsize, itemsize};
  layout.dst_before = dst_shift * itemsize;
  layout.src_before = src_shift * itemsize;
  return layout;
}

Ratios measure(const KernelLayout& layout) {
  Random random(1);
  KernelCase test(random, layout);
  const Launch launch = prepare(test.plan(), test.dst(), test.src());
  const Simulation simulation = test.run(launch, MachineKind::counting);
  EXPECT_EQ(simulation.fault, "");
  const auto over = [](uint64_t count, uint64_t ideal) {
    return static_cast<double>(count) / static_cast<double>(ideal);
  };
  const Traffic& t = simulation.traffic;
  return {launch.family, over(t.unique_load_sectors, test.src_sectors()),
          over(t.unique_store_sectors, test.dst_sectors()), over(t.load_sectors, test.src_sectors()),
          over(t.store_sectors, test.dst_sectors())};
}

void expect_exact(const KernelLayout& layout, char family) {
  const Ratios r = measure(layout);
  EXPECT_EQ(r.family, family);
  EXPECT_EQ(r.load, 1.0);
  EXPECT_EQ(r.store, 1.0);
  EXPECT_EQ(r.load_requests, 1.0);
  EXPECT_EQ(r.store_requests, 1.0);
}

void expect_at_most(double limit, const KernelLayout& layout, char family) {
  const Ratios r = measure(layout);
  EXPECT_EQ(r.family, family);
  EXPECT_LE(r.load, limit);
  EXPECT_LE(r.store, limit);
}

TEST(RunsTraffic, OfAlignedRunsIsTheLeast) {
  expect_exact(rows(1, 1, 200'000 / 32 * 32, 0, 0), 'A');
  expect_exact(rows(4, 1, 16'384, 0, 0), 'A');
  expect_exact(rows(4, 40, 1024, 1024, 1040), 'B');
  expect_exact(rows(4, 40, 1024, 1040, 1024), 'B');
  expect_exact(rows(1, 3, 33'024, 33'024, 40'000), 'B');
}

TEST(RunsTraffic, OfAlignedShortRowsIsTheLeast) {
  for (const int64_t length : {8, 16, 32, 64}) expect_exact(rows(4, 1000, length, length, 4 * length), 'G');
}

TEST(RunsTraffic, OfMisalignedRunsIsNearlyTheLeast) {
  expect_at_most(1.01, rows(1, 1, 200'000, 0, 0, 0, 1), 'A');
  expect_at_most(1.01, rows(4, 1, 50'000, 0, 0, 1, 3), 'A');
  expect_at_most(1.01, rows(8, 1, 20'000, 0, 0, 1, 0), 'A');
}

TEST(RunsTraffic, OfRaggedRowsOfFourBytesIsNearlyTheLeast) {
  expect_at_most(1.15, rows(4, 60, 1001, 1001, 1024), 'B');
  expect_at_most(1.15, rows(4, 200, 75, 75, 80), 'B');
  expect_at_most(1.15, rows(4, 2000, 6, 6, 8), 'G');
  expect_at_most(1.15, rows(4, 300, 301, 301, 301 + 77, 1, 3), 'B');
}

TEST(RunsTraffic, OfRaggedRowsOfSingleBytesIsNearlyTheLeast) {
  expect_at_most(1.30, rows(1, 12, 16'300, 16'300, 16'384), 'B');
  expect_at_most(1.30, rows(1, 5000, 31, 31, 40), 'B');
  expect_at_most(1.30, rows(1, 1000, 201, 201, 209, 1, 3), 'B');
  expect_at_most(1.30, rows(1, 1000, 99, 107, 101, 5, 3), 'B');
}

TEST(RunsTraffic, OfWhatStandsStillIsOneLoad) {
  KernelLayout row = rows(4, 64, 2048, 2048, 0);
  Ratios r = measure(row);
  EXPECT_EQ(r.family, 'F');
  EXPECT_EQ(r.store, 1.0);
  EXPECT_EQ(r.store_requests, 1.0);
  EXPECT_EQ(r.load, 4.0);  // sixteen repetitions a block
  KernelLayout column = rows(4, 64, 2048, 2048, 1);
  column.src_strides[1] = 0;
  r = measure(column);
  EXPECT_EQ(r.family, 'F');
  EXPECT_EQ(r.store, 1.0);
  EXPECT_EQ(r.store_requests, 1.0);
}

}  // namespace
}  // namespace strideport::kernels
