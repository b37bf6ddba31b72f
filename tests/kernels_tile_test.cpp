// Family C: tile transposes, on the simulated machines.

#include <gtest/gtest.h>

#include "tests/support/kernel_run.hpp"

namespace strideport::testing {
namespace {

using kernels::MachineKind;

KernelCopy transpose_case(int64_t itemsize, int64_t rows, int64_t columns) {
  KernelCopy c;
  c.itemsize = itemsize;
  c.shape = {rows, columns};
  c.dst_strides = {columns * itemsize, itemsize};
  c.src_strides = {itemsize, rows * itemsize};
  return c;
}

class TileUnits : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Bytes, TileUnits, ::testing::Values(1, 2, 3, 4, 6, 8, 12, 16, 24, 48));

void expect_copied(const KernelCopy& c, MachineKind machine = MachineKind::checking) {
  EXPECT_TRUE(run_kernel(c, kernels::prepare_tile, machine).prepared) << c.text();
}

TEST_P(TileUnits, TransposesWholeTiles) { expect_copied(transpose_case(GetParam(), 128, 256)); }

TEST_P(TileUnits, TransposesEveryRaggedEdge) {
  const int64_t tile = GetParam() < 4 ? 128 : 64;
  for (int64_t extra = 1; extra <= tile + 1; ++extra) {
    expect_copied(transpose_case(GetParam(), tile / 2 + extra, 2 * tile + 1 - extra), MachineKind::fast);
    if (extra % 8 == 3) expect_copied(transpose_case(GetParam(), tile / 2 + extra, 2 * tile + 1 - extra));
  }
}

// Rows whose ends are ragged, though every row begins where vectors may.
TEST_P(TileUnits, TransposesPitchedRows) {
  const int64_t unit = GetParam();
  for (const int64_t extra : {1, 3, 5, 15}) {
    KernelCopy c = transpose_case(unit, 96 + extra, 64 + extra);
    c.dst_strides[0] = 128 * unit;
    c.src_strides[1] = 144 * unit;
    expect_copied(c);
  }
}

class SmallTileUnits : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Bytes, SmallTileUnits, ::testing::Values(1, 2, 4));

// Larger units at such addresses are the generic family's.
TEST_P(SmallTileUnits, TransposesFromAndToEveryByte) {
  for (int64_t shift = 0; shift < 16; ++shift) {
    KernelCopy c = transpose_case(GetParam(), 131, 70);
    c.src_shift = shift;
    c.dst_shift = (shift * 5 + 3) % 16;
    expect_copied(c);
    c.src_strides[1] += 5 * GetParam();
    c.dst_strides[0] += 3;
    expect_copied(c);
  }
}

// Outer dimensions, gaps, signs and shifts of every kind around two dimensions that are dense on one side each.
KernelCopy random_case(Random& random, int64_t itemsize) {
  KernelCopy c;
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
  const int64_t step = itemsize <= 4 && one_in(random, 3) ? 1 : itemsize;
  c.dst_shift = one_in(random, 2) ? 0 : pick(random, 0, 15) * step % 256;
  c.src_shift = one_in(random, 2) ? 0 : pick(random, 0, 15) * step % 256;
  return c;
}

TEST_P(TileUnits, TransposesRandomLayouts) {
  Random random = seeded_random("TileUnits.TransposesRandomLayouts");
  int prepared = 0;
  for (int i = 0; i < 100; ++i) {
    const KernelCopy c = random_case(random, GetParam());
    const auto machine = one_in(random, 10) ? MachineKind::checking : MachineKind::fast;
    prepared += run_kernel(c, kernels::prepare_tile, machine, random()).prepared ? 1 : 0;
    if (HasFailure()) break;
  }
  EXPECT_GT(prepared, 30);
}

// src runs between the elements of dst, in the same memory: what lies beside them must not even be read.
TEST(TileTransposes, LeavesAloneWhatOtherBlocksWrite) {
  std::vector<uint8_t> memory(150 * 400);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<uint8_t>(i * 7 + i / 251);
  std::vector<uint8_t> expected = memory;
  const Index shape{130, 131};
  const auto dst = BufferView::of(memory.data() + 201, shape, Index{400, 1});
  const auto src = BufferView::of(memory.data(), shape, Index{1, 400});
  for (size_t y = 0; y < 130; ++y) {
    for (size_t x = 0; x < 131; ++x) expected[201 + y * 400 + x] = memory[y + x * 400];
  }
  const CopyPlan plan = plan_copy(dst, src);
  ASSERT_EQ(plan.strategy, Strategy::transpose);
  kernels::Launch launch;
  ASSERT_TRUE(kernels::prepare_tile(launch, kernels::make_problem(plan, dst.buf(), src.buf())));
  OneArena arena(memory);
  EXPECT_EQ(kernels::simulate(launch, MachineKind::checking, &arena).fault, "");
  EXPECT_EQ(memory, expected);
}

struct Counts {
  double loads;
  double stores;
  double conflicts;
};

Counts count(const KernelCopy& c) {
  const KernelRun outcome = run_kernel(c, kernels::prepare_tile, MachineKind::counting);
  EXPECT_TRUE(outcome.prepared) << c.text();
  const kernels::Traffic& t = outcome.traffic;
  std::printf("%s: loads %.3f stores %.3f (requests: %.3f %.3f) conflicts %.3f\n", c.text().c_str(),
              ratio(t.unique_load_sectors, outcome.ideal_load_sectors),
              ratio(t.unique_store_sectors, outcome.ideal_store_sectors),
              ratio(t.load_sectors, outcome.ideal_load_sectors), ratio(t.store_sectors, outcome.ideal_store_sectors),
              ratio(t.shared_wavefronts, t.ideal_shared_wavefronts));
  return {ratio(t.unique_load_sectors, outcome.ideal_load_sectors),
          ratio(t.unique_store_sectors, outcome.ideal_store_sectors),
          ratio(t.shared_wavefronts, t.ideal_shared_wavefronts)};
}

TEST_P(TileUnits, MoveNoSectorTwiceWhereAligned) {
  if (kSanitized) GTEST_SKIP() << "counts are the same under a sanitizer";
  const Counts counts = count(transpose_case(GetParam(), 512, 384));
  EXPECT_EQ(counts.loads, 1.0);
  EXPECT_EQ(counts.stores, 1.0);
  EXPECT_LE(counts.conflicts, 1.05);
}

TEST_P(TileUnits, MoveFewSectorsTwiceWhereRagged) {
  if (kSanitized) GTEST_SKIP() << "counts are the same under a sanitizer";
  // Items of three units have shorter segments: 192 bytes and more.
  const double most = GetParam() < 4 ? 1.30 : GetParam() % 3 == 0 ? 1.20 : 1.15;
  const int64_t side = GetParam() < 8 ? 1024 : 256;
  std::vector<KernelCopy> cases{transpose_case(GetParam(), side - 1, side + 1),
                                transpose_case(GetParam(), side + 1, side - 1)};
  for (const int64_t shift : {1, 2, 5}) {
    cases.push_back(transpose_case(GetParam(), 256, 384));
    cases.back().dst_shift = shift * GetParam();
    cases.back().src_shift = (shift * 3 + 1) * GetParam();
  }
  for (const KernelCopy& c : cases) {
    const Counts counts = count(c);
    EXPECT_LE(counts.loads, most) << c.text();
    EXPECT_LE(counts.stores, most) << c.text();
    EXPECT_LE(counts.conflicts, 1.05) << c.text();
  }
}

}  // namespace
}  // namespace strideport::testing
