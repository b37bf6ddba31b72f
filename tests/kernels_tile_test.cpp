// Family C: tile transposes, on the simulated machines.

#include <gtest/gtest.h>

#include "tests/support/kernel_case.hpp"

namespace strideport::testing {
namespace {

using kernels::MachineKind;

KernelCase transpose_case(int64_t itemsize, int64_t rows, int64_t columns) {
  KernelCase c;
  c.itemsize = itemsize;
  c.shape = {rows, columns};
  c.dst_strides = {columns * itemsize, itemsize};
  c.src_strides = {itemsize, rows * itemsize};
  return c;
}

class TileUnits : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Bytes, TileUnits, ::testing::Values(4, 8, 16));

TEST_P(TileUnits, TransposesWholeTiles) {
  EXPECT_TRUE(run_kernel_case(transpose_case(GetParam(), 128, 256), kernels::prepare_tile, MachineKind::checking).prepared);
}

TEST_P(TileUnits, TransposesEveryRaggedEdge) {
  for (int64_t extra = 1; extra < 66; ++extra) {
    const auto c = transpose_case(GetParam(), 64 + extra, 131 - extra);
    EXPECT_TRUE(run_kernel_case(c, kernels::prepare_tile, MachineKind::checking).prepared) << c.text();
  }
}

// Outer dimensions, gaps, signs and shifts of every kind around two dimensions that are dense on one side each.
KernelCase random_case(Random& random, int64_t itemsize) {
  KernelCase c;
  c.itemsize = itemsize;
  const int64_t outer = pick(random, 0, 3);
  for (int64_t i = 0; i < outer; ++i) c.shape.push_back(pick(random, 2, 4));
  const size_t y = c.shape.size();
  c.shape.push_back(pick(random, 2, one_in(random, 3) ? 300 : 70));
  c.shape.push_back(pick(random, 2, one_in(random, 3) ? 300 : 70));
  const size_t rank = c.shape.size();
  const auto lay_out = [&](std::vector<size_t> order) {  // densest first
    Index strides(rank);
    int64_t stride = itemsize;
    const int64_t multiple = one_in(random, 2) ? 16 : itemsize;
    for (const size_t axis : order) {
      strides[axis] = one_in(random, 3) ? -stride : stride;
      stride *= c.shape[axis];
      if (one_in(random, 2)) stride += pick(random, 0, 5) * itemsize;
      if (one_in(random, 2)) stride = (stride + multiple - 1) / multiple * multiple;
    }
    return strides;
  };
  std::vector<size_t> dst_order(rank);
  for (size_t i = 0; i < rank; ++i) dst_order[i] = rank - 1 - i;
  std::vector<size_t> src_order = dst_order;
  shuffle(random, src_order);
  std::swap(*std::find(src_order.begin(), src_order.end(), y), src_order[0]);
  c.dst_strides = lay_out(dst_order);
  c.src_strides = lay_out(src_order);
  c.dst_shift = one_in(random, 2) ? 0 : pick(random, 0, 15) * itemsize % 256;
  c.src_shift = one_in(random, 2) ? 0 : pick(random, 0, 15) * itemsize % 256;
  return c;
}

TEST_P(TileUnits, TransposesRandomLayouts) {
  Random random = seeded_random("TileUnits.TransposesRandomLayouts");
  int prepared = 0;
  for (int i = 0; i < 300; ++i) {
    const KernelCase c = random_case(random, GetParam());
    const auto machine = one_in(random, 10) ? MachineKind::checking : MachineKind::fast;
    prepared += run_kernel_case(c, kernels::prepare_tile, machine, random()).prepared ? 1 : 0;
    if (HasFailure()) break;
  }
  EXPECT_GT(prepared, 150);
}

}  // namespace
}  // namespace strideport::testing
