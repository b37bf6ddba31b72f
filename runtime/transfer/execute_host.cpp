#include <algorithm>

#include "runtime/host/executor.hpp"
#include "runtime/transfer/execute.hpp"
#include "runtime/transfer/temporary.hpp"

namespace strideport::transfer {
namespace {

// A tenth of a second's work, more or less; a copy of less than two such pieces is over before anybody is told.
constexpr int64_t kHostPieceBytes = int64_t{256} << 20;

// Copies through a temporary, onto itself or through row pointers are done in one go.
bool can_be_cut(const CopyPlan& plan) noexcept {
  return plan.bytes >= 2 * kHostPieceBytes && !plan.overlapping && plan.strategy != Strategy::nothing &&
         plan.strategy != Strategy::staged && plan.strategy != Strategy::indirect;
}

}  // namespace

void execute_on_host(const CopyPlan& plan, const BufferView& dst, const BufferView& src, const Progress& progress) {
  if (!progress || !can_be_cut(plan)) return host::run(plan, dst, src);
  ProgressMeter meter(progress, plan.bytes);
  PlanDim dims[kMaxNdim + 1];
  std::copy(plan.dims.begin(), plan.dims.end(), dims);
  const int count = plan.dims.size();
  // The longest dimension is cut: at worst the pieces are as many as its extent.
  const int longest = static_cast<int>(
      std::max_element(dims, dims + count, [](auto& a, auto& b) { return a.extent < b.extent; }) - dims);
  const PlanDim whole = dims[longest];
  const int64_t step = std::max<int64_t>(1, kHostPieceBytes / (plan.bytes / whole.extent));
  for (int64_t begin = 0; begin < whole.extent; begin += step) {
    dims[longest].extent = std::min(step, whole.extent - begin);
    const int64_t bytes = plan.bytes / whole.extent * dims[longest].extent;
    host::execute({dims, count, plan.unit, bytes}, address(dst.buf(), plan.dst_offset + begin * whole.dst_stride),
                  address(src.buf(), plan.src_offset + begin * whole.src_stride));
    meter.add(bytes);
  }
}

}  // namespace strideport::transfer
