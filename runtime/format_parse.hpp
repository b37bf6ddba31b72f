/// From PEP 3118 text to a tree of items. The grammar is in docs/formats.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "strideport/format.hpp"

namespace strideport {

/// The specifications leave open where members lie and where structures end; exporters differ.
enum class Alignment : uint8_t {
  struct_module,  ///< '@' aligns members; nothing after the last one (struct, CPython's reference exporter)
  compiler,       ///< and structures end at a multiple of their alignment (C; Cython)
  packed,         ///< '@' aligns nothing: every gap is spelled (NumPy's exporter)
};

struct FormatReading {
  Alignment alignment = Alignment::struct_module;
  bool wide_u = false;  ///< 'u' is wchar_t, as ctypes has it, not UCS-2
};

struct ParsedFormat {
  FormatItem item;
  bool in_braces = false;    ///< the whole text is one T{...}
  bool spells_gaps = false;  ///< there is an x without a name
  bool ctypes_style = true;  ///< every code has a prefix of its own, '<' or '>'; nothing that ctypes cannot write
  bool bare_bytes = false;   ///< a B stands without a prefix of its own: ctypes' union
  bool misaligned = false;   ///< read as packed, a member under '@' but O lies at an unaligned offset
};

/// Throws: InvalidArgument naming the position and what was expected there.
ParsedFormat parse_format(std::string_view text, FormatReading reading = {});

/// What an exporter meant whose elements take `itemsize` bytes; none where no reading gives that size.
/// Throws: InvalidArgument as `parse_format`.
std::optional<FormatItem> read_as_exported(std::string_view text, int64_t itemsize);

/// Equal kinds, sizes, offsets, names and byte orders; alignment and the letters of equal types do not count.
bool same_meaning(const FormatItem& a, const FormatItem& b);

/// The canonical text of an item.
std::string print_format(const FormatItem& item);

}  // namespace strideport
