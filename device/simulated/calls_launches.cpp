// Kernels: libraries, functions, launches.

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "device/simulated/calls.hpp"
#include "device/simulated/transfer.hpp"

namespace strideport::simulated::bodies {
namespace {

constexpr int kSharedBytes = 48 << 10;        // a block, without asking
constexpr int kSharedBytesOptIn = 227 << 10;  // as of sm_90
constexpr unsigned int kMaxThreads = 1024;

struct Target {
  std::shared_ptr<Kernel> kernel;
  Context* context;
};

// A CUkernel may stand for its function in the current context.
Target target_of(Call& call, CUfunction function) {
  Context& current = call.context();
  const auto found = call.state.functions.find(function);
  if (found != call.state.functions.end()) {
    return {call.state.kernels.at(found->second.kernel), found->second.context};
  }
  const auto kernel = call.state.kernels.find(reinterpret_cast<CUkernel>(function));
  require(kernel != call.state.kernels.end(), CUDA_ERROR_INVALID_HANDLE);
  return {kernel->second, &current};
}

int shared_limit(const Kernel& kernel, int device) {
  const auto raised = kernel.dynamic_shared_bytes.find(device);
  return raised != kernel.dynamic_shared_bytes.end() ? std::max(raised->second, kSharedBytes) : kSharedBytes;
}

// The one parameter of our kernels. cuLaunchKernel learns its size from the kernel.
void take_params(kernels::Launch& launch, void** params, void** extra) {
  require((params == nullptr) != (extra == nullptr));
  const void* from = params != nullptr ? params[0] : nullptr;
  launch.params_bytes = kernels::params_bytes(launch.kernel);
  for (; extra != nullptr && *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) from = extra[1];
    if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) require(*static_cast<size_t*>(extra[1]) == launch.params_bytes);
  }
  require(from != nullptr);
  std::memcpy(launch.params, from, launch.params_bytes);
}

void add_traffic(kernels::Traffic& sum, const kernels::Traffic& more) {
  sum.load_bytes += more.load_bytes;
  sum.store_bytes += more.store_bytes;
  sum.load_sectors += more.load_sectors;
  sum.store_sectors += more.store_sectors;
  sum.unique_load_sectors += more.unique_load_sectors;
  sum.unique_store_sectors += more.unique_store_sectors;
  sum.load_requests += more.load_requests;
  sum.store_requests += more.store_requests;
  sum.shared_wavefronts += more.shared_wavefronts;
  sum.ideal_shared_wavefronts += more.ideal_shared_wavefronts;
  sum.load_widths |= more.load_widths;
  sum.store_widths |= more.store_widths;
}

// In the stream's thread.
void run_kernel(State& driver, Context& context, const kernels::Launch& launch, const Kernel& kernel, uint64_t seed) {
  {
    const Quiet quiet;
    const Lock lock(driver.engine.mutex);
    if (context.failed != CUDA_SUCCESS) return;
    if (driver.kernel_log.size() < State::kLogged) driver.kernel_log.push_back(kernel.name);
  }
  const Reach reach(driver, context);
  const kernels::Simulation result = kernels::simulate(launch, driver.options.machine, &reach, seed);
  const Quiet quiet;
  const Lock lock(driver.engine.mutex);
  add_traffic(driver.traffic, result.traffic);
  if (!result.fault.empty()) driver.fail(context, CUDA_ERROR_ILLEGAL_ADDRESS, kernel.name + ": " + result.fault);
}

}  // namespace

CUresult LibraryLoadData(Call& call, CUlibrary* library, const void* code, CUjit_option*, void**, unsigned int,
                         CUlibraryOption*, void**, unsigned int) {
  require(library != nullptr && code != nullptr);
  call.forbid_while_capturing();
  const auto handle = call.state.new_handle<CUlibrary>();
  call.state.libraries[handle] = std::make_shared<Library>();
  *library = handle;
  return CUDA_SUCCESS;
}

CUresult LibraryUnload(Call& call, CUlibrary library) {
  const auto found = call.state.libraries.find(library);
  require(found != call.state.libraries.end(), CUDA_ERROR_INVALID_HANDLE);
  for (const auto& [name, kernel] : found->second->kernels) {
    std::erase_if(call.state.functions, [k = kernel](const auto& entry) { return entry.second.kernel == k; });
    call.state.kernels.erase(kernel);
  }
  call.state.libraries.erase(found);
  return CUDA_SUCCESS;
}

CUresult LibraryGetKernel(Call& call, CUkernel* kernel, CUlibrary library, const char* name) {
  require(kernel != nullptr && name != nullptr);
  const auto found = call.state.libraries.find(library);
  require(found != call.state.libraries.end(), CUDA_ERROR_INVALID_HANDLE);
  require(kernels::has_kernel(name), CUDA_ERROR_NOT_FOUND);
  CUkernel& handle = found->second->kernels[name];
  if (handle == nullptr) {
    handle = call.state.new_handle<CUkernel>();
    auto made = std::make_shared<Kernel>();
    made->name = name;
    call.state.kernels[handle] = std::move(made);
  }
  *kernel = handle;
  return CUDA_SUCCESS;
}

CUresult KernelGetFunction(Call& call, CUfunction* function, CUkernel kernel) {
  Context& context = call.context();
  require(function != nullptr);
  require(call.state.kernels.count(kernel) == 1, CUDA_ERROR_INVALID_HANDLE);
  call.forbid_while_capturing();  // it may load code
  for (const auto& [handle, known] : call.state.functions) {
    if (known.kernel != kernel || known.context != &context) continue;
    *function = handle;
    return CUDA_SUCCESS;
  }
  const auto handle = call.state.new_handle<CUfunction>();
  call.state.functions[handle] = {kernel, &context};
  *function = handle;
  return CUDA_SUCCESS;
}

CUresult KernelSetAttribute(Call& call, CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device) {
  const auto found = call.state.kernels.find(kernel);
  require(found != call.state.kernels.end(), CUDA_ERROR_INVALID_HANDLE);
  call.device(device);
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) {
    require(value >= -1 && value <= 100);
    return CUDA_SUCCESS;
  }
  require(attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES && value >= 0 && value <= kSharedBytesOptIn);
  found->second->dynamic_shared_bytes[device] = value;
  return CUDA_SUCCESS;
}

CUresult LaunchKernel(Call& call, CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
                      unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared_bytes,
                      CUstream handle, void** params, void** extra) {
  const StreamPtr stream = call.stream(handle);
  const Target target = target_of(call, function);
  require(target.context == stream->context, CUDA_ERROR_INVALID_HANDLE);
  require(grid_x > 0 && grid_y > 0 && grid_z > 0 && block_x > 0 && block_y > 0 && block_z > 0);
  require(grid_x <= 2147483647 && grid_y <= 65535 && grid_z <= 65535);
  require(block_x <= kMaxThreads && block_y <= kMaxThreads && block_z <= 64);
  require(uint64_t{block_x} * block_y * block_z <= kMaxThreads);
  require(shared_bytes <= static_cast<unsigned int>(shared_limit(*target.kernel, target.context->device)));
  // Block programs are numbered in x alone.
  require(grid_y == 1 && grid_z == 1 && block_y == 1 && block_z == 1, CUDA_ERROR_NOT_SUPPORTED);
  auto launch = std::make_shared<kernels::Launch>();
  launch->kernel = target.kernel->name.c_str();
  launch->threads = block_x;
  launch->grid = grid_x;
  launch->shared_bytes = shared_bytes;
  take_params(*launch, params, extra);
  const uint64_t seed = call.state.options.seed != 0 ? call.state.engine.draw() : 0;
  call.submit(*stream, [&driver = call.state, context = target.context, kernel = target.kernel, launch, seed] {
    run_kernel(driver, *context, *launch, *kernel, seed);
  });
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
