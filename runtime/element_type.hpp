/// What a dtype and a format have to agree on, wherever the two meet.
#pragma once

#include "strideport/dtype.hpp"
#include "strideport/format.hpp"

namespace strideport {

/// Throws: InvalidArgument for a dtype that DLPack does not know, and for a format that names another one or none.
void check_element_type(const Format& format, DType dtype);

/// Padding is a property of types that leave bits of their bytes unused; others are never padded.
constexpr bool leaves_bits(DType dtype) noexcept { return dtype && dtype.bits * dtype.lanes % 8 != 0; }

}  // namespace strideport
