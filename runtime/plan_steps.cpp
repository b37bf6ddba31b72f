#include "runtime/plan_steps.hpp"

#include <algorithm>
#include <limits>

#include "runtime/stride_order.hpp"

namespace strideport::planning {
namespace {

// Strides and offsets wrap here as addresses do, so that even INT64_MIN is no undefined behaviour.
int64_t wrapping_negate(int64_t x) noexcept { return static_cast<int64_t>(uint64_t{0} - static_cast<uint64_t>(x)); }
int64_t wrapping_muladd(int64_t sum, int64_t count, int64_t stride) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(sum) +
                              static_cast<uint64_t>(count) * static_cast<uint64_t>(stride));
}

bool goes_before(const PlanDim& a, const PlanDim& b) noexcept {
  if (a.dst_stride != b.dst_stride) return a.dst_stride > b.dst_stride;
  return magnitude(a.src_stride) > magnitude(b.src_stride);
}

bool continues(int64_t outer_stride, const int64_t extent, int64_t inner_stride) noexcept {
  int64_t end = 0;
  return !__builtin_mul_overflow(extent, inner_stride, &end) && outer_stride == end;
}

bool is_run(const PlanDim& dim, int64_t unit) noexcept { return dim.dst_stride == unit && dim.src_stride == unit; }

}  // namespace

void orient_and_sort(Dims& dims, CopyPlan& plan) {
  for (int i = 0; i < dims.count; ++i) {
    PlanDim dim = dims.at[i];
    if (dim.dst_stride < 0) {
      plan.dst_offset = wrapping_muladd(plan.dst_offset, dim.extent - 1, dim.dst_stride);
      plan.src_offset = wrapping_muladd(plan.src_offset, dim.extent - 1, dim.src_stride);
      dim.dst_stride = wrapping_negate(dim.dst_stride);
      dim.src_stride = wrapping_negate(dim.src_stride);
    }
    int at = i;
    for (; at > 0 && goes_before(dim, dims.at[at - 1]); --at) dims.at[at] = dims.at[at - 1];
    dims.at[at] = dim;
  }
}

int split_item(Dims& dims, int64_t itemsize) noexcept {
  const int64_t power = itemsize & -itemsize;
  const int unit = power > 16 ? 16 : static_cast<int>(power);
  if (itemsize != unit) dims.push({itemsize / unit, unit, unit});
  return unit;
}

void merge(Dims& dims) noexcept {
  if (dims.count == 0) return;
  int last = 0;
  for (int i = 1; i < dims.count; ++i) {
    PlanDim& outer = dims.at[last];
    const PlanDim& inner = dims.at[i];
    if (continues(outer.dst_stride, inner.extent, inner.dst_stride) &&
        continues(outer.src_stride, inner.extent, inner.src_stride)) {
      outer = {outer.extent * inner.extent, inner.dst_stride, inner.src_stride};
    } else {
      dims.at[++last] = inner;
    }
  }
  dims.count = last + 1;
}

int widen(Dims& dims, int unit, uint64_t address_bits) noexcept {
  if (dims.count == 0 || unit == 16) return unit;
  PlanDim& run = dims.at[dims.count - 1];
  if (!is_run(run, unit)) return unit;
  uint64_t bits = address_bits | static_cast<uint64_t>(run.extent) * static_cast<uint64_t>(unit) | 16;
  for (int i = 0; i + 1 < dims.count; ++i) {
    bits |= static_cast<uint64_t>(dims.at[i].dst_stride) | static_cast<uint64_t>(dims.at[i].src_stride);
  }
  const int wide = static_cast<int>(bits & -bits);
  if (wide <= unit) return unit;
  run = {run.extent / (wide / unit), wide, wide};
  if (run.extent == 1) --dims.count;
  return wide;
}

Reach reach_of(const Dims& dims, int64_t itemsize) noexcept {
  Reach reach{itemsize, 0, itemsize};
  for (int i = 0; i < dims.count; ++i) {
    const PlanDim& dim = dims.at[i];
    reach.dst_upper = wrapping_muladd(reach.dst_upper, dim.extent - 1, dim.dst_stride);
    int64_t& side = dim.src_stride < 0 ? reach.src_lower : reach.src_upper;
    side = wrapping_muladd(side, dim.extent - 1, dim.src_stride);
  }
  return reach;
}

bool clearly_disjoint(const Dims& sorted, int64_t itemsize) noexcept {
  int64_t covered = itemsize;
  for (int i = sorted.count - 1; i >= 0; --i) {
    if (sorted.at[i].dst_stride < covered) return false;
    covered = wrapping_muladd(covered, sorted.at[i].extent - 1, sorted.at[i].dst_stride);
  }
  return true;
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

void finish(CopyPlan& plan, Dims& dims, int64_t itemsize, const Reach& reach, uint64_t address_bits) {
  plan.offsets_fit_32 = reach.dst_upper <= std::numeric_limits<int32_t>::max() &&
                        reach.src_upper <= std::numeric_limits<int32_t>::max() &&
                        reach.src_lower >= std::numeric_limits<int32_t>::min();
  const int split = split_item(dims, itemsize);
  merge(dims);
  plan.unit = widen(dims, split, address_bits);
  uint64_t bits = address_bits;
  for (int i = 0; i < dims.count; ++i) {
    bits |= static_cast<uint64_t>(dims.at[i].dst_stride) | static_cast<uint64_t>(dims.at[i].src_stride);
  }
  plan.aligned = (bits & static_cast<uint64_t>(plan.unit - 1)) == 0;
  plan.dims.assign(dims.at, dims.count);
  plan.strategy = classify(dims.at, dims.count, plan.unit);
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

}  // namespace strideport::planning
