/// Element types that DLPack can name: `DType{code, bits, lanes}`, with DLPack's values.
///
/// A DType says nothing of byte order or of fields: those are the business of `Format` (format.hpp). The two
/// meet in one table, runtime/format_table.cpp; names are in runtime/dtype.cpp.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace strideport {

/// DLPack 1.3's `DLDataTypeCode`.
enum class TypeCode : uint8_t {
  integer = 0,
  unsigned_integer = 1,
  floating = 2,
  opaque_handle = 3,
  bfloat = 4,
  complex = 5,
  boolean = 6,
  float8_e3m4 = 7,
  float8_e4m3 = 8,
  float8_e4m3b11fnuz = 9,
  float8_e4m3fn = 10,
  float8_e4m3fnuz = 11,
  float8_e5m2 = 12,
  float8_e5m2fnuz = 13,
  float8_e8m0fnu = 14,
  float6_e2m3fn = 15,
  float6_e3m2fn = 16,
  float4_e2m1fn = 17,
  /// Not DLPack's: structs, foreign byte order, byte strings and whatever else only a format can spell.
  none = 255,
};

struct DType {
  TypeCode code = TypeCode::none;
  uint8_t bits = 0;
  uint16_t lanes = 1;

  friend constexpr bool operator==(const DType&, const DType&) = default;

  /// False for element types that only a `Format` describes.
  constexpr explicit operator bool() const noexcept { return code != TypeCode::none; }

  /// Units: bytes that one element takes when elements are not packed: ceil(bits * lanes / 8).
  constexpr int64_t itemsize() const noexcept { return (int64_t{bits} * lanes + 7) / 8; }

  /// True for types narrower than a byte, which DLPack packs unless a flag says that they are padded.
  constexpr bool is_subbyte() const noexcept { return code != TypeCode::none && bits < 8; }
};

/// True if this code exists with this width, and lanes > 0: int and uint of 1, 2, 4, 8, 16, 32, 64 bits; float of
/// 16, 32, 64, 128 (IEEE binary128, never x86's long double); complex of 32, 64, 128; bool of 8; bfloat of 16; the
/// float8s, float6s and float4 of their own; handles of 64.
[[nodiscard]] bool is_known(DType dtype) noexcept;

/// NumPy's and ml_dtypes' name: "float32", "bfloat16", "float8_e4m3fn", "int4"; "float32x4" with lanes;
/// "none" for no DType, "dtype(code=0, bits=24, lanes=1)" for one that is not known.
[[nodiscard]] std::string to_string(DType dtype);

/// Reads what `to_string` writes, NumPy's aliases ("half", "double", "intp", "bool_", ...) and the sized letters of
/// its type strings ("f4", "u1", "c16"). Not "longdouble": its format is 'g'.
/// Throws: InvalidArgument naming the text for a name that is none.
[[nodiscard]] DType parse_dtype(std::string_view name);

/// The DType of a C++ arithmetic type, of std::complex, and of std::byte (uint8). A long double has one only where
/// it is IEEE binary64 or binary128.
template <class T>
constexpr DType dtype_of() noexcept {
  using U = std::remove_cv_t<T>;
  constexpr auto bits = static_cast<uint8_t>(8 * sizeof(U));
  if constexpr (std::is_same_v<U, bool>) {
    return {TypeCode::boolean, 8, 1};
  } else if constexpr (std::is_same_v<U, std::complex<float>> || std::is_same_v<U, std::complex<double>>) {
    return {TypeCode::complex, bits, 1};
  } else if constexpr (std::is_same_v<U, std::byte>) {
    return {TypeCode::unsigned_integer, 8, 1};
  } else if constexpr (std::is_floating_point_v<U>) {
    static_assert(sizeof(U) <= 8 || std::numeric_limits<U>::digits == 113, "no DType for this type: give its Format");
    return {TypeCode::floating, bits, 1};
  } else {
    static_assert(std::is_integral_v<U>, "no DType for this type: give its Format instead");
    return {std::is_signed_v<U> ? TypeCode::integer : TypeCode::unsigned_integer, bits, 1};
  }
}

}  // namespace strideport
