// Initialisation, devices and contexts.

#include <algorithm>
#include <cstring>
#include <string>

#include "device/simulated/calls.hpp"

namespace strideport::simulated::bodies {
namespace {

// As of an H100, which the kernels' limits are taken from.
int attribute_of(const Options& options, CUdevice_attribute attribute, int device) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 9;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return 0;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 4;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return 2048;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 2147483647;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return 227 << 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return 228 << 10;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 2147483647;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1000000;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 1000000;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 64;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return 50 << 20;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 3;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return device + 1;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM: return 1;
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS: return options.concurrent_managed ? 1 : 0;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: return options.pools ? 1 : 0;
    default: return 0;
  }
}

}  // namespace

CUresult Init(Call& call, unsigned int flags) {
  require(flags == 0);
  require(call.state.device_count() > 0, CUDA_ERROR_NO_DEVICE);
  call.state.initialised = true;
  return CUDA_SUCCESS;
}

CUresult DriverGetVersion(Call& call, int* version) {
  require(version != nullptr);
  *version = call.state.options.driver_version;
  return CUDA_SUCCESS;
}

// The table has others, which need no driver.
CUresult GetErrorName(Call&, CUresult, const char**) { return CUDA_ERROR_NOT_SUPPORTED; }
CUresult GetErrorString(Call&, CUresult, const char**) { return CUDA_ERROR_NOT_SUPPORTED; }

CUresult DeviceGetCount(Call& call, int* count) {
  require(count != nullptr);
  *count = call.state.device_count();
  return CUDA_SUCCESS;
}

CUresult DeviceGet(Call& call, CUdevice* device, int ordinal) {
  require(device != nullptr);
  *device = call.device(ordinal);
  return CUDA_SUCCESS;
}

CUresult DeviceGetName(Call& call, char* name, int length, CUdevice device) {
  require(name != nullptr && length > 0);
  const std::string text = "simulated device " + std::to_string(call.device(device));
  const size_t count = std::min(text.size(), static_cast<size_t>(length) - 1);
  std::memcpy(name, text.data(), count);
  name[count] = '\0';
  return CUDA_SUCCESS;
}

CUresult DeviceGetUuid(Call& call, CUuuid* uuid, CUdevice device) {
  require(uuid != nullptr);
  std::memset(uuid->bytes, 0x51, sizeof uuid->bytes);
  uuid->bytes[0] = static_cast<char>(call.device(device));
  return CUDA_SUCCESS;
}

CUresult DeviceGetAttribute(Call& call, int* value, CUdevice_attribute attribute, CUdevice device) {
  require(value != nullptr && attribute >= 1 && attribute < CU_DEVICE_ATTRIBUTE_MAX);
  *value = attribute_of(call.state.options, attribute, call.device(device));
  return CUDA_SUCCESS;
}

CUresult DeviceTotalMem(Call& call, size_t* bytes, CUdevice device) {
  require(bytes != nullptr);
  call.device(device);
  *bytes = call.state.memory->capacity();
  return CUDA_SUCCESS;
}

CUresult DeviceCanAccessPeer(Call& call, int* can, CUdevice device, CUdevice peer) {
  require(can != nullptr);
  *can = call.device(device) != call.device(peer) && call.state.options.peer_access ? 1 : 0;
  return CUDA_SUCCESS;
}

CUresult DevicePrimaryCtxRetain(Call& call, CUcontext* context, CUdevice device) {
  require(context != nullptr);
  Context& found = call.state.context_of(call.device(device));
  require(found.failed == CUDA_SUCCESS, found.failed);
  ++found.retained;
  call.state.activate(found);
  *context = found.handle;
  return CUDA_SUCCESS;
}

CUresult DevicePrimaryCtxRelease(Call& call, CUdevice device) {
  Context& found = call.state.context_of(call.device(device));
  require(found.retained > 0, CUDA_ERROR_INVALID_CONTEXT);
  if (--found.retained == 0) call.state.deactivate(call.lock, found);
  return CUDA_SUCCESS;
}

CUresult DevicePrimaryCtxGetState(Call& call, CUdevice device, unsigned int* flags, int* active) {
  require(flags != nullptr && active != nullptr);
  *flags = 0;
  *active = call.state.context_of(call.device(device)).active ? 1 : 0;
  return CUDA_SUCCESS;
}

CUresult CtxGetCurrent(Call& call, CUcontext* context) {
  require(context != nullptr);
  *context = call.thread.contexts.empty() ? nullptr : call.thread.contexts.back();
  return CUDA_SUCCESS;
}

// Replaces the top of the thread's stack; null takes it away.
CUresult CtxSetCurrent(Call& call, CUcontext context) {
  if (context != nullptr) call.valid_context(context);
  auto& stack = call.thread.contexts;
  if (!stack.empty()) stack.pop_back();
  if (context != nullptr) stack.push_back(context);
  return CUDA_SUCCESS;
}

CUresult CtxPushCurrent(Call& call, CUcontext context) {
  call.valid_context(context);
  call.thread.contexts.push_back(context);
  return CUDA_SUCCESS;
}

CUresult CtxPopCurrent(Call& call, CUcontext* context) {
  auto& stack = call.thread.contexts;
  require(!stack.empty(), CUDA_ERROR_INVALID_CONTEXT);
  if (context != nullptr) *context = stack.back();
  stack.pop_back();
  return CUDA_SUCCESS;
}

CUresult CtxGetId(Call& call, CUcontext context, unsigned long long* id) {
  require(id != nullptr);
  if (context == nullptr) {
    *id = call.context().id;
    return CUDA_SUCCESS;
  }
  Context& found = call.valid_context(context);
  require(found.active, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  *id = found.id;
  return CUDA_SUCCESS;
}

CUresult CtxGetStreamPriorityRange(Call& call, int* least, int* greatest) {
  call.context();
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return CUDA_SUCCESS;
}

CUresult CtxEnablePeerAccess(Call& call, CUcontext peer, unsigned int flags) {
  Context& context = call.context();
  Context& other = call.valid_context(peer);
  require(flags == 0);
  require(other.active, CUDA_ERROR_INVALID_CONTEXT);
  require(&other != &context, CUDA_ERROR_INVALID_CONTEXT);
  require(call.state.options.peer_access, CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  require(context.peers.insert(other.device).second, CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
