#include "runtime/host/kernels.hpp"

#include "runtime/host/simd/target.hpp"

namespace strideport::host {
namespace {

// The families, the narrower before the wider: the first that has a loop for the block is taken. Strided loops take every
// block of the item sizes that they know, runs every block of all others.
constexpr const simd::Pickers* kFamilies[] = {&simd::kChannelPickers, &simd::kTransposePickers, &simd::kStridedPickers,
                                              &simd::kRunPickers};

}  // namespace

Kernel pick_kernel(const Block& block) {
  const auto target = static_cast<size_t>(simd::target());
  if (block.dst_rows != nullptr) return simd::kTransposePickers[target](block);
  for (const simd::Pickers* family : kFamilies) {
    const simd::Picker picker = (*family)[target];
    if (picker == nullptr) continue;
    if (const Kernel kernel = picker(block)) return kernel;
  }
  __builtin_unreachable();
}

}  // namespace strideport::host
