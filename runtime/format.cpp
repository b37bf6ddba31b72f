#include "strideport/format.hpp"

#include <array>
#include <atomic>
#include <optional>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/format_parse.hpp"
#include "runtime/format_table.hpp"
#include "strideport/error.hpp"

namespace strideport {

struct Format::Data {
  std::string text;
  FormatItem item;
  int64_t itemsize;
  DType dtype;
  bool has_references;

  Data(std::string_view source, FormatItem parsed)
      : text(source),
        item(std::move(parsed)),
        itemsize(item.total_size()),
        dtype(dtype_of_item(item)),
        has_references(item.has_references()) {}
};

// Every scalar with at most one prefix, made once and never freed: handles to them own nothing.
class ScalarTable {
 public:
  static const ScalarTable& instance() {
    static const ScalarTable* const table = new ScalarTable();
    return *table;
  }

  /// Null for a text that has to be parsed.
  const Format::Data* find(std::string_view text) const noexcept {
    if (text.size() == 1) return is_ascii(text[0]) ? plain_[0][static_cast<size_t>(text[0])] : nullptr;
    const size_t prefix = text.empty() ? 0 : prefix_index(text[0]);
    const std::string_view code = text.substr(prefix != 0);
    if (code.size() == 1 && is_ascii(code[0])) return plain_[prefix][static_cast<size_t>(code[0])];
    if (code.size() == 2 && code[0] == 'Z' && is_ascii(code[1])) return complex_[prefix][static_cast<size_t>(code[1])];
    return nullptr;
  }

 private:
  static constexpr std::string_view kPrefixes = "@=<>!^";
  static constexpr size_t kRows = kPrefixes.size() + 1;
  using Row = std::array<const Format::Data*, 128>;

  static bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 128; }
  static size_t prefix_index(char c) noexcept { return kPrefixes.find(c) + 1; }  // npos + 1 is 0: none

  ScalarTable() {
    for (size_t row = 0; row < kRows; ++row) {
      const std::string prefix = row == 0 ? "" : std::string(1, kPrefixes[row - 1]);
      for (const char c : std::string_view("bBhHiIlLqQnN?efdgcspuwtxPzOFDGZ")) enter(plain_[row], c, prefix + c);
      for (const char c : std::string_view("efdg")) enter(complex_[row], c, prefix + "Z" + c);
    }
  }

  // n and N have no standard size: no entry there.
  static void enter(Row& row, char key, const std::string& text) {
    const bool standard = text[0] == '=' || text[0] == '<' || text[0] == '>' || text[0] == '!';
    if (standard && (key == 'n' || key == 'N')) return;
    row[static_cast<size_t>(key)] = new Format::Data(text, parse_format(text).item);
  }

  std::array<Row, kRows> plain_{};
  std::array<Row, kRows> complex_{};
};

// What the accessors of an empty handle refer to; never freed.
struct NoFormat {
  std::string text;
  FormatItem item;

  static const NoFormat& instance() {
    static const NoFormat* const none = new NoFormat();
    return *none;
  }
};

// Made while the library is loaded, so that `Format::of`, the accessors and the default view, which cannot throw,
// allocate nothing.
[[maybe_unused]] static const ScalarTable& scalar_table_at_load = ScalarTable::instance();
[[maybe_unused]] static const NoFormat& no_format_at_load = NoFormat::instance();

namespace {

// A handle that owns nothing, and so touches no reference count.
template <class Data>
std::shared_ptr<const Data> unowned(const Data* data) noexcept {
  return std::shared_ptr<const Data>(std::shared_ptr<const Data>(), data);
}

// What `parse_for` made of records lately: a producer gives the same text with each of its buffers. Whoever finds the
// others busy parses for himself, so nobody waits, and a fork may happen at any time.
class RecentFormats {
 public:
  static RecentFormats& instance() {
    static RecentFormats* const recent = new RecentFormats();  // never freed
    return *recent;
  }

  Format find(std::string_view text, int64_t itemsize) noexcept {
    const Turn turn(busy_);
    if (!turn.mine) return {};
    const Format& known = slots_[slot(text, itemsize)];
    return known && known.itemsize() == itemsize && known.text() == text ? known : Format();
  }

  void keep(Format format) noexcept {
    if (format.text().size() > kLongest) return;
    const Turn turn(busy_);
    if (turn.mine) std::swap(slots_[slot(format.text(), format.itemsize())], format);
  }

 private:
  static constexpr size_t kSlots = 8;
  static constexpr size_t kLongest = 512;

  struct Turn {
    explicit Turn(std::atomic_flag& flag) noexcept : busy(flag), mine(!flag.test_and_set(std::memory_order_acquire)) {}
    ~Turn() {
      if (mine) busy.clear(std::memory_order_release);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    std::atomic_flag& busy;
    const bool mine;
  };

  static size_t slot(std::string_view text, int64_t itemsize) noexcept {
    const auto middle = text.empty() ? size_t{0} : static_cast<unsigned char>(text[text.size() / 2]);
    return (text.size() * 5 + static_cast<size_t>(itemsize) + middle) % kSlots;
  }

  std::atomic_flag busy_;
  std::array<Format, kSlots> slots_;
};

// True if a text outside of names has an O: whatever it means, it may be a reference.
bool mentions_object(std::string_view text) noexcept {
  bool in_name = false;
  for (const char c : text) {
    if (c == ':') in_name = !in_name;
    if (c == 'O' && !in_name) return true;
  }
  return false;
}

bool same_fields(const std::vector<FormatField>& a, const std::vector<FormatField>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].offset != b[i].offset || a[i].repeat != b[i].repeat || a[i].name != b[i].name) return false;
    if (!same_meaning(a[i].item, b[i].item)) return false;
  }
  return true;
}

// Letters that differ though kind and size are the same.
bool same_code(const FormatItem& a, const FormatItem& b) noexcept {
  const bool letter_counts = a.kind == ItemKind::pointer || a.kind == ItemKind::text || a.kind == ItemKind::floating ||
                             a.kind == ItemKind::complex;
  return !letter_counts || a.code == b.code;
}

}  // namespace

bool same_meaning(const FormatItem& a, const FormatItem& b) {
  if (a.kind != b.kind || a.size != b.size || a.count != b.count || a.order != b.order || a.shape != b.shape ||
      !same_code(a, b) || (a.target == nullptr) != (b.target == nullptr)) {
    return false;
  }
  if (a.target != nullptr && !same_meaning(*a.target, *b.target)) return false;
  return same_fields(a.fields, b.fields);
}

int64_t FormatItem::total_size() const noexcept {
  int64_t bytes = size;
  for (const int64_t extent : shape) bytes *= extent;  // the parser proved that it fits
  return bytes;
}

bool FormatItem::has_references() const noexcept {
  if (kind == ItemKind::object || (kind == ItemKind::opaque && code == 'O')) return true;
  for (const FormatField& field : fields) {
    if (field.item.has_references()) return true;
  }
  return false;
}

Format Format::parse(std::string_view text) {
  if (const Data* known = ScalarTable::instance().find(text)) return Format(unowned(known));
  return Format(std::make_shared<const Data>(text, parse_format(text).item));
}

Format Format::parse_for(std::string_view text, int64_t itemsize) {
  if (const Data* known = ScalarTable::instance().find(text); known && known->item.size == itemsize) {
    return Format(unowned(known));
  }
  if (Format recent = RecentFormats::instance().find(text, itemsize)) return recent;
  try {
    if (std::optional<FormatItem> item = read_as_exported(text, itemsize)) {
      Format format(std::make_shared<const Data>(text, std::move(*item)));
      RecentFormats::instance().keep(format);
      return format;
    }
  } catch (const InvalidArgument&) {
    // An exporter may have a code of its own: its bytes can be moved all the same.
  }
  return opaque(text, itemsize);
}

Format Format::of(DType dtype) noexcept {
  const std::string_view code = code_of_dtype(dtype);
  return code.empty() ? Format() : Format(unowned(ScalarTable::instance().find(code)));
}

Format Format::opaque(std::string_view text, int64_t itemsize) {
  if (itemsize < 0) throw InvalidArgument("itemsize " + std::to_string(itemsize) + " is negative");
  FormatItem item;
  item.kind = ItemKind::opaque;
  item.code = mentions_object(text) ? 'O' : 'x';
  item.size = itemsize;
  item.count = itemsize;
  return Format(std::make_shared<const Data>(text, std::move(item)));
}

const std::string& Format::text() const noexcept { return data_ ? data_->text : NoFormat::instance().text; }

std::string Format::canonical() const { return data_ ? print_format(data_->item) : std::string(); }

const FormatItem& Format::item() const noexcept { return data_ ? data_->item : NoFormat::instance().item; }

int64_t Format::itemsize() const noexcept { return data_ ? data_->itemsize : 0; }
int64_t Format::alignment() const noexcept { return data_ ? data_->item.alignment : 1; }
DType Format::dtype() const noexcept { return data_ ? data_->dtype : DType{}; }
bool Format::has_references() const noexcept { return data_ && data_->has_references; }

bool operator==(const Format& a, const Format& b) {
  if (a.data_ == b.data_) return true;
  return a.data_ && b.data_ && same_meaning(a.data_->item, b.data_->item);
}

int64_t size_from_format(std::string_view text) { return Format::parse(text).itemsize(); }

}  // namespace strideport
