// Any text as a format: it is refused in bearable words, or means the same when it is printed and read again. What the
// struct module can spell has that module's size, counted here by hand.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "strideport/error.hpp"
#include "strideport/format.hpp"
#include "tests/fuzz/input.hpp"

namespace strideport::testing {
namespace {

__extension__ typedef unsigned __int128 Wide;

void check_item(const FormatItem& item) {
  require(item.size >= 0 && item.alignment >= 1 && item.count >= 0, "sizes, counts and alignments are sound");
  require(item.total_size() >= 0, "a size does not overflow");
  for (const int64_t extent : item.shape) require(extent >= 0, "no extent is negative");
  int64_t end = 0;
  for (const FormatField& field : item.fields) {
    require(field.offset >= end, "fields do not overlap");
    require(field.repeat >= 1 && (field.repeat == 1 || field.item.shape.empty()), "a repeated field has no shape");
    end = field.offset + field.repeat * field.item.total_size();
    check_item(field.item);
  }
  if (item.kind == ItemKind::structure) require(end <= item.size, "no field reaches over the end");
  if (item.target) check_item(*item.target);
}

/// Bytes of one code of the struct module on a machine with 8-byte longs, natively aligned to as much; 0 for no code.
int64_t code_size(char code, bool native) {
  switch (code) {
    case 'c':
    case 'b':
    case 'B':
    case '?':
    case 'x':
    case 's':
    case 'p': return 1;
    case 'h':
    case 'H':
    case 'e': return 2;
    case 'i':
    case 'I':
    case 'f': return 4;
    case 'l':
    case 'L': return native ? 8 : 4;
    case 'q':
    case 'Q':
    case 'd': return 8;
    case 'n':
    case 'N':
    case 'P': return native ? 8 : 0;
    default: return 0;
  }
}

/// struct.calcsize, for texts of one leading prefix at most, counts and codes alone; nothing for others.
std::optional<Wide> calculated_size(std::string_view text) {
  bool native = true;
  if (!text.empty() && std::string_view("@=<>!").find(text[0]) != std::string_view::npos) {
    native = text[0] == '@';
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;  // an order of nothing
  Wide size = 0;
  while (!text.empty()) {
    const bool counted = text[0] >= '0' && text[0] <= '9';
    Wide count = counted ? 0 : 1;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
      count = count * 10 + static_cast<Wide>(text[0] - '0');
      if (count > INT64_MAX) return std::nullopt;
      text.remove_prefix(1);
    }
    const int64_t each = text.empty() ? 0 : code_size(text[0], native);
    if (each == 0) return std::nullopt;
    if (native) {
      const auto alignment = static_cast<Wide>(each);
      size = (size + alignment - 1) / alignment * alignment;
    }
    size += count * static_cast<Wide>(each);
    text.remove_prefix(1);
  }
  return size;
}

void check_format(const Format& format) {
  require(static_cast<bool>(format), "what was parsed is a format");
  require(format.itemsize() >= 0 && format.alignment() >= 1, "sizes are sound");
  check_item(format.item());
  const std::string canonical = format.canonical();
  const Format again = Format::parse(canonical);
  require(again == format, "the canonical text means the same");
  require(again.canonical() == canonical, "the canonical text is its own");
  require(again.itemsize() == format.itemsize(), "the canonical text has that size");
  require(again.dtype() == format.dtype(), "the canonical text has that dtype");
}

void check_exported(std::string_view text, int64_t itemsize) {
  const Format format = Format::parse_for(text, itemsize);
  require(format.itemsize() == itemsize, "an exporter's format has the exporter's size");
  require(format.text() == text, "an exporter's text is kept");
  check_format(format);
}

void try_text(std::string_view text) {
  const std::optional<Wide> calculated = calculated_size(text);
  int64_t itemsize = static_cast<int64_t>(text.size() % 67);
  try {
    const Format format = Format::parse(text);
    require(format.text() == text, "the text is kept");
    check_format(format);
    require(!calculated || static_cast<Wide>(format.itemsize()) == *calculated, "the size is struct.calcsize's");
    require(size_from_format(text) == format.itemsize(), "size_from_format agrees");
    require(Format::parse(text) == format, "parsing twice gives equals");
    itemsize = format.itemsize();
    check_exported(text, itemsize);
    if (itemsize < INT64_MAX) check_exported(text, itemsize + 1);
  } catch (const InvalidArgument& error) {
    require(std::string_view(error.what()).size() < 400, "an error is of bearable length");
    require(!calculated || *calculated > INT64_MAX, "what the struct module reads is read");
  }
  check_exported(text, static_cast<int64_t>(text.size() % 67));
}

}  // namespace
}  // namespace strideport::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strideport::testing::try_text({reinterpret_cast<const char*>(data), size});
  return 0;
}
