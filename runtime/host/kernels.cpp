#include "runtime/host/kernels.hpp"

#include "runtime/host/simd/target.hpp"

namespace strideport::host {
namespace {

// The families, the narrower before the wider: the first that has a loop for the block is taken.
constexpr const simd::Pickers* kFamilies[] = {&simd::kChannelPickers, &simd::kTransposePickers, &simd::kStridedPickers,
                                              &simd::kRunPickers};

Kernel pick_unmoved(simd::Target target, const Block& block) {
#ifdef STRIDEPORT_HOST_X86
  if (target == simd::Target::avx3_dl || target == simd::Target::avx3) return avx512::pick_kernel(block);
  if (target == simd::Target::avx2) return avx2::pick_kernel(block);
#else
  static_cast<void>(target);
#endif
  return baseline::pick_kernel(block);
}

}  // namespace

Kernel pick_kernel(const Block& block) {
  const simd::Target target = simd::target();
  for (const simd::Pickers* family : kFamilies) {
    const simd::Picker picker = (*family)[static_cast<size_t>(target)];
    if (picker == nullptr) continue;
    if (const Kernel kernel = picker(block)) return kernel;
  }
  return pick_unmoved(target, block);
}

}  // namespace strideport::host
