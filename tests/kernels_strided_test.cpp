// Families D and E: rows with gaps on either side, or reversed, on the simulated machines.

#include <gtest/gtest.h>

#include "tests/support/kernel_run.hpp"

namespace strideport::testing {
namespace {

using kernels::MachineKind;

// `rows` rows, dense but for steps of so many units on either side; negative: reversed.
KernelCopy steps_case(int64_t itemsize, int64_t rows, int64_t units, int64_t dst_step, int64_t src_step) {
  KernelCopy c;
  c.itemsize = itemsize;
  c.shape = {rows, units};
  c.dst_strides = {units * std::abs(dst_step) * itemsize, dst_step * itemsize};
  c.src_strides = {units * std::abs(src_step) * itemsize, src_step * itemsize};
  return c;
}

class StridedUnits : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Bytes, StridedUnits, ::testing::Values(1, 2, 4, 8, 16));

TEST_P(StridedUnits, CopiesEveryStep) {
  for (const int64_t step : {-1, 2, -2, 3, -3, 4, -4, 5, 9}) {
    for (const int64_t units : {64, 2048, 4099}) {
      for (const auto& c : {steps_case(GetParam(), 3, units, 1, step), steps_case(GetParam(), 3, units, step, 1)}) {
        EXPECT_TRUE(run_kernel(c, kernels::prepare_strided, MachineKind::checking).prepared) << c.text();
      }
    }
  }
}

TEST_P(StridedUnits, CopiesRowsOfEveryLength) {
  const int64_t unit = GetParam();
  for (int64_t units = 1024 / unit; units < 1024 / unit + 40; ++units) {
    for (const int64_t step : {-1, 2, -2, 4, -4}) {
      const auto c = steps_case(unit, 2, units, 1, step);
      EXPECT_TRUE(run_kernel(c, kernels::prepare_strided, MachineKind::checking).prepared) << c.text();
    }
  }
}

TEST_P(StridedUnits, CopiesFromAndToEveryAddress) {
  const int64_t unit = GetParam();
  for (int64_t shift = 0; shift < 16; shift += unit) {
    for (const int64_t step : {-1, 2, -2, 4, -4}) {
      KernelCopy c = steps_case(unit, 5, 4500 / unit, 1, step);
      c.src_shift = shift;
      c.dst_shift = shift * 3 % 16;
      EXPECT_TRUE(run_kernel(c, kernels::prepare_strided, MachineKind::checking).prepared) << c.text();
      c.dst_strides[0] += 3 * unit;  // so that no two rows begin alike
      c.src_strides[0] += 5 * unit;
      EXPECT_TRUE(run_kernel(c, kernels::prepare_strided, MachineKind::checking).prepared) << c.text();
    }
  }
}

TEST_P(StridedUnits, CopiesRandomLayouts) {
  Random random = seeded_random("StridedUnits.CopiesRandomLayouts");
  int prepared = 0;
  for (int i = 0; i < 100; ++i) {
    KernelCopy c;
    c.itemsize = GetParam();
    const int64_t outer = pick(random, 0, 3);
    for (int64_t axis = 0; axis < outer; ++axis) c.shape.push_back(pick(random, 2, 4));
    c.shape.push_back(pick(random, 64, one_in(random, 2) ? 5000 : 300));
    const auto lay_out = [&](int64_t step) {
      Index strides(c.shape.size());
      int64_t stride = step * c.itemsize;
      for (size_t axis = c.shape.size(); axis-- > 0;) {
        strides[axis] = one_in(random, 2) ? -stride : stride;
        stride = stride * c.shape[axis] + (one_in(random, 2) ? pick(random, 0, 9) * c.itemsize : 0);
      }
      return strides;
    };
    c.dst_strides = lay_out(one_in(random, 3) ? pick(random, 2, 9) : 1);
    c.src_strides = lay_out(one_in(random, 3) ? pick(random, 1, 9) : pick(random, 1, 2) * 2);
    c.dst_shift = pick(random, 0, 15) * c.itemsize % 256;
    c.src_shift = pick(random, 0, 15) * c.itemsize % 256;
    const auto machine = one_in(random, 4) ? MachineKind::checking : MachineKind::fast;
    prepared += run_kernel(c, kernels::prepare_strided, machine, random()).prepared ? 1 : 0;  // runs are others' work
    if (HasFailure()) break;
  }
  EXPECT_GT(prepared, 50);
}

// dst in gaps of src, in the same memory: the bytes beside src's own are other blocks' to write.
TEST(StridedRows, LeaveAloneWhatOtherBlocksWrite) {
  std::vector<uint8_t> memory(80000);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<uint8_t>(i * 7 + i / 251);
  std::vector<uint8_t> expected = memory;
  const Index shape{4, 5000};
  const auto dst = BufferView::of(memory.data() + 9999, shape, Index{20000, 1});
  const auto src = BufferView::of(memory.data(), shape, Index{20000, 2});
  for (size_t y = 0; y < 4; ++y) {
    for (size_t x = 0; x < 5000; ++x) expected[9999 + y * 20000 + x] = memory[y * 20000 + x * 2];
  }
  const CopyPlan plan = plan_copy(dst, src);
  kernels::Launch launch;
  ASSERT_TRUE(kernels::prepare_strided(launch, kernels::make_problem(plan, dst.buf(), src.buf())));
  OneArena arena(memory);
  EXPECT_EQ(kernels::simulate(launch, MachineKind::checking, &arena).fault, "");
  EXPECT_EQ(memory, expected);
}

TEST_P(StridedUnits, MoveEachSectorOnce) {
  if (kSanitized) GTEST_SKIP() << "counts are the same under a sanitizer";
  const int64_t unit = GetParam();
  for (const int64_t step : {-1, 2, -2, 4}) {
    for (const bool scatters : {false, true}) {
      const auto c = steps_case(unit, 8, 8192, scatters ? step : 1, scatters ? 1 : step);
      const KernelRun run = run_kernel(c, kernels::prepare_strided, MachineKind::counting);
      ASSERT_TRUE(run.prepared) << c.text();
      const kernels::Traffic& t = run.traffic;
      std::printf("%s %s: loads %.3f stores %.3f (requests: %.3f %.3f)\n", run.launch.kernel, c.text().c_str(),
                  ratio(t.unique_load_sectors, run.ideal_load_sectors),
                  ratio(t.unique_store_sectors, run.ideal_store_sectors), ratio(t.load_sectors, run.ideal_load_sectors),
                  ratio(t.store_sectors, run.ideal_store_sectors));
      EXPECT_LE(ratio(t.unique_load_sectors, run.ideal_load_sectors), 1.05) << c.text();
      EXPECT_LE(ratio(t.unique_store_sectors, run.ideal_store_sectors), 1.05) << c.text();
      EXPECT_LE(ratio(t.store_sectors, run.ideal_store_sectors), 1.05) << c.text();
    }
  }
}

}  // namespace
}  // namespace strideport::testing
