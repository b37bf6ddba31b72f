/// The last steps of the planner, inline: what one leaves is in registers when the next one needs it.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "runtime/plan_steps.hpp"

namespace strideport::planning {

/// True if `outer` just repeats `inner` where that ends, on both sides. A product that wraps equals no stride of a valid
/// view: the two dimensions together would span more than 2^63 bytes.
inline bool continues(const PlanDim& outer, const PlanDim& inner) noexcept {
  return outer.dst_stride == wrapping_muladd(0, inner.extent, inner.dst_stride) &&
         outer.src_stride == wrapping_muladd(0, inner.extent, inner.src_stride);
}

inline PlanDim merged(const PlanDim& outer, const PlanDim& inner) noexcept {
  return {outer.extent * inner.extent, inner.dst_stride, inner.src_stride};
}

inline bool is_run(const PlanDim& dim, int64_t unit) noexcept {
  return dim.dst_stride == unit && dim.src_stride == unit;
}

inline uint64_t stride_bits(const PlanDim& dim) noexcept {
  return static_cast<uint64_t>(dim.dst_stride) | static_cast<uint64_t>(dim.src_stride);
}

inline bool fits_32(const Reach& reach) noexcept {
  return reach.dst_upper <= std::numeric_limits<int32_t>::max() &&
         reach.src_upper <= std::numeric_limits<int32_t>::max() &&
         reach.src_lower >= std::numeric_limits<int32_t>::min();
}

/// The widest unit that divides the run and everything or-ed into `bits`; shortens the run accordingly. Units are powers
/// of two, so that nothing is divided.
inline int widen(PlanDim& run, int unit, uint64_t bits) noexcept {
  bits |= static_cast<uint64_t>(run.extent) * static_cast<uint64_t>(unit) | 16;
  const int wide = static_cast<int>(bits & -bits);
  if (wide <= unit) return unit;
  run = {run.extent >> (std::countr_zero(static_cast<unsigned>(wide)) - std::countr_zero(static_cast<unsigned>(unit))),
         wide, wide};
  return wide;
}

inline Strategy classify_inline(const PlanDim* dims, int count, int unit) noexcept {
  int64_t run_bytes = unit;
  if (count > 0 && is_run(dims[count - 1], unit)) {
    run_bytes = dims[count - 1].extent * unit;
    --count;
  }
  if (count == 0) return Strategy::memcpy;
  if (run_bytes > kLongRunBytes) return Strategy::rows;
  const int64_t inner_stride = dims[count - 1].src_stride;
  for (int i = 0; i + 1 < count && inner_stride != 0; ++i) {
    const uint64_t stride = magnitude(dims[i].src_stride);
    if (stride != 0 && stride < magnitude(inner_stride)) return Strategy::transpose;
  }
  if (run_bytes > 16) return Strategy::rows;
  return inner_stride == 0 ? Strategy::broadcast : Strategy::strided;
}

/// A unit that a register holds: the largest power of two in the item.
inline int unit_of(int64_t itemsize) noexcept {
  const int64_t power = itemsize & -itemsize;
  return power > 16 ? 16 : static_cast<int>(power);
}

/// The last step, on merged dimensions: `count` of them in `dims`, which has room for one more, and `inner`. `bits`:
/// whatever the unit has to divide, or-ed, but for what `inner` says.
inline Finished settle(CopyPlan& plan, PlanDim* dims, int count, PlanDim inner, int unit, uint64_t bits) noexcept {
  if (is_run(inner, unit)) unit = widen(inner, unit, bits);
  plan.unit = unit;
  plan.aligned = ((bits | stride_bits(inner)) & static_cast<uint64_t>(unit - 1)) == 0;
  if (inner.extent != 1) dims[count++] = inner;
  plan.dims.shrink(count);
  plan.strategy = classify_inline(dims, count, unit);
  int64_t dst_upper = unit, src_lower = 0, src_upper = unit;
  bool nested = true;
  for (int i = count - 1; i >= 0; --i) {
    const int64_t steps = dims[i].extent - 1;
    const int64_t span = wrapping_muladd(0, steps, dims[i].src_stride);
    const int64_t below = span & (dims[i].src_stride >> 63);  // no branch: signs of strides follow no pattern
    nested &= dims[i].dst_stride >= dst_upper;
    dst_upper = wrapping_muladd(dst_upper, steps, dims[i].dst_stride);
    src_lower = wrapping_muladd(src_lower, 1, below);
    src_upper = wrapping_muladd(src_upper, 1, wrapping_muladd(span, -1, below));
  }
  const Finished result{{dst_upper, src_lower, src_upper}, nested};
  plan.offsets_fit_32 = fits_32(result.reach);
  return result;
}

}  // namespace strideport::planning
