// What ThreadSanitizer makes of the simulated driver: an order that the driver promises is one, and where a caller
// forgot to ask for one there is a data race, although the driver has but one mutex. Built with it, this counts its
// reports.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "device/simulated/quiet.hpp"
#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using testing::address_of;

class SimulatedOrder : public testing::SimulatedDriver {
 protected:
  void SetUp() override {
#if !defined(STRIDEPORT_SIMULATED_TSAN)
    GTEST_SKIP() << "without ThreadSanitizer there is nobody who looks";
#endif
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    SimulatedDriver::SetUp();
    block = allocate(4096);
    pinned = allocate_pinned<char>(4096);
    first = make_stream();
    second = make_stream();
    event = make_event();
  }
  void TearDown() override {
    if (pinned == nullptr) return;
    cu.StreamSynchronize(first);
    cu.StreamSynchronize(second);
  }

  CUdeviceptr block = 0;
  char* pinned = nullptr;
  CUstream first = nullptr;
  CUstream second = nullptr;
  CUevent event = nullptr;
};

// In a process of its own. 66: what the tool's runtime exits with where it has reported something.
template <class F>
[[noreturn]] void run_and_exit(F function) {
  function();
  std::exit(0);
}
#define EXPECT_RACE(function) EXPECT_EXIT(run_and_exit(function), ::testing::ExitedWithCode(66), "data race")
#define EXPECT_NO_RACE(function) EXPECT_EXIT(run_and_exit(function), ::testing::ExitedWithCode(0), "")

TEST_F(SimulatedOrder, TwoStreamsOnTheSameBytesRace) {
  EXPECT_RACE([&] {
    cu.MemsetD8Async(block, 1, 4096, first);
    cu.MemsetD8Async(block, 2, 4096, second);
    cu.StreamSynchronize(first);
    cu.StreamSynchronize(second);
  });
}

TEST_F(SimulatedOrder, StreamsThatWaitDoNot) {
  EXPECT_NO_RACE([&] {
    cu.MemsetD8Async(block, 1, 4096, first);
    cu.EventRecord(event, first);
    cu.StreamWaitEvent(second, event, 0);
    cu.MemsetD8Async(block, 2, 4096, second);
    cu.EventRecord(event, second);
    cu.EventSynchronize(event);
    for (int i = 0; i < 10; ++i) cu.MemsetD8Async(block, 1, 4096, first);
    cu.StreamSynchronize(first);
    cu.MemFree(block);
  });
}

TEST_F(SimulatedOrder, AHostThatDoesNotWaitForItsResultRaces) {
  EXPECT_RACE([&] {
    cu.MemcpyAsync(address_of(pinned), block, 4096, first);
    cu.MemsetD8Async(block, 1, 1, second);  // more calls, and no order from them
    CUcontext current = nullptr;
    cu.CtxGetCurrent(&current);
    pinned[7] = 1;
    cu.StreamSynchronize(first);
  });
}

TEST_F(SimulatedOrder, AHostThatSynchronisesOrQueriesDoesNot) {
  EXPECT_NO_RACE([&] {
    cu.MemcpyAsync(address_of(pinned), block, 4096, first);
    cu.StreamSynchronize(first);
    pinned[7] = 1;
    cu.MemcpyAsync(address_of(pinned), block, 4096, first);
    while (cu.StreamQuery(first) != CUDA_SUCCESS) std::this_thread::yield();
    pinned[7] = 1;
    cu.MemcpyAsync(address_of(pinned), block, 4096, first);
    cu.EventRecord(event, first);
    while (cu.EventQuery(event) != CUDA_SUCCESS) std::this_thread::yield();
    pinned[7] = 1;
    cu.MemcpyAsync(block, address_of(pinned), 4096, second);
    cu.StreamSynchronize(second);
    cu.MemFreeHost(pinned);
  });
}

TEST_F(SimulatedOrder, WorkThatWasDoneBeforeSomebodyWaitedIsOrderedToo) {
  EXPECT_NO_RACE([&] {
    const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
    std::atomic<bool> done{false};
    cu.MemcpyAsync(address_of(pinned), block, 4096, blocking);
    const auto tell = [](void* flag) { static_cast<std::atomic<bool>*>(flag)->store(true, std::memory_order_relaxed); };
    cu.LaunchHostFunc(blocking, tell, &done);
    while (!done.load(std::memory_order_relaxed)) std::this_thread::yield();  // no order
    cu.EventRecord(event, first);
    cu.EventSynchronize(event);  // another stream's: more calls, and none from them
    cu.StreamSynchronize(nullptr);
    pinned[7] = 1;
    cu.MemFree(block);
  });
}

TEST_F(SimulatedOrder, TheLegacyStreamOrdersBlockingOnes) {
  EXPECT_NO_RACE([&] {
    const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
    cu.MemsetD8Async(block, 1, 4096, blocking);
    cu.MemsetD8Async(block, 2, 4096, nullptr);
    cu.MemsetD8Async(block, 3, 4096, CU_STREAM_PER_THREAD);
    cu.StreamSynchronize(CU_STREAM_PER_THREAD);
    cu.MemcpyAsync(address_of(pinned), block, 4096, nullptr);
    cu.StreamSynchronize(nullptr);
    pinned[0] = 1;
  });
}

TEST_F(SimulatedOrder, TheLegacyStreamDoesNotOrderOthers) {
  EXPECT_RACE([&] {
    cu.MemsetD8Async(block, 1, 4096, first);
    cu.MemsetD8Async(block, 2, 4096, nullptr);
    cu.StreamSynchronize(first);
    cu.StreamSynchronize(nullptr);
  });
}

TEST_F(SimulatedOrder, PooledMemoryIsOrderedByItsStream) {
  EXPECT_NO_RACE([&] {
    const CUmemoryPool pool = make_pool();
    CUdeviceptr memory = 0;
    for (int i = 0; i < 10; ++i) {
      cu.MemAllocFromPoolAsync(&memory, 4096, pool, first);
      cu.MemsetD8Async(memory, 1, 4096, first);
      cu.MemFreeAsync(memory, first);
    }
    cu.StreamSynchronize(first);
  });
}

TEST_F(SimulatedOrder, WhoeverGetsMemoryComesAfterWhoeverHadIt) {
  EXPECT_NO_RACE([&] {
    CUdeviceptr memory = 0;
    std::atomic<bool> freed{false};
    std::thread before([&] {
      cu.CtxSetCurrent(contexts[0]);
      CUdeviceptr mine = 0;
      cu.MemAlloc(&mine, 5000);
      cu.MemFree(mine);
      freed.store(true, std::memory_order_relaxed);  // no order
    });
    while (!freed.load(std::memory_order_relaxed)) std::this_thread::yield();
    cu.MemAlloc(&memory, 3000);
    cu.MemFree(memory);
    before.join();
  });
}

TEST_F(SimulatedOrder, PooledMemoryThatAnotherStreamUsesWithoutWaitingRaces) {
  EXPECT_RACE([&] {
    const CUmemoryPool pool = make_pool();
    CUdeviceptr memory = 0;
    cu.MemAllocFromPoolAsync(&memory, 4096, pool, first);
    cu.StreamSynchronize(first);
    cu.MemsetD8Async(memory, 1, 4096, second);
    // First by time and by nothing else: freed before, the memory would not be there, which is an error and no race.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    cu.MemFreeAsync(memory, first);
    cu.StreamSynchronize(first);
    cu.StreamSynchronize(second);
  });
}

}  // namespace
}  // namespace strideport
