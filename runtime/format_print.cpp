// The canonical text: one native scalar as its code; structures with every gap spelled, native members behind '^'.
#include <string>

#include "runtime/format_parse.hpp"
#include "runtime/format_table.hpp"

namespace strideport {
namespace {

constexpr char kForeignPrefix = kNativeOrder == ByteOrder::little ? '>' : '<';

class Printer {
 public:
  // The element itself: natively aligned, so that one native scalar is its bare code.
  std::string element(const FormatItem& item) {
    print(item, 1);
    return std::move(text_);
  }

 private:
  void print(const FormatItem& item, int64_t repeat) {
    shape(item);
    if (item.kind == ItemKind::structure) {
      number(repeat);
      structure(item);
      return;
    }
    prefix(item);
    number(repeat);
    code(item);
  }

  void shape(const FormatItem& item) {
    if (item.shape.empty()) return;
    char separator = '(';
    for (const int64_t extent : item.shape) {
      text_ += separator + std::to_string(extent);
      separator = ',';
    }
    text_ += ')';
  }

  void number(int64_t value) {
    if (value != 1) text_ += std::to_string(value);
  }

  // Bytes have neither order nor alignment; everything else needs the mode.
  void prefix(const FormatItem& item) {
    if ((item.size == item.count && item.kind != ItemKind::text) || item.kind == ItemKind::bits) return;
    const char wanted = item.order == kNativeOrder ? native_ : kForeignPrefix;
    if (wanted == mode_) return;
    mode_ = wanted;
    text_ += wanted;
  }

  void structure(const FormatItem& item) {
    text_ += "T{";
    native_ = '^';
    int64_t offset = 0;
    for (const FormatField& field : item.fields) {
      padding(field.offset - offset);
      print(field.item, field.repeat);
      if (!field.name.empty()) text_ += ':' + field.name + ':';
      offset = field.offset + field.repeat * field.item.total_size();
    }
    padding(item.size - offset);
    text_ += '}';
  }

  void padding(int64_t bytes) {
    if (bytes == 0) return;
    separate();
    number(bytes);
    text_ += 'x';
  }

  // A wchar_t* and a double are no complex, and with a gap behind it it is no error.
  void separate() {
    if (!text_.empty() && text_.back() == 'Z') text_ += ' ';
  }

  void code(const FormatItem& item) {
    separate();
    switch (item.kind) {
      case ItemKind::integer:
      case ItemKind::unsigned_integer:
      case ItemKind::boolean: {
        const DType dtype{item.kind == ItemKind::integer   ? TypeCode::integer
                          : item.kind == ItemKind::boolean ? TypeCode::boolean
                                                           : TypeCode::unsigned_integer,
                          static_cast<uint8_t>(8 * item.size), 1};
        text_ += code_of_dtype(dtype);
        return;
      }
      case ItemKind::complex: text_ += std::string("Z") + item.code; return;
      case ItemKind::function: text_ += "X{}"; return;
      case ItemKind::pointer: pointer(item); return;
      case ItemKind::opaque: number(item.count); text_ += 'x'; return;
      case ItemKind::text:
      case ItemKind::bytes:
      case ItemKind::pascal:
      case ItemKind::bits: number(item.count); [[fallthrough]];
      default: text_ += item.code; return;
    }
  }

  void pointer(const FormatItem& item) {
    text_ += item.code;
    if (item.target != nullptr) print(*item.target, 1);
  }

  std::string text_;
  char mode_ = '@';
  char native_ = '@';
};

}  // namespace

std::string print_format(const FormatItem& item) { return Printer().element(item); }

}  // namespace strideport
