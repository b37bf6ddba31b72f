// Initialisation, devices, contexts and forks of the simulated driver. The oracle is the documentation of the CUDA
// driver API.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using SimulatedContexts = testing::SimulatedDriver;

TEST(SimulatedDriverInit, WithoutDevicesSaysHowToHaveSome) {
  simulated::restart({});
  const driver::Loaded& loaded = simulated::table();
  EXPECT_FALSE(loaded.usable);
  EXPECT_EQ(loaded.error, CUDA_ERROR_NO_DEVICE);
  EXPECT_NE(loaded.problem.find("STRIDEPORT_SIMULATED_DEVICES"), std::string::npos) << loaded.problem;
  EXPECT_CU(CUDA_ERROR_NO_DEVICE, loaded.driver.Init(0));
  int count = -1;
  EXPECT_CU(CUDA_ERROR_NOT_INITIALIZED, loaded.driver.DeviceGetCount(&count));
}

TEST(SimulatedDriverInit, HasEveryFunctionOfTheTable) {
  simulated::Options wanted;
  wanted.devices = 1;
  simulated::restart(wanted);
  const driver::Loaded& loaded = simulated::table();
  EXPECT_TRUE(loaded.usable) << loaded.problem;
#define STRIDEPORT_EXPECT_FUNCTION(name, version) EXPECT_NE(loaded.driver.name, nullptr) << #name;
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_EXPECT_FUNCTION)
#undef STRIDEPORT_EXPECT_FUNCTION
}

TEST(SimulatedDriverInit, BatchCopiesComeInAtMostOneVersion) {
  simulated::Options wanted;
  wanted.devices = 1;
  for (const auto batch : {simulated::Batch::none, simulated::Batch::v12080, simulated::Batch::v13000}) {
    wanted.batch = batch;
    simulated::restart(wanted);
    const driver::Driver& cu = simulated::table().driver;
    EXPECT_EQ(cu.MemcpyBatchAsync_12080 != nullptr, batch == simulated::Batch::v12080);
    EXPECT_EQ(cu.MemcpyBatchAsync_13000 != nullptr, batch == simulated::Batch::v13000);
  }
}

TEST(SimulatedDriverInit, ErrorsHaveTheDriversNames) {
  const driver::Driver& cu = simulated::table().driver;
  const char* text = nullptr;
  EXPECT_EQ(cu.GetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &text), CUDA_SUCCESS);
  EXPECT_STREQ(text, "CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_EQ(cu.GetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text), CUDA_SUCCESS);
  EXPECT_STREQ(text, "illegal address");
  EXPECT_EQ(cu.GetErrorName(static_cast<CUresult>(1000), &text), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(text, nullptr);
}

TEST(SimulatedDriverInit, CountsUpToEightDevices) {
  for (int devices = 1; devices <= 8; ++devices) {
    simulated::Options wanted;
    wanted.devices = devices;
    simulated::restart(wanted);
    const driver::Driver& cu = simulated::table().driver;
    int count = 0;
    EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetCount(&count));
    EXPECT_EQ(count, devices);
    CUdevice device = -1;
    EXPECT_CU(CUDA_SUCCESS, cu.DeviceGet(&device, devices - 1));
    EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cu.DeviceGet(&device, devices));
    size_t bytes = 0;
    EXPECT_CU(CUDA_SUCCESS, cu.DeviceTotalMem(&bytes, device));
    EXPECT_GE(bytes * static_cast<size_t>(devices), size_t{7} << 30);
  }
}

TEST_F(SimulatedContexts, NamesAndAttributesAreThose) {
  char name[64];
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetName(name, sizeof name, 1));
  EXPECT_STREQ(name, "simulated device 1");
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetName(name, 4, 1));
  EXPECT_STREQ(name, "sim");
  CUuuid first = {};
  CUuuid second = {};
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetUuid(&first, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetUuid(&second, 1));
  EXPECT_NE(std::string(first.bytes, 16), std::string(second.bytes, 16));
  int value = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
  EXPECT_EQ(value, 32);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.DeviceGetAttribute(&value, static_cast<CUdevice_attribute>(255), 0));
  EXPECT_CU(CUDA_ERROR_INVALID_DEVICE, cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 2));
}

TEST_F(SimulatedContexts, AThreadHasAStackOfThem) {
  CUcontext current = nullptr;
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetCurrent(&current));
  EXPECT_EQ(current, contexts[1]);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(contexts[0]));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(&current));
  EXPECT_EQ(current, contexts[0]) << "set replaces the top";
  EXPECT_CU(CUDA_SUCCESS, cu.CtxSetCurrent(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetCurrent(&current));
  EXPECT_EQ(current, nullptr);
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.CtxPopCurrent(&current));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.MemAlloc(&address, 1));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.CtxPushCurrent(reinterpret_cast<CUcontext>(&address)));
}

TEST_F(SimulatedContexts, AreCurrentInOneThreadOnly) {
  CUcontext current = contexts[0];
  std::thread([&] { EXPECT_CU(CUDA_SUCCESS, cu.CtxGetCurrent(&current)); }).join();
  EXPECT_EQ(current, nullptr);
}

TEST_F(SimulatedContexts, LiveAsLongAsSomebodyRetainsThem) {
  CUcontext again = nullptr;
  unsigned int flags = 7;
  int active = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRetain(&again, 0));
  EXPECT_EQ(again, contexts[0]);
  const CUdeviceptr memory = allocate(100);
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRelease(0));
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxGetState(0, &flags, &active));
  EXPECT_EQ(active, 1);
  unsigned long long before = 0;
  unsigned long long after = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetId(contexts[0], &before));
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRelease(0));
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxGetState(0, &flags, &active));
  EXPECT_EQ(active, 0);
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.DevicePrimaryCtxRelease(0));
  CUdeviceptr address = 0;
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cu.MemAlloc(&address, 1));
  EXPECT_CU(CUDA_ERROR_CONTEXT_IS_DESTROYED, cu.CtxGetId(contexts[0], &after));
  EXPECT_CU(CUDA_SUCCESS, cu.DevicePrimaryCtxRetain(&again, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxGetId(contexts[0], &after));
  EXPECT_NE(before, after);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFree(memory)) << "its memory went with it";
}

TEST_F(SimulatedContexts, PeersAreEnabledOnce) {
  int can = 0;
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceCanAccessPeer(&can, 0, 1));
  EXPECT_EQ(can, 1);
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceCanAccessPeer(&can, 0, 0));
  EXPECT_EQ(can, 0);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxEnablePeerAccess(contexts[1], 0));
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, cu.CtxEnablePeerAccess(contexts[1], 0));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.CtxEnablePeerAccess(contexts[0], 0));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.CtxEnablePeerAccess(nullptr, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.CtxEnablePeerAccess(contexts[1], 1));
  simulated::Options alone = two_devices();
  alone.peer_access = false;
  start(alone);
  EXPECT_CU(CUDA_SUCCESS, cu.DeviceCanAccessPeer(&can, 0, 1));
  EXPECT_EQ(can, 0);
  EXPECT_CU(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cu.CtxEnablePeerAccess(contexts[1], 0));
}

// What a child of a process that used the driver sees. Its exit status says which check failed.
int child_of_a_user(const driver::Driver& cu, CUdeviceptr memory) {
  int count = 0;
  CUcontext current = nullptr;
  if (cu.DeviceGetCount(&count) != CUDA_ERROR_NOT_INITIALIZED) return 1;
  if (cu.Init(0) != CUDA_ERROR_NOT_INITIALIZED) return 2;
  if (cu.CtxGetCurrent(&current) != CUDA_ERROR_NOT_INITIALIZED) return 3;
  if (cu.MemFree(memory) != CUDA_ERROR_NOT_INITIALIZED) return 4;
  const char* name = nullptr;
  return cu.GetErrorName(CUDA_ERROR_NOT_INITIALIZED, &name) == CUDA_SUCCESS ? 0 : 5;
}

TEST_F(SimulatedContexts, AreLostInAForkedChild) {
  const CUdeviceptr memory = allocate(64);
  const CUstream stream = make_stream();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(memory, 3, 64, stream));  // a worker is there
  const pid_t child = fork();
  if (child == 0) _exit(child_of_a_user(cu, memory));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read(memory, 64, stream), std::vector<unsigned char>(64, 3)) << "the parent goes on";
}

TEST(SimulatedDriverInit, AChildMayStartADriverThatItsParentDidNot) {
  simulated::restart({});
  const pid_t child = fork();
  if (child == 0) {
    // The parent's was without devices, and never initialised; the child's own is as the environment says.
    const CUresult error = simulated::table().driver.Init(0);
    const bool wanted = simulated::options_from_environment().devices > 0;
    _exit(error == (wanted ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace strideport
