#include "strideport/dtype.hpp"

#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <complex>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "strideport/error.hpp"
#include "strideport/format.hpp"

namespace strideport {
namespace {

using Key = std::pair<int, int>;  // code and bits

// Written by hand from the DLPack header's comments and the names that NumPy and ml_dtypes give.
const std::map<Key, std::string>& expected_names() {
  static const std::map<Key, std::string> names = {
      {{kDLInt, 1}, "int1"},
      {{kDLInt, 2}, "int2"},
      {{kDLInt, 4}, "int4"},
      {{kDLInt, 8}, "int8"},
      {{kDLInt, 16}, "int16"},
      {{kDLInt, 32}, "int32"},
      {{kDLInt, 64}, "int64"},
      {{kDLUInt, 1}, "uint1"},
      {{kDLUInt, 2}, "uint2"},
      {{kDLUInt, 4}, "uint4"},
      {{kDLUInt, 8}, "uint8"},
      {{kDLUInt, 16}, "uint16"},
      {{kDLUInt, 32}, "uint32"},
      {{kDLUInt, 64}, "uint64"},
      {{kDLFloat, 16}, "float16"},
      {{kDLFloat, 32}, "float32"},
      {{kDLFloat, 64}, "float64"},
      {{kDLFloat, 128}, "float128"},
      {{kDLOpaqueHandle, 64}, "handle"},
      {{kDLBfloat, 16}, "bfloat16"},
      {{kDLComplex, 32}, "complex32"},
      {{kDLComplex, 64}, "complex64"},
      {{kDLComplex, 128}, "complex128"},
      {{kDLBool, 8}, "bool"},
      {{kDLFloat8_e3m4, 8}, "float8_e3m4"},
      {{kDLFloat8_e4m3, 8}, "float8_e4m3"},
      {{kDLFloat8_e4m3b11fnuz, 8}, "float8_e4m3b11fnuz"},
      {{kDLFloat8_e4m3fn, 8}, "float8_e4m3fn"},
      {{kDLFloat8_e4m3fnuz, 8}, "float8_e4m3fnuz"},
      {{kDLFloat8_e5m2, 8}, "float8_e5m2"},
      {{kDLFloat8_e5m2fnuz, 8}, "float8_e5m2fnuz"},
      {{kDLFloat8_e8m0fnu, 8}, "float8_e8m0fnu"},
      {{kDLFloat6_e2m3fn, 6}, "float6_e2m3fn"},
      {{kDLFloat6_e3m2fn, 6}, "float6_e3m2fn"},
      {{kDLFloat4_e2m1fn, 4}, "float4_e2m1fn"},
  };
  return names;
}

// PEP 3118's spelling of those that have one; everything else has none.
const std::map<std::string, std::string>& expected_formats() {
  static const std::map<std::string, std::string> formats = {
      {"bool", "?"},    {"int8", "b"},    {"uint8", "B"},   {"int16", "h"},     {"uint16", "H"},
      {"int32", "i"},   {"uint32", "I"},  {"int64", "q"},   {"uint64", "Q"},    {"float16", "e"},
      {"float32", "f"}, {"float64", "d"}, {"complex32", "Ze"}, {"complex64", "Zf"}, {"complex128", "Zd"},
  };
  return formats;
}

DType make(int code, int bits, int lanes = 1) {
  return {static_cast<TypeCode>(code), static_cast<uint8_t>(bits), static_cast<uint16_t>(lanes)};
}

template <class F>
void for_every_code_and_width(F&& f) {
  for (int code = 0; code < 256; ++code) {
    for (int bits = 0; bits < 256; ++bits) f(code, bits);
  }
}

std::string error_of(std::string_view name) {
  try {
    parse_dtype(name);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(DType, KnowsExactlyTheTypesOfDLPack) {
  for_every_code_and_width([](int code, int bits) {
    const bool expected = expected_names().count({code, bits}) == 1;
    EXPECT_EQ(is_known(make(code, bits)), expected) << code << " " << bits;
    EXPECT_EQ(is_known(make(code, bits, 65535)), expected) << code << " " << bits;
    EXPECT_FALSE(is_known(make(code, bits, 0))) << code << " " << bits;
  });
}

TEST(DType, HasNumPysAndMlDtypesNames) {
  for (const auto& [key, name] : expected_names()) {
    EXPECT_EQ(to_string(make(key.first, key.second)), name);
    EXPECT_EQ(to_string(make(key.first, key.second, 4)), name + "x4");
    EXPECT_EQ(to_string(make(key.first, key.second, 65535)), name + "x65535");
  }
  EXPECT_EQ(to_string(DType{}), "none");
  EXPECT_EQ(to_string(make(kDLInt, 24)), "dtype(code=0, bits=24, lanes=1)");
  EXPECT_EQ(to_string(make(kDLFloat, 32, 0)), "dtype(code=2, bits=32, lanes=0)");
}

TEST(DType, ParsesWhatItPrints) {
  for (const auto& [key, name] : expected_names()) {
    for (const int lanes : {1, 2, 4, 10, 65535}) {
      const DType dtype = make(key.first, key.second, lanes);
      EXPECT_EQ(parse_dtype(to_string(dtype)), dtype) << to_string(dtype);
    }
  }
  EXPECT_EQ(parse_dtype("none"), DType{});
}

TEST(DType, ParsesNumPysAliases) {
  const std::map<std::string, std::string> aliases = {
      {"half", "float16"},      {"single", "float32"},     {"double", "float64"},    {"float", "float64"},
      {"csingle", "complex64"}, {"cdouble", "complex128"}, {"complex", "complex128"}, {"bool_", "bool"},
      {"byte", "int8"},         {"ubyte", "uint8"},        {"short", "int16"},       {"ushort", "uint16"},
      {"intc", "int32"},        {"uintc", "uint32"},       {"longlong", "int64"},    {"ulonglong", "uint64"},
      {"b1", "bool"},           {"i1", "int8"},            {"i2", "int16"},          {"i4", "int32"},
      {"i8", "int64"},          {"u1", "uint8"},           {"u2", "uint16"},         {"u4", "uint32"},
      {"u8", "uint64"},         {"f2", "float16"},         {"f4", "float32"},        {"f8", "float64"},
      {"c8", "complex64"},      {"c16", "complex128"},
  };
  for (const auto& [alias, name] : aliases) EXPECT_EQ(to_string(parse_dtype(alias)), name) << alias;
  for (const char* name : {"int", "int_", "intp"}) EXPECT_EQ(parse_dtype(name), dtype_of<ptrdiff_t>()) << name;
  for (const char* name : {"uint", "uintp"}) EXPECT_EQ(parse_dtype(name), dtype_of<size_t>()) << name;
  EXPECT_EQ(parse_dtype("long"), dtype_of<long>());
  EXPECT_EQ(parse_dtype("ulong"), dtype_of<unsigned long>());
}

TEST(DType, RefusesNamesThatAreNone) {
  EXPECT_EQ(error_of("flaot32"),
            "dtype 'flaot32' is no name of an element type, such as float32, bfloat16, int4 or float32x4");
  for (const char* name : {"", "x", "x4", "float32x", "float32x0", "float32x1", "float32x04", "float32x65536",
                           "float32x-1", "float32x4x4", "float32 x4", "float24", "int128", "nonex4", "None", "Float32",
                           " float32", "longdouble", "float256", "complex256", "int3", "object", "str"}) {
    EXPECT_THROW(parse_dtype(name), InvalidArgument) << name;
  }
  EXPECT_LT(error_of(std::string(100000, 'a')).size(), 200u);
}

TEST(DType, HasTheFormatOfPep3118OrNone) {
  for_every_code_and_width([](int code, int bits) {
    const DType dtype = make(code, bits);
    const Format format = Format::of(dtype);
    const auto named = expected_formats().find(to_string(dtype));
    if (code == kDLFloat && bits == 128) return;  // long double is binary128 on some machines
    ASSERT_EQ(static_cast<bool>(format), named != expected_formats().end()) << to_string(dtype);
    if (!format) return;
    EXPECT_EQ(format.text(), named->second);
    EXPECT_EQ(format.dtype(), dtype) << "format and back";
    EXPECT_EQ(format.itemsize(), dtype.itemsize());
    EXPECT_FALSE(Format::of(make(code, bits, 2))) << "PEP 3118 has no lanes";
  });
}

TEST(DType, LongDoubleIsFloat128OnlyWhereItIsBinary128) {
  const bool quad = std::numeric_limits<long double>::digits == 113;
  EXPECT_EQ(static_cast<bool>(Format::of(make(kDLFloat, 128))), quad);
  EXPECT_EQ(static_cast<bool>(Format::parse("g").dtype()), quad);
  EXPECT_EQ(Format::parse("g").itemsize(), static_cast<int64_t>(sizeof(long double)));
  EXPECT_FALSE(Format::parse("Zg").dtype());
}

TEST(DType, BoolIsNeverUint8) {
  EXPECT_NE(dtype_of<bool>(), dtype_of<uint8_t>());
  EXPECT_NE(Format::parse("?").dtype(), Format::parse("B").dtype());
  EXPECT_EQ(Format::parse("?").dtype(), dtype_of<bool>());
}

TEST(DType, OfCxxTypes) {
  EXPECT_EQ(to_string(dtype_of<bool>()), "bool");
  EXPECT_EQ(to_string(dtype_of<std::byte>()), "uint8");
  EXPECT_EQ(to_string(dtype_of<const int8_t>()), "int8");
  EXPECT_EQ(to_string(dtype_of<uint16_t>()), "uint16");
  EXPECT_EQ(to_string(dtype_of<int64_t>()), "int64");
  EXPECT_EQ(to_string(dtype_of<float>()), "float32");
  EXPECT_EQ(to_string(dtype_of<double>()), "float64");
  EXPECT_EQ(to_string(dtype_of<std::complex<float>>()), "complex64");
  EXPECT_EQ(to_string(dtype_of<std::complex<double>>()), "complex128");
}

TEST(DType, ItemsizeRoundsUpToBytes) {
  EXPECT_EQ(DType{}.itemsize(), 0);
  EXPECT_EQ(parse_dtype("int1").itemsize(), 1);
  EXPECT_EQ(parse_dtype("int4x2").itemsize(), 1);
  EXPECT_EQ(parse_dtype("int4x3").itemsize(), 2);
  EXPECT_EQ(parse_dtype("float6_e2m3fnx4").itemsize(), 3);
  EXPECT_EQ(parse_dtype("complex128").itemsize(), 16);
  EXPECT_EQ(parse_dtype("float64x65535").itemsize(), 8 * 65535);
}

TEST(DType, SubbyteMeansNarrowerThanAByte) {
  for (const auto& [key, name] : expected_names()) {
    EXPECT_EQ(make(key.first, key.second).is_subbyte(), key.second < 8) << name;
  }
  EXPECT_FALSE(DType{}.is_subbyte());
}

}  // namespace
}  // namespace strideport
