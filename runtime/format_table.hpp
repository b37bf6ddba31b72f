/// The struct codes: kind, sizes and alignment of each. The one place that knows them.
#pragma once

#include <cstdint>
#include <string_view>

#include "strideport/dtype.hpp"
#include "strideport/format.hpp"

namespace strideport {

/// What one code means. Units: bytes; for codes whose number is a length (s p u w t x), bytes of one unit.
struct FormatCode {
  ItemKind kind;
  char code;               ///< without Z
  bool counts_length;      ///< the number before it is a length, not a repeat
  int8_t native_size;
  int8_t native_alignment;
  int8_t standard_size;    ///< 0 where the code has a native size only
};

/// The code that `text` starts with, `length` characters long (1, or 2 for Zf); null for none. T, & and X are no
/// codes here: the parser takes them apart.
const FormatCode* find_code(std::string_view text, int& length) noexcept;

/// The DLPack type of one scalar in native order; none for everything else.
DType dtype_of_item(const FormatItem& item) noexcept;

/// The code, Z included, that spells a DType natively; empty for none.
std::string_view code_of_dtype(DType dtype) noexcept;

}  // namespace strideport
