#include "runtime/format_table.hpp"

#include <limits>

namespace strideport {
namespace {

using K = ItemKind;

template <class T>
constexpr FormatCode scalar(K kind, char code, int standard_size) {
  return {kind, code, false, int8_t{sizeof(T)}, int8_t{alignof(T)}, static_cast<int8_t>(standard_size)};
}

template <class T>
constexpr FormatCode length_of(K kind, char code) {
  return {kind, code, true, int8_t{sizeof(T)}, int8_t{alignof(T)}, int8_t{sizeof(T)}};
}

template <class T>
constexpr FormatCode complex_of(char code, int standard_size) {
  return {K::complex, code, false, int8_t{2 * sizeof(T)}, int8_t{alignof(T)}, static_cast<int8_t>(standard_size)};
}

// Sizes that struct calls standard; addresses, O and g have none there, and keep their own, as ctypes and NumPy
// write them behind '<'.
constexpr FormatCode kCodes[] = {
    scalar<int8_t>(K::integer, 'b', 1),
    scalar<uint8_t>(K::unsigned_integer, 'B', 1),
    scalar<short>(K::integer, 'h', 2),
    scalar<unsigned short>(K::unsigned_integer, 'H', 2),
    scalar<int>(K::integer, 'i', 4),
    scalar<unsigned>(K::unsigned_integer, 'I', 4),
    scalar<long>(K::integer, 'l', 4),
    scalar<unsigned long>(K::unsigned_integer, 'L', 4),
    scalar<long long>(K::integer, 'q', 8),
    scalar<unsigned long long>(K::unsigned_integer, 'Q', 8),
    scalar<std::ptrdiff_t>(K::integer, 'n', 0),
    scalar<std::size_t>(K::unsigned_integer, 'N', 0),
    scalar<bool>(K::boolean, '?', 1),
    scalar<uint16_t>(K::floating, 'e', 2),
    scalar<float>(K::floating, 'f', 4),
    scalar<double>(K::floating, 'd', 8),
    scalar<long double>(K::floating, 'g', sizeof(long double)),
    scalar<char>(K::character, 'c', 1),
    length_of<char>(K::bytes, 's'),
    length_of<char>(K::pascal, 'p'),
    length_of<char16_t>(K::text, 'u'),
    length_of<char32_t>(K::text, 'w'),
    length_of<char>(K::bits, 't'),
    length_of<char>(K::opaque, 'x'),
    scalar<void*>(K::pointer, 'P', sizeof(void*)),
    scalar<void*>(K::pointer, 'z', sizeof(void*)),
    scalar<void*>(K::object, 'O', sizeof(void*)),
};

constexpr FormatCode kComplexCodes[] = {
    complex_of<uint16_t>('e', 4),
    complex_of<float>('f', 8),
    complex_of<double>('d', 16),
    complex_of<long double>('g', 2 * sizeof(long double)),
};

constexpr FormatCode kWidePointer = scalar<void*>(K::pointer, 'Z', sizeof(void*));

struct CodeIndex {
  const FormatCode* plain[128] = {};
  const FormatCode* complex[128] = {};  // by the letter after Z
};

constexpr CodeIndex make_index() {
  CodeIndex index;
  for (const FormatCode& code : kCodes) index.plain[static_cast<unsigned char>(code.code)] = &code;
  for (const FormatCode& code : kComplexCodes) index.complex[static_cast<unsigned char>(code.code)] = &code;
  index.plain[static_cast<unsigned char>('F')] = index.complex[static_cast<unsigned char>('f')];
  index.plain[static_cast<unsigned char>('D')] = index.complex[static_cast<unsigned char>('d')];
  index.plain[static_cast<unsigned char>('G')] = index.complex[static_cast<unsigned char>('g')];
  index.plain[static_cast<unsigned char>('Z')] = &kWidePointer;
  return index;
}

constexpr CodeIndex kIndex = make_index();

}  // namespace

const FormatCode* find_code(std::string_view text, int& length) noexcept {
  const auto letter = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
  length = 1;
  if (letter(0) >= 128) return nullptr;
  if (letter(0) == 'Z' && letter(1) < 128 && kIndex.complex[letter(1)] != nullptr) {
    length = 2;
    return kIndex.complex[letter(1)];
  }
  return kIndex.plain[letter(0)];
}

bool long_double_is_quad() noexcept { return std::numeric_limits<long double>::digits == 113; }

DType dtype_of_item(const FormatItem& item) noexcept {
  if (!item.shape.empty() || item.order != kNativeOrder) return {};
  const auto bits = static_cast<uint8_t>(8 * item.size);
  switch (item.kind) {
    case K::integer: return {TypeCode::integer, bits, 1};
    case K::unsigned_integer: return {TypeCode::unsigned_integer, bits, 1};
    case K::boolean: return {TypeCode::boolean, bits, 1};
    case K::floating:
      if (item.code == 'g' && !long_double_is_quad()) return {};
      return {TypeCode::floating, bits, 1};
    case K::complex:
      // 256 bits do not fit into DLPack's eight.
      return item.size > 16 ? DType{} : DType{TypeCode::complex, bits, 1};
    default: return {};
  }
}

std::string_view code_of_dtype(DType dtype) noexcept {
  if (dtype.lanes != 1 || dtype.bits % 8 != 0) return {};
  const int size = dtype.bits / 8;
  const bool whole = size == 1 || size == 2 || size == 4 || size == 8;
  switch (dtype.code) {
    case TypeCode::integer: return !whole ? "" : size == 1 ? "b" : size == 2 ? "h" : size == 4 ? "i" : "q";
    case TypeCode::unsigned_integer: return !whole ? "" : size == 1 ? "B" : size == 2 ? "H" : size == 4 ? "I" : "Q";
    case TypeCode::boolean: return size == 1 ? "?" : "";
    case TypeCode::floating:
      if (size == 16) return long_double_is_quad() ? "g" : "";
      return !whole || size == 1 ? "" : size == 2 ? "e" : size == 4 ? "f" : "d";
    case TypeCode::complex: return size == 4 ? "Ze" : size == 8 ? "Zf" : size == 16 ? "Zd" : "";
    default: return {};
  }
}

}  // namespace strideport
