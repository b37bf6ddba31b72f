// How a plan comes about. Both views are first brought to one list of dimensions (extent, dst stride, src stride);
// an element of index 0 everywhere lies at both offsets. Then:
//
//   1. dimensions of extent 1 are dropped: their strides mean nothing;
//   2. dst strides are made positive: a reversed dimension starts at its other end, on both sides;
//   3. the list is sorted by dst stride, so that writes run through memory in order;
//   4. an itemsize that no register holds becomes a unit and one more dimension (12 = 3x4);
//   5. neighbours that are contiguous in both merge;
//   6. the unit widens, at most to 16 bytes, where everything is a multiple of it.
//
// Whether two views overlap is decided on the byte ranges that they reach, and exactly only where those meet.

#include "strideport/plan.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <span>

#include "runtime/overlap.hpp"
#include "runtime/plan_checks.hpp"
#include "runtime/plan_finish.hpp"
#include "runtime/plan_indirect.hpp"
#include "runtime/plan_steps.hpp"

namespace strideport {
namespace {

using planning::Draft;
using planning::Finished;

uint64_t address_of(const BufferView& view) noexcept { return reinterpret_cast<uintptr_t>(view.buf()); }

// Walks both shapes past their dimensions of extent 1.
void match_dims(const BufferView& dst, const BufferView& src, Draft& draft) {
  const int dst_ndim = dst.ndim();
  const int src_ndim = src.ndim();
  const int64_t* dst_shape = dst.shape().data();
  const int64_t* src_shape = src.shape().data();
  const int64_t* dst_strides = dst.strides().data();
  const int64_t* src_strides = src.strides().data();
  int d = 0;
  int s = 0;
  while (true) {
    while (d < dst_ndim && dst_shape[d] == 1) ++d;
    while (s < src_ndim && src_shape[s] == 1) ++s;
    if (d == dst_ndim || s == src_ndim) break;
    if (dst_shape[d] != src_shape[s]) planning::throw_shapes_differ(dst, src);
    draft.add({dst_shape[d], dst_strides[d], src_strides[s]});
    ++d;
    ++s;
  }
  if (d != dst_ndim || s != src_ndim) planning::throw_shapes_differ(dst, src);
}

bool same_places(const CopyPlan& plan, const BufferView& dst, const BufferView& src) noexcept {
  const auto dst_first = address_of(dst) + static_cast<uint64_t>(plan.dst_offset);
  const auto src_first = address_of(src) + static_cast<uint64_t>(plan.src_offset);
  if (dst_first != src_first) return false;
  for (const PlanDim& dim : plan.dims) {
    if (dim.dst_stride != dim.src_stride) return false;
  }
  return true;
}

// Both reach into the same bytes: nothing to do, one block that memmove gets right, or a temporary.
void resolve_overlap(CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  if (same_places(plan, dst, src)) {
    plan.strategy = Strategy::nothing;
    plan.bytes = 0;
  } else if (plan.strategy == Strategy::memcpy) {
    plan.overlapping = true;
  } else if (may_share_elements(dst, src)) {
    plan.strategy = Strategy::staged;
    plan.temporary_bytes = plan.bytes;
  }
}

bool block_overlaps_itself(const CopyPlan& plan) {
  std::array<int64_t, kMaxNdim + 1> shape;
  std::array<int64_t, kMaxNdim + 1> strides;
  const auto count = static_cast<size_t>(plan.dims.size());
  for (size_t i = 0; i < count; ++i) {
    shape[i] = plan.dims[static_cast<int>(i)].extent;
    strides[i] = plan.dims[static_cast<int>(i)].dst_stride;
  }
  return overlaps_itself(std::span(shape.data(), count), std::span(strides.data(), count), plan.unit);
}

CopyPlan plan_indirect(const BufferView& dst, const BufferView& src) {
  planning::IndirectSplit split = planning::split_indirect(dst, src);
  CopyPlan plan;
  if (dst.empty()) return plan;
  if (!dst.has_suboffsets() && overlaps_itself(dst.shape(), dst.strides(), dst.itemsize())) {
    planning::throw_dst_overlaps_itself(dst);
  }
  // An odd address: row pointers may have any alignment.
  const bool nested = planning::finish(plan, split.block, dst.itemsize(), 1).nested;
  if (!nested && block_overlaps_itself(plan)) planning::throw_dst_overlaps_itself(dst);
  plan.strategy = Strategy::indirect;
  plan.bytes = dst.len();
  plan.blocks = split.blocks;
  return plan;
}

// Any two views: steps 1 to 6, one after another.
Finished plan_in_steps(CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  Draft draft;
  match_dims(dst, src, draft);
  if (dst.empty()) return {{}, true};
  const uint64_t dst_first = address_of(dst) + static_cast<uint64_t>(draft.dst_offset);
  const uint64_t src_first = address_of(src) + static_cast<uint64_t>(draft.src_offset);
  return planning::finish(plan, draft, dst.itemsize(), dst_first | src_first);
}

// What most copies are, in one pass that keeps all it needs in registers: equal shapes of up to 8 dimensions, and dst
// strides that are positive and fall (C order and slices of it) or rise (F order). False for others, and for an itemsize
// that is no unit; nothing but the inside of plan.dims is written then. It halves the time of a plan.
inline bool plan_in_order(CopyPlan& plan, const BufferView& dst, const BufferView& src, Finished& finished) {
  const int ndim = dst.ndim();
  const int unit = planning::unit_of(dst.itemsize());
  if (ndim != src.ndim() || ndim > PlanDims::kInline || dst.itemsize() != unit || dst.empty()) return false;
  const int64_t* const shape = dst.shape().data();
  const int64_t* const src_shape = src.shape().data();
  const int64_t* const strides = dst.strides().data();
  const int64_t* const src_strides = src.strides().data();
  const bool rising = ndim > 1 && strides[0] < strides[ndim - 1];
  PlanDim* const dims = plan.dims.overwrite(ndim);
  PlanDim inner{1, std::numeric_limits<int64_t>::max(), 0};
  uint64_t bits = address_of(dst) | address_of(src);
  int count = 0;
  for (int k = 0; k < ndim; ++k) {
    const int i = rising ? ndim - 1 - k : k;
    const PlanDim dim{shape[i], strides[i], src_strides[i]};
    if (dim.extent != src_shape[i]) return false;
    if (dim.extent == 1) continue;
    if (dim.dst_stride >= inner.dst_stride || dim.dst_stride <= 0) return false;
    if (planning::continues(inner, dim)) {
      inner = planning::merged(inner, dim);
    } else {
      if (inner.extent != 1) {
        bits |= planning::stride_bits(inner);
        dims[count++] = inner;
      }
      inner = dim;
    }
  }
  if (inner.extent == 1) inner = {1, unit, unit};
  finished = planning::settle(plan, dims, count, inner, unit, bits);
  return true;
}

CopyPlan plan_direct(const BufferView& dst, const BufferView& src) {
  CopyPlan plan;
  Finished finished;
  if (!plan_in_order(plan, dst, src, finished)) finished = plan_in_steps(plan, dst, src);
  plan.bytes = dst.len();
  if (dst.empty()) return plan;
  if (!finished.nested && overlaps_itself(dst.shape(), dst.strides(), dst.itemsize())) {
    planning::throw_dst_overlaps_itself(dst);
  }
  const uint64_t dst_first = address_of(dst) + static_cast<uint64_t>(plan.dst_offset);
  const uint64_t src_first = address_of(src) + static_cast<uint64_t>(plan.src_offset);
  const uint64_t dst_end = dst_first + static_cast<uint64_t>(finished.reach.dst_upper);
  const uint64_t src_begin = src_first + static_cast<uint64_t>(finished.reach.src_lower);
  const uint64_t src_end = src_first + static_cast<uint64_t>(finished.reach.src_upper);
  if (src_begin < dst_end && dst_first < src_end) resolve_overlap(plan, dst, src);
  return plan;
}

}  // namespace

CopyPlan plan_copy(const BufferView& dst, const BufferView& src) {
  if (planning::is_plain_pair(dst, src)) return plan_direct(dst, src);
  planning::check_elements(dst, src);
  return dst.has_suboffsets() || src.has_suboffsets() ? plan_indirect(dst, src) : plan_direct(dst, src);
}

}  // namespace strideport
