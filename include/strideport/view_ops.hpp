/// Views of views: slicing, permuting, reshaping, casting. Pure: the same memory, another descriptor.
///
/// Each function exists once, on `BufferView`; `ViewOperations` gives `Buffer` the same as members that keep the
/// owner. What a layout cannot express without a copy is a BufferError naming the axis and the call that copies.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <utility>

#include "strideport/buffer_view.hpp"

namespace strideport {

/// A Python slice; an absent bound has Python's meaning for the sign of `step`.
struct Slice {
  std::optional<int64_t> start;
  std::optional<int64_t> stop;
  int64_t step = 1;
};

/// Restricts one axis. Bounds are clipped as Python clips them; a negative step reverses.
/// Throws: InvalidArgument for step 0; OutOfRange for a bad axis (negative ones count from the end);
///         BufferError where a suboffset would become negative.
[[nodiscard]] BufferView slice(const BufferView& view, int axis, const Slice& range);

/// Fixes one axis at an index (negative counts from the end) and drops it. Reads a row pointer where the axis is
/// the first indirect one. Throws: OutOfRange; BufferError where two dereferences would have to merge.
[[nodiscard]] BufferView index(const BufferView& view, int axis, int64_t position);

/// Reverses one axis.
[[nodiscard]] BufferView flip(const BufferView& view, int axis);

/// Reorders axes: axis i of the result is `axes[i]` of the view. Throws: InvalidArgument unless a permutation;
/// BufferError where an axis would cross an indirect one.
[[nodiscard]] BufferView permute(const BufferView& view, std::span<const int> axes);
[[nodiscard]] inline BufferView permute(const BufferView& view, std::initializer_list<int> axes) {
  return permute(view, std::span(axes.begin(), axes.size()));
}

/// `permute` with all axes reversed.
[[nodiscard]] BufferView transpose(const BufferView& view);

/// Broadcasts as NumPy does: new axes in front, extents of 1 repeated with stride 0. The result is read-only where
/// elements repeat. Throws: InvalidArgument naming the axis that fits neither, or where the result overflows.
[[nodiscard]] BufferView expand(const BufferView& view, std::span<const int64_t> shape);
[[nodiscard]] inline BufferView expand(const BufferView& view, std::initializer_list<int64_t> shape) {
  return expand(view, std::span(shape.begin(), shape.size()));
}

/// Drops one axis of extent 1, or all of them. Throws: InvalidArgument if the axis is longer; otherwise as `index`.
[[nodiscard]] BufferView squeeze(const BufferView& view, std::optional<int> axis = std::nullopt);

/// Adds an axis of extent 1 and stride 0; in the result it is axis `axis` (negative counts from the end, -1 appends).
[[nodiscard]] BufferView unsqueeze(const BufferView& view, int axis);

/// Same elements in C order under another shape, one extent may be -1. Indirect axes of extent 1 are resolved as by
/// `squeeze`. Throws: InvalidArgument if the counts differ; BufferError where no strides express it (then
/// `.contiguous()` first).
[[nodiscard]] BufferView reshape(const BufferView& view, std::span<const int64_t> shape);
[[nodiscard]] inline BufferView reshape(const BufferView& view, std::initializer_list<int64_t> shape) {
  return reshape(view, std::span(shape.begin(), shape.size()));
}

/// Reads the same bytes as another element type; where the size changes, the last axis is rescaled. Empty is fine. A
/// sub-byte dtype whose lanes do not fill bytes is taken as padded.
/// Throws: TypeMismatch, as memoryview.cast, for formats with references and where the size changes but the last axis
///         is not dense, has bytes that do not divide, or does not exist; InvalidArgument if format and dtype differ
///         in size or are both empty.
[[nodiscard]] BufferView cast(const BufferView& view, const Format& format, DType dtype);
[[nodiscard]] BufferView cast(const BufferView& view, DType dtype);
[[nodiscard]] BufferView cast(const BufferView& view, const Format& format);

/// The same view, read-only.
[[nodiscard]] BufferView toreadonly(const BufferView& view);

/// The operations as members, for a class with `view()` and `rebind(BufferView)`.
template <class Self>
class ViewOperations {
 public:
  [[nodiscard]] Self slice(int axis, const Slice& range) const { return re(strideport::slice(v(), axis, range)); }
  [[nodiscard]] Self index(int axis, int64_t position) const { return re(strideport::index(v(), axis, position)); }
  [[nodiscard]] Self flip(int axis) const { return re(strideport::flip(v(), axis)); }
  [[nodiscard]] Self permute(std::span<const int> axes) const { return re(strideport::permute(v(), axes)); }
  [[nodiscard]] Self permute(std::initializer_list<int> axes) const { return re(strideport::permute(v(), axes)); }
  [[nodiscard]] Self transpose() const { return re(strideport::transpose(v())); }
  [[nodiscard]] Self expand(std::span<const int64_t> shape) const { return re(strideport::expand(v(), shape)); }
  [[nodiscard]] Self expand(std::initializer_list<int64_t> shape) const { return re(strideport::expand(v(), shape)); }
  [[nodiscard]] Self squeeze(std::optional<int> axis = std::nullopt) const {
    return re(strideport::squeeze(v(), axis));
  }
  [[nodiscard]] Self unsqueeze(int axis) const { return re(strideport::unsqueeze(v(), axis)); }
  [[nodiscard]] Self reshape(std::span<const int64_t> shape) const { return re(strideport::reshape(v(), shape)); }
  [[nodiscard]] Self reshape(std::initializer_list<int64_t> shape) const { return re(strideport::reshape(v(), shape)); }
  [[nodiscard]] Self cast(DType dtype) const { return re(strideport::cast(v(), dtype)); }
  [[nodiscard]] Self cast(const Format& format) const { return re(strideport::cast(v(), format)); }
  [[nodiscard]] Self toreadonly() const { return re(strideport::toreadonly(v())); }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
  const BufferView& v() const { return self().view(); }
  [[nodiscard]] Self re(BufferView view) const { return self().rebind(std::move(view)); }
};

}  // namespace strideport
