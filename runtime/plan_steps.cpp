#include "runtime/plan_steps.hpp"

#include "runtime/plan_finish.hpp"

namespace strideport::planning {
namespace {

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

Finished finish(CopyPlan& plan, Draft& draft, int64_t itemsize, uint64_t address_bits) {
  plan.dst_offset = draft.dst_offset;
  plan.src_offset = draft.src_offset;
  const int unit = unit_of(itemsize);
  if (itemsize != unit) draft.at[draft.count++] = {itemsize / unit, unit, unit};
  PlanDim* const dims = plan.dims.overwrite(draft.count);
  PlanDim inner{1, unit, unit};
  if (draft.count > 0) inner = draft.at[0];
  uint64_t bits = address_bits;
  int count = 0;
  for (int i = 1; i < draft.count; ++i) {
    const PlanDim& dim = draft.at[i];
    if (continues(inner, dim)) {
      inner = merged(inner, dim);
    } else {
      bits |= stride_bits(inner);
      dims[count++] = inner;
      inner = dim;
    }
  }
  return settle(plan, dims, count, inner, unit, bits);
}

Strategy classify(const PlanDim* dims, int count, int unit) noexcept { return classify_inline(dims, count, unit); }

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
