/// PEP 3118 formats: what one element is, as text and as offsets, sizes and alignments.
///
/// `Format` is an immutable handle, cheap to copy: formats of a single native scalar live in a static table and
/// need no memory. Parsing takes linear time, nests at most 64 deep and checks every sum and product; the whole
/// grammar is in docs/formats.md. Nothing here touches the memory that a format describes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "strideport/dtype.hpp"

namespace strideport {

enum class ByteOrder : uint8_t { little, big };

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
inline constexpr ByteOrder kNativeOrder = ByteOrder::big;
#else
inline constexpr ByteOrder kNativeOrder = ByteOrder::little;
#endif

/// What an item is. The grammar's letters are many (`i l q n` may be one type); kinds are few.
enum class ItemKind : uint8_t {
  integer,           ///< b h i l q n
  unsigned_integer,  ///< B H I L Q N
  boolean,           ///< ?
  floating,          ///< e f d g
  complex,           ///< Zf Zd Zg, F D G
  character,         ///< c: bytes of length 1
  bytes,             ///< s: a byte string of fixed length
  pascal,            ///< p: a length byte, then bytes
  text,              ///< u (UCS-2) and w (UCS-4): text of fixed length
  bits,              ///< t: bits, in whole bytes of their own
  pointer,           ///< P; & followed by the format it points at; ctypes' z and Z (char* and wchar_t*)
  function,          ///< X{}
  object,            ///< O: a reference to a Python object
  structure,         ///< T{...}, and a top level of several items
  opaque,            ///< raw bytes: x alone or with a name, and elements whose format and itemsize disagree
};

struct FormatField;

/// One node of a parsed format: a scalar, or a structure with fields; with a shape, a sub-array of them.
struct FormatItem {
  ItemKind kind = ItemKind::unsigned_integer;
  char code = 'B';                  ///< the struct code, without Z ('f' for Zf and F); 'T' for structures; '&'; 'X'
  ByteOrder order = kNativeOrder;   ///< of the bytes of one scalar; native where order means nothing
  int64_t size = 1;                 ///< bytes of one scalar (8 for "8s") or one structure, without the sub-array
  int64_t alignment = 1;            ///< bytes; 1 outside of '@'
  int64_t count = 1;                ///< length of s, p, u, w, t, x: "8s" has count 8 (size 8, one value)
  std::vector<int64_t> shape;       ///< extents of a sub-array, "(2,3)i"; empty for none
  std::vector<FormatField> fields;  ///< of a structure, in order of offset, padding left out
  std::shared_ptr<const FormatItem> target;  ///< what & points at

  /// Units: bytes of the whole item: size times the sub-array's extents.
  int64_t total_size() const noexcept;
  /// True if this item, or any inside it, is an `O`, or opaque with a text that has one.
  bool has_references() const noexcept;
};

/// A member of a structure. `repeat` > 1 is that many values side by side: "3i" without a name, or "iii". With a name,
/// "3i:x:" is a sub-array of shape (3,), as NumPy has it.
struct FormatField {
  std::string name;    ///< empty for none
  int64_t offset = 0;  ///< bytes from the start of the structure
  int64_t repeat = 1;
  FormatItem item;
};

/// An immutable, parsed format. A default-constructed one is empty: "no PEP 3118 spelling".
class Format {
 public:
  Format() noexcept = default;

  /// Cost:   linear in the text; nothing allocated for one native scalar.
  /// Throws: InvalidArgument naming the position and what was expected there.
  [[nodiscard]] static Format parse(std::string_view text);

  /// What an exporter means that says `text` and `itemsize`: the reading of the text whose size is `itemsize`
  /// (members aligned or not, structures padded at their end or not, 'u' as UCS-2 or wchar_t), else `opaque`;
  /// malformed texts are opaque too.
  /// Anything that parses a kept text again needs this too: `parse` of it may have another size.
  /// Cost:   as `parse`, up to four times where sizes differ.
  /// Throws: InvalidArgument for a negative itemsize.
  [[nodiscard]] static Format parse_for(std::string_view text, int64_t itemsize);

  /// The native format of a DType; empty where PEP 3118 cannot spell it (bfloat16, float8, int4, lanes > 1, ...).
  [[nodiscard]] static Format of(DType dtype) noexcept;

  /// `itemsize` bytes without meaning, keeping the producer's text (ctypes bit-fields, wrong itemsizes).
  [[nodiscard]] static Format opaque(std::string_view text, int64_t itemsize);

  explicit operator bool() const noexcept { return data_ != nullptr; }

  /// The text as it came in. It stays valid while any copy of this handle lives, and ends with a NUL.
  const std::string& text() const noexcept;
  /// The same element printed canonically: formats print equal if and only if they are equal, and `parse` reads it
  /// back as equal. Gaps are spelled; alignment and an opaque element's references are not kept. Empty for an empty
  /// format.
  std::string canonical() const;
  const FormatItem& item() const noexcept;
  int64_t itemsize() const noexcept;
  int64_t alignment() const noexcept;
  /// The DLPack type of one native scalar; none for everything else.
  DType dtype() const noexcept;
  bool has_references() const noexcept;

  /// True if elements mean the same: equal kinds, sizes, offsets, names and byte orders ("l" and "q" on LP64).
  /// Alignment does not count, nor does the text. Two empty formats are equal.
  friend bool operator==(const Format& a, const Format& b);

 private:
  friend class ScalarTable;  // runtime/format.cpp
  struct Data;
  explicit Format(std::shared_ptr<const Data> data) noexcept : data_(std::move(data)) {}
  std::shared_ptr<const Data> data_;
};

/// Counterpart of PyBuffer_SizeFromFormat. Units: bytes. Throws: InvalidArgument as `Format::parse`.
[[nodiscard]] int64_t size_from_format(std::string_view text);

}  // namespace strideport
