// What an exporter meant by a format, given the itemsize that it says.
//
// The texts of NumPy, ctypes, Cython and struct look alike and mean different offsets. They differ in what lies
// between members, so in general the size tells them apart; where it does not, these facts do:
//
// - ctypes puts a prefix, '<' or '>', before every code, so nothing is aligned. Before 3.12 it leaves the gaps out.
// - NumPy spells every gap but the one after the last member, and writes '@' only before what lies at an aligned offset
//   from the start of the outermost structure, but for O. A reading without alignment that contradicts the second
//   is not NumPy's.
// - Cython and hand-written texts spell no gaps: '@' members are aligned, and structures padded, as C does.
#include <optional>
#include <utility>

#include "runtime/format_parse.hpp"

namespace strideport {
namespace {

bool has_size(const ParsedFormat& parsed, int64_t itemsize) { return parsed.item.total_size() == itemsize; }

// NumPy's structure whose last gap is not spelled.
std::optional<FormatItem> with_tail(ParsedFormat&& packed, int64_t itemsize) {
  const bool fits = packed.in_braces && !packed.misaligned && packed.item.shape.empty() && packed.item.size < itemsize;
  if (!fits) return std::nullopt;
  packed.item.size = itemsize;
  return std::move(packed.item);
}

// ctypes is exact, or the structure has what it cannot say (unions, bit-fields, or any gap before 3.12). Padding
// without a union, and yet too few bytes: NumPy again, with all its members in foreign order.
std::optional<FormatItem> read_ctypes_style(ParsedFormat&& packed, int64_t itemsize) {
  if (has_size(packed, itemsize)) return std::move(packed.item);
  if (packed.spells_gaps && !packed.bare_bytes) return with_tail(std::move(packed), itemsize);
  return std::nullopt;
}

std::optional<FormatItem> read(std::string_view text, int64_t itemsize, bool wide_u) {
  ParsedFormat packed = parse_format(text, {Alignment::packed, wide_u});
  if (packed.ctypes_style) return read_ctypes_style(std::move(packed), itemsize);
  const bool exact = has_size(packed, itemsize);
  if (exact && !packed.misaligned) return std::move(packed.item);
  if (packed.spells_gaps) {
    if (std::optional<FormatItem> item = with_tail(std::move(packed), itemsize)) return item;
  }
  for (const Alignment alignment : {Alignment::compiler, Alignment::struct_module}) {
    ParsedFormat aligned = parse_format(text, {alignment, wide_u});
    if (has_size(aligned, itemsize)) return std::move(aligned.item);
  }
  if (exact) return std::move(packed.item);
  return with_tail(std::move(packed), itemsize);
}

}  // namespace

std::optional<FormatItem> read_as_exported(std::string_view text, int64_t itemsize) {
  // Structures with u are ctypes', which means wchar_t by it.
  const bool may_have_u = text.find('u') != std::string_view::npos;
  std::optional<FormatItem> item = read(text, itemsize, may_have_u);
  if (!item && may_have_u && text.find("T{") == std::string_view::npos) item = read(text, itemsize, false);
  return item;
}

}  // namespace strideport
