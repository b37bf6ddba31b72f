#include "device/library.hpp"

#include <string>

#include "device/fatbin.hpp"
#include "device/kernels/registry.hpp"
#include "device/session.hpp"

namespace strideport::device {
namespace {

constexpr uint32_t kSharedWithoutAsking = 48 << 10;

}  // namespace

CUlibrary Library::load(DeviceState& state) {
  if (const CUlibrary known = library_.load(std::memory_order_acquire)) return known;
  const std::lock_guard lock(mutex_);
  if (const CUlibrary known = library_.load(std::memory_order_acquire)) return known;
  CUlibrary loaded = nullptr;
  state.check(session_.driver.LibraryLoadData(&loaded, fatbin().data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
              "cuLibraryLoadData", "loading the kernels");
  library_.store(loaded, std::memory_order_release);
  return loaded;
}

CUkernel Library::kernel(DeviceState& state, const char* name) {
  CUkernel found = nullptr;
  const CUresult error = session_.driver.LibraryGetKernel(&found, load(state), name);
  if (error != CUDA_SUCCESS) state.fail(error, "cuLibraryGetKernel", std::string("looking for the kernel ") + name);
  return found;
}

void Kernels::prepare_once() noexcept {
  if (prepared_.exchange(true, std::memory_order_acq_rel)) return;
  try {
    for (const auto& family : kernels::kernel_families()) {
      for (const kernels::Kernel& kernel : family) function(kernel.name, kernel.shared_bytes);
    }
  } catch (...) {  // allocations and plain copies need no kernels
  }
}

CUfunction Kernels::function(const char* name, uint32_t shared_bytes) {
  const std::lock_guard lock(mutex_);
  if (const auto known = functions_.find(name); known != functions_.end()) return known->second;
  const CUkernel kernel = state_.session.library.kernel(state_, name);
  if (shared_bytes > kSharedWithoutAsking) {
    state_.check(state_.driver.KernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                                  static_cast<int>(shared_bytes), kernel, state_.handle),
                 "cuKernelSetAttribute", "asking for shared memory");
  }
  CUfunction function = nullptr;
  const CUresult error = state_.driver.KernelGetFunction(&function, kernel);
  if (error != CUDA_SUCCESS) state_.fail(error, "cuKernelGetFunction", std::string("loading the kernel ") + name);
  functions_.emplace(name, function);
  return function;
}

void Kernels::launch(const kernels::Launch& launch, CUstream stream) {
  const CUfunction code = function(launch.kernel, launch.shared_bytes);
  size_t size = launch.params_bytes;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, const_cast<std::byte*>(launch.params), CU_LAUNCH_PARAM_BUFFER_SIZE,
                   &size, CU_LAUNCH_PARAM_END};
  const CUresult error = state_.driver.LaunchKernel(code, static_cast<unsigned>(launch.grid), 1, 1, launch.threads, 1,
                                                    1, launch.shared_bytes, stream, nullptr, extra);
  if (error != CUDA_SUCCESS) state_.fail(error, "cuLaunchKernel", std::string("launching ") + launch.kernel);
}

}  // namespace strideport::device
