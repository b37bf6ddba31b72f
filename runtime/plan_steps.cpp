#include "runtime/plan_steps.hpp"

#include <limits>

namespace strideport::planning {
namespace {

bool continues(int64_t outer_stride, int64_t extent, int64_t inner_stride) noexcept {
  int64_t end = 0;
  return !__builtin_mul_overflow(extent, inner_stride, &end) && outer_stride == end;
}

// True if `outer` just repeats `inner` where that ends, on both sides.
bool continues(const PlanDim& outer, const PlanDim& inner) noexcept {
  return continues(outer.dst_stride, inner.extent, inner.dst_stride) &&
         continues(outer.src_stride, inner.extent, inner.src_stride);
}

PlanDim merged(const PlanDim& outer, const PlanDim& inner) noexcept {
  return {outer.extent * inner.extent, inner.dst_stride, inner.src_stride};
}

bool is_run(const PlanDim& dim, int64_t unit) noexcept { return dim.dst_stride == unit && dim.src_stride == unit; }

uint64_t stride_bits(const PlanDim& dim) noexcept {
  return static_cast<uint64_t>(dim.dst_stride) | static_cast<uint64_t>(dim.src_stride);
}

bool fits_32(const Reach& reach) noexcept {
  return reach.dst_upper <= std::numeric_limits<int32_t>::max() &&
         reach.src_upper <= std::numeric_limits<int32_t>::max() &&
         reach.src_lower >= std::numeric_limits<int32_t>::min();
}

// A unit that a register holds, and one more dimension where that is not the whole item.
int split_item(Draft& draft, int64_t itemsize) noexcept {
  const int64_t power = itemsize & -itemsize;
  const int unit = power > 16 ? 16 : static_cast<int>(power);
  if (itemsize != unit) draft.at[draft.count++] = {itemsize / unit, unit, unit};
  return unit;
}

// The widest unit that divides the run and everything or-ed into `bits`; shortens the run accordingly.
int widen(PlanDim& run, int unit, uint64_t bits) noexcept {
  bits |= static_cast<uint64_t>(run.extent) * static_cast<uint64_t>(unit) | 16;
  const int wide = static_cast<int>(bits & -bits);
  if (wide <= unit) return unit;
  run = {run.extent / (wide / unit), wide, wide};
  return wide;
}

void merge(Dims& dims) noexcept {
  if (dims.count == 0) return;
  int last = 0;
  for (int i = 1; i < dims.count; ++i) {
    if (continues(dims.at[last], dims.at[i])) {
      dims.at[last] = merged(dims.at[last], dims.at[i]);
    } else {
      dims.at[++last] = dims.at[i];
    }
  }
  dims.count = last + 1;
}

}  // namespace

bool finish(CopyPlan& plan, Draft& draft, int64_t itemsize, uint64_t address_bits) {
  plan.dst_offset = draft.dst_offset;
  plan.src_offset = draft.src_offset;
  plan.offsets_fit_32 = fits_32(draft.reach);
  plan.unit = split_item(draft, itemsize);
  PlanDim* dims = plan.dims.overwrite(draft.count);
  PlanDim inner{1, plan.unit, plan.unit};
  int count = 0;
  int64_t inside = draft.reach.dst_upper;  // bytes that the dimensions inside this one span
  uint64_t bits = address_bits;
  bool nested = true;
  for (int i = 0; i < draft.count; ++i) {
    const PlanDim dim = draft.at[i];
    inside = wrapping_muladd(inside, 1 - dim.extent, dim.dst_stride);
    nested = nested && dim.dst_stride >= inside;
    if (i == 0) {
      inner = dim;
    } else if (continues(inner, dim)) {
      inner = merged(inner, dim);
    } else {
      bits |= stride_bits(inner);
      dims[count++] = inner;
      inner = dim;
    }
  }
  if (is_run(inner, plan.unit)) plan.unit = widen(inner, plan.unit, bits);
  plan.aligned = ((bits | stride_bits(inner)) & static_cast<uint64_t>(plan.unit - 1)) == 0;
  if (inner.extent != 1) dims[count++] = inner;
  plan.dims.shrink(count);
  plan.strategy = classify(dims, count, plan.unit);
  return nested;
}

Strategy classify(const PlanDim* dims, int count, int unit) noexcept {
  int64_t run_bytes = unit;
  if (count > 0 && is_run(dims[count - 1], unit)) {
    run_bytes = dims[count - 1].extent * unit;
    --count;
  }
  if (count == 0) return Strategy::memcpy;
  const PlanDim& inner = dims[count - 1];
  if (run_bytes > kLongRunBytes) return Strategy::rows;
  for (int i = 0; i + 1 < count && inner.src_stride != 0; ++i) {
    const uint64_t stride = magnitude(dims[i].src_stride);
    if (stride != 0 && stride < magnitude(inner.src_stride)) return Strategy::transpose;
  }
  if (run_bytes > 16) return Strategy::rows;
  return inner.src_stride == 0 ? Strategy::broadcast : Strategy::strided;
}

void split_through_temporary(const CopyPlan& plan, Dims& pack, Dims& unpack) noexcept {
  int64_t stride = plan.unit;
  pack.count = unpack.count = plan.dims.size();
  for (int i = plan.dims.size() - 1; i >= 0; --i) {
    const PlanDim& dim = plan.dims[i];
    pack.at[i] = {dim.extent, stride, dim.src_stride};
    unpack.at[i] = {dim.extent, dim.dst_stride, stride};
    stride *= dim.extent;
  }
  merge(pack);
  merge(unpack);
}

Reach reach_of(const CopyPlan& plan) noexcept {
  Reach reach{plan.unit, 0, plan.unit};
  for (const PlanDim& dim : plan.dims) {
    reach.dst_upper = wrapping_muladd(reach.dst_upper, dim.extent - 1, dim.dst_stride);
    int64_t& side = dim.src_stride < 0 ? reach.src_lower : reach.src_upper;
    side = wrapping_muladd(side, dim.extent - 1, dim.src_stride);
  }
  return reach;
}

}  // namespace strideport::planning
