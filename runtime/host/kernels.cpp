#include "runtime/host/kernels.hpp"

namespace strideport::host {
namespace {

PickKernel detect() noexcept {
#ifdef STRIDEPORT_HOST_X86
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return avx512::pick_kernel;
  }
  if (__builtin_cpu_supports("avx2")) return avx2::pick_kernel;
#endif
  return baseline::pick_kernel;
}

}  // namespace

PickKernel best_kernels() noexcept {
  static const PickKernel best = detect();
  return best;
}

}  // namespace strideport::host
