#include "strideport/dtype.hpp"

#include <charconv>

#include "strideport/error.hpp"

namespace strideport {
namespace {

using C = TypeCode;

struct TypeName {
  std::string_view name;
  TypeCode code;
  uint8_t bits;
};

// Every DType of one lane: NumPy's name, or where NumPy has none, ml_dtypes'.
constexpr TypeName kNames[] = {
    {"bool", C::boolean, 8},
    {"int8", C::integer, 8},
    {"int16", C::integer, 16},
    {"int32", C::integer, 32},
    {"int64", C::integer, 64},
    {"uint8", C::unsigned_integer, 8},
    {"uint16", C::unsigned_integer, 16},
    {"uint32", C::unsigned_integer, 32},
    {"uint64", C::unsigned_integer, 64},
    {"float16", C::floating, 16},
    {"float32", C::floating, 32},
    {"float64", C::floating, 64},
    {"float128", C::floating, 128},
    {"complex32", C::complex, 32},
    {"complex64", C::complex, 64},
    {"complex128", C::complex, 128},
    {"bfloat16", C::bfloat, 16},
    {"int1", C::integer, 1},
    {"int2", C::integer, 2},
    {"int4", C::integer, 4},
    {"uint1", C::unsigned_integer, 1},
    {"uint2", C::unsigned_integer, 2},
    {"uint4", C::unsigned_integer, 4},
    {"float8_e3m4", C::float8_e3m4, 8},
    {"float8_e4m3", C::float8_e4m3, 8},
    {"float8_e4m3b11fnuz", C::float8_e4m3b11fnuz, 8},
    {"float8_e4m3fn", C::float8_e4m3fn, 8},
    {"float8_e4m3fnuz", C::float8_e4m3fnuz, 8},
    {"float8_e5m2", C::float8_e5m2, 8},
    {"float8_e5m2fnuz", C::float8_e5m2fnuz, 8},
    {"float8_e8m0fnu", C::float8_e8m0fnu, 8},
    {"float6_e2m3fn", C::float6_e2m3fn, 6},
    {"float6_e3m2fn", C::float6_e3m2fn, 6},
    {"float4_e2m1fn", C::float4_e2m1fn, 4},
    {"handle", C::opaque_handle, 64},
};

constexpr uint8_t bits_of(size_t bytes) { return static_cast<uint8_t>(8 * bytes); }

// NumPy's other names, and the sized letters of its type strings. longdouble is missing: see docs/formats.md.
constexpr TypeName kAliases[] = {
    {"bool_", C::boolean, 8},
    {"byte", C::integer, 8},
    {"ubyte", C::unsigned_integer, 8},
    {"short", C::integer, bits_of(sizeof(short))},
    {"ushort", C::unsigned_integer, bits_of(sizeof(short))},
    {"intc", C::integer, bits_of(sizeof(int))},
    {"uintc", C::unsigned_integer, bits_of(sizeof(int))},
    {"long", C::integer, bits_of(sizeof(long))},
    {"ulong", C::unsigned_integer, bits_of(sizeof(long))},
    {"longlong", C::integer, 64},
    {"ulonglong", C::unsigned_integer, 64},
    {"int", C::integer, bits_of(sizeof(void*))},
    {"int_", C::integer, bits_of(sizeof(void*))},
    {"uint", C::unsigned_integer, bits_of(sizeof(void*))},
    {"intp", C::integer, bits_of(sizeof(void*))},
    {"uintp", C::unsigned_integer, bits_of(sizeof(void*))},
    {"half", C::floating, 16},
    {"single", C::floating, 32},
    {"double", C::floating, 64},
    {"float", C::floating, 64},
    {"csingle", C::complex, 64},
    {"cdouble", C::complex, 128},
    {"complex", C::complex, 128},
    {"b1", C::boolean, 8},
    {"i1", C::integer, 8},
    {"i2", C::integer, 16},
    {"i4", C::integer, 32},
    {"i8", C::integer, 64},
    {"u1", C::unsigned_integer, 8},
    {"u2", C::unsigned_integer, 16},
    {"u4", C::unsigned_integer, 32},
    {"u8", C::unsigned_integer, 64},
    {"f2", C::floating, 16},
    {"f4", C::floating, 32},
    {"f8", C::floating, 64},
    {"c8", C::complex, 64},
    {"c16", C::complex, 128},
};

const TypeName* find_type(DType dtype) noexcept {
  for (const TypeName& entry : kNames) {
    if (entry.code == dtype.code && entry.bits == dtype.bits) return &entry;
  }
  return nullptr;
}

// One lane; no DType where the name is none.
DType find_name(std::string_view name) noexcept {
  for (const TypeName& entry : kNames) {
    if (entry.name == name) return {entry.code, entry.bits, 1};
  }
  for (const TypeName& entry : kAliases) {
    if (entry.name == name) return {entry.code, entry.bits, 1};
  }
  return {};
}

// 2 to 65535, as `to_string` writes them; 0 for anything else.
uint16_t parse_lanes(std::string_view digits) noexcept {
  uint16_t lanes = 0;
  if (digits.empty() || digits.front() == '0') return 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, lanes);
  return error == std::errc() && stop == end && lanes > 1 ? lanes : uint16_t{0};
}

}  // namespace

bool is_known(DType dtype) noexcept { return dtype.lanes > 0 && find_type(dtype) != nullptr; }

std::string to_string(DType dtype) {
  if (!dtype) return "none";
  const TypeName* type = find_type(dtype);
  if (type == nullptr || dtype.lanes == 0) {
    return "dtype(code=" + std::to_string(static_cast<int>(dtype.code)) + ", bits=" + std::to_string(dtype.bits) +
           ", lanes=" + std::to_string(dtype.lanes) + ")";
  }
  std::string text(type->name);
  return dtype.lanes == 1 ? text : text + "x" + std::to_string(dtype.lanes);
}

DType parse_dtype(std::string_view name) {
  if (name == "none") return {};
  if (const DType dtype = find_name(name)) return dtype;
  // The last x: "complex64x2" has two.
  if (const size_t x = name.rfind('x'); x != std::string_view::npos) {
    DType dtype = find_name(name.substr(0, x));
    dtype.lanes = parse_lanes(name.substr(x + 1));
    if (dtype && dtype.lanes != 0) return dtype;
  }
  constexpr size_t kShown = 60;
  throw InvalidArgument("dtype '" + std::string(name.substr(0, kShown)) + (name.size() > kShown ? "..." : "") +
                        "' is no name of an element type, such as float32, bfloat16, int4 or float32x4");
}

}  // namespace strideport
