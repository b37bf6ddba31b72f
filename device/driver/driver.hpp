/// The functions of the CUDA driver that this library calls, as one table. What is above it is the same code on a GPU
/// (libcuda.cpp fills the table from libcuda.so.1) and without one (device/simulated fills it from host threads and
/// memory).
///
/// A member has the type that cudaTypedefs.h gives the function in the version named: `cuX` itself is a macro, whose
/// version changes with the toolkit.
#pragma once

#include <cuda.h>
#include <cudaTypedefs.h>

#include <string>

namespace strideport::driver {

// X(name without "cu", version to ask cuGetProcAddress for): every driver from 12.3 on has all of them.
// clang-format off
#define STRIDEPORT_DRIVER_FUNCTIONS(X)                                                                              \
  X(Init, 2000) X(DeviceGetCount, 2000) X(DeviceGet, 2000) X(DeviceGetName, 2000) X(DeviceGetAttribute, 2000)       \
  X(MemFreeHost, 2000) X(StreamSynchronize, 2000) X(StreamQuery, 2000) X(EventCreate, 2000) X(EventRecord, 2000)    \
  X(EventQuery, 2000) X(EventSynchronize, 2000) X(EventElapsedTime, 2000)                                           \
  X(DriverGetVersion, 2020) X(MemHostAlloc, 2020)                                                                   \
  X(DeviceTotalMem, 3020) X(MemGetInfo, 3020) X(MemAlloc, 3020) X(MemFree, 3020) X(MemHostGetDevicePointer, 3020)   \
  X(MemGetAddressRange, 3020) X(Memcpy2DAsync, 3020) X(MemsetD8Async, 3020) X(StreamWaitEvent, 3020)                \
  X(DeviceCanAccessPeer, 4000) X(CtxGetCurrent, 4000) X(CtxSetCurrent, 4000) X(CtxPushCurrent, 4000)                \
  X(CtxPopCurrent, 4000) X(CtxEnablePeerAccess, 4000) X(MemHostUnregister, 4000) X(MemcpyAsync, 4000)               \
  X(MemcpyPeerAsync, 4000) X(StreamDestroy, 4000) X(EventDestroy, 4000) X(LaunchKernel, 4000)                       \
  X(StreamCreateWithPriority, 5050) X(CtxGetStreamPriorityRange, 5050)                                              \
  X(GetErrorName, 6000) X(GetErrorString, 6000) X(MemAllocManaged, 6000)                                            \
  X(MemHostRegister, 6050)                                                                                          \
  X(DevicePrimaryCtxRetain, 7000) X(DevicePrimaryCtxGetState, 7000) X(PointerGetAttributes, 7000)                   \
  X(StreamGetCtx, 9020)                                                                                             \
  X(LaunchHostFunc, 10000)                                                                                          \
  X(ThreadExchangeStreamCaptureMode, 10010)                                                                         \
  X(DevicePrimaryCtxRelease, 11000)                                                                                 \
  X(MemPoolCreate, 11020) X(MemPoolDestroy, 11020) X(MemPoolSetAttribute, 11020) X(MemPoolGetAttribute, 11020)      \
  X(MemPoolSetAccess, 11020) X(MemPoolTrimTo, 11020) X(MemAllocFromPoolAsync, 11020) X(MemFreeAsync, 11020)         \
  X(UserObjectCreate, 11030) X(UserObjectRelease, 11030) X(GraphRetainUserObject, 11030)                            \
  X(DeviceGetUuid, 11040)                                                                                           \
  X(CtxGetId, 12000) X(StreamGetId, 12000) X(LibraryLoadData, 12000) X(LibraryUnload, 12000)                        \
  X(LibraryGetKernel, 12000) X(KernelGetFunction, 12000) X(KernelSetAttribute, 12000)                               \
  X(StreamGetCaptureInfo, 12030)                                                                                    \
  /* the tests' own: */                                                                                             \
  X(StreamBeginCapture, 10010) X(StreamEndCapture, 10000) X(GraphInstantiateWithFlags, 11040) X(GraphLaunch, 10000) \
  X(GraphExecDestroy, 10000) X(GraphDestroy, 10000)
// clang-format on

// Declared here, since headers before 12.8 and 13.0 lack them. CUmemcpyAttributes is laid out by us (see
// MemcpyAttributes).
struct MemcpyLocation {
  int type = 0;  ///< CUmemLocationType
  int id = 0;
};
struct MemcpyAttributes {
  int src_access_order = 1;  ///< CU_MEMCPY_SRC_ACCESS_ORDER_STREAM
  MemcpyLocation src_hint;
  MemcpyLocation dst_hint;
  unsigned int flags = 0;
};
using MemcpyBatchAsync12080 = CUresult(CUDAAPI*)(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                                                 MemcpyAttributes* attributes, size_t* attribute_starts,
                                                 size_t attribute_count, size_t* failed_index, CUstream stream);
using MemcpyBatchAsync13000 = CUresult(CUDAAPI*)(CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                                                 MemcpyAttributes* attributes, size_t* attribute_starts,
                                                 size_t attribute_count, CUstream stream);

struct Driver {
#define STRIDEPORT_DRIVER_MEMBER(name, version) PFN_cu##name##_v##version name = nullptr;
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_DRIVER_MEMBER)
#undef STRIDEPORT_DRIVER_MEMBER
  // At most one of them is set, and neither in an older driver.
  MemcpyBatchAsync12080 MemcpyBatchAsync_12080 = nullptr;
  MemcpyBatchAsync13000 MemcpyBatchAsync_13000 = nullptr;
};

/// The table of a driver, or why there is none.
struct Loaded {
  Driver driver;
  bool usable = false;
  std::string problem;  ///< one sentence naming what is wrong and what to do; empty if usable
  int error = 0;        ///< the CUresult behind it, 0 where there is none
};

/// Fills the table from a shared library and calls cuInit. The library is never closed.
[[nodiscard]] Loaded load_driver(const char* library);

/// The table of libcuda.so.1, or of the library that the environment's STRIDEPORT_LIBCUDA names; loaded at the first
/// call. After a fork that came first it is loaded again by the child; one whose parent had initialised the driver is
/// told so.
[[nodiscard]] const Loaded& libcuda();

}  // namespace strideport::driver
