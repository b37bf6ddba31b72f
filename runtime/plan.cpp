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
#include <span>

#include "runtime/overlap.hpp"
#include "runtime/plan_checks.hpp"
#include "runtime/plan_indirect.hpp"
#include "runtime/plan_steps.hpp"

namespace strideport {
namespace {

using planning::Draft;

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
  const bool nested = planning::finish(plan, split.block, dst.itemsize(), 1);
  if (!nested && block_overlaps_itself(plan)) planning::throw_dst_overlaps_itself(dst);
  plan.strategy = Strategy::indirect;
  plan.bytes = dst.len();
  plan.blocks = split.blocks;
  return plan;
}

CopyPlan plan_direct(const BufferView& dst, const BufferView& src) {
  const int64_t itemsize = dst.itemsize();
  CopyPlan plan;
  Draft draft(itemsize);
  match_dims(dst, src, draft);
  if (dst.empty()) return plan;
  const uint64_t dst_first = address_of(dst) + static_cast<uint64_t>(draft.dst_offset);
  const uint64_t src_first = address_of(src) + static_cast<uint64_t>(draft.src_offset);
  plan.bytes = dst.len();
  const bool nested = planning::finish(plan, draft, itemsize, dst_first | src_first);
  if (!nested && overlaps_itself(dst.shape(), dst.strides(), itemsize)) planning::throw_dst_overlaps_itself(dst);
  const uint64_t dst_end = dst_first + static_cast<uint64_t>(draft.reach.dst_upper);
  const uint64_t src_begin = src_first + static_cast<uint64_t>(draft.reach.src_lower);
  const uint64_t src_end = src_first + static_cast<uint64_t>(draft.reach.src_upper);
  if (src_begin < dst_end && dst_first < src_end) resolve_overlap(plan, dst, src);
  return plan;
}

}  // namespace

CopyPlan plan_copy(const BufferView& dst, const BufferView& src) {
  planning::check_elements(dst, src);
  return dst.has_suboffsets() || src.has_suboffsets() ? plan_indirect(dst, src) : plan_direct(dst, src);
}

}  // namespace strideport
