#include "runtime/format_table.hpp"

#include <bit>
#include <iterator>
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
  if (letter(0) == 'Z' && letter(1) < 128) {
    if (const FormatCode* complex = kIndex.complex[letter(1)]) {
      length = 2;
      return complex;
    }
    // Z makes what follows complex; only where nothing does, it is ctypes' pointer to wide characters.
    if (kIndex.plain[letter(1)] != nullptr) return nullptr;
  }
  return kIndex.plain[letter(0)];
}

namespace {

constexpr bool kQuadLongDouble = std::numeric_limits<long double>::digits == 113;

// The one table of DTypes that PEP 3118 can spell, in native byte order; read both ways.
struct DTypeRow {
  DType dtype;
  std::string_view code;
};
constexpr DTypeRow kDTypes[] = {
    {{TypeCode::integer, 8}, "b"},
    {{TypeCode::integer, 16}, "h"},
    {{TypeCode::integer, 32}, "i"},
    {{TypeCode::integer, 64}, "q"},
    {{TypeCode::unsigned_integer, 8}, "B"},
    {{TypeCode::unsigned_integer, 16}, "H"},
    {{TypeCode::unsigned_integer, 32}, "I"},
    {{TypeCode::unsigned_integer, 64}, "Q"},
    {{TypeCode::floating, 16}, "e"},
    {{TypeCode::floating, 32}, "f"},
    {{TypeCode::floating, 64}, "d"},
    {{TypeCode::floating, 128}, kQuadLongDouble ? "g" : ""},  // elsewhere g is 80 bits in 16 bytes
    {{TypeCode::complex, 32}, "Ze"},
    {{TypeCode::complex, 64}, "Zf"},
    {{TypeCode::complex, 128}, "Zd"},
    {{TypeCode::boolean, 8}, "?"},
};

// By code and by log2 of the bytes: exports ask once an element type, so no search.
struct DTypeIndex {
  std::string_view code[8][5];
};

constexpr size_t width_index(int bytes) {
  return static_cast<size_t>(std::bit_width(static_cast<unsigned>(bytes)) - 1);
}

constexpr DTypeIndex make_dtype_index() {
  DTypeIndex index;
  for (const DTypeRow& row : kDTypes) {
    index.code[static_cast<size_t>(row.dtype.code)][width_index(row.dtype.bits / 8)] = row.code;
  }
  return index;
}

constexpr DTypeIndex kDTypeIndex = make_dtype_index();

TypeCode type_code_of(ItemKind kind) noexcept {
  switch (kind) {
    case K::integer: return TypeCode::integer;
    case K::unsigned_integer: return TypeCode::unsigned_integer;
    case K::boolean: return TypeCode::boolean;
    case K::floating: return TypeCode::floating;
    case K::complex: return TypeCode::complex;
    default: return TypeCode::none;
  }
}

}  // namespace

DType dtype_of_item(const FormatItem& item) noexcept {
  if (!item.shape.empty() || item.order != kNativeOrder || item.size > 16) return {};
  const DType dtype{type_code_of(item.kind), static_cast<uint8_t>(8 * item.size), 1};
  return code_of_dtype(dtype).empty() ? DType{} : dtype;
}

std::string_view code_of_dtype(DType dtype) noexcept {
  const int bytes = dtype.bits / 8;
  if (dtype.lanes != 1 || dtype.bits % 8 != 0 || !std::has_single_bit(static_cast<unsigned>(bytes))) return {};
  const auto code = static_cast<size_t>(dtype.code);
  return code < std::size(kDTypeIndex.code) ? kDTypeIndex.code[code][width_index(bytes)] : std::string_view();
}

}  // namespace strideport
