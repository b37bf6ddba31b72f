// Rows of runs.
#include "runtime/host/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/runs.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/runs-inl.hpp"
HWY_BEFORE_NAMESPACE();
namespace strideport::host::HWY_NAMESPACE {
Kernel pick_runs(const Block&) { return nullptr; }
}  // namespace strideport::host::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
