// Stream-ordered memory of the simulated driver.

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <vector>

#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

class SimulatedPools : public testing::SimulatedDriver {
 protected:
  void SetUp() override {
    SimulatedDriver::SetUp();
    stream = make_stream();
    pool = make_pool();
    keep_all();
  }
  void TearDown() override { simulated::restart({}); }  // host functions of a failed device use what is below
  void keep_all() {
    cuuint64_t all = UINT64_MAX;
    EXPECT_CU(CUDA_SUCCESS, cu.MemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &all));
  }
  CUdeviceptr take(size_t bytes, CUstream on) {
    CUdeviceptr address = 0;
    EXPECT_CU(CUDA_SUCCESS, cu.MemAllocFromPoolAsync(&address, bytes, pool, on));
    return address;
  }
  cuuint64_t number(CUmemPool_attribute attribute) {
    cuuint64_t value = 7;
    EXPECT_CU(CUDA_SUCCESS, cu.MemPoolGetAttribute(pool, attribute, &value));
    return value;
  }
  void hold(CUstream on) {
    gone = go.get_future();
    cu.LaunchHostFunc(
        on, [](void* data) { static_cast<std::future<void>*>(data)->wait(); }, &gone);
  }

  CUstream stream = nullptr;
  CUmemoryPool pool = nullptr;
  std::promise<void> go;
  std::future<void> gone;
};

TEST_F(SimulatedPools, NeedADeviceThatHasThem) {
  CUmemPoolProps properties = {};
  CUmemoryPool made = nullptr;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemPoolCreate(&made, &properties));
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = 2;
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cu.MemPoolCreate(&made, &properties));
  simulated::Options without = two_devices();
  without.pools = false;
  start(without);
  int has = 1;
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetAttribute(&has, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 0));
  EXPECT_EQ(has, 0);
  properties.location.id = 0;
  EXPECT_CU(CUDA_ERROR_NOT_SUPPORTED, cu.MemPoolCreate(&made, &properties));
}

TEST_F(SimulatedPools, MemoryIsThereInStreamOrder) {
  const CUdeviceptr memory = take(100, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 4, 100, stream));
  EXPECT_EQ(read(memory, 100, stream), std::vector<unsigned char>(100, 4));
  EXPECT_EQ(simulated::live().pool_allocations, 1);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  EXPECT_EQ(simulated::live().pool_allocations, 0);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFreeAsync(memory, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemsetD8Async(memory, 4, 100, stream));
}

TEST_F(SimulatedPools, TheFreeingStreamHasItAgainAtOnceAndOthersWhenItIsFree) {
  const CUstream other = make_stream();
  const CUdeviceptr memory = take(1000, stream);
  hold(stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  EXPECT_NE(take(1000, other), memory);
  EXPECT_EQ(take(1000, stream), memory);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  go.set_value();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_EQ(take(1000, other), memory);
}

TEST_F(SimulatedPools, WorkBeforeAFreeStillFindsItsBytes) {
  const CUdeviceptr memory = take(64, stream);
  auto* const out = allocate_pinned<unsigned char>(64);
  hold(stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 8, 64, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(testing::address_of(out), memory, 64, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  const CUdeviceptr again = take(40, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(again, 1, 40, stream));
  go.set_value();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_EQ(std::count(out, out + 64, 8), 64);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(out));
}

TEST_F(SimulatedPools, WorkThatComesAfterTheFreeFailsTheDevice) {
  const CUstream other = make_stream();
  const CUdeviceptr memory = take(64, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  hold(other);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 1, 64, other));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  go.set_value();
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.StreamSynchronize(other));
  EXPECT_NE(simulated::fault(0).find("not there"), std::string::npos) << simulated::fault(0);
}

TEST_F(SimulatedPools, KeepTheirMemoryUpToTheThreshold) {
  const CUdeviceptr memory = take(10000, stream);
  const cuuint64_t reserved = number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
  EXPECT_GE(reserved, 10000u);
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), reserved);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), reserved);
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 0u);
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_USED_MEM_HIGH), reserved);
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolTrimTo(pool, reserved));
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), reserved);
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolTrimTo(pool, 0));
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), 0u);

  cuuint64_t nothing = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &nothing));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(take(10000, stream), stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), 0u) << "given back when a host waits";
}

TEST_F(SimulatedPools, GiveBackOnlyWhatAHostKnowsToBeFree) {
  const CUstream other = make_stream();
  const CUevent event = make_event();
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(take(10000, stream), stream));
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(other, event, CU_EVENT_WAIT_DEFAULT));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(other));  // so it is free, but nobody has asked its stream
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolTrimTo(pool, 0));
  EXPECT_GE(number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), 10000u);
  EXPECT_CU(CUDA_SUCCESS, cu.EventQuery(event));
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolTrimTo(pool, 0));
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT), 0u);
}

TEST_F(SimulatedPools, RunOutAndGiveEachOtherWhatTheyKeep) {
  simulated::Options small = two_devices();
  small.capacity_bytes = 1 << 20;
  start(small);
  stream = make_stream();
  pool = make_pool();
  keep_all();
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAllocFromPoolAsync(&address, 2 << 20, pool, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemAllocFromPoolAsync(&address, 0, pool, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(take(700 << 10, stream), stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAlloc(&address, 700 << 10)) << "the pool keeps it";
  pool = make_pool();
  take(800 << 10, stream);
}

TEST_F(SimulatedPools, LiveUntilTheirLastMemoryIsFreed) {
  const CUdeviceptr memory = take(10, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolDestroy(pool));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemAllocFromPoolAsync(&address, 10, pool, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemPoolDestroy(pool));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 1, 10, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(memory, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_EQ(simulated::live().pools, 0);
}

TEST_F(SimulatedPools, EachKindOfFreeTakesTheOthersMemory) {
  const CUdeviceptr pooled = take(10, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(pooled));
  const CUdeviceptr plain = allocate(10);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(plain, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_EQ(simulated::live().pool_allocations + simulated::live().device_allocations, 0);
  EXPECT_EQ(number(CU_MEMPOOL_ATTR_USED_MEM_CURRENT), 0u);
}

TEST_F(SimulatedPools, SayThatAnAddressIsTheirs) {
  const CUdeviceptr memory = take(10, stream);
  CUmemoryPool owner = nullptr;
  CUcontext context = contexts[0];
  CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, CU_POINTER_ATTRIBUTE_CONTEXT};
  void* data[] = {&owner, &context};
  EXPECT_CU(CUDA_SUCCESS, cu.PointerGetAttributes(2, names, data, memory));
  EXPECT_EQ(owner, pool);
  EXPECT_EQ(context, nullptr) << "memory of a pool belongs to no context";
}

TEST_F(SimulatedPools, AccessIsForDevicesThatCanHaveIt) {
  CUmemAccessDesc access = {};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = 1;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolSetAccess(pool, &access, 1));
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolSetAccess(pool, &access, 1));
  access.location.id = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemPoolSetAccess(pool, &access, 1)) << "its own device always has it";
  access.location.id = 5;
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cu.MemPoolSetAccess(pool, &access, 1));
}

}  // namespace
}  // namespace strideport
