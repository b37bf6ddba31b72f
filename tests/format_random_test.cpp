// Random formats made from the grammar, and random bytes that were made from nothing.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "strideport/error.hpp"
#include "strideport/format.hpp"
#include "tests/support/seed.hpp"

namespace strideport {
namespace {

using testing::one_in;
using testing::pick;
using testing::Random;

std::string any_of(Random& random, std::string_view letters) {
  return std::string(1, letters[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(letters.size()) - 1))]);
}

// Few letters, so that equal formats come up often.
std::string random_members(Random& random, int depth);

std::string random_code(Random& random, int depth) {
  if (depth < 4 && one_in(random, 5)) return "T{" + random_members(random, depth + 1) + "}";
  if (depth < 4 && one_in(random, 15)) return "&" + random_code(random, depth + 1);
  if (one_in(random, 20)) return "X{i->(2)T{d}}";
  if (one_in(random, 10)) return "Z" + any_of(random, "efdg");
  return any_of(random, "bBhHiIlLqQ?efdgcspxuwtPOFDG");
}

std::string random_member(Random& random, int depth) {
  std::string text;
  if (one_in(random, 8)) text += " ";
  if (one_in(random, 5)) text += any_of(random, "@=<>!^");
  if (one_in(random, 6)) text += "(" + std::to_string(pick(random, 0, 3)) + (one_in(random, 2) ? ",2)" : ")");
  if (one_in(random, 20)) text += any_of(random, "@=<>!^");
  if (one_in(random, 4)) text += std::to_string(pick(random, 0, 3));
  text += random_code(random, depth);
  if (one_in(random, 3)) text += ":" + any_of(random, "ab}") + ":";
  return text;
}

std::string random_members(Random& random, int depth) {
  std::string text;
  for (int64_t n = pick(random, 0, 3); n > 0; --n) text += random_member(random, depth);
  return text;
}

void check_item(const FormatItem& item) {
  int64_t end = 0;
  ASSERT_GE(item.size, 0);
  ASSERT_GE(item.alignment, 1);
  for (const FormatField& field : item.fields) {
    ASSERT_GE(field.offset, end) << "fields overlap";
    ASSERT_GE(field.repeat, 1);
    ASSERT_TRUE(field.repeat == 1 || field.item.shape.empty());
    end = field.offset + field.repeat * field.item.total_size();
    check_item(field.item);
  }
  if (item.kind == ItemKind::structure) {
    ASSERT_LE(end, item.size) << "fields reach over the end";
  }
}

TEST(FormatRandom, CanonicalTextMeansTheSame) {
  Random random = testing::seeded_random("FormatRandom.CanonicalTextMeansTheSame");
  Format previous;
  int equal = 0;
  for (int64_t i = 0, n = testing::rounds(50'000); i < n; ++i) {
    const std::string text = one_in(random, 3) ? random_member(random, 4) : random_members(random, 0);
    SCOPED_TRACE(text);
    const Format format = Format::parse(text);
    const std::string canonical = format.canonical();
    const Format again = Format::parse(canonical);
    ASSERT_EQ(again, format) << canonical;
    ASSERT_EQ(again.canonical(), canonical);
    ASSERT_EQ(again.itemsize(), format.itemsize()) << canonical;
    ASSERT_EQ(again.dtype(), format.dtype()) << canonical;
    ASSERT_EQ(again.has_references(), format.has_references()) << canonical;
    ASSERT_EQ(previous == format, previous && previous.canonical() == canonical) << previous.text();
    const Format exported = Format::parse_for(text, format.itemsize());
    ASSERT_EQ(exported.itemsize(), format.itemsize());
    ASSERT_EQ(Format::parse(exported.canonical()), exported) << exported.canonical();
    check_item(format.item());
    check_item(exported.item());
    if (HasFatalFailure()) return;
    equal += previous == format;
    previous = format;
  }
  EXPECT_GT(equal, 50) << "the comparison was put to the test";
}

// Never anything but a format or an InvalidArgument of bearable length.
void try_text(const std::string& text, int64_t itemsize) {
  try {
    const Format format = Format::parse(text);
    ASSERT_EQ(Format::parse(format.canonical()), format);
  } catch (const InvalidArgument& error) {
    ASSERT_LT(std::string_view(error.what()).size(), 400u);
  }
  ASSERT_EQ(Format::parse_for(text, itemsize).itemsize(), itemsize);
}

TEST(FormatRandom, HostileTextsAreRefusedWithoutHarm) {
  Random random = testing::seeded_random("FormatRandom.HostileTextsAreRefusedWithoutHarm");
  constexpr std::string_view kTokens = "T{}}{:::(),,0123456789@=<>!^ZX&bhilqnefdgscpxuwtPO? \n-+";
  for (int64_t i = 0, n = testing::rounds(100'000); i < n; ++i) {
    std::string text = one_in(random, 2) ? random_members(random, 0) : "";
    for (int64_t left = pick(random, 0, 30); left > 0; --left) {
      const std::string piece = one_in(random, 20) ? std::string(1, static_cast<char>(pick(random, -128, 127)))
                                : one_in(random, 30) ? "9223372036854775807" : any_of(random, kTokens);
      text.insert(static_cast<size_t>(pick(random, 0, static_cast<int64_t>(text.size()))), piece);
    }
    SCOPED_TRACE(text);
    try_text(text, pick(random, 0, 64));
    if (HasFatalFailure()) return;
  }
}

TEST(FormatRandom, LongTextsTakeLinearSpaceAndTime) {
  // Quadratic time would take hours here, which the test's time limit sees.
  std::string text;
  while (text.size() < 1000000) text += "ih3x(2)T{b:a:}:name:";
  const Format format = Format::parse(text);
  EXPECT_EQ(Format::parse(format.canonical()), format);
  EXPECT_EQ(Format::parse(std::string(1000000, 'i')).item().fields.size(), 1u);
  EXPECT_EQ(Format::parse("1000000000000i").itemsize(), 4000000000000);
  EXPECT_EQ(Format::parse("1000000000000x").itemsize(), 1000000000000);
  EXPECT_EQ(Format::parse("1000000T{ib}").item().fields.size(), 1u);
  EXPECT_THROW(Format::parse(std::string(1000000, '(')), InvalidArgument);
  EXPECT_THROW(Format::parse(std::string(1000000, '9')), InvalidArgument);
  EXPECT_EQ(Format::parse(std::string(1000000, ' ')).itemsize(), 0);
}

}  // namespace
}  // namespace strideport
