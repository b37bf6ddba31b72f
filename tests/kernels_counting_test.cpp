// The counts of the counting machine, on requests whose sectors and banks can be counted by hand; and the arithmetic of
// launches: the order of blocks, division by constants.

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/kernel_sample.hpp"

namespace strideport::kernels {
namespace {

using testing::KernelOutcome;
using testing::KernelSample;
using testing::run_sample;

// Loads of V at `thread * kStep + kShift` bytes, where `thread < kThreads`.
template <class V, uint32_t kStep, uint32_t kShift = 0, uint32_t kOn = 64>
struct Loads : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<V>(p.src, id.thread * kStep + kShift, id.thread < kOn);
  }
};

template <class Program>
Traffic traffic() {
  const KernelOutcome outcome = run_sample<Program>(MachineKind::counting);
  EXPECT_EQ(outcome.simulation.fault, "");
  return outcome.simulation.traffic;
}

TEST(CountingMachine, CountsSectorsARequestAndOnceABlock) {
  Traffic t = traffic<Loads<uint32_t, 4>>();  // 2 warps of 128 bytes
  EXPECT_EQ(t.load_requests, 2u);
  EXPECT_EQ(t.load_bytes, 256u);
  EXPECT_EQ(t.load_sectors, 8u);
  EXPECT_EQ(t.unique_load_sectors, 8u);
  EXPECT_EQ(t.load_widths, 1u << 4);
  EXPECT_EQ(t.store_widths, 0u);
  t = traffic<Loads<uint32_t, 4, 4>>();  // each warp reaches into one sector more; the two share one
  EXPECT_EQ(t.load_sectors, 10u);
  EXPECT_EQ(t.unique_load_sectors, 9u);
  t = traffic<Loads<uint32_t, 32>>();  // a sector a lane
  EXPECT_EQ(t.load_sectors, 64u);
  t = traffic<Loads<uint32_t, 0>>();  // all the same word
  EXPECT_EQ(t.load_sectors, 2u);
  EXPECT_EQ(t.unique_load_sectors, 1u);
  EXPECT_EQ(t.load_bytes, 256u);
  t = traffic<Loads<Word16, 16, 0, 33>>();  // 512 bytes, and 16
  EXPECT_EQ(t.load_requests, 2u);
  EXPECT_EQ(t.load_sectors, 17u);
  t = traffic<Loads<Word16, 16, 0, 32>>();  // a warp whose lanes are all off asks for nothing
  EXPECT_EQ(t.load_requests, 1u);
}

// Lanes in reverse, and two that reach the same sector with others between them.
struct Scattered : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template store<uint8_t>(p.dst, (63 - id.thread) * 32, 1);
    m.template load<uint8_t>(p.src, id.thread % 2 * 32);
  }
};

TEST(CountingMachine, CountsASectorOnceWhateverTheOrderOfLanes) {
  const Traffic t = traffic<Scattered>();
  EXPECT_EQ(t.store_sectors, 64u);
  EXPECT_EQ(t.unique_store_sectors, 64u);
  EXPECT_EQ(t.load_sectors, 4u);
  EXPECT_EQ(t.unique_load_sectors, 2u);
  EXPECT_EQ(t.store_bytes, 64u);
  EXPECT_EQ(t.store_widths, 1u << 1);
}

// One block of 64 threads that store V at `thread * kStep` bytes of shared memory, modulo its size.
template <class V, uint32_t kStep>
struct SharedStores : KernelSample {
  static constexpr uint32_t kSharedBytes = 64 * 1024;
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params&, State&) {
    m.template store_shared<V>(id.thread * kStep, V{});
  }
};

TEST(CountingMachine, CountsPassesThroughTheBanks) {
  Traffic t = traffic<SharedStores<uint32_t, 4>>();  // a bank a lane
  EXPECT_EQ(t.shared_wavefronts, 2u);
  EXPECT_EQ(t.ideal_shared_wavefronts, 2u);
  t = traffic<SharedStores<uint32_t, 8>>();  // every second bank twice
  EXPECT_EQ(t.shared_wavefronts, 4u);
  EXPECT_EQ(t.ideal_shared_wavefronts, 2u);
  t = traffic<SharedStores<uint32_t, 128>>();  // one bank
  EXPECT_EQ(t.shared_wavefronts, 64u);
  t = traffic<SharedStores<uint32_t, 132>>();  // padding by a word mends it
  EXPECT_EQ(t.shared_wavefronts, 2u);
  t = traffic<SharedStores<uint8_t, 1>>();  // four lanes a word
  EXPECT_EQ(t.shared_wavefronts, 2u);
  t = traffic<SharedStores<Word16, 16>>();  // 8 lanes at a time: four groups a warp
  EXPECT_EQ(t.shared_wavefronts, 8u);
  EXPECT_EQ(t.ideal_shared_wavefronts, 8u);
  t = traffic<SharedStores<Word16, 128>>();  // all 8 lanes of a group in four banks
  EXPECT_EQ(t.shared_wavefronts, 64u);
  EXPECT_EQ(t.ideal_shared_wavefronts, 8u);
  t = traffic<SharedStores<Word8, 8>>();  // 16 lanes at a time
  EXPECT_EQ(t.shared_wavefronts, 4u);
  t = traffic<SharedStores<Word8, 16>>();
  EXPECT_EQ(t.shared_wavefronts, 8u);
  EXPECT_EQ(t.ideal_shared_wavefronts, 4u);
}

TEST(BlockOrder, VisitsEveryBlockOnce) {
  for (const uint64_t count : {1u, 2u, 3u, 7u, 64u, 1000u}) {
    for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{12345}, ~uint64_t{0}}) {
      const BlockOrder order(count, seed);
      std::vector<bool> seen(count);
      for (uint64_t i = 0; i < count; ++i) {
        ASSERT_LT(order(i), count);
        EXPECT_FALSE(seen[order(i)]);
        seen[order(i)] = true;
      }
    }
  }
}

TEST(Divider, DividesAsTheProcessorDoes) {
  for (const uint32_t divisor : {1u, 2u, 3u, 5u, 7u, 10u, 641u, 65535u, 65536u, 65537u, 0x7FFFFFFFu}) {
    const auto divider = make_divider(divisor);
    for (uint64_t near = 0; near <= 0x7FFFFFFF; near = near * 3 + divisor) {
      for (const uint64_t n : {near, near / divisor * divisor, near / divisor * divisor + divisor - 1}) {
        if (n > 0x7FFFFFFF) continue;
        const auto dividend = static_cast<uint32_t>(n);
        ASSERT_EQ(divider.quotient(dividend), dividend / divisor) << dividend << " / " << divisor;
        ASSERT_EQ(divider.remainder(dividend, dividend / divisor), dividend % divisor);
      }
    }
  }
}

TEST(Divider, DividesWideNumbers) {
  constexpr uint64_t kTop = (uint64_t{1} << 63) - 1;
  for (const uint64_t divisor :
       {uint64_t{1}, uint64_t{3}, uint64_t{1} << 32, (uint64_t{1} << 32) + 1, uint64_t{6700417}, kTop - 1, kTop}) {
    const auto divider = make_divider(divisor);
    for (uint64_t n = 0; n < kTop / 3; n = n * 3 + 1) {
      ASSERT_EQ(divider.quotient(n), n / divisor) << n << " / " << divisor;
      ASSERT_EQ(divider.quotient(kTop - n), (kTop - n) / divisor) << kTop - n << " / " << divisor;
    }
  }
}

}  // namespace
}  // namespace strideport::kernels
