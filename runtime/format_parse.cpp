// One pass, recursive over T{ and &, at most kMaxDepth deep. A member is
//
//   prefix* [shape] prefix* [count] code [:name:]
//
// with white space wherever a member may start. Prefixes hold until the next one, across braces.
#include "runtime/format_parse.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/format_table.hpp"
#include "strideport/error.hpp"
#include "strideport/layout.hpp"

namespace strideport {
namespace {

constexpr int kMaxDepth = 64;
constexpr const char* kTooDeep = "nested more than 64 deep";

bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_prefix(char c) noexcept { return c == '@' || c == '=' || c == '<' || c == '>' || c == '!' || c == '^'; }

// Printable ASCII; whole where short, else the neighbourhood of the position.
std::string excerpt(std::string_view text, size_t position) {
  constexpr size_t kWhole = 60;
  constexpr size_t kAround = 24;
  size_t begin = 0;
  size_t end = text.size();
  if (text.size() > kWhole) {
    begin = position > kAround ? std::min(position - kAround, text.size()) : 0;
    end = std::min(text.size(), position + kAround);
  }
  std::string shown = begin > 0 ? "..." : "";
  for (const char c : text.substr(begin, end - begin)) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      constexpr char kHex[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      shown += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return shown + (end < text.size() ? "..." : "");
}

class Parser {
 public:
  Parser(std::string_view text, FormatReading reading) : text_(text), reading_(reading) {}

  ParsedFormat run() {
    Members top = members(0);
    if (!at_end()) fail("a '}' without its 'T{'");
    result_.item = unwrap(std::move(top));
    const bool wrapped = result_.item.kind == ItemKind::structure && !result_.in_braces;
    if (wrapped && full_at_) fail_at(*full_at_, kTooDeep);  // canonically its members stand inside one more T{
    return std::move(result_);
  }

 private:
  // A structure in the making.
  struct Members {
    FormatItem structure;
    int64_t count = 0;     // members seen, padding and repeats of 0 included
    FormatItem last_pad;   // becomes the element where padding stands alone
    Members() {
      structure.kind = ItemKind::structure;
      structure.code = 'T';
      structure.size = 0;
    }
  };

  // What stands before a name.
  struct Member {
    FormatItem item;
    std::vector<int64_t> shape;
    int64_t repeat = 1;
    bool counts_length = false;
    bool aligns = false;
    size_t position = 0;
  };

  [[noreturn]] void fail_at(size_t position, const std::string& what) const {
    throw InvalidArgument("format '" + excerpt(text_, position) + "' position " + std::to_string(position) + ": " +
                          what);
  }
  [[noreturn]] void fail(const std::string& what) const { fail_at(pos_, what); }

  bool at_end() const noexcept { return pos_ >= text_.size(); }
  bool take(char c) noexcept {
    if (at_end() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("expected '") + c + "'");
  }
  void skip_space() noexcept {
    while (!at_end() && is_space(text_[pos_])) ++pos_;
  }

  // Takes prefixes and the space around them.
  void prefixes() {
    for (skip_space(); !at_end() && is_prefix(text_[pos_]); skip_space()) {
      mode_ = text_[pos_++];
      own_prefix_ = true;
      if (mode_ != '<' && mode_ != '>') result_.ctypes_style = false;
    }
  }

  bool native_sizes() const noexcept { return mode_ == '@' || mode_ == '^'; }
  ByteOrder order() const noexcept {
    if (mode_ == '<') return ByteOrder::little;
    if (mode_ == '>' || mode_ == '!') return ByteOrder::big;
    return kNativeOrder;
  }

  int64_t number() {
    const size_t start = pos_;
    int64_t value = 0;
    for (; !at_end() && is_digit(text_[pos_]); ++pos_) {
      if (!try_mul(value, 10, value) || !try_add(value, text_[pos_] - '0', value)) {
        fail_at(start, "the number overflows int64");
      }
    }
    if (pos_ == start) fail("expected a number");
    return value;
  }

  int64_t multiply(int64_t a, int64_t b, size_t position) const {
    int64_t product = 0;
    if (!try_mul(a, b, product)) fail_at(position, "the size overflows int64");
    return product;
  }
  int64_t add(int64_t a, int64_t b, size_t position) const {
    int64_t sum = 0;
    if (!try_add(a, b, sum)) fail_at(position, "the size overflows int64");
    return sum;
  }
  int64_t align_up(int64_t offset, int64_t alignment, size_t position) const {
    return add(offset, (alignment - offset % alignment) % alignment, position);
  }

  std::vector<int64_t> shape() {
    std::vector<int64_t> extents;
    if (!take('(')) return extents;
    do {
      skip_space();
      if (extents.size() == static_cast<size_t>(kMaxNdim)) fail("a sub-array of more than 64 dimensions");
      extents.push_back(number());
      skip_space();
    } while (take(','));
    expect(')');
    return extents;
  }

  std::string name() {
    if (!take(':')) return {};
    const size_t end = text_.find(':', pos_);
    if (end == std::string_view::npos) fail_at(pos_ - 1, "the name has no closing ':'");
    if (end == pos_) fail("the name is empty");
    std::string result(text_.substr(pos_, end - pos_));
    if (result.find('\0') != std::string::npos) fail("the name contains a zero byte");
    pos_ = end + 1;
    return result;
  }

  void enter() {
    if (++depth_ > kMaxDepth) fail(kTooDeep);
    if (depth_ == kMaxDepth && !full_at_) full_at_ = pos_;
  }
  void leave() noexcept { --depth_; }

  // One member up to its name.
  Member member() {
    Member result;
    prefixes();
    result.shape = shape();
    prefixes();
    result.position = pos_;
    const bool counted = !at_end() && is_digit(text_[pos_]);
    const int64_t count = counted ? number() : 1;
    result.aligns = mode_ == '@' && reading_.alignment != Alignment::packed;
    item(result, count);
    if (!result.aligns) result.item.alignment = 1;
    if (!result.counts_length) result.repeat = count;
    return result;
  }

  void item(Member& out, int64_t count) {
    if (take('&')) return pointer(out.item);
    if (text_.substr(pos_, 2) == "T{") return structure(out.item);
    if (text_.substr(pos_, 2) == "X{") return function(out.item);
    scalar(out, count);
  }

  void pointer(FormatItem& out) {
    enter();
    own_prefix_ = false;
    const bool misaligned = result_.misaligned;
    Member target = member();
    result_.misaligned = misaligned;  // the target lies elsewhere
    out.target = std::make_shared<const FormatItem>(as_subarray(std::move(target)));
    leave();
    address(out, ItemKind::pointer, '&');
  }

  void structure(FormatItem& out) {
    enter();
    pos_ += 2;
    Members inner = members(here_);
    expect('}');
    leave();
    out = std::move(inner.structure);
  }

  // The signature inside the braces says nothing about the element's bytes, so it is skipped.
  void function(FormatItem& out) {
    const size_t start = pos_;
    pos_ += 2;
    for (int64_t open = 1; open > 0; ++pos_) {
      if (at_end()) fail_at(start, "expected the '}' that closes 'X{'");
      if (text_[pos_] == '\0') fail("a zero byte");
      open += text_[pos_] == '{' ? 1 : text_[pos_] == '}' ? -1 : 0;
    }
    address(out, ItemKind::function, 'X');
  }

  void address(FormatItem& out, ItemKind kind, char code) const noexcept {
    out.kind = kind;
    out.code = code;
    out.size = sizeof(void*);
    out.alignment = alignof(void*);
  }

  void scalar(Member& out, int64_t count) {
    int length = 0;
    const FormatCode* code = at_end() ? nullptr : find_code(text_.substr(pos_), length);
    if (code == nullptr) fail(at_end() ? "expected a format code" : "expected a format code, not '" + here() + "'");
    if (!native_sizes() && code->standard_size == 0) {
      fail(std::string("'") + code->code + "' has a native size only: put '@' or '^' before it");
    }
    note_style(code->code);
    if (code->code == 'u' && reading_.wide_u) code = find_code(sizeof(wchar_t) == 4 ? "w" : "u", length);
    pos_ += static_cast<size_t>(length);
    out.counts_length = code->counts_length;
    if (mode_ == '@' && code->kind != ItemKind::object && here_ % static_cast<uint64_t>(code->native_alignment) != 0) {
      result_.misaligned = true;
    }
    fill(out.item, *code, code->counts_length ? count : 1, out.position);
  }

  void note_style(char code) noexcept {
    if (code == 'B' && !own_prefix_) {
      result_.bare_bytes = true;
    } else if (code != 'x' && (!own_prefix_ || code == 'e' || code == 's' || code == 'w')) {
      result_.ctypes_style = false;
    }
  }

  void fill(FormatItem& out, const FormatCode& code, int64_t count, size_t position) const {
    const int64_t unit = native_sizes() ? code.native_size : code.standard_size;
    out.kind = code.kind;
    out.code = code.code;
    out.count = count;
    out.size = code.kind == ItemKind::bits ? count / 8 + (count % 8 != 0) : multiply(unit, count, position);
    out.alignment = code.native_alignment;
    const bool swappable = (unit > 1 || code.kind == ItemKind::text) && code.kind != ItemKind::object &&
                           code.kind != ItemKind::pointer;
    out.order = swappable ? order() : kNativeOrder;
  }

  std::string here() const { return excerpt(text_.substr(pos_, 1), 0); }

  // Moves shape and repeat into the item.
  FormatItem as_subarray(Member&& member) {
    FormatItem result = std::move(member.item);
    if (member.repeat != 1) member.shape.push_back(member.repeat);
    result.shape = std::move(member.shape);
    int64_t bytes = result.size;
    for (const int64_t extent : result.shape) bytes = multiply(bytes, extent, member.position);
    return result;
  }

  // Everything up to '}' or the end.
  Members members(uint64_t base) {
    Members out;
    int64_t offset = 0;
    for (;;) {
      own_prefix_ = false;
      prefixes();
      if (at_end() || text_[pos_] == '}') {
        if (own_prefix_ && out.count > 0) fail("expected an item after the byte order");
        break;
      }
      here_ = base + static_cast<uint64_t>(offset);
      add_member(out, offset);
    }
    FormatItem& structure = out.structure;
    if (reading_.alignment == Alignment::compiler) offset = align_up(offset, structure.alignment, pos_);
    structure.size = offset;
    return out;
  }

  void add_member(Members& out, int64_t& offset) {
    Member next = member();
    offset = align_up(offset, next.item.alignment, next.position);
    out.structure.alignment = std::max(out.structure.alignment, next.item.alignment);
    ++out.count;

    const size_t position = next.position;
    std::string label = name();
    if (next.item.kind == ItemKind::opaque && !label.empty()) result_.ctypes_style = false;
    const bool repeats = label.empty() && next.shape.empty() && next.repeat != 1;
    FormatField field{std::move(label), offset, repeats ? next.repeat : 1, {}};
    if (repeats) next.repeat = 1;
    field.item = as_subarray(std::move(next));
    offset = add(offset, multiply(field.item.total_size(), field.repeat, position), position);
    if (field.repeat == 0) return;
    if (field.item.kind == ItemKind::opaque && field.name.empty()) {
      result_.spells_gaps = true;
      out.last_pad = std::move(field.item);
      return;
    }
    append(out.structure.fields, std::move(field));
  }

  // "iii" and "3i" are the same three values: one field.
  static void append(std::vector<FormatField>& fields, FormatField&& field) {
    if (!fields.empty() && field.name.empty() && field.item.shape.empty() && field.item.count == 1) {
      FormatField& last = fields.back();
      if (last.name.empty() && last.offset + last.repeat * last.item.total_size() == field.offset &&
          repeatable(field.item) && same_meaning(last.item, field.item) && merge_repeats(last, field)) {
        return;
      }
    }
    fields.push_back(std::move(field));
  }

  // Values of no bytes are bounded by int64 alone: they may be too many for one field.
  static bool merge_repeats(FormatField& into, const FormatField& more) noexcept {
    int64_t sum = 0;
    if (!try_add(into.repeat, more.repeat, sum)) return false;
    into.repeat = sum;
    return true;
  }

  static bool repeatable(const FormatItem& item) noexcept {
    switch (item.kind) {
      case ItemKind::bytes:
      case ItemKind::pascal:
      case ItemKind::text:
      case ItemKind::bits:
      case ItemKind::opaque: return false;
      default: return true;
    }
  }

  // A single member without a name is the element itself.
  FormatItem unwrap(Members&& top) {
    if (top.count != 1) return std::move(top.structure);
    std::vector<FormatField>& fields = top.structure.fields;
    if (fields.empty()) return top.last_pad.code == 'x' ? std::move(top.last_pad) : std::move(top.structure);
    FormatField& only = fields.front();
    const bool is_element = only.name.empty() && only.repeat == 1 && only.item.total_size() == top.structure.size;
    result_.in_braces = is_element && only.item.kind == ItemKind::structure;
    return is_element ? std::move(only.item) : std::move(top.structure);
  }

  std::string_view text_;
  FormatReading reading_;
  size_t pos_ = 0;
  char mode_ = '@';
  bool own_prefix_ = false;
  int depth_ = 0;
  std::optional<size_t> full_at_;  // where the first item stands that is kMaxDepth deep
  uint64_t here_ = 0;  // offset of the member from the start of the element; modulo 2^64, for alignment alone
  ParsedFormat result_;
};

}  // namespace

ParsedFormat parse_format(std::string_view text, FormatReading reading) { return Parser(text, reading).run(); }

}  // namespace strideport
