/// Tests straight on the simulated driver's table: a fresh driver each, and its calls without ceremony.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "device/simulated/control.hpp"
#include "device/simulated/table.hpp"

namespace strideport::testing {

inline std::string error_text(CUresult error) {
  const char* name = nullptr;
  simulated::table().driver.GetErrorName(error, &name);
  return name != nullptr ? name : "error " + std::to_string(static_cast<int>(error));
}

/// EXPECT_CU(CUDA_SUCCESS, cu.MemFree(0)): names both errors where they differ.
#define EXPECT_CU(expected, call) \
  EXPECT_EQ(::strideport::testing::error_text(expected), ::strideport::testing::error_text(call))
#define ASSERT_CU(expected, call) \
  ASSERT_EQ(::strideport::testing::error_text(expected), ::strideport::testing::error_text(call))

/// Two devices, the first of them current in the test's thread; nothing may be left at the end.
class SimulatedDriver : public ::testing::Test {
 protected:
  static simulated::Options two_devices() {
    simulated::Options wanted;
    wanted.devices = 2;
    return wanted;
  }

  void SetUp() override { start(two_devices()); }

  void start(const simulated::Options& wanted) {
    simulated::restart(wanted);
    cu = simulated::table().driver;
    contexts.clear();
    for (int device = 0; device < wanted.devices; ++device) {
      contexts.push_back(nullptr);
      ASSERT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRetain(&contexts.back(), device));
    }
    ASSERT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts.at(0)));
  }

  CUstream make_stream(unsigned int flags = CU_STREAM_NON_BLOCKING) {
    CUstream stream = nullptr;
    EXPECT_CU(CUDA_SUCCESS, cu.StreamCreateWithPriority(&stream, flags, 0));
    return stream;
  }
  CUevent make_event(unsigned int flags = CU_EVENT_DISABLE_TIMING) {
    CUevent event = nullptr;
    EXPECT_CU(CUDA_SUCCESS, cu.EventCreate(&event, flags));
    return event;
  }
  CUdeviceptr allocate(size_t bytes) {
    CUdeviceptr address = 0;
    EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&address, bytes));
    return address;
  }
  template <class T>
  T* allocate_pinned(size_t count) {
    void* memory = nullptr;
    EXPECT_CU(CUDA_SUCCESS, cu.MemHostAlloc(&memory, count * sizeof(T), CU_MEMHOSTALLOC_PORTABLE));
    return static_cast<T*>(memory);
  }
  CUmemoryPool make_pool(int device = 0) {
    CUmemPoolProps properties = {};
    properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    properties.location.id = device;
    CUmemoryPool pool = nullptr;
    EXPECT_CU(CUDA_SUCCESS, cu.MemPoolCreate(&pool, &properties));
    return pool;
  }
  /// Bytes of the device, as they are when the stream's work so far is done.
  std::vector<unsigned char> read(CUdeviceptr address, size_t bytes, CUstream stream) {
    std::vector<unsigned char> host(bytes);
    EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(reinterpret_cast<CUdeviceptr>(host.data()), address, bytes, stream));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
    return host;
  }

  driver::Driver cu;
  std::vector<CUcontext> contexts;
};

inline CUdeviceptr address_of(const void* memory) { return reinterpret_cast<CUdeviceptr>(memory); }

}  // namespace strideport::testing
