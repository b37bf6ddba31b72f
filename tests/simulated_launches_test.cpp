// Kernels on the simulated driver: loading, launching, limits, faults, and which memory they reach.

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "device/kernels/launch.hpp"
#include "strideport/plan.hpp"
#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using Bytes = std::vector<unsigned char>;

class SimulatedLaunches : public testing::SimulatedDriver {
 protected:
  void SetUp() override {
    SimulatedDriver::SetUp();
    prepare_device();
  }
  void prepare_device() {
    stream = make_stream();
    ASSERT_CU(CUDA_SUCCESS, cu.LibraryLoadData(&library, "any image", nullptr, nullptr, 0, nullptr, nullptr, 0));
  }

  // A transpose of 4-byte words.
  static kernels::Launch transpose(CUdeviceptr dst, CUdeviceptr src, int64_t rows, int64_t columns) {
    const auto view = [](CUdeviceptr address, int64_t n, int64_t m, int64_t row_bytes, int64_t column_bytes) {
      return BufferView::of(reinterpret_cast<uint32_t*>(address), {n, m}, {row_bytes, column_bytes});
    };
    const BufferView to = view(dst, columns, rows, 4 * rows, 4);
    const BufferView from = view(src, columns, rows, 4, 4 * columns);
    return kernels::prepare(plan_copy(to, from), reinterpret_cast<void*>(dst), reinterpret_cast<const void*>(src));
  }

  CUfunction function_of(const kernels::Launch& launch) {
    CUkernel kernel = nullptr;
    CUfunction function = nullptr;
    EXPECT_CU(CUDA_SUCCESS, cu.LibraryGetKernel(&kernel, library, launch.kernel));
    EXPECT_CU(CUDA_SUCCESS, cu.KernelGetFunction(&function, kernel));
    if (launch.shared_bytes > 48 << 10) {
      EXPECT_CU(CUDA_SUCCESS, cu.KernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                                    static_cast<int>(launch.shared_bytes), kernel, 0));
    }
    return function;
  }

  CUresult run(CUfunction function, kernels::Launch& launch, CUstream on) {
    void* params[] = {launch.params};
    return cu.LaunchKernel(function, static_cast<unsigned int>(launch.grid), 1, 1, launch.threads, 1, 1,
                           launch.shared_bytes, on, params, nullptr);
  }

  CUstream stream = nullptr;
  CUlibrary library = nullptr;
};

TEST_F(SimulatedLaunches, RunTheProgramOfTheKernelsName) {
  for (const auto machine :
       {kernels::MachineKind::fast, kernels::MachineKind::checking, kernels::MachineKind::counting}) {
    simulated::Options wanted = two_devices();
    wanted.machine = machine;
    start(wanted);
    prepare_device();
    const int64_t rows = 37;
    const int64_t columns = 21;
    const auto bytes = static_cast<size_t>(4 * rows * columns);
    std::vector<uint32_t> source(static_cast<size_t>(rows * columns));
    std::iota(source.begin(), source.end(), 1u);
    const CUdeviceptr src = allocate(bytes);
    const CUdeviceptr dst = allocate(bytes);
    EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(src, testing::address_of(source.data()), bytes, stream));
    kernels::Launch launch = transpose(dst, src, rows, columns);
    EXPECT_CU(CUDA_SUCCESS, run(function_of(launch), launch, stream));
    launch = kernels::Launch();  // the call has taken what it needs
    std::vector<uint32_t> result(source.size());
    EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(testing::address_of(result.data()), dst, bytes, stream));
    for (size_t i = 0; i < 37; ++i) {
      for (size_t j = 0; j < 21; ++j) EXPECT_EQ(result[j * 37 + i], source[i * 21 + j]);
    }
    EXPECT_EQ(simulated::fault(0), "");
    EXPECT_EQ(simulated::kernel_log().size(), 1u);
    EXPECT_EQ(simulated::traffic().load_bytes > 0, machine == kernels::MachineKind::counting);
  }
}

TEST_F(SimulatedLaunches, TakeParametersEitherWay) {
  const CUdeviceptr src = allocate(4 * 64);
  const CUdeviceptr dst = allocate(4 * 64);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(src, 5, 4 * 64, stream));
  kernels::Launch launch = transpose(dst, src, 8, 8);
  const CUfunction function = function_of(launch);
  size_t bytes = launch.params_bytes;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, launch.params, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                   CU_LAUNCH_PARAM_END};
  const auto grid = static_cast<unsigned int>(launch.grid);
  EXPECT_CU(CUDA_SUCCESS,
            cu.LaunchKernel(function, grid, 1, 1, launch.threads, 1, 1, launch.shared_bytes, stream, nullptr, extra));
  EXPECT_EQ(read(dst, 4 * 64, stream), Bytes(4 * 64, 5));
  bytes -= 1;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cu.LaunchKernel(function, grid, 1, 1, launch.threads, 1, 1, launch.shared_bytes, stream, nullptr, extra));
  void* both[] = {launch.params};
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE,
            cu.LaunchKernel(function, grid, 1, 1, launch.threads, 1, 1, launch.shared_bytes, stream, both, extra));
}

TEST_F(SimulatedLaunches, HoldToTheLimits) {
  const CUdeviceptr block = allocate(4 * 64);
  const CUdeviceptr other = allocate(4 * 64);
  kernels::Launch launch = transpose(block, other, 8, 8);
  const CUfunction function = function_of(launch);
  void* params[] = {launch.params};
  const auto refused = [&](unsigned int grid, unsigned int threads, unsigned int shared) {
    return cu.LaunchKernel(function, grid, 1, 1, threads, 1, 1, shared, stream, params, nullptr);
  };
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, refused(0, 32, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, refused(1u << 31, 32, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, refused(1, 0, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, refused(1, 1025, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, refused(1, 32, (48 << 10) + 1));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.LaunchKernel(function, 1, 65536, 1, 32, 1, 1, 0, stream, params, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.LaunchKernel(function, 1, 1, 1, 32, 64, 1, 0, stream, params, nullptr));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.LaunchKernel(nullptr, 1, 1, 1, 32, 1, 1, 0, stream, params, nullptr));
  CUkernel kernel = nullptr;
  EXPECT_CU(CUDA_ERROR_NOT_FOUND, cu.LibraryGetKernel(&kernel, library, "no such kernel"));
  EXPECT_CU(CUDA_SUCCESS, cu.LibraryGetKernel(&kernel, library, launch.kernel));
  const auto raise = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.KernelSetAttribute(raise, (227 << 10) + 1, kernel, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.KernelSetAttribute(raise, 227 << 10, kernel, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cu.KernelSetAttribute(raise, 1, kernel, 2));
}

TEST_F(SimulatedLaunches, BelongToTheirContext) {
  const CUdeviceptr block = allocate(4 * 64);
  const CUdeviceptr other = allocate(4 * 64);
  kernels::Launch launch = transpose(block, other, 8, 8);
  const CUfunction function = function_of(launch);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUstream elsewhere = make_stream();
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, run(function, launch, elsewhere));
  EXPECT_NE(function_of(launch), function);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_SUCCESS, run(function, launch, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  EXPECT_CU(CUDA_SUCCESS, cu.LibraryUnload(library));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, run(function, launch, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_HANDLE, cu.LibraryUnload(library));
}

class SimulatedFaults : public SimulatedLaunches {
 protected:
  void SetUp() override {
    SimulatedDriver::SetUp();
    simulated::Options wanted = two_devices();
    wanted.machine = kernels::MachineKind::checking;
    start(wanted);
    prepare_device();
  }
};

TEST_F(SimulatedFaults, FailTheContextForGood) {
  const CUdeviceptr src = allocate(4 * 63);  // one word short
  const CUdeviceptr dst = allocate(4 * 64);
  kernels::Launch launch = transpose(dst, src, 8, 8);
  EXPECT_CU(CUDA_SUCCESS, run(function_of(launch), launch, stream));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.StreamSynchronize(stream));
  EXPECT_NE(simulated::fault(0), "");
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.MemAlloc(&address, 1));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.MemFree(dst));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[1])) << "the other device goes on";
  EXPECT_CU(CUDA_SUCCESS, cu.MemAlloc(&address, 1));
}

TEST_F(SimulatedFaults, OtherDevicesMemoryNeedsAccess) {
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUdeviceptr there = allocate(4 * 64);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxEnablePeerAccess(contexts[1], 0));
  const CUdeviceptr here = allocate(4 * 64);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(there, 6, 4 * 64, stream));
  kernels::Launch launch = transpose(here, there, 8, 8);
  EXPECT_CU(CUDA_SUCCESS, run(function_of(launch), launch, stream));
  EXPECT_EQ(read(here, 4 * 64, stream), Bytes(4 * 64, 6));

  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[1]));  // the way back is not enabled
  const CUstream elsewhere = make_stream();
  kernels::Launch back = transpose(there, here, 8, 8);
  EXPECT_CU(CUDA_SUCCESS, run(function_of(back), back, elsewhere));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.StreamSynchronize(elsewhere));
}

TEST_F(SimulatedFaults, PoolsGiveAccessThemselves) {
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUmemoryPool pool = make_pool(1);
  const CUstream elsewhere = make_stream();
  CUdeviceptr there = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.MemAllocFromPoolAsync(&there, 4 * 64, pool, elsewhere));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(there, 6, 4 * 64, elsewhere));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(elsewhere));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxEnablePeerAccess(contexts[1], 0));  // not what decides
  const CUdeviceptr here = allocate(4 * 64);
  kernels::Launch launch = transpose(here, there, 8, 8);
  const CUfunction function = function_of(launch);
  CUmemAccessDesc access = {};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolSetAccess(pool, &access, 1));
  EXPECT_CU(CUDA_SUCCESS, run(function, launch, stream));
  EXPECT_EQ(read(here, 4 * 64, stream), Bytes(4 * 64, 6));
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
  EXPECT_CU(CUDA_SUCCESS, cu.MemPoolSetAccess(pool, &access, 1));
  EXPECT_CU(CUDA_SUCCESS, run(function, launch, stream));
  EXPECT_CU(CUDA_ERROR_ILLEGAL_ADDRESS, cu.StreamSynchronize(stream));
}

}  // namespace
}  // namespace strideport
