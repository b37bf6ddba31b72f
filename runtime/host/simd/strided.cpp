// Rows of items that are apart, in src, in dst or in both.

#include "runtime/host/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/strided.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/strided-inl.hpp"
#include "runtime/host/simd/strided_shuffle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::HWY_NAMESPACE {
namespace {

template <int S>
Kernel pick_word(const Block& b) {
  if (const Kernel kernel = pick_gather<S>(b)) return kernel;
  return pick_compact<S>(b);
}

}  // namespace

Kernel pick_strided(const Block& b) {
  switch (b.item) {
    case 1: return pick_word<1>(b);
    case 2: return pick_word<2>(b);
    case 3: return pick_compact<3>(b);
    case 6: return pick_compact<6>(b);
    case 4: return pick_word<4>(b);
    case 8: return pick_word<8>(b);
    default: return nullptr;
  }
}

}  // namespace strideport::host::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
