/// Floating-point types of at most 16 bits, to and from double: half, bfloat16, the float8, float6 and float4 families.
#pragma once

#include <cstdint>
#include <optional>

#include "strideport/dtype.hpp"

namespace strideport::python {

/// A binary format of sign, exponent and mantissa, in this order from the top bit.
struct SmallFloat {
  enum class Specials : uint8_t {
    ieee,            ///< exponent all ones: infinity and NaN
    nan_only,        ///< "fn": all bits but the sign ones is NaN, no infinity
    nan_for_minus0,  ///< "fnuz": the sign bit alone is NaN; no infinity, no minus zero
    none,            ///< finite numbers only
    exponent_only,   ///< e8m0fnu: no sign, no zero; all ones is NaN
  };

  int exponent_bits = 5;
  int mantissa_bits = 10;
  int bias = 15;
  Specials specials = Specials::ieee;

  double decode(uint32_t bits) const noexcept;

  /// Rounds to nearest, ties to even. Nothing where the type has no such value: beyond its largest number, an
  /// infinity or NaN that it lacks, a sign that it lacks.
  std::optional<uint32_t> encode(double value) const noexcept;
};

inline constexpr SmallFloat kHalf{};

/// The small float of a DType with one lane, if it is one.
std::optional<SmallFloat> small_float_of(DType dtype) noexcept;

}  // namespace strideport::python
