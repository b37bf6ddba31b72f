#include "small_float.hpp"

#include <cmath>
#include <limits>

namespace strideport::python {
namespace {

using Specials = SmallFloat::Specials;

constexpr uint32_t ones(int bits) noexcept { return (uint32_t{1} << bits) - 1; }

}  // namespace

double SmallFloat::decode(uint32_t bits) const noexcept {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (specials == Specials::exponent_only) {
    const uint32_t code = bits & ones(exponent_bits);
    return code == ones(exponent_bits) ? kNan : std::ldexp(1.0, static_cast<int>(code) - bias);
  }
  const uint32_t mantissa = bits & ones(mantissa_bits);
  const uint32_t exponent = (bits >> mantissa_bits) & ones(exponent_bits);
  const bool negative = ((bits >> (mantissa_bits + exponent_bits)) & 1) != 0;
  const bool top = exponent == ones(exponent_bits);
  if (specials == Specials::nan_only && top && mantissa == ones(mantissa_bits)) return kNan;
  if (specials == Specials::nan_for_minus0 && negative && exponent == 0 && mantissa == 0) return kNan;
  if (specials == Specials::ieee && top) {
    if (mantissa != 0) return kNan;
    return negative ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  const uint32_t significand = exponent == 0 ? mantissa : mantissa + (uint32_t{1} << mantissa_bits);
  const int scale = (exponent == 0 ? 1 : static_cast<int>(exponent)) - bias - mantissa_bits;
  const double magnitude = std::ldexp(static_cast<double>(significand), scale);
  return negative ? -magnitude : magnitude;
}

std::optional<uint32_t> SmallFloat::encode(double value) const noexcept {
  const uint32_t infinity = ones(exponent_bits) << mantissa_bits;
  const bool has_sign = specials != Specials::exponent_only;
  const uint32_t sign = has_sign && std::signbit(value) ? uint32_t{1} << (mantissa_bits + exponent_bits) : 0;
  if (std::isnan(value)) {
    switch (specials) {
      case Specials::ieee: return sign | infinity | (uint32_t{1} << (mantissa_bits - 1));
      case Specials::nan_only: return sign | infinity | ones(mantissa_bits);
      case Specials::nan_for_minus0: return uint32_t{1} << (mantissa_bits + exponent_bits);
      case Specials::exponent_only: return infinity;
      case Specials::none: return std::nullopt;
    }
  }
  if (std::isinf(value)) return specials == Specials::ieee ? std::optional(sign | infinity) : std::nullopt;
  const double magnitude = std::fabs(value);
  if (!has_sign && !(value > 0)) return std::nullopt;
  int exponent = 1 - bias;
  if (magnitude > 0) {
    int power = 0;
    std::frexp(magnitude, &power);
    if (!has_sign || power - 1 > exponent) exponent = power - 1;
  }
  // Exact: a double scaled by a power of two, and to integers of at most 12 bits.
  auto significand = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, mantissa_bits - exponent)));
  if (significand == uint32_t{2} << mantissa_bits) {
    significand >>= 1;
    ++exponent;
  }
  if (!has_sign) {
    const int code = exponent + bias;
    if (code < 0 || code >= static_cast<int>(ones(exponent_bits))) return std::nullopt;
    return static_cast<uint32_t>(code);
  }
  if (significand < uint32_t{1} << mantissa_bits) {  // subnormal or zero
    if (significand == 0 && specials == Specials::nan_for_minus0) return 0;
    return sign | significand;
  }
  const int64_t code = int64_t{exponent} + bias;
  if (code > static_cast<int64_t>(ones(exponent_bits))) return std::nullopt;
  const uint32_t bits = (static_cast<uint32_t>(code) << mantissa_bits) | (significand & ones(mantissa_bits));
  if (specials == Specials::ieee && bits >= infinity) return std::nullopt;
  if (specials == Specials::nan_only && bits == (infinity | ones(mantissa_bits))) return std::nullopt;
  return sign | bits;
}

std::optional<SmallFloat> small_float_of(DType dtype) noexcept {
  switch (dtype.code) {
    case TypeCode::floating: return dtype.bits == 16 ? std::optional(kHalf) : std::nullopt;
    case TypeCode::bfloat:
      return dtype.bits == 16 ? std::optional(SmallFloat{8, 7, 127, Specials::ieee}) : std::nullopt;
    case TypeCode::float8_e3m4: return SmallFloat{3, 4, 3, Specials::ieee};
    case TypeCode::float8_e4m3: return SmallFloat{4, 3, 7, Specials::ieee};
    case TypeCode::float8_e4m3b11fnuz: return SmallFloat{4, 3, 11, Specials::nan_for_minus0};
    case TypeCode::float8_e4m3fn: return SmallFloat{4, 3, 7, Specials::nan_only};
    case TypeCode::float8_e4m3fnuz: return SmallFloat{4, 3, 8, Specials::nan_for_minus0};
    case TypeCode::float8_e5m2: return SmallFloat{5, 2, 15, Specials::ieee};
    case TypeCode::float8_e5m2fnuz: return SmallFloat{5, 2, 16, Specials::nan_for_minus0};
    case TypeCode::float8_e8m0fnu: return SmallFloat{8, 0, 127, Specials::exponent_only};
    case TypeCode::float6_e2m3fn: return SmallFloat{2, 3, 1, Specials::none};
    case TypeCode::float6_e3m2fn: return SmallFloat{3, 2, 3, Specials::none};
    case TypeCode::float4_e2m1fn: return SmallFloat{2, 1, 1, Specials::none};
    default: return std::nullopt;
  }
}

}  // namespace strideport::python
