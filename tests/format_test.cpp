#include "strideport/format.hpp"

#include <gtest/gtest.h>

#include <climits>
#include <cstddef>
#include <map>
#include <limits>
#include <string>
#include <vector>

#include "strideport/error.hpp"

namespace strideport {
namespace {

std::string error_of(std::string_view text) {
  try {
    Format::parse(text);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

std::string canonical(std::string_view text) { return Format::parse(text).canonical(); }

std::string repeated(const std::string& unit, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += unit;
  return text;
}

// "name@offset", with "*repeat" and "(shape)" where there is one.
std::vector<std::string> fields(const Format& format) {
  std::vector<std::string> out;
  for (const FormatField& field : format.item().fields) {
    std::string text = field.name + "@" + std::to_string(field.offset);
    if (field.repeat != 1) text += "*" + std::to_string(field.repeat);
    for (const int64_t extent : field.item.shape) text += "(" + std::to_string(extent) + ")";
    out.push_back(text);
  }
  return out;
}
std::vector<std::string> fields(std::string_view text) { return fields(Format::parse(text)); }

using Strings = std::vector<std::string>;

TEST(Format, NativeCodesHaveTheCompilersSizesAndAlignments) {
  struct Row {
    const char* code;
    size_t size, alignment;
  };
  const Row rows[] = {
      {"b", 1, 1}, {"B", 1, 1}, {"c", 1, 1}, {"s", 1, 1}, {"p", 1, 1}, {"x", 1, 1}, {"t", 1, 1},
      {"?", sizeof(bool), alignof(bool)},
      {"h", sizeof(short), alignof(short)}, {"H", sizeof(short), alignof(short)},
      {"i", sizeof(int), alignof(int)}, {"I", sizeof(int), alignof(int)},
      {"l", sizeof(long), alignof(long)}, {"L", sizeof(long), alignof(long)},
      {"q", sizeof(long long), alignof(long long)}, {"Q", sizeof(long long), alignof(long long)},
      {"n", sizeof(size_t), alignof(size_t)}, {"N", sizeof(size_t), alignof(size_t)},
      {"e", 2, 2}, {"f", sizeof(float), alignof(float)}, {"d", sizeof(double), alignof(double)},
      {"g", sizeof(long double), alignof(long double)},
      {"Ze", 4, 2}, {"Zf", 8, alignof(float)}, {"F", 8, alignof(float)}, {"Zd", 16, alignof(double)},
      {"D", 16, alignof(double)}, {"Zg", 2 * sizeof(long double), alignof(long double)},
      {"G", 2 * sizeof(long double), alignof(long double)},
      {"u", 2, 2}, {"w", 4, 4}, {"O", sizeof(void*), alignof(void*)}, {"P", sizeof(void*), alignof(void*)},
      {"z", sizeof(void*), alignof(void*)}, {"Z", sizeof(void*), alignof(void*)},
      {"&i", sizeof(void*), alignof(void*)}, {"X{}", sizeof(void*), alignof(void*)},
  };
  for (const auto& [code, size, alignment] : rows) {
    for (const char* prefix : {"", "@"}) {
      const Format format = Format::parse(std::string(prefix) + code);
      EXPECT_EQ(format.itemsize(), static_cast<int64_t>(size)) << code;
      EXPECT_EQ(format.alignment(), static_cast<int64_t>(alignment)) << code;
    }
    const Format packed = Format::parse(std::string("^") + code);
    EXPECT_EQ(packed.itemsize(), static_cast<int64_t>(size)) << code;
    EXPECT_EQ(packed.alignment(), 1) << code;
  }
}

TEST(Format, StandardCodesHaveTheSizesOfTheStructModule) {
  const std::map<std::string, int64_t> sizes = {
      {"b", 1}, {"B", 1}, {"c", 1}, {"s", 1}, {"p", 1}, {"x", 1}, {"?", 1}, {"h", 2}, {"H", 2}, {"i", 4}, {"I", 4},
      {"l", 4}, {"L", 4}, {"q", 8}, {"Q", 8}, {"e", 2}, {"f", 4}, {"d", 8}, {"Zf", 8}, {"Zd", 16}, {"F", 8}, {"D", 16},
      {"u", 2}, {"w", 4}};
  for (const auto& [code, size] : sizes) {
    for (const char* prefix : {"=", "<", ">", "!"}) {
      const Format format = Format::parse(prefix + code);
      EXPECT_EQ(format.itemsize(), size) << prefix << code;
      EXPECT_EQ(format.alignment(), 1) << prefix << code;
    }
  }
}

TEST(Format, EveryScalarParsesTheSameFromTheTableAndAlone) {
  // White space takes the long way through the parser.
  for (const std::string prefix : {"", "@", "=", "<", ">", "!", "^"}) {
    for (int c = 1; c < 128; ++c) {
      for (const std::string& code : {std::string(1, static_cast<char>(c)), std::string("Z") + static_cast<char>(c)}) {
        const std::string quick = error_of(prefix + code);
        ASSERT_EQ(quick == "no error", error_of(" " + prefix + code) == "no error") << prefix << code;
        if (quick != "no error") continue;
        const Format a = Format::parse(prefix + code);
        const Format b = Format::parse(" " + prefix + code);
        EXPECT_EQ(a, b) << prefix << code;
        EXPECT_EQ(a.dtype(), b.dtype()) << prefix << code;
        EXPECT_EQ(a.alignment(), b.alignment()) << prefix << code;
        EXPECT_EQ(a.text(), prefix + code);
        EXPECT_EQ(a.has_references(), code.back() == 'O') << prefix << code;  // ZO is two members
      }
    }
  }
}

TEST(Format, OnlyNativeScalarsHaveADType) {
  EXPECT_EQ(to_string(Format::parse("<f").dtype()), kNativeOrder == ByteOrder::little ? "float32" : "none");
  EXPECT_EQ(to_string(Format::parse(">f").dtype()), kNativeOrder == ByteOrder::big ? "float32" : "none");
  EXPECT_EQ(to_string(Format::parse("=q").dtype()), "int64");
  EXPECT_EQ(to_string(Format::parse("D").dtype()), "complex128");
  EXPECT_EQ(to_string(Format::parse(">?").dtype()), "bool");
  EXPECT_EQ(to_string(Format::parse("!b").dtype()), "int8");
  for (const char* text : {"c", "s", "4s", "p", "w", "u", "x", "4x", "t", "O", "P", "&i", "X{}", "T{i}", "T{}", "",
                           "3i", "(3)i", "(1)i", "ii", "i:a:", "ix"}) {
    EXPECT_FALSE(Format::parse(text).dtype()) << text;
  }
  EXPECT_EQ(Format::parse("1i").dtype(), dtype_of<int>());
}

TEST(Format, LooseMembersMakeAStructure) {
  EXPECT_EQ(Format::parse("i").item().kind, ItemKind::integer);
  EXPECT_EQ(fields("bi"), (Strings{"@0", "@4"}));
  EXPECT_EQ(fields("i:a:"), (Strings{"a@0"}));
  EXPECT_EQ(fields("i3x"), (Strings{"@0"}));
  EXPECT_EQ(Format::parse("i3x").itemsize(), 7);
  EXPECT_EQ(Format::parse("bi"), Format::parse("T{bi}"));
  EXPECT_EQ(Format::parse(""), Format::parse("T{}"));
  EXPECT_EQ(Format::parse("").itemsize(), 0);
}

TEST(Format, CountsRepeatAndNamedCountsAreSubArrays) {
  EXPECT_EQ(fields("3i"), (Strings{"@0*3"}));
  EXPECT_EQ(fields("iii"), fields("3i"));
  EXPECT_EQ(fields("T{3i}"), (Strings{"@0*3"}));
  EXPECT_EQ(fields("T{3i:x:}"), (Strings{"x@0(3)"}));
  EXPECT_EQ(fields("T{1i:x:}"), (Strings{"x@0"}));
  EXPECT_EQ(fields("T{(2,3)i:x:b:y:}"), (Strings{"x@0(2)(3)", "y@24"}));
  EXPECT_EQ(fields("T{(2)3i:x:}"), (Strings{"x@0(2)(3)"}));
  EXPECT_EQ(fields("T{3T{b}:x:b:y:}"), (Strings{"x@0(3)", "y@3"}));
  EXPECT_EQ(fields("5s3s"), (Strings{"@0", "@5"}));
  EXPECT_EQ(Format::parse("(2,3)i").item().shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(Format::parse("( 2 , 3 )i"), Format::parse("(2,3)i"));
  EXPECT_NE(Format::parse("(3)i"), Format::parse("3i"));
}

TEST(Format, CountsOfTextAreLengths) {
  EXPECT_EQ(Format::parse("5s").item().count, 5);
  EXPECT_EQ(Format::parse("5s").itemsize(), 5);
  EXPECT_EQ(Format::parse("5w").itemsize(), 20);
  EXPECT_EQ(Format::parse("5u").itemsize(), 10);
  EXPECT_EQ(Format::parse("9t").itemsize(), 2);
  EXPECT_EQ(Format::parse("0s").itemsize(), 0);
  EXPECT_EQ(fields("0s"), Strings{});
  EXPECT_EQ(fields("bx0s"), (Strings{"@0", "@2"}));
}

TEST(Format, ZeroCountsAlignAndAddNothing) {
  EXPECT_EQ(Format::parse("b0i").itemsize(), 4);
  EXPECT_EQ(Format::parse("=b0i").itemsize(), 1);
  EXPECT_EQ(fields("b0ib"), (Strings{"@0", "@4"}));
  EXPECT_EQ(fields("T{b:a:0i:z:b:c:}"), (Strings{"a@0", "z@4(0)", "c@4"}));
}

TEST(Format, PrefixesHoldUntilTheNextOne) {
  EXPECT_EQ(fields("T{b:a:=i:b:i:c:}"), (Strings{"a@0", "b@1", "c@5"}));
  EXPECT_EQ(fields("T{b:a:T{=i:x:}:b:i:c:}"), (Strings{"a@0", "b@1", "c@5"}));
  EXPECT_EQ(fields("T{b:a:^l:b:@i:c:}"), (Strings{"a@0", "b@1", "c@12"}));
  EXPECT_EQ(fields("T{b:a:(2)=i:b:}"), (Strings{"a@0", "b@1(2)"}));
  const Format format = Format::parse("T{>i:a:<i:b:!h:c:}");
  EXPECT_EQ(format.item().fields[0].item.order, ByteOrder::big);
  EXPECT_EQ(format.item().fields[1].item.order, ByteOrder::little);
  EXPECT_EQ(format.item().fields[2].item.order, ByteOrder::big);
}

TEST(Format, StructuresAlignAsTheirWidestMemberAndEndWithTheirLast) {
  EXPECT_EQ(fields("T{b:a:T{b:x:d:y:}:s:}"), (Strings{"a@0", "s@8"}));
  EXPECT_EQ(Format::parse("T{d:x:b:y:}").itemsize(), 9);
  EXPECT_EQ(fields("T{T{d:x:b:y:}:s:b:z:}"), (Strings{"s@0", "z@9"}));
  EXPECT_EQ(fields("T{b:a:T{<d:x:}:s:}"), (Strings{"a@0", "s@1"}));
}

TEST(Format, NamesMayHoldAnyByteButColonAndZero) {
  EXPECT_EQ(fields("T{i:a b}{:b:é:b:a b}{:}"), (Strings{"a b}{@0", "é@4", "a b}{@5"}));
}

TEST(Format, PaddingStandingAloneOrNamedIsRawBytes) {
  EXPECT_EQ(Format::parse("4x").item().kind, ItemKind::opaque);
  EXPECT_EQ(fields("T{3x:a:xb:b:}"), (Strings{"a@0", "b@4"}));
  EXPECT_EQ(fields("T{3xb:b:}"), (Strings{"b@3"}));
  EXPECT_EQ(Format::parse("4x"), Format::opaque("anything", 4));
}

TEST(Format, PointersKnowTheirTarget) {
  const Format format = Format::parse("&&T{<i:a:3x}");
  ASSERT_NE(format.item().target, nullptr);
  ASSERT_NE(format.item().target->target, nullptr);
  EXPECT_EQ(format.item().target->target->size, 7);
  EXPECT_EQ(Format::parse("&(3)<i").item().target->shape, (std::vector<int64_t>{3}));
  EXPECT_NE(Format::parse("&i"), Format::parse("P"));
  EXPECT_NE(Format::parse("&i"), Format::parse("&f"));
  EXPECT_EQ(Format::parse("&l"), Format::parse(sizeof(long) == 8 ? "&q" : "&i"));
  EXPECT_EQ(Format::parse("X{i->T{d}}").itemsize(), static_cast<int64_t>(sizeof(void*)));
}

TEST(Format, WhiteSpaceSeparatesMembers) {
  EXPECT_EQ(Format::parse(" = i\n\t T{ b:a: } \v"), Format::parse("=iT{b:a:}"));
  EXPECT_THROW(Format::parse("i :a:"), InvalidArgument);
}

TEST(Format, ReferencesAreFoundAnywhereInTheElement) {
  for (const char* text : {"O", "<O", "3O", "(2)O", "T{i:a:O:b:}", "T{T{T{O}}}", "bO"}) {
    EXPECT_TRUE(Format::parse(text).has_references()) << text;
  }
  for (const char* text : {"P", "&O", "X{O}", "T{i:O:}", "i"}) {
    EXPECT_FALSE(Format::parse(text).has_references()) << text;
  }
}

TEST(Format, EqualMeaningIsEqual) {
  EXPECT_EQ(Format::parse("l"), Format::parse(sizeof(long) == 8 ? "q" : "i"));
  EXPECT_EQ(Format::parse("n"), Format::parse(sizeof(void*) == 8 ? "q" : "i"));
  EXPECT_EQ(Format::parse("F"), Format::parse("Zf"));
  EXPECT_EQ(Format::parse(">b"), Format::parse("b"));
  EXPECT_EQ(Format::parse(">4s"), Format::parse("4s"));
  EXPECT_EQ(Format::parse("T{b:a:i:b:}"), Format::parse("T{b:a:3x=i:b:}"));
  EXPECT_EQ(Format::parse("@i"), Format::parse("=i"));
  EXPECT_NE(Format::parse("<i"), Format::parse(">i"));
  EXPECT_NE(Format::parse("i"), Format::parse("I"));
  EXPECT_NE(Format::parse("?"), Format::parse("B"));
  EXPECT_NE(Format::parse("c"), Format::parse("s"));
  EXPECT_NE(Format::parse("T{i:a:}"), Format::parse("T{i:b:}"));
  EXPECT_NE(Format::parse("i"), Format::parse("T{i}"));
  EXPECT_NE(Format::parse("ix"), Format::parse("i"));
  EXPECT_EQ(Format(), Format());
  EXPECT_NE(Format(), Format::parse(""));
}

TEST(Format, PrintsCanonically) {
  EXPECT_EQ(canonical("@d"), "d");
  EXPECT_EQ(canonical("l"), sizeof(long) == 8 ? "q" : "i");
  EXPECT_EQ(canonical("F"), "Zf");
  EXPECT_EQ(canonical("1T{1i:a:}"), "T{^i:a:}");
  EXPECT_EQ(canonical("(2,3)3i"), "(2,3,3)i");
  EXPECT_EQ(canonical("b i"), "T{b3x^i}");
  EXPECT_EQ(canonical("T{b:a:T{3s:x:2i:y:}:b:xx}"), "T{b:a:3xT{3s:x:x(2)^i:y:}:b:2x}");
  if (kNativeOrder == ByteOrder::little) {
    EXPECT_EQ(canonical("<i"), "i");
    EXPECT_EQ(canonical(">i"), ">i");
    EXPECT_EQ(canonical("T{>i:a:<h:b:b:c:>w:d:}"), "T{>i:a:^h:b:b:c:>w:d:}");
  }
  EXPECT_EQ(canonical("T{Z:a:Z P}"), "T{^Z:a:Z P}");
  EXPECT_EQ(canonical("T{Z d}"), "T{^Z d}") << "Zd is complex";
  EXPECT_EQ(canonical("T{^Z xi}"), "T{^Z xi}") << "Zx is an error";
  EXPECT_EQ(Format().canonical(), "");
}

TEST(Format, EmptyFormatSpellsNothing) {
  const Format none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.text(), "");
  EXPECT_EQ(none.itemsize(), 0);
  EXPECT_FALSE(none.dtype());
  EXPECT_FALSE(none.has_references());
}

TEST(Format, TextOutlivesTheHandleThatMadeIt) {
  Format copy;
  {
    const std::string text = "T{i:" + std::string(100, 'n') + ":}";
    copy = Format::parse(text);
  }
  EXPECT_EQ(copy.text().size(), 106u);
}

TEST(Format, ParseForTakesTheReadingThatHasTheSize) {
  EXPECT_EQ(fields(Format::parse_for("T{b:a:i:b:b:c:}", 9)), (Strings{"a@0", "b@4", "c@8"}));
  EXPECT_EQ(fields(Format::parse_for("T{b:a:i:b:b:c:}", 12)), (Strings{"a@0", "b@4", "c@8"}));
  EXPECT_EQ(fields(Format::parse_for("T{b:a:i:b:b:c:}", 6)), (Strings{"a@0", "b@1", "c@5"}));
  EXPECT_EQ(fields(Format::parse_for("T{T{d:x:b:y:}:a:b:b:}", 24)), (Strings{"a@0", "b@16"})) << "C's";
  EXPECT_EQ(fields(Format::parse_for("T{b:a:O:b:b:c:}", 10)), (Strings{"a@0", "b@1", "c@9"})) << "NumPy's";
  EXPECT_EQ(fields(Format::parse_for("T{x=i:a:}", 12)), (Strings{"a@1"}));
  EXPECT_EQ(fields(Format::parse_for("T{i:a:}", 12)), (Strings{"a@0"}));
  EXPECT_EQ(Format::parse_for("T{i:a:}", 12).itemsize(), 12);
}

TEST(Format, ParseForIsOpaqueWhereNoReadingFits) {
  struct Row {
    const char* text;
    int64_t itemsize;
  };
  const Row rows[] = {
      {"T{<b:a:<i:b:<b:c:}", 12},     // ctypes before 3.12
      {"T{<i:a:<i:b:<b:c:3x}", 8},    // bit-fields
      {"T{<b:a:7xB:u:}", 16},         // a union of 8 bytes
      {"i", 8}, {"i", 0}, {"3i", 16}, {"T{i:a:}", 2},
      {"T{i:a", 4}, {"y", 3}, {"9223372036854775808x", 1},  // malformed
  };
  for (const auto& [text, itemsize] : rows) {
    const Format format = Format::parse_for(text, itemsize);
    EXPECT_EQ(format.item().kind, ItemKind::opaque) << text;
    EXPECT_EQ(format.itemsize(), itemsize) << text;
    EXPECT_EQ(format.text(), text);
    EXPECT_FALSE(format.has_references()) << text;
  }
  EXPECT_TRUE(Format::parse_for("T{O:a", 8).has_references()) << "what it means is unknown, but it may count";
  EXPECT_FALSE(Format::parse_for("T{i:O", 8).has_references());
  EXPECT_THROW(Format::parse_for("i", -1), InvalidArgument);
}

TEST(Format, ParseForKnowsThatCtypesMeansWcharByU) {
  const Format format = Format::parse_for("<u", static_cast<int64_t>(sizeof(wchar_t)));
  EXPECT_EQ(format.item().kind, ItemKind::text);
  EXPECT_EQ(format.itemsize(), static_cast<int64_t>(sizeof(wchar_t)));
  EXPECT_EQ(Format::parse_for("<u", 2).item().kind, ItemKind::text);
  EXPECT_EQ(fields(Format::parse_for("T{<h:a:2x<u:b:<i:c:}", static_cast<int64_t>(8 + sizeof(wchar_t)))),
            (Strings{"a@0", "b@4", "c@" + std::to_string(4 + sizeof(wchar_t))}));
}

TEST(FormatErrors, NamePositionAndExpectation) {
  EXPECT_EQ(error_of("T{i:x:"), "format 'T{i:x:' position 6: expected '}'");
  EXPECT_EQ(error_of("T{i:x"), "format 'T{i:x' position 3: the name has no closing ':'");
  EXPECT_EQ(error_of("i::"), "format 'i::' position 2: the name is empty");
  EXPECT_EQ(error_of("iy"), "format 'iy' position 1: expected a format code, not 'y'");
  EXPECT_EQ(error_of("3"), "format '3' position 1: expected a format code");
  EXPECT_EQ(error_of("(2,)i"), "format '(2,)i' position 3: expected a number");
  EXPECT_EQ(error_of("(2i"), "format '(2i' position 2: expected ')'");
  EXPECT_EQ(error_of("}"), "format '}' position 0: a '}' without its 'T{'");
  EXPECT_EQ(error_of("Zi"), "format 'Zi' position 0: expected a format code, not 'Z'");
  EXPECT_EQ(error_of("ZZd"), "format 'ZZd' position 0: expected a format code, not 'Z'");
  EXPECT_EQ(error_of("B@"), "format 'B@' position 2: expected an item after the byte order");
  EXPECT_EQ(error_of("T{i@}"), "format 'T{i@}' position 4: expected an item after the byte order");
  EXPECT_EQ(error_of("X{i"), "format 'X{i' position 0: expected the '}' that closes 'X{'");
  EXPECT_EQ(error_of("<n"), "format '<n' position 1: 'n' has a native size only: put '@' or '^' before it");
  EXPECT_EQ(error_of("\xff\n"), "format '\\xff\\x0a' position 0: expected a format code, not '\\xff'");
}

TEST(FormatErrors, RefuseWhatStructAndNumPyRefuse) {
  for (const char* text : {"3 i", "-3i", "+3i", "3(2)i", "()i", "(2", "(-1)i", "(2,3", "T", "T{", "T{}}", "{}", "X",
                           "&", "3<i", ":a:", "i:a", "i :", "T{:a:}", "\xc3\xa9", "y", "<N", "i\x01", "(2)", "&}"}) {
    EXPECT_THROW(Format::parse(text), InvalidArgument) << text;
  }
  EXPECT_THROW(Format::parse(std::string_view("i\0", 2)), InvalidArgument);
  EXPECT_THROW(Format::parse(std::string_view("i:a\0b:", 6)), InvalidArgument);
  EXPECT_THROW(Format::parse(std::string_view("X{\0}", 4)), InvalidArgument);
}

TEST(FormatErrors, OverflowsAreNamed) {
  EXPECT_EQ(error_of("9223372036854775808x"), "format '9223372036854775808x' position 0: the number overflows int64");
  EXPECT_EQ(Format::parse("9223372036854775807x").itemsize(), INT64_MAX);
  EXPECT_EQ(Format::parse("9223372036854775807t").itemsize(), INT64_MAX / 8 + 1);
  EXPECT_EQ(error_of("x9223372036854775807x"),
            "format 'x9223372036854775807x' position 1: the size overflows int64");
  EXPECT_EQ(Format::parse("(0)9223372036854775807sb(0)9223372036854775807s").itemsize(), 1);
  for (const char* text : {"9223372036854775807i", "9223372036854775807w", "(9223372036854775807,2)b",
                           "b9223372036854775807xi",
                           "(4294967296,4294967296)b", "T{9223372036854775807x9223372036854775807x}",
                           "(9223372036854775808)b", "2T{9223372036854775807x}"}) {
    EXPECT_NE(error_of(text).find("overflows int64"), std::string::npos) << text;
  }
}

TEST(Format, CountsOfValuesWithoutBytesDoNotOverflow) {
  const Format format = Format::parse("9223372036854775807T{}9223372036854775807T{}");
  EXPECT_EQ(format.itemsize(), 0);
  ASSERT_EQ(format.item().fields.size(), 2u);
  EXPECT_EQ(format.item().fields[1].repeat, std::numeric_limits<int64_t>::max());
  EXPECT_TRUE(Format::parse(format.canonical()) == format);
}

TEST(FormatErrors, NestingIsLimitedTo64) {
  EXPECT_EQ(Format::parse(repeated("T{", 64) + "i" + repeated("}", 64)).itemsize(), 4);
  EXPECT_EQ(Format::parse(repeated("&", 64) + "i").itemsize(), static_cast<int64_t>(sizeof(void*)));
  EXPECT_NE(error_of(repeated("T{", 65)).find("position 128: nested more than 64 deep"), std::string::npos);
  EXPECT_NE(error_of("h" + repeated("&", 64) + "i").find("nested more than 64 deep"), std::string::npos) << "with T{}";
  for (const char* unit : {"T{", "&", "&T{"}) {
    const std::string error = error_of(repeated(unit, 100000));
    EXPECT_NE(error.find("nested more than 64 deep"), std::string::npos) << error;
    EXPECT_LT(error.size(), 200u);
  }
  EXPECT_NE(error_of("(" + repeated("1,", 64) + "1)i").find("more than 64 dimensions"), std::string::npos);
}

}  // namespace
}  // namespace strideport
