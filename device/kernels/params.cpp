#include "device/kernels/params.hpp"

#include <algorithm>

namespace strideport::kernels {

Problem make_problem(const CopyPlan& plan, void* dst, const void* src) noexcept {
  Problem p;
  p.dst = static_cast<std::byte*>(dst);
  p.src = const_cast<std::byte*>(static_cast<const std::byte*>(src));  // programs load from it only
  p.count = plan.dims.size();
  p.unit = plan.unit;
  p.bytes = plan.unit;  // of these dimensions: a caller may do a part of a plan
  p.offsets_fit_32 = plan.offsets_fit_32;
  std::copy_n(plan.dims.data(), plan.dims.size(), p.dims);
  uint64_t bits = reinterpret_cast<uintptr_t>(dst) | reinterpret_cast<uintptr_t>(src);
  for (const PlanDim& dim : plan.dims) {
    bits |= static_cast<uint64_t>(dim.dst_stride) | static_cast<uint64_t>(dim.src_stride);
    p.bytes *= dim.extent;
  }
  bits |= static_cast<uint64_t>(plan.unit);
  const int aligned = static_cast<int>(bits & (~bits + 1));
  if (aligned >= plan.unit) return p;
  const int parts = plan.unit / aligned;
  if (p.has_run()) {
    PlanDim& run = p.dims[p.count - 1];
    run = {run.extent * parts, aligned, aligned};
  } else {
    p.dims[p.count++] = {parts, aligned, aligned};
  }
  p.unit = aligned;
  return p;
}

}  // namespace strideport::kernels
