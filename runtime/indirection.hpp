/// Suboffsets: the arithmetic of layouts that go through row pointers.
///
/// The address of an element: for each axis in turn, add strides[i] * index[i]; if suboffsets[i] >= 0, replace the
/// address by the pointer stored there plus suboffsets[i]. The axes up to and including an indirect one form a
/// segment: within it offsets just add up, so they may be reordered, and the dereference belongs to the segment and
/// not to the axis that carries it.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "strideport/buffer_view.hpp"

namespace strideport {

/// The last axis of the first segment; ndim - 1 where nothing is indirect; -1 for no dimensions.
inline int end_of_first_segment(std::span<const int64_t> suboffsets, int ndim) noexcept {
  for (size_t axis = 0; axis < suboffsets.size(); ++axis) {
    if (suboffsets[axis] >= 0) return static_cast<int>(axis);
  }
  return ndim - 1;
}

/// `position`, counted from the end where negative, as an index of `axis`.
/// Throws: OutOfRange naming index, axis and extent.
int64_t checked_index(const BufferView& view, int axis, int64_t position);

/// Reads the pointer at `address`, which need not be aligned, and adds `suboffset`.
/// Throws: BufferError where the device's memory is closed to the host, or for a null pointer.
void* follow_row_pointer(const void* address, int64_t suboffset, Device device);

}  // namespace strideport
