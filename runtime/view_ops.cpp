#include "strideport/view_ops.hpp"

#include <algorithm>
#include <string>

#include "runtime/checked.hpp"
#include "runtime/indirection.hpp"
#include "runtime/view_axes.hpp"

namespace strideport {

int checked_axis(int axis, int ndim) {
  if (axis >= -ndim && axis < ndim) return axis < 0 ? axis + ndim : axis;
  throw OutOfRange("axis " + std::to_string(axis) + " is out of range for a view of " + std::to_string(ndim) +
                   " dimensions");
}

void copy_axes(const BufferView& view, ViewBuilder& builder, int dropped) {
  const auto without = [&](std::span<const int64_t> from, std::span<int64_t> to) {
    const auto gap = dropped < 0 ? from.end() : from.begin() + dropped;
    const auto next = std::copy(from.begin(), gap, to.begin());
    if (gap != from.end()) std::copy(gap + 1, from.end(), next);
  };
  without(view.shape(), builder.shape());
  without(view.strides(), builder.strides());
  if (!builder.suboffsets().empty()) without(view.suboffsets(), builder.suboffsets());
}

int64_t scaled_stride(int64_t stride, int64_t step) noexcept {
  int64_t product = 0;
  return try_mul(stride, step, product) ? product : stride;
}

void shift_origin(const BufferView& view, ViewBuilder& builder, int axis, int64_t bytes) {
  const auto suboffsets = view.suboffsets();
  int carrier = axis - 1;
  while (carrier >= 0 && (suboffsets.empty() || suboffsets[static_cast<size_t>(carrier)] < 0)) --carrier;
  if (carrier < 0) {
    builder.advance(bytes);
    return;
  }
  int64_t& suboffset = builder.suboffsets()[static_cast<size_t>(carrier)];
  const int64_t moved = checked_add(suboffset, bytes, "a suboffset");
  if (moved < 0) {
    throw BufferError("axis " + std::to_string(axis) + ": the suboffset of axis " + std::to_string(carrier) +
                      " would become " + std::to_string(moved) +
                      ", which means direct; make the layout direct with .contiguous() first");
  }
  suboffset = moved;
}

namespace {

struct Range {
  int64_t start = 0;
  int64_t extent = 0;
  int64_t step = 1;
};

// Python's rules: negative bounds count from the end, then both are clipped to the axis.
Range resolve(const Slice& slice, int64_t extent) {
  if (slice.step == 0) throw InvalidArgument("slice step is 0; it must not be");
  Range range;
  range.step = std::max(slice.step, -INT64_MAX);  // so that -step exists
  const bool forward = range.step > 0;
  const int64_t first = forward ? 0 : -1;
  const int64_t last = forward ? extent : extent - 1;
  const auto clip = [&](int64_t bound) { return std::clamp(bound < 0 ? bound + extent : bound, first, last); };
  range.start = slice.start ? clip(*slice.start) : (forward ? first : last);
  const int64_t stop = slice.stop ? clip(*slice.stop) : (forward ? last : first);
  if (forward && stop > range.start) range.extent = (stop - range.start - 1) / range.step + 1;
  if (!forward && stop < range.start) range.extent = (range.start - stop - 1) / -range.step + 1;
  return range;
}

// The first segment has no other axis to carry its suboffset: its one row pointer is read now.
BufferView dereference(const BufferView& view, int axis, int64_t position) {
  const auto i = static_cast<size_t>(axis);
  ViewBuilder builder(view, view.ndim() - 1, true);
  copy_axes(view, builder, axis);
  if (has_elements(view)) {
    if (position > 0) builder.advance(view.strides()[i] * position);
    builder.set_buf(follow_row_pointer(builder.buf(), view.suboffsets()[i], view.device()));
  }
  return std::move(builder).finish();
}

}  // namespace

BufferView slice(const BufferView& view, int axis, const Slice& range) {
  const int at = checked_axis(axis, view.ndim());
  const auto i = static_cast<size_t>(at);
  const Range part = resolve(range, view.shape()[i]);
  if (!view.has_suboffsets()) {
    const bool moves = part.extent > 0 && part.start > 0 && has_elements(view);
    return ViewBuilder::narrowed(view, i, part.extent, scaled_stride(view.strides()[i], part.step),
                                 moves ? view.strides()[i] * part.start : 0);
  }
  ViewBuilder builder{view};
  builder.shape()[i] = part.extent;
  builder.strides()[i] = scaled_stride(view.strides()[i], part.step);
  // An empty result has no origin to move, and an empty view no strides to move it by.
  if (part.extent > 0 && part.start > 0 && has_elements(view)) {
    shift_origin(view, builder, at, view.strides()[i] * part.start);
  }
  return std::move(builder).finish();
}

BufferView index(const BufferView& view, int axis, int64_t position) {
  const int at = checked_axis(axis, view.ndim());
  const auto i = static_cast<size_t>(at);
  const int64_t from_start = checked_index(view, at, position);
  if (!view.has_suboffsets() && ViewBuilder::is_inline(view)) {
    return ViewBuilder::without(view, i, from_start > 0 && has_elements(view) ? view.strides()[i] * from_start : 0);
  }
  const auto suboffsets = view.suboffsets();
  const bool indirect = view.has_suboffsets() && suboffsets[i] >= 0;
  if (indirect && at == 0) return dereference(view, at, from_start);
  if (indirect && suboffsets[i - 1] >= 0) {
    throw BufferError("axis " + std::to_string(at) + " cannot be dropped: its dereference would have to merge with " +
                      "that of axis " + std::to_string(at - 1) + "; make the layout direct with .contiguous() first");
  }
  ViewBuilder builder(view, view.ndim() - 1, view.has_suboffsets());
  copy_axes(view, builder, at);
  if (indirect) builder.suboffsets()[i - 1] = suboffsets[i];
  if (from_start > 0 && has_elements(view)) shift_origin(view, builder, at, view.strides()[i] * from_start);
  return std::move(builder).finish();
}

BufferView flip(const BufferView& view, int axis) { return slice(view, axis, {std::nullopt, std::nullopt, -1}); }

BufferView toreadonly(const BufferView& view) { return ViewBuilder::frozen(view); }

}  // namespace strideport
