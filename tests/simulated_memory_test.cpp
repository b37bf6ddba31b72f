// Memory of the simulated driver: device, pinned, registered, managed; what its addresses are, and what becomes of
// them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <future>
#include <set>
#include <vector>

#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using SimulatedMemory = testing::SimulatedDriver;
using testing::address_of;

struct Attributes {
  CUcontext context = reinterpret_cast<CUcontext>(1);
  CUmemorytype type = CU_MEMORYTYPE_ARRAY;
  unsigned int managed = 7;
  int device = 7;
  void* begin = nullptr;
  size_t bytes = 7;
};

CUresult ask(const driver::Driver& cu, CUdeviceptr address, Attributes& answer) {
  CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_CONTEXT,          CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                 CU_POINTER_ATTRIBUTE_IS_MANAGED,       CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                 CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, CU_POINTER_ATTRIBUTE_RANGE_SIZE};
  void* data[] = {&answer.context, &answer.type, &answer.managed, &answer.device, &answer.begin, &answer.bytes};
  return cu.PointerGetAttributes(6, names, data, address);
}

TEST_F(SimulatedMemory, BlocksAreAlignedApartAndCounted) {
  size_t free_before = 0;
  size_t total = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemGetInfo(&free_before, &total));
  EXPECT_EQ(free_before, total);
  std::vector<CUdeviceptr> blocks;
  for (const size_t bytes : {1, 255, 256, 257, 100000}) {
    blocks.push_back(allocate(bytes));
    EXPECT_EQ(blocks.back() % 256, 0u);
  }
  EXPECT_EQ(simulated::live().device_allocations, 5);
  size_t free_now = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemGetInfo(&free_now, &total));
  EXPECT_LE(free_now + 100869, free_before);
  for (const CUdeviceptr block : blocks) EXPECT_CU(CUDA_SUCCESS, cu.MemFree(block));
  EXPECT_CU(CUDA_SUCCESS, cu.MemGetInfo(&free_now, &total));
  EXPECT_EQ(free_now, free_before);
  EXPECT_EQ(simulated::live().device_allocations, 0);
}

TEST_F(SimulatedMemory, NothingOfItIsTheHostsToTouch) {
  const CUdeviceptr block = allocate(64);
  EXPECT_DEATH(*reinterpret_cast<volatile char*>(block) = 1, "");
  EXPECT_NE(simulated::host_view(block), nullptr);
  int local = 0;
  EXPECT_EQ(simulated::host_view(address_of(&local)), nullptr);
}

TEST_F(SimulatedMemory, NewAndFreedBytesAreNobodysZeros) {
  const CUdeviceptr block = allocate(1000);
  const std::byte* const bytes = simulated::host_view(block);
  EXPECT_EQ(std::count(bytes, bytes + 1000, std::byte{0xCD}), 1000);
  std::memset(simulated::host_view(block), 1, 1000);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(block));
  EXPECT_EQ(std::count(bytes, bytes + 1000, std::byte{0xDD}), 1000);
}

TEST_F(SimulatedMemory, RunsOutAtItsCapacityAndRecovers) {
  simulated::Options small = two_devices();
  small.capacity_bytes = 1 << 20;
  start(small);
  CUdeviceptr block = 0;
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAlloc(&block, (1 << 20) + 1));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAlloc(&block, SIZE_MAX));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemAlloc(&block, 0));
  EXPECT_EQ(block, 0u);
  std::vector<CUdeviceptr> blocks;
  while (cu.MemAlloc(&block, 100 << 10) == CUDA_SUCCESS) blocks.push_back(block);
  EXPECT_EQ(blocks.size(), 10u);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(blocks[3]));
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&block, 100 << 10));
  EXPECT_EQ(block, blocks[3]);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[1]));
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&block, 900 << 10)) << "the other device has its own";
}

TEST_F(SimulatedMemory, HolesAreMergedAgain) {
  simulated::Options small = two_devices();
  small.capacity_bytes = 1 << 20;
  start(small);
  std::vector<CUdeviceptr> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(allocate(100 << 10));
  for (const int i : {1, 7, 0, 3, 2, 9, 5, 4, 8, 6})
    EXPECT_CU(CUDA_SUCCESS, cu.MemFree(blocks[static_cast<size_t>(i)]));
  allocate(1000 << 10);
}

TEST_F(SimulatedMemory, FreedAndForeignAddressesAreRefused) {
  const CUdeviceptr block = allocate(512);
  int local = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFree(block + 256));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFree(address_of(&local)));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(block));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFree(block));
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemsetD8Async(block, 0, 1, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyAsync(address_of(&local), block, 1, stream));
}

TEST_F(SimulatedMemory, WritesBehindTheEndAreFoundWhenItIsFreed) {
  const CUdeviceptr block = allocate(100);
  simulated::host_view(block)[100] = std::byte{1};
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.MemFree(block));
  EXPECT_NE(simulated::fault(0).find("behind the end"), std::string::npos) << simulated::fault(0);
}

TEST_F(SimulatedMemory, FreeingWaitsForWhatUsesIt) {
  const CUdeviceptr block = allocate(16);
  const CUstream stream = make_stream();
  std::promise<void> go;
  std::future<void> gone = go.get_future();
  EXPECT_CU(CUDA_SUCCESS, cu.LaunchHostFunc(
                              stream, [](void* data) { static_cast<std::future<void>*>(data)->wait(); }, &gone));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 1, 16, stream));
  std::future<CUresult> freed = std::async(std::launch::async, [&] {
    cu.CtxSetCurrent(contexts[0]);
    return cu.MemFree(block);
  });
  EXPECT_EQ(simulated::live().device_allocations, 1);
  go.set_value();
  EXPECT_CU(CUDA_SUCCESS, freed.get());
  EXPECT_CU(CUDA_SUCCESS, cu.StreamQuery(stream));
}

TEST_F(SimulatedMemory, AddressesSayWhatTheyAre) {
  const CUdeviceptr block = allocate(300);
  Attributes device;
  EXPECT_CU(CUDA_SUCCESS, ask(cu, block + 299, device));
  EXPECT_EQ(device.context, contexts[0]);
  EXPECT_EQ(device.type, CU_MEMORYTYPE_DEVICE);
  EXPECT_EQ(device.managed, 0u);
  EXPECT_EQ(device.device, 0);
  EXPECT_EQ(address_of(device.begin), block);
  EXPECT_EQ(device.bytes, 300u);

  auto* const pinned = allocate_pinned<char>(100);
  Attributes host;
  EXPECT_CU(CUDA_SUCCESS, ask(cu, address_of(pinned + 50), host));
  EXPECT_EQ(host.type, CU_MEMORYTYPE_HOST);
  EXPECT_EQ(host.begin, pinned);
  EXPECT_EQ(host.bytes, 100u);

  CUdeviceptr shared = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemAllocManaged(&shared, 10, CU_MEM_ATTACH_GLOBAL));
  *reinterpret_cast<char*>(shared) = 1;  // the host's too
  Attributes managed;
  EXPECT_CU(CUDA_SUCCESS, ask(cu, shared, managed));
  EXPECT_EQ(managed.managed, 1u);

  int local = 0;
  Attributes unknown;
  EXPECT_CU(CUDA_SUCCESS, ask(cu, address_of(&local), unknown));
  EXPECT_EQ(unknown.context, nullptr);
  EXPECT_EQ(static_cast<int>(unknown.type), 0);
  EXPECT_EQ(unknown.bytes, 0u);
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(shared));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(pinned));
}

TEST_F(SimulatedMemory, UnknownAddressesMayNeedAContext) {
  simulated::Options strict = two_devices();
  strict.unknown_pointers = simulated::UnknownPointers::invalid_context_without_context;
  start(strict);
  int local = 0;
  Attributes unknown;
  EXPECT_CU(CUDA_SUCCESS, ask(cu, address_of(&local), unknown));
  const CUdeviceptr block = allocate(8);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, ask(cu, address_of(&local), unknown));
  EXPECT_CU(CUDA_SUCCESS, ask(cu, block, unknown));
}

TEST_F(SimulatedMemory, RangesAreThoseOfTheAllocation) {
  const CUdeviceptr block = allocate(300);
  CUdeviceptr begin = 0;
  size_t bytes = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemGetAddressRange(&begin, &bytes, block + 17));
  EXPECT_EQ(begin, block);
  EXPECT_EQ(bytes, 300u);
  EXPECT_CU(CUDA_SUCCESS, cu.MemGetAddressRange(nullptr, &bytes, block));
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cu.MemGetAddressRange(&begin, &bytes, block + 300));
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cu.MemGetAddressRange(&begin, &bytes, address_of(&begin)));
}

TEST_F(SimulatedMemory, RegisteredMemoryIsPinnedUntilItIsNot) {
  std::vector<char> own(10000);
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostRegister(own.data(), own.size(), CU_MEMHOSTREGISTER_PORTABLE));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cu.MemHostRegister(own.data() + 9999, 5000, 0));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostGetDevicePointer(&address, own.data() + 5, 0));
  EXPECT_EQ(address, address_of(own.data() + 5));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFreeHost(own.data()));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cu.MemHostUnregister(own.data() + 1));
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostUnregister(own.data()));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cu.MemHostUnregister(own.data()));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemHostGetDevicePointer(&address, own.data(), 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemHostRegister(nullptr, 1, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemHostRegister(own.data(), 0, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemHostRegister(own.data(), 1, 0x40000000));
}

TEST_F(SimulatedMemory, PinnedMemoryIsTheHostsAtTheSameAddress) {
  auto* const pinned = allocate_pinned<unsigned char>(100);
  EXPECT_EQ(std::count(pinned, pinned + 100, 0xCD), 100);
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostGetDevicePointer(&address, pinned, 0));
  EXPECT_EQ(address, address_of(pinned));
  EXPECT_CU(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cu.MemHostRegister(pinned, 100, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(pinned));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFreeHost(pinned));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFreeHost(nullptr));
  void* memory = pinned;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemHostAlloc(&memory, 1, 0x100));
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.MemHostAlloc(&memory, SIZE_MAX, 0));
}

TEST_F(SimulatedMemory, ManagedMemoryMayExceedTheDeviceWherePagesMove) {
  simulated::Options small = two_devices();
  small.capacity_bytes = 1 << 20;
  start(small);
  CUdeviceptr memory = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemAllocManaged(&memory, 2 << 20, CU_MEM_ATTACH_GLOBAL));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(memory));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemAllocManaged(&memory, 2, 0));
  small.concurrent_managed = false;
  start(small);
  EXPECT_CU(CUDA_ERROR_OUT_OF_MEMORY, cu.MemAllocManaged(&memory, 2 << 20, CU_MEM_ATTACH_GLOBAL));
}

TEST_F(SimulatedMemory, LargeMemoryStaysSparse) {
  const size_t bytes = size_t{3} << 30;
  const CUdeviceptr block = allocate(bytes);
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block + bytes - 1, 9, 1, stream));
  EXPECT_EQ(read(block + bytes - 2, 2, stream), (std::vector<unsigned char>{0xCD, 9}));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(block));
}

}  // namespace
}  // namespace strideport
