// The controls of the simulated driver: calls that fail, devices that are reset or fail, counts, logs, restarts.

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using SimulatedControl = testing::SimulatedDriver;
using Strings = std::vector<std::string>;

// The system is asked to read, and does not crash where it may not.
bool may_read(const void* memory) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const bool read = write(ends[1], memory, 1) == 1;
  for (const int end : ends) close(end);
  return read;
}

TEST_F(SimulatedControl, TheNthCallFailsOnceAndDoesNothing) {
  CUdeviceptr memory = 0;
  simulated::fail_call(3, CUDA_ERROR_LAUNCH_TIMEOUT);
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&memory, 8));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(memory));
  memory = 1;
  EXPECT_FALSE(simulated::clear_faults()) << "it had not come yet";
  simulated::fail_call(1, CUDA_ERROR_LAUNCH_TIMEOUT);
  EXPECT_CU(CUDA_ERROR_LAUNCH_TIMEOUT, cu.MemAlloc(&memory, 8));
  EXPECT_TRUE(simulated::clear_faults());
  EXPECT_EQ(memory, 1u);
  EXPECT_EQ(simulated::live().device_allocations, 0);
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&memory, 8));
}

TEST_F(SimulatedControl, TheNthCallOfOneFunctionFails) {
  simulated::fail_call("EventCreate", 2, CUDA_ERROR_OUT_OF_MEMORY);
  make_stream();
  make_event();
  make_stream();
  CUevent event = nullptr;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.EventCreate(&event, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.EventCreate(&event, 0));
  EXPECT_THROW(simulated::fail_call("NoSuch", 1, CUDA_ERROR_UNKNOWN), std::invalid_argument);
  EXPECT_THROW(simulated::fail_call(0, CUDA_ERROR_UNKNOWN), std::invalid_argument);
}

TEST_F(SimulatedControl, AStickyErrorFailsTheContextForGood) {
  simulated::fail_call("MemAlloc", 1, CUDA_ERROR_ECC_UNCORRECTABLE, true);
  CUdeviceptr memory = 0;
  EXPECT_CU(CUDA_ERROR_ECC_UNCORRECTABLE, cu.MemAlloc(&memory, 8));
  EXPECT_CU(CUDA_ERROR_ECC_UNCORRECTABLE, cu.MemAlloc(&memory, 8));
  EXPECT_CU(CUDA_ERROR_ECC_UNCORRECTABLE, cu.StreamSynchronize(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[1]));
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&memory, 8));
}

TEST_F(SimulatedControl, CallsThatGiveBackDoSoAndFail) {
  const CUdeviceptr memory = allocate(8);
  simulated::fail_call(1, CUDA_ERROR_UNKNOWN);
  EXPECT_CU(CUDA_ERROR_UNKNOWN, cu.MemFree(memory));
  const CUstream stream = make_stream();
  simulated::fail_call(1, CUDA_ERROR_UNKNOWN);
  EXPECT_CU(CUDA_ERROR_UNKNOWN, cu.StreamDestroy(stream));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  simulated::fail_call(1, CUDA_ERROR_UNKNOWN);
  EXPECT_CU(CUDA_ERROR_UNKNOWN, cu.CtxPopCurrent(nullptr));
  CUcontext current = nullptr;
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetCurrent(&current));
  EXPECT_EQ(current, contexts[0]);
  EXPECT_EQ(to_string(simulated::live()), "2 retained contexts");
}

TEST_F(SimulatedControl, CallsAreCountedAndLoggedByName) {
  simulated::forget_calls();
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  const char* name = nullptr;
  EXPECT_EQ(cu.GetErrorName(CUDA_SUCCESS, &name), CUDA_SUCCESS);
  EXPECT_EQ(simulated::call_log(), (Strings{"StreamCreateWithPriority", "StreamSynchronize", "StreamSynchronize"}));
  EXPECT_EQ(simulated::calls("StreamSynchronize"), 2u);
  EXPECT_EQ(simulated::calls("MemcpyBatchAsync"), 0u);
  EXPECT_EQ(simulated::calls(), 3u);
}

TEST_F(SimulatedControl, WhatIsAliveIsCounted) {
  const CUdeviceptr memory = allocate(8);
  auto* const pinned = allocate_pinned<char>(8);
  const CUstream stream = make_stream();
  const CUevent event = make_event();
  const CUmemoryPool pool = make_pool();
  char own[8];
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostRegister(own, 8, 0));
  EXPECT_EQ(
      to_string(simulated::live()),
      "1 device allocations, 1 pinned allocations, 1 registrations, 1 pools, 1 streams, 1 events, 2 retained contexts");
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(memory));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(pinned));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamDestroy(stream));
  EXPECT_CU(CUDA_SUCCESS, cu.EventDestroy(event));
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolDestroy(pool));
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostUnregister(own));
  for (const int device : {0, 1}) EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRelease(device));
  EXPECT_EQ(simulated::live(), simulated::Live());
}

TEST_F(SimulatedControl, AResetTakesEverythingAndLeavesTheOtherDevice) {
  const CUdeviceptr memory = allocate(8);
  auto* const pinned = allocate_pinned<char>(8);
  const CUstream stream = make_stream();
  const CUevent event = make_event();
  const CUmemoryPool pool = make_pool();
  CUdeviceptr pooled = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemAllocFromPoolAsync(&pooled, 8, pool, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUdeviceptr other = allocate(8);
  const CUstream waiting = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(waiting, event, 0));
  EXPECT_TRUE(may_read(pinned));
  unsigned long long before = 0;
  unsigned long long after = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetId(contexts[0], &before));

  simulated::reset_device(0);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetId(contexts[0], &after));
  EXPECT_NE(before, after);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(waiting)) << "it does not wait for ever";
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(other, 1, 8, waiting));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(waiting));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));

  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFree(memory));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFreeHost(pinned));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemPoolDestroy(pool));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.StreamQuery(stream));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.EventQuery(event));
  EXPECT_FALSE(may_read(pinned)) << "it went with the context";
  allocate(8);
}

TEST_F(SimulatedControl, AResetDeviceThatNobodyUsesAgainIsInactive) {
  simulated::reset_device(0, false);
  CUdeviceptr memory = 0;
  unsigned long long id = 0;
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cu.MemAlloc(&memory, 8));
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cu.CtxGetId(contexts[0], &id));
  CUcontext again = nullptr;
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRetain(&again, 0));
  EXPECT_EQ(again, contexts[0]);
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&memory, 8));
}

TEST_F(SimulatedControl, AResetWithWorkPendingForgetsIt) {
  const CUstream stream = make_stream();
  const CUdeviceptr memory = allocate(1 << 20);
  for (int i = 0; i < 100; ++i) EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 1, 1 << 20, stream));
  simulated::reset_device(0);
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.StreamSynchronize(stream));
  EXPECT_EQ(simulated::fault(0), "") << "nothing ran on memory that was gone";
}

TEST_F(SimulatedControl, AFailedDeviceSaysWhy) {
  simulated::fail_device(1, CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_NE(simulated::fault(1), "");
  EXPECT_EQ(simulated::fault(0), "");
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[1]));
  EXPECT_CU(CUDA_ERROR_LAUNCH_FAILED, cu.StreamSynchronize(nullptr));
  simulated::reset_device(1);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(nullptr)) << "a reset heals it";
}

TEST_F(SimulatedControl, ARestartLeavesNothingOfWhatWas) {
  const CUdeviceptr memory = allocate(8);
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 1, 8, stream));
  allocate_pinned<char>(100);
  simulated::fail_call(100, CUDA_ERROR_UNKNOWN);
  const std::vector<CUcontext> old = contexts;
  const driver::Driver before = cu;
  simulated::restart(two_devices());
  EXPECT_CU(CUDA_ERROR_NOT_INITIALIZED, before.CtxSetCurrent(old[0])) << "until somebody initialises it";
  start(two_devices());
  EXPECT_EQ(to_string(simulated::live()), "2 retained contexts");
  EXPECT_TRUE(simulated::clear_faults());
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, before.CtxSetCurrent(old[0]));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, before.StreamQuery(stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, before.MemFree(memory));
}

}  // namespace
}  // namespace strideport
