#include "typestr.hpp"

#include <limits>

namespace strideport::python {
namespace {

constexpr char kNative = kNativeOrder == ByteOrder::little ? '<' : '>';

/// The struct code of a number, or nothing where no code has that size.
const char* code_of(char kind, int64_t size) {
  constexpr auto long_double = static_cast<int64_t>(sizeof(long double));
  switch (kind) {
    case 'b': return size == 1 ? "?" : nullptr;
    case 'i': return size == 1 ? "b" : size == 2 ? "h" : size == 4 ? "i" : size == 8 ? "q" : nullptr;
    case 'u': return size == 1 ? "B" : size == 2 ? "H" : size == 4 ? "I" : size == 8 ? "Q" : nullptr;
    case 'f': return size == 2 ? "e" : size == 4 ? "f" : size == 8 ? "d" : size == long_double ? "g" : nullptr;
    case 'c': return size == 8 ? "Zf" : size == 16 ? "Zd" : size == 2 * long_double ? "Zg" : nullptr;
    case 'M':
    case 'm': return size == 8 ? "q" : nullptr;
    case 'O': return size == static_cast<int64_t>(sizeof(void*)) ? "O" : nullptr;
    default: return nullptr;
  }
}

std::optional<int64_t> parse_digits(std::string_view text) {
  if (text.empty()) return std::nullopt;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || __builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, c - '0', &value))
      return std::nullopt;
  }
  return value <= std::numeric_limits<int64_t>::max() / 4 ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<TypeString> parse_typestr(std::string_view text) {
  TypeString type;
  if (!text.empty() && std::string_view("<>|=").find(text[0]) != std::string_view::npos) {
    type.order = text[0] == '=' ? kNative : text[0];
    text.remove_prefix(1);
  }
  if (text.size() < 2 || std::string_view("biufcmMOSUV").find(text[0]) == std::string_view::npos) return std::nullopt;
  type.kind = text[0];
  text.remove_prefix(1);
  const size_t unit = text.find('[');
  if (unit != std::string_view::npos) {
    if ((type.kind != 'M' && type.kind != 'm') || text.back() != ']') return std::nullopt;
    text = text.substr(0, unit);
  }
  const std::optional<int64_t> size = parse_digits(text);
  if (!size) return std::nullopt;
  type.size = *size;
  return type;
}

std::string format_of(const TypeString& type) {
  if (type.kind == 'S') return std::to_string(type.size) + "s";
  if (type.kind == 'V') return std::to_string(type.size) + "x";
  const std::string prefix = type.order == '|' || type.order == kNative ? "" : std::string(1, type.order);
  if (type.kind == 'U') return prefix + std::to_string(type.size) + "w";
  const char* code = code_of(type.kind, type.size);
  if (code == nullptr) {
    throw InvalidArgument("typestr kind '" + std::string(1, type.kind) + "' has no size of " +
                          std::to_string(type.size) + " bytes");
  }
  return prefix + code;
}

std::string format_of_typestr(std::string_view text) {
  const std::optional<TypeString> type = parse_typestr(text);
  if (!type) throw InvalidArgument("typestr '" + std::string(text) + "' is none, such as '<f4' or '|V8' are");
  return format_of(*type);
}

std::optional<std::string> typestr_of(const FormatItem& item) {
  const std::string size = std::to_string(item.size);
  if (!item.shape.empty()) return "|V" + std::to_string(item.total_size());
  const std::string order = item.size == 1 ? "|" : item.order == ByteOrder::little ? "<" : ">";
  switch (item.kind) {
    case ItemKind::integer: return order + "i" + size;
    case ItemKind::unsigned_integer: return order + "u" + size;
    case ItemKind::boolean: return item.size == 1 ? std::optional<std::string>("|b1") : std::nullopt;
    case ItemKind::floating: return order + "f" + size;
    case ItemKind::complex: return item.size > 4 ? std::optional(order + "c" + size) : std::nullopt;  // no complex32
    case ItemKind::character:
    case ItemKind::bytes: return "|S" + size;
    case ItemKind::text:
      return item.code == 'w' ? std::optional(order + "U" + std::to_string(item.size / 4)) : std::nullopt;
    case ItemKind::object: return "|O" + size;
    case ItemKind::structure:
    case ItemKind::opaque: return "|V" + size;
    case ItemKind::pascal:
    case ItemKind::bits:
    case ItemKind::pointer:
    case ItemKind::function: break;
  }
  return std::nullopt;
}

}  // namespace strideport::python
