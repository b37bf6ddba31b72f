#include "device/kernels/simulate.hpp"

#include "device/kernels/params.hpp"
#include "device/kernels/registry.hpp"

namespace strideport::kernels {
namespace {

// What cuLaunchKernel would refuse, or a kernel would make nonsense of.
std::string launch_fault(const Launch& launch, const Kernel* kernel) {
  if (kernel == nullptr)
    return "no kernel is named " + std::string(launch.kernel == nullptr ? "(null)" : launch.kernel);
  const auto differs = [&](const char* what, uint64_t got, uint64_t wanted) {
    return std::string(launch.kernel) + ": " + what + " is " + std::to_string(got) + ", not " + std::to_string(wanted);
  };
  if (launch.threads != kernel->threads) return differs("threads", launch.threads, kernel->threads);
  if (launch.shared_bytes != kernel->shared_bytes)
    return differs("shared_bytes", launch.shared_bytes, kernel->shared_bytes);
  if (launch.params_bytes != kernel->params_bytes)
    return differs("params_bytes", launch.params_bytes, kernel->params_bytes);
  if (launch.grid < 1 || launch.grid > kMaxGrid) {
    return std::string(launch.kernel) + ": grid is " + std::to_string(launch.grid) + ", not in [1, 2^31)";
  }
  return {};
}

}  // namespace

bool has_kernel(std::string_view name) noexcept { return find_kernel(name) != nullptr; }

size_t params_bytes(std::string_view name) noexcept {
  const Kernel* kernel = find_kernel(name);
  return kernel == nullptr ? 0 : kernel->params_bytes;
}

Simulation simulate(const Launch& launch, MachineKind machine, const DeviceMemory* memory, uint64_t seed) {
  const Kernel* kernel = find_kernel(launch.kernel == nullptr ? "" : launch.kernel);
  Simulation refused;
  refused.fault = launch_fault(launch, kernel);
  if (!refused.fault.empty()) return refused;
  return kernel->simulate(launch, machine, memory, seed);
}

}  // namespace strideport::kernels
