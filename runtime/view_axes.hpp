/// Helpers that the view operations share.
#pragma once

#include <cstdint>

#include "runtime/view_builder.hpp"
#include "strideport/buffer_view.hpp"

namespace strideport {

/// `axis`, counted from the end where negative. Throws: OutOfRange naming axis and ndim.
int checked_axis(int axis, int ndim);

/// False where an extent is 0. Elements of no bytes are elements: their addresses move, though len is 0.
inline bool has_elements(const BufferView& view) noexcept { return !view.empty() || view.element_count() > 0; }

/// Copies the dimensions of `view` into `builder`, all of them but `dropped` (-1: none).
void copy_axes(const BufferView& view, ViewBuilder& builder, int dropped = -1);

/// Moves every element of `builder` by a number of bytes along `axis` of `view`: buf moves, or, behind an indirect
/// axis, the suboffset that leads there. Throws: BufferError where that suboffset would become negative.
void shift_origin(const BufferView& view, ViewBuilder& builder, int axis, int64_t bytes);

/// stride * step, or stride where the product overflows: then no two elements are apart by it.
int64_t scaled_stride(int64_t stride, int64_t step) noexcept;

}  // namespace strideport
