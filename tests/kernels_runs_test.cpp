// Families A, B and F: runs wherever they begin, long rows and short ones, and what stands still in src.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/kernel_case.hpp"

namespace strideport::kernels {
namespace {

using testing::KernelCase;
using testing::KernelLayout;
using testing::one_in;
using testing::pick;
using testing::PrepareFunction;
using testing::Random;

// The launch of a family that must take the case.
void expect_copies(KernelCase& test, PrepareFunction prepare, uint64_t seed = 0) {
  const auto launch = test.prepared(prepare);
  ASSERT_TRUE(launch.has_value()) << test.text();
  test.expect_copies(*launch, seed);
}

KernelLayout run_of(int64_t bytes, int64_t dst_before, int64_t src_before) {
  KernelLayout layout;
  layout.shape = {bytes};
  layout.dst_strides = {1};
  layout.src_strides = {1};
  layout.dst_before = dst_before;
  layout.src_before = src_before;
  return layout;
}

TEST(Contiguous, CopiesShortRunsFromAnyAddressToAnyOther) {
  Random random = testing::seeded_random("Contiguous.CopiesShortRuns");
  for (int64_t dst = 0; dst < 16; ++dst) {
    for (int64_t src = 0; src < 16; ++src) {
      for (int64_t bytes = 1; bytes < 70; bytes += bytes < 50 ? 1 : 7) {
        KernelCase test(random, run_of(bytes, dst, src));
        expect_copies(test, prepare_contiguous);
        if (HasFailure()) return;
      }
    }
  }
}

TEST(Contiguous, CopiesSeveralBlocks) {
  Random random = testing::seeded_random("Contiguous.CopiesSeveralBlocks");
  for (const int64_t bytes : {16383, 16384, 16385, 16384 + 31, 50'000, 65'536}) {
    KernelCase test(random, run_of(bytes, pick(random, 0, 15), pick(random, 0, 15)));
    expect_copies(test, prepare_contiguous, random());
  }
}

// Rows of `run` bytes, some outer dimensions around them.
KernelLayout random_rows(Random& random, int64_t longest) {
  KernelLayout layout;
  const int64_t rank = one_in(random, 20) ? pick(random, 5, 63) : pick(random, 1, 4);
  const int64_t run = pick(random, 1, longest);
  const int64_t granule = one_in(random, 2) ? 1 : int64_t{1} << pick(random, 0, 4);
  int64_t dst_stride = (run + granule - 1) / granule * granule;
  int64_t src_stride = dst_stride;
  layout.shape.assign(1, (run + granule - 1) / granule * granule);
  layout.dst_strides.assign(1, 1);
  layout.src_strides.assign(1, 1);
  int64_t rows = 1;
  for (int64_t i = 0; i < rank; ++i) {
    int64_t extent = rank > 4 ? pick(random, 1, 2) : pick(random, 1, rows > 20 ? 3 : 9);
    if (rows * run > 8000) extent = 1;
    dst_stride += pick(random, 0, 3) * granule * pick(random, 0, 3);
    src_stride += pick(random, 0, 3) * granule * pick(random, 0, 3);
    layout.shape.insert(layout.shape.begin(), extent);
    layout.dst_strides.insert(layout.dst_strides.begin(), one_in(random, 5) ? -dst_stride : dst_stride);
    const int64_t src = one_in(random, 12) ? 0 : one_in(random, 20) ? pick(random, 1, 5) : src_stride;
    layout.src_strides.insert(layout.src_strides.begin(), one_in(random, 5) ? -src : src);
    dst_stride *= extent;
    src_stride *= extent;
    rows *= extent;
  }
  layout.dst_before = pick(random, 0, 3) * granule;
  layout.src_before = pick(random, 0, 3) * granule;
  layout.after = one_in(random, 2) ? 0 : pick(random, 1, 20);
  return layout;
}

// Many random cases; those that the family takes must come out right, and most must be its kind.
void families_copy(const char* name, PrepareFunction prepare, int usual, KernelLayout (*make)(Random&), int least) {
  Random random = testing::seeded_random(name);
  int64_t taken = 0;
  const int64_t rounds = testing::rounds(usual);
  for (int64_t round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) {
    KernelCase test(random, make(random));
    if (test.plan().strategy == Strategy::nothing) continue;
    const auto launch = test.prepared(prepare);
    if (!launch) continue;
    ++taken;
    test.expect_copies(*launch, random());
  }
  EXPECT_GE(taken * usual, least * rounds);
}

TEST(Rows, CopyLongRunsAnywhere) {
  families_copy(
      "Rows.CopyLongRunsAnywhere", prepare_rows, 1500,
      [](Random& random) { return random_rows(random, one_in(random, 4) ? 3000 : 600); }, 500);
}

TEST(Rows, CopySegmentsOfVeryLongRuns) {
  Random random = testing::seeded_random("Rows.CopySegmentsOfVeryLongRuns");
  for (const int64_t run : {16'384, 16'400, 33'333, 50'001}) {
    KernelLayout layout = run_of(run, pick(random, 0, 15), pick(random, 0, 15));
    layout.shape = {3, run};
    layout.dst_strides = {run, 1};
    layout.src_strides = {-(run + pick(random, 1, 40)), 1};
    KernelCase test(random, layout);
    expect_copies(test, prepare_rows, random());
  }
}

TEST(RowWords, CopyShortRunsAnywhere) {
  families_copy(
      "RowWords.CopyShortRunsAnywhere", prepare_row_words, 3000, [](Random& random) { return random_rows(random, 60); },
      2000);
}

TEST(RowWords, ReadNothingBeforeTheFirstRowOrBehindTheLast) {
  Random random = testing::seeded_random("RowWords.ReadNothingBeforeTheFirstRow");
  for (int64_t before = 0; before < 4; ++before) {
    KernelLayout layout = run_of(31, 0, before);
    layout.shape = {500, 31};
    layout.dst_strides = {31, 1};
    layout.src_strides = {40, 1};
    KernelCase test(random, layout);
    expect_copies(test, prepare_row_words, random());
  }
}

TEST(RowWords, MoveWholeWordsInsideOfRows) {
  Random random = testing::seeded_random("RowWords.MoveWholeWordsInsideOfRows");
  KernelLayout layout = run_of(31, 0, 0);
  layout.shape = {1000, 31};
  layout.dst_strides = {32, 1};
  layout.src_strides = {40, 1};
  KernelCase test(random, layout);
  const Simulation simulation = test.run(test.prepared(prepare_row_words).value(), MachineKind::counting);
  EXPECT_EQ(simulation.fault, "");
  EXPECT_EQ(simulation.traffic.load_widths, 1u << 4 | 1u << 1);
  // Eight words a row; only the blocks of the last row go by bytes.
  EXPECT_LT(simulation.traffic.load_bytes, 1000u * 33);
}

KernelLayout random_fill(Random& random) {
  static constexpr int64_t kItems[] = {1, 2, 4, 8, 16};
  KernelLayout layout = random_rows(random, one_in(random, 20) ? 5000 : 200);
  layout.itemsize = kItems[static_cast<size_t>(pick(random, 0, 4))];
  const int64_t scale = layout.itemsize;
  for (int64_t& stride : layout.dst_strides) stride *= scale;
  for (int64_t& stride : layout.src_strides) stride *= scale;
  layout.src_strides.back() = 0;
  if (scale > 1 && one_in(random, 2)) {
    layout.dst_before *= scale;
    layout.src_before *= scale;
  }
  return layout;
}

TEST(Fill, RepeatsAnItemAlongRows) {
  families_copy("Fill.RepeatsAnItemAlongRows", prepare_fill, 1500, random_fill, 800);
}

TEST(Fill, LoadsEachItemOnceARow) {
  Random random = testing::seeded_random("Fill.LoadsEachItemOnceARow");
  KernelLayout layout = run_of(0, 0, 0);
  layout.itemsize = 4;
  layout.shape = {16, 1001};
  layout.dst_strides = {4004, 4};
  layout.src_strides = {4, 0};
  KernelCase test(random, layout);
  const Traffic traffic = test.run(test.prepared(prepare_fill).value(), MachineKind::counting).traffic;
  EXPECT_EQ(traffic.store_bytes, 16u * 4004);
  EXPECT_EQ(traffic.store_widths, 1u << 16 | 1u << 4);
  EXPECT_LE(traffic.unique_load_sectors, 16u);
}

KernelLayout random_repeat(Random& random) {
  KernelLayout layout = testing::random_kernel_layout(random);
  if (!layout.shape.empty()) {
    const auto axis = static_cast<size_t>(pick(random, 0, static_cast<int64_t>(layout.shape.size()) - 1));
    layout.src_strides[axis] = 0;
  }
  return layout;
}

TEST(Repeat, StoresABlockManyTimes) {
  families_copy("Repeat.StoresABlockManyTimes", prepare_repeat, 2500, random_repeat, 800);
}

TEST(Repeat, LoadsEachUnitOnceForSixteenStores) {
  Random random = testing::seeded_random("Repeat.LoadsEachUnitOnce");
  KernelLayout layout = run_of(0, 0, 0);
  layout.itemsize = 4;
  layout.shape = {64, 1024};
  layout.dst_strides = {4096, 4};
  layout.src_strides = {0, 4};
  KernelCase test(random, layout);
  const Traffic traffic = test.run(test.prepared(prepare_repeat).value(), MachineKind::counting).traffic;
  EXPECT_EQ(traffic.store_bytes, 64u * 4096);
  EXPECT_EQ(traffic.load_bytes, 4u * 4096);
}

TEST(Generic, CopiesAnything) {
  families_copy("Generic.CopiesAnything", prepare_generic, 4000, testing::random_kernel_layout, 3000);
}

TEST(Generic, CopiesAnythingAsIfItWereHuge) {
  families_copy("Generic.CopiesAnythingAsIfItWereHuge", prepare_generic_many, 1000, testing::random_kernel_layout, 700);
}

TEST(Generic, CopiesWhereOffsetsAreWide) {
  const PrepareFunction far = [](Launch& launch, const Problem& problem) {
    Problem wide = problem;
    wide.offsets_fit_32 = false;
    return prepare_generic(launch, wide);
  };
  families_copy("Generic.CopiesWhereOffsetsAreWide", far, 1000, testing::random_kernel_layout, 700);
}

TEST(Generic, GoesRoundWhereTheGridIsTooSmall) {
  Random random = testing::seeded_random("Generic.GoesRoundWhereTheGridIsTooSmall");
  KernelLayout layout = run_of(0, 3, 1);
  layout.shape = {100, 101};
  layout.dst_strides = {101, 1};
  layout.src_strides = {1, 100};
  KernelCase test(random, layout);
  Launch launch = test.prepared(prepare_generic_many).value();
  EXPECT_EQ(launch.grid, 10u);
  launch.grid = 3;
  test.expect_copies(launch);
}

// 64 dimensions that do not merge: gaps on both sides behind every second one.
TEST(Prepare, TakesSixtyFourDimensions) {
  Random random = testing::seeded_random("Prepare.TakesSixtyFourDimensions");
  for (const bool run : {false, true}) {
    KernelLayout layout;
    layout.itemsize = 3;  // one more dimension
    for (int axis = 0; axis < 64; ++axis) {
      layout.shape.push_back(axis % 5 == 0 ? 2 : 1);
      layout.dst_strides.push_back(0);
      layout.src_strides.push_back(0);
    }
    int64_t dst = run ? 3 : 4;
    int64_t src = run ? 3 : 7;
    for (size_t axis = 64; axis-- > 0;) {
      if (layout.shape[axis] == 1) continue;
      layout.dst_strides[axis] = dst;
      layout.src_strides[axis] = axis % 2 == 0 ? src : -src;
      dst = dst * 2 + 1;
      src = src * 2 + 2;
    }
    KernelCase test(random, layout);
    ASSERT_GE(test.plan().dims.size(), 13);
    const Launch launch = prepare(test.plan(), test.dst(), test.src());
    test.expect_copies(launch, random());
    EXPECT_TRUE(test.prepared(prepare_generic_many).has_value());
  }
}

// A caller may split the dimensions of a plan; its bytes are those of the whole.
TEST(Prepare, GoesByTheDimensionsOfAPlan) {
  CopyPlan plan;
  plan.strategy = Strategy::memcpy;
  plan.unit = 4;
  const PlanDim part{10, 4, 4};
  plan.dims.assign(&part, 1);
  plan.bytes = 4000;
  EXPECT_EQ(make_problem(plan, nullptr, nullptr).bytes, 40);
  EXPECT_EQ(make_problem(plan, nullptr, reinterpret_cast<void*>(2)).bytes, 40);
  EXPECT_EQ(make_problem(plan, nullptr, reinterpret_cast<void*>(2)).units(), 20);
}

// Nothing is touched: only what the launch says.
TEST(Prepare, TakesMoreThanTwoToThe31Elements) {
  CopyPlan plan;
  plan.strategy = Strategy::strided;
  plan.unit = 1;
  const PlanDim dims[] = {{int64_t{1} << 41, 6, 9}, {2, 3, -4}};
  plan.dims.assign(dims, 2);
  plan.bytes = int64_t{1} << 42;
  const Launch launch = prepare(plan, reinterpret_cast<void*>(uintptr_t{1} << 47), reinterpret_cast<void*>(1));
  EXPECT_STREQ(launch.kernel, "strideport_generic_1_many");
  EXPECT_EQ(launch.grid, kMaxGrid);
  const PlanDim run[] = {{int64_t{5} << 32, 1, 1}};
  plan.dims.assign(run, 1);
  plan.bytes = int64_t{5} << 32;
  const Launch contiguous = prepare(plan, reinterpret_cast<void*>(uintptr_t{1} << 47), reinterpret_cast<void*>(256));
  EXPECT_STREQ(contiguous.kernel, "strideport_contiguous");
  EXPECT_EQ(contiguous.grid, (uint64_t{5} << 32) / 16384);
}

TEST(Prepare, ChoosesAKernelThatCopies) {
  Random random = testing::seeded_random("Prepare.ChoosesAKernelThatCopies");
  for (int64_t round = 0, n = testing::rounds(4'000); round < n && !HasFailure(); ++round) {
    const int64_t kind = pick(random, 0, 3);
    KernelCase test(random, kind == 0   ? random_rows(random, 900)
                            : kind == 1 ? random_fill(random)
                            : kind == 2 ? random_repeat(random)
                                        : testing::random_kernel_layout(random));
    if (test.plan().strategy == Strategy::nothing) continue;
    const Launch launch = prepare(test.plan(), test.dst(), test.src());
    EXPECT_NE(reason(launch, test.plan()), "");
    test.expect_copies(launch, random());
  }
}

}  // namespace
}  // namespace strideport::kernels
