// Streams and events of the simulated driver: what runs after what, and what the host may ask.

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/gate.hpp"
#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using testing::address_of;
using testing::Gate;

class SimulatedStreams : public testing::SimulatedDriver {
 protected:
  void note(CUstream stream, int number) {
    notes.push_back(std::make_unique<Note>(Note{this, number}));
    const auto write = [](void* data) {
      auto* const self = static_cast<Note*>(data);
      const std::lock_guard lock(self->test->mutex);
      self->test->order.push_back(self->number);
    };
    EXPECT_CU(CUDA_SUCCESS, cu.LaunchHostFunc(stream, write, notes.back().get()));
  }

  struct Note {
    SimulatedStreams* test;
    int number;
  };
  std::vector<std::unique_ptr<Note>> notes;
  std::mutex mutex;  // streams that nothing orders note at the same time
  std::vector<int> order;
};

TEST_F(SimulatedStreams, DoTheirWorkInOrder) {
  const CUstream stream = make_stream();
  for (int i = 0; i < 50; ++i) note(stream, i);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  ASSERT_EQ(order.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST_F(SimulatedStreams, RunWithoutTheHost) {
  const CUstream stream = make_stream();
  std::promise<void> reached;
  const auto reach = [](void* data) { static_cast<std::promise<void>*>(data)->set_value(); };
  EXPECT_CU(CUDA_SUCCESS, cu.LaunchHostFunc(stream, reach, &reached));
  reached.get_future().wait();
}

TEST_F(SimulatedStreams, AreDoneOrNot) {
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamQuery(stream));
  Gate gate(cu, stream);
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.StreamQuery(stream));
  gate.open();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamQuery(stream));
}

TEST_F(SimulatedStreams, WaitForEventsOfOtherStreamsAndDevices) {
  const CUstream first = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUstream second = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  const CUevent event = make_event();
  Gate gate(cu, first);
  note(first, 1);
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, first));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(second, event, 0));
  note(second, 2);
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.EventQuery(event));
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.StreamQuery(second));
  gate.open();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(second));
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(SimulatedStreams, WaitForARecordAndNotForLaterOnes) {
  const CUstream first = make_stream();
  const CUstream second = make_stream();
  const CUevent event = make_event();
  note(first, 1);
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, first));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(second, event, 0));
  Gate gate(cu, first);
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, first));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(second)) << "the second record does not concern it";
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.EventQuery(event));
  EXPECT_CU(CUDA_SUCCESS, cu.EventDestroy(event));
  gate.open();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(first));
}

TEST_F(SimulatedStreams, AnEventThatWasNeverRecordedIsReached) {
  const CUevent event = make_event();
  EXPECT_CU(CUDA_SUCCESS, cu.EventQuery(event));
  EXPECT_CU(CUDA_SUCCESS, cu.EventSynchronize(event));
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(stream, event, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
}

TEST_F(SimulatedStreams, TheLegacyOneWaitsForBlockingOnesAndTheyForIt) {
  const CUstream blocking = make_stream(CU_STREAM_DEFAULT);
  const CUstream apart = make_stream();
  Gate gate(cu, blocking);
  note(blocking, 1);
  note(CU_STREAM_LEGACY, 2);
  note(blocking, 3);
  note(CU_STREAM_PER_THREAD, 4);
  note(apart, 0);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(apart)) << "a non-blocking stream has nothing to do with it";
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.StreamQuery(CU_STREAM_LEGACY));
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.StreamQuery(nullptr)) << "0 is the legacy stream";
  gate.open();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(blocking));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(CU_STREAM_PER_THREAD));
  ASSERT_EQ(order.size(), 5u);
  EXPECT_EQ(std::vector<int>(order.begin(), order.begin() + 3), (std::vector<int>{0, 1, 2}));
}

TEST_F(SimulatedStreams, ThePerThreadOneIsAnotherInEachThread) {
  unsigned long long mine = 0;
  unsigned long long again = 0;
  unsigned long long theirs = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetId(CU_STREAM_PER_THREAD, &mine));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetId(CU_STREAM_PER_THREAD, &again));
  std::thread([&] {
    EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[0]));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamGetId(CU_STREAM_PER_THREAD, &theirs));
  }).join();
  EXPECT_EQ(mine, again);
  EXPECT_NE(mine, theirs);
}

TEST_F(SimulatedStreams, KnowTheirContextAndNumber) {
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  CUcontext context = nullptr;
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCtx(stream, &context));
  EXPECT_EQ(context, contexts[1]);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCtx(CU_STREAM_LEGACY, &context));
  EXPECT_EQ(context, contexts[0]) << "the current one";
  std::set<unsigned long long> ids;
  for (const CUstream each : {stream, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD, make_stream()}) {
    unsigned long long id = 0;
    EXPECT_CU(CUDA_SUCCESS, cu.StreamGetId(each, &id));
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 4u);
}

TEST_F(SimulatedStreams, FinishTheirWorkAfterTheyWereDestroyed) {
  const CUstream stream = make_stream();
  const CUevent event = make_event();
  {
    Gate gate(cu, stream);
    note(stream, 1);
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamDestroy(stream));
    gate.open();
    EXPECT_CU(CUDA_SUCCESS, cu.EventSynchronize(event));
  }
  EXPECT_EQ(order, std::vector<int>{1});
  EXPECT_EQ(simulated::live().streams, 0);
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.StreamDestroy(stream));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.StreamQuery(stream));
  EXPECT_NE(make_stream(), stream) << "handles are not used again";
}

TEST_F(SimulatedStreams, EventsBelongToTheirContext) {
  const CUevent event = make_event();
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUstream elsewhere = make_stream();
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.EventRecord(event, elsewhere));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.EventDestroy(event));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.EventDestroy(event));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.EventRecord(event, make_stream()));
}

TEST_F(SimulatedStreams, TimeLiesBetweenTimedEventsThatWereReached) {
  const CUstream stream = make_stream();
  const CUevent start = make_event(CU_EVENT_DEFAULT);
  const CUevent end = make_event(CU_EVENT_DEFAULT);
  const CUevent untimed = make_event();
  float milliseconds = -1;
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(start, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.EventElapsedTime(&milliseconds, start, end)) << "not recorded";
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(untimed, stream));
  Gate gate(cu, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(end, stream));
  EXPECT_CU(CUDA_ERROR_NOT_READY, cu.EventElapsedTime(&milliseconds, start, end));
  gate.open();
  EXPECT_CU(CUDA_SUCCESS, cu.EventSynchronize(end));
  EXPECT_CU(CUDA_SUCCESS, cu.EventElapsedTime(&milliseconds, start, end));
  EXPECT_GE(milliseconds, 0);
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.EventElapsedTime(&milliseconds, start, untimed));
}

TEST_F(SimulatedStreams, HostFunctionsMayNotCallTheDriver) {
  struct Tried {
    const driver::Driver* cu;
    CUresult result;
  } tried{&cu, CUDA_SUCCESS};
  const CUstream stream = make_stream();
  const auto call_driver = [](void* data) {
    auto* const self = static_cast<Tried*>(data);
    CUcontext context = nullptr;
    self->result = self->cu->CtxGetCurrent(&context);
  };
  EXPECT_CU(CUDA_SUCCESS, cu.LaunchHostFunc(stream, call_driver, &tried));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_CU(CUDA_ERROR_NOT_PERMITTED, tried.result);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.LaunchHostFunc(stream, nullptr, nullptr));
}

TEST_F(SimulatedStreams, PrioritiesAreClipped) {
  int least = 7;
  int greatest = 7;
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetStreamPriorityRange(&least, &greatest));
  EXPECT_EQ(least, 0);
  EXPECT_LT(greatest, 0);
  CUstream stream = nullptr;
  EXPECT_CU(CUDA_SUCCESS, cu.StreamCreateWithPriority(&stream, 0, -1000));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.StreamCreateWithPriority(&stream, 2, 0));
}

// The n-th write of one stream and the read of another, with nothing between them; then with a wait.
class SimulatedSeeds : public testing::SimulatedDriver {
 protected:
  unsigned char last_byte(uint64_t seed, bool wait) {
    simulated::Options wanted = two_devices();
    wanted.seed = seed;
    start(wanted);
    const CUdeviceptr block = allocate(1);
    auto* const out = allocate_pinned<unsigned char>(1);
    const CUstream writer = make_stream();
    const CUstream reader = make_stream();
    const CUevent event = make_event();
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 1, 1, writer));
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 2, 1, writer));
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, writer));
    if (wait) {
      EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(reader, event, 0));
    }
    EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(address_of(out), block, 1, reader));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(reader));
    const unsigned char result = *out;
    EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(out));
    return result;
  }
};

TEST_F(SimulatedSeeds, AMissingWaitGivesOtherResultsWithOtherSeeds) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the missing wait is a data race on purpose";
#endif
  std::set<unsigned char> results;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const unsigned char first = last_byte(seed, false);
    EXPECT_EQ(first, last_byte(seed, false)) << "seed " << seed << " means one order";
    results.insert(first);
  }
  EXPECT_EQ(results, (std::set<unsigned char>{0xCD, 1, 2}));
}

TEST_F(SimulatedSeeds, AWaitGivesTheSameWithEverySeed) {
  for (uint64_t seed = 0; seed <= 40; ++seed) EXPECT_EQ(last_byte(seed, true), 2) << "seed " << seed;
}

TEST_F(SimulatedSeeds, WorkGoesOnWithoutTheHost) {
  simulated::Options wanted = two_devices();
  for (wanted.seed = 1; wanted.seed <= 5; ++wanted.seed) {
    start(wanted);
    std::promise<void> reached;
    const auto reach = [](void* data) { static_cast<std::promise<void>*>(data)->set_value(); };
    EXPECT_CU(CUDA_SUCCESS, cu.LaunchHostFunc(make_stream(), reach, &reached));
    reached.get_future().wait();
  }
}

TEST_F(SimulatedSeeds, AHostFunctionThatBlocksHoldsUpItsStreamAlone) {
  simulated::Options wanted = two_devices();
  for (wanted.seed = 1; wanted.seed <= 20; ++wanted.seed) {
    start(wanted);
    const CUstream held = make_stream();
    const CUstream free_running = make_stream();
    const CUdeviceptr block = allocate(16);
    Gate gate(cu, held);
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 5, 16, held));
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block + 8, 6, 8, free_running));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(free_running));
    EXPECT_CU(CUDA_ERROR_NOT_READY, cu.StreamQuery(held));
    gate.open();
    EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(held));
  }
}

}  // namespace
}  // namespace strideport
