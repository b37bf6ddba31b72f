// The machines, on small programs that are wrong on purpose: each fault is found, and named.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "device/kernels/params.hpp"
#include "device/kernels/registry.hpp"
#include "tests/support/kernel_sample.hpp"

namespace strideport::kernels {
namespace {

using testing::KernelOutcome;
using testing::KernelSample;
using testing::run_sample;

template <class Program>
std::string fault(uint64_t grid = 1) {
  return run_sample<Program>(MachineKind::checking, grid).simulation.fault;
}

void expect_holds(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "fault: '" << text << "'";
}

struct RightProgram : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    const int64_t offset = id.block * 256 + id.thread * 4;
    m.template store<uint32_t>(p.dst, offset, m.template load<uint32_t>(p.src, offset, id.thread < 63), id.thread < 63);
  }
};

TEST(CheckingMachine, LetsARightProgramPass) {
  const KernelOutcome outcome = run_sample<RightProgram>(MachineKind::checking, 2);
  EXPECT_EQ(outcome.simulation.fault, "");
}

struct PastTheEnd : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<uint32_t>(p.src, 4096 - 63 * 4 + 64 + id.thread * 4);
  }
};
struct BeforeTheBegin : KernelSample {
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
  const KernelOutcome outcome = run_sample<BeforeTheBegin>(MachineKind::checking);
  for (const std::byte byte : outcome.dst) EXPECT_EQ(byte, std::byte{0});
}

struct Misaligned : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<Word8>(p.src, id.thread * 4);
  }
};

TEST(TracedMachines, FindMisalignedAccesses) {
  expect_holds(fault<Misaligned>(), "block 0, thread 1, phase 0: load of 8 bytes");
  expect_holds(fault<Misaligned>(), "is not aligned");
  expect_holds(run_sample<Misaligned>(MachineKind::counting).simulation.fault, "is not aligned");
}

struct ReadsWhatNobodyWrote : KernelSample {
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

struct PastShared : KernelSample {
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
struct Exchange : KernelSample {
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
struct Overwrite : KernelSample {
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
struct OverwriteWhatAllRead : KernelSample {
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
struct WriteTwice : KernelSample {
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

struct ReadsItsOwnCopy : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    m.template load<uint8_t>(p.dst, id.thread + 1);
    m.template store<uint8_t>(p.dst, id.thread, 1);
  }
};

TEST(CheckingMachine, FindsReadsOfWhatAnotherThreadWrites) {
  expect_holds(fault<ReadsItsOwnCopy>(), "thread 1, phase 0: store of 1 bytes");
}

struct SkipsAnAccess : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread != 5) m.template load<uint8_t>(p.src, 0);
  }
};
struct OneMoreAccess : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread == 5) m.template load<uint8_t>(p.src, 0);
  }
};
struct AnotherAccess : KernelSample {
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
struct LastSkips : KernelSample {
  template <uint32_t, class M>
  static void phase(const M& m, Id id, const Params& p, State&) {
    if (id.thread != 63) m.template load<uint8_t>(p.src, 0);
  }
};

TEST(TracedMachines, FindThreadsThatPartWays) {
  for (const MachineKind kind : {MachineKind::checking, MachineKind::counting}) {
    expect_holds(run_sample<SkipsAnAccess>(kind).simulation.fault,
                 "thread 5, phase 0: makes 0 accesses where thread 0 makes 1");
    expect_holds(run_sample<OneMoreAccess>(kind).simulation.fault, "thread 5, phase 0: load of 1 bytes");
    expect_holds(run_sample<AnotherAccess>(kind).simulation.fault, "is a load of 2 bytes in thread 0");
    expect_holds(run_sample<LastSkips>(kind).simulation.fault, "thread 63, phase 0: makes 0 accesses");
  }
}

template <bool kChanges>
struct Shuffles : KernelSample {
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
    const KernelOutcome outcome = run_sample<Shuffles<false>>(kind);
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

}  // namespace
}  // namespace strideport::kernels
