// The machines, on small programs that are wrong on purpose: each fault is found, and named. And their counts, on requests
// whose sectors and banks can be counted by hand.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "device/kernels/params.hpp"
#include "device/kernels/registry.hpp"
#include "tests/support/kernel_memory.hpp"

namespace strideport::kernels {
namespace {

using testing::KernelMemory;

struct NoState {};

// What all programs here have in common: blocks of 64 threads, and memory of 4 KiB on both sides.
struct Sample {
  struct Params {
    Global dst;
    Global src;
  };
  using State = NoState;
  static constexpr uint32_t kThreads = 64;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 1024;
  static constexpr Sync kBefore[2] = {Sync::none, Sync::none};
};

struct Outcome {
  Simulation simulation;
  std::vector<std::byte> dst;
  std::vector<std::byte> src;
};

// 64-byte aligned memory, so that sectors are where the test expects them.
template <class Program>
Outcome run(MachineKind kind, uint64_t grid = 1) {
  constexpr size_t kBytes = 4096;
  Outcome outcome;
  outcome.dst.resize(kBytes + 64);
  outcome.src.resize(kBytes + 64);
  for (size_t i = 0; i < outcome.src.size(); ++i) outcome.src[i] = static_cast<std::byte>(i * 7 + i / 256);
  KernelMemory memory;
  memory.add(outcome.dst);
  memory.add(outcome.src);
  const auto aligned = [](std::vector<std::byte>& bytes) {
    const auto address = reinterpret_cast<uintptr_t>(KernelMemory::on_device(bytes.data()));
    return Global{reinterpret_cast<std::byte*>((address + 63) & ~uintptr_t{63})};
  };
  Launch launch;
  launch.kernel = "sample";
  launch.grid = grid;
  auto& params = params_of<typename Program::Params>(launch);
  params = {aligned(outcome.dst), aligned(outcome.src)};
  outcome.simulation = simulate_program<Program>(launch, kind, &memory, 0);
  return outcome;
}

template <class Program>
std::string fault(uint64_t grid = 1) {
  return run<Program>(MachineKind::checking, grid).simulation.fault;
}

void expect_holds(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "fault: '" << text << "'";
}

struct RightProgram : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    const int64_t offset = id.block * 256 + id.thread * 4;
    m.template store<uint32_t>(p.dst, offset, m.template load<uint32_t>(p.src, offset, id.thread < 63), id.thread < 63);
  }
};

TEST(CheckingMachine, LetsARightProgramPass) {
  const Outcome outcome = run<RightProgram>(MachineKind::checking, 2);
  EXPECT_EQ(outcome.simulation.fault, "");
}

struct PastTheEnd : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<uint32_t>(p.src, 4096 - 63 * 4 + 64 + id.thread * 4);
  }
};
struct BeforeTheBegin : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id, const Params& p, State&) {
    m.template store<uint8_t>(p.dst, -(int64_t{1} << 40), 1);
  }
};

TEST(CheckingMachine, FindsAccessesOutsideOfAllocations) {
  expect_holds(fault<PastTheEnd>(), "allocation");
  expect_holds(fault<BeforeTheBegin>(), "sample: block 0, thread 0, phase 0: store of 1 bytes at 0x");
  expect_holds(fault<BeforeTheBegin>(), "is in no live allocation");
}

TEST(CheckingMachine, LeavesMemoryAloneWhereAnAccessFails) {
  const Outcome outcome = run<BeforeTheBegin>(MachineKind::checking);
  for (const std::byte byte : outcome.dst) EXPECT_EQ(byte, std::byte{0});
}

struct Misaligned : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<Word8>(p.src, id.thread * 4);
  }
};

TEST(TracedMachines, FindMisalignedAccesses) {
  expect_holds(fault<Misaligned>(), "block 0, thread 1, phase 0: load of 8 bytes");
  expect_holds(fault<Misaligned>(), "is not aligned");
  expect_holds(run<Misaligned>(MachineKind::counting).simulation.fault, "is not aligned");
}

struct ReadsWhatNobodyWrote : Sample {
  static constexpr uint32_t kPhases = 2;
  static constexpr Sync kBefore[2] = {Sync::none, Sync::block};
  template <uint32_t kPhase, class M>
  static void phase(const M& m, Id id, const Params&, State&) {
    if constexpr (kPhase == 0) m.template store_shared<uint32_t>(id.thread * 4, id.thread, id.block == 0);
    if constexpr (kPhase == 1) m.template load_shared<uint32_t>(id.thread * 4);
  }
};

TEST(CheckingMachine, FindsSharedMemoryThatTheBlockNeverWrote) {
  EXPECT_EQ(fault<ReadsWhatNobodyWrote>(1), "");
  expect_holds(fault<ReadsWhatNobodyWrote>(2),
               "block 1, thread 0, phase 1: load from shared memory of 4 bytes at 0x0 reads");
}

struct PastShared : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params&, State&) {
    m.template store_shared<Word16>(id.thread * 32, Word16{});
  }
};

TEST(CheckingMachine, FindsAccessesPastSharedMemory) {
  expect_holds(fault<PastShared>(), "thread 32, phase 0: store to shared memory of 16 bytes at 0x400 passes the end");
}

// Each thread reads what the one `kApart` further wrote.
template <uint32_t kApart, Sync kBarrier>
struct Exchange : Sample {
  static constexpr uint32_t kPhases = 2;
  static constexpr Sync kBefore[2] = {Sync::none, kBarrier};
  template <uint32_t kPhase, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if constexpr (kPhase == 0) m.template store_shared<uint32_t>(id.thread * 4, id.thread);
    if constexpr (kPhase == 1) {
      m.template store<uint32_t>(p.dst, id.thread * 4, m.template load_shared<uint32_t>((id.thread ^ kApart) * 4));
    }
  }
};

TEST(CheckingMachine, FindsRacesWithinABlock) {
  expect_holds(fault<Exchange<1, Sync::none>>(), "races with another thread");
  EXPECT_EQ((fault<Exchange<1, Sync::warp>>()), "");
  EXPECT_EQ((fault<Exchange<1, Sync::block>>()), "");
  expect_holds(fault<Exchange<32, Sync::none>>(), "races with another thread");
  expect_holds(fault<Exchange<32, Sync::warp>>(), "races with another thread");
  EXPECT_EQ((fault<Exchange<32, Sync::block>>()), "");
}

// Reads with barriers that are too weak, then overwrites.
template <uint32_t kApart, Sync kBarrier>
struct Overwrite : Sample {
  static constexpr uint32_t kPhases = 3;
  static constexpr Sync kBefore[3] = {Sync::none, Sync::block, kBarrier};
  template <uint32_t kPhase, class M>
  static void phase(const M& m, Id id, const Params&, State&) {
    if constexpr (kPhase == 0) m.template store_shared<uint32_t>(id.thread * 4, id.thread);
    if constexpr (kPhase == 1) m.template load_shared<uint32_t>((id.thread ^ kApart) * 4);
    if constexpr (kPhase == 2) m.template store_shared<uint32_t>(id.thread * 4, 0);
  }
};

TEST(CheckingMachine, FindsWritesOverWhatOthersStillRead) {
  expect_holds(fault<Overwrite<1, Sync::none>>(), "races with another thread");
  EXPECT_EQ((fault<Overwrite<1, Sync::warp>>()), "");
  expect_holds(fault<Overwrite<32, Sync::warp>>(), "races with another thread");
  EXPECT_EQ((fault<Overwrite<32, Sync::block>>()), "");
  EXPECT_EQ((fault<Overwrite<0, Sync::none>>()), "");
}

// All threads read one word, then thread 0 alone (a reader itself, and the last to be seen) writes it.
template <Sync kBarrier>
struct OverwriteWhatAllRead : Sample {
  static constexpr uint32_t kPhases = 3;
  static constexpr Sync kBefore[3] = {Sync::none, Sync::block, kBarrier};
  template <uint32_t kPhase, class M>
  static void phase(const M& m, Id id, const Params&, State&) {
    if constexpr (kPhase == 0) m.template store_shared<uint32_t>(0, 1, id.thread == 0);
    if constexpr (kPhase == 1) m.template load_shared<uint32_t>(0);
    if constexpr (kPhase == 2) m.template store_shared<uint32_t>(0, 1, id.thread == 63);
  }
};

TEST(CheckingMachine, RemembersEveryReader) {
  expect_holds(fault<OverwriteWhatAllRead<Sync::none>>(), "races with another thread");
  expect_holds(fault<OverwriteWhatAllRead<Sync::warp>>(), "races with another thread");
  EXPECT_EQ(fault<OverwriteWhatAllRead<Sync::block>>(), "");
}

// Global memory: two threads, or two blocks, write a byte.
template <bool kAcrossBlocks>
struct WriteTwice : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template store<uint8_t>(p.dst, kAcrossBlocks ? id.thread : id.thread / 2, 1);
  }
};

TEST(CheckingMachine, FindsBytesOfGlobalMemoryThatAreWrittenTwice) {
  expect_holds(fault<WriteTwice<false>>(), "thread 1, phase 0: store of 1 bytes");
  EXPECT_EQ(fault<WriteTwice<true>>(1), "");
  expect_holds(fault<WriteTwice<true>>(2), "block 1, thread 0");
}

struct ReadsItsOwnCopy : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<uint8_t>(p.dst, id.thread + 1);
    m.template store<uint8_t>(p.dst, id.thread, 1);
  }
};

TEST(CheckingMachine, FindsReadsOfWhatAnotherThreadWrites) {
  expect_holds(fault<ReadsItsOwnCopy>(), "thread 1, phase 0: store of 1 bytes");
}

struct SkipsAnAccess : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread != 5) m.template load<uint8_t>(p.src, 0);
  }
};
struct OneMoreAccess : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread == 5) m.template load<uint8_t>(p.src, 0);
  }
};
struct AnotherAccess : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread == 5) {
      m.template load<uint8_t>(p.src, 0);
    } else {
      m.template load<uint16_t>(p.src, 0);
    }
  }
};
// The last thread of the block.
struct LastSkips : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread != 63) m.template load<uint8_t>(p.src, 0);
  }
};

TEST(TracedMachines, FindThreadsThatPartWays) {
  for (const MachineKind kind : {MachineKind::checking, MachineKind::counting}) {
    expect_holds(run<SkipsAnAccess>(kind).simulation.fault,
                 "thread 5, phase 0: makes 0 accesses where thread 0 makes 1");
    expect_holds(run<OneMoreAccess>(kind).simulation.fault, "thread 5, phase 0: load of 1 bytes");
    expect_holds(run<AnotherAccess>(kind).simulation.fault, "is a load of 2 bytes in thread 0");
    expect_holds(run<LastSkips>(kind).simulation.fault, "thread 63, phase 0: makes 0 accesses");
  }
}

template <bool kChanges>
struct Shuffles : Sample {
  struct State {
    uint32_t x;
  };
  static constexpr uint32_t kPhases = 2;
  template <uint32_t kPhase, class M>
  static void phase(const M& m, Id id, const Params& p, State& state) {
    if constexpr (kPhase == 0) state.x = id.thread * 3;
    if constexpr (kPhase == 1) {
      if (kChanges) ++state.x;
      const uint32_t x = m.peer(
          state, [](const State& s) { return s.x; }, id.lane() ^ 1);
      m.template store<uint32_t>(p.dst, id.thread * 4, x);
    }
  }
};

TEST(Machines, HandOutTheStateOfOtherLanes) {
  for (const MachineKind kind : {MachineKind::fast, MachineKind::checking, MachineKind::counting}) {
    const Outcome outcome = run<Shuffles<false>>(kind);
    EXPECT_EQ(outcome.simulation.fault, "");
    const auto begin = (reinterpret_cast<uintptr_t>(outcome.dst.data()) + 63) & ~uintptr_t{63};
    for (uint32_t thread = 0; thread < 64; ++thread) {
      uint32_t x = 0;
      std::memcpy(&x, reinterpret_cast<const void*>(begin + thread * 4), sizeof x);
      EXPECT_EQ(x, (thread ^ 1) * 3);
    }
  }
  expect_holds(fault<Shuffles<true>>(), "thread 0, phase 1: asks other lanes for a value that it changed");
}

TEST(Simulate, RefusesLaunchesThatADriverWouldRefuse) {
  std::byte byte{};
  CopyPlan plan;
  plan.strategy = Strategy::memcpy;
  plan.bytes = 1;
  const Launch launch = prepare(plan, &byte, &byte);
  ASSERT_TRUE(has_kernel(launch.kernel));
  EXPECT_EQ(params_bytes(launch.kernel), launch.params_bytes);
  EXPECT_FALSE(has_kernel("strideport_no_such_kernel"));
  EXPECT_EQ(params_bytes("strideport_no_such_kernel"), 0u);
  const auto fault_of = [](const Launch& wrong) { return simulate(wrong, MachineKind::fast, nullptr).fault; };
  Launch wrong = launch;
  wrong.kernel = "strideport_no_such_kernel";
  expect_holds(fault_of(wrong), "no kernel is named strideport_no_such_kernel");
  wrong.kernel = nullptr;
  expect_holds(fault_of(wrong), "no kernel is named (null)");
  wrong = launch;
  wrong.threads += 32;
  expect_holds(fault_of(wrong), "threads is " + std::to_string(wrong.threads) + ", not ");
  wrong = launch;
  wrong.shared_bytes += 1;
  expect_holds(fault_of(wrong), "shared_bytes is ");
  wrong = launch;
  wrong.params_bytes -= 8;
  expect_holds(fault_of(wrong), "params_bytes is ");
  wrong = launch;
  wrong.grid = 0;
  expect_holds(fault_of(wrong), "grid is 0");
  wrong.grid = uint64_t{1} << 31;
  expect_holds(fault_of(wrong), "grid is 2147483648");
}

// Loads of V at `thread * kStep + kShift` bytes, where `thread < kThreads`.
template <class V, uint32_t kStep, uint32_t kShift = 0, uint32_t kOn = 64>
struct Loads : Sample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<V>(p.src, id.thread * kStep + kShift, id.thread < kOn);
  }
};

template <class Program>
Traffic traffic() {
  const Outcome outcome = run<Program>(MachineKind::counting);
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
struct Scattered : Sample {
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
struct SharedStores : Sample {
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
