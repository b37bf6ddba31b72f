// Formats of struct, NumPy and ctypes, with the offsets that those say: see support/make_format_vectors.py.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "strideport/format.hpp"

namespace strideport {
namespace {

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end = line.find('\t'); end != std::string::npos; end = line.find('\t', begin)) {
    parts.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.push_back(line.substr(begin));
  return parts;
}

void list_members(const FormatItem& item, const std::string& path, int64_t base, std::vector<std::string>& out) {
  std::string here = path;
  for (size_t i = 0; i < item.shape.size(); ++i) here += (i == 0 ? "(" : ",") + std::to_string(item.shape[i]);
  if (!item.shape.empty()) here += ")";
  if (item.kind != ItemKind::structure) {
    out.push_back(here + "@" + std::to_string(base) + "+" + std::to_string(item.size));
    return;
  }
  for (const FormatField& field : item.fields) {
    const std::string name = field.name.empty() ? here : here + "." + field.name;
    for (int64_t i = 0; i < field.repeat; ++i) {
      list_members(field.item, name, base + field.offset + i * field.item.total_size(), out);
    }
  }
}

std::vector<std::string> members_of(const Format& format) {
  std::vector<std::string> members;
  if (format.item().kind == ItemKind::opaque) return {"opaque"};
  list_members(format.item(), "", 0, members);
  return members;
}

TEST(FormatVectors, OffsetsAreThoseOfTheExporter) {
  if (sizeof(long) != 8 || sizeof(long double) != 16 || kNativeOrder != ByteOrder::little) {
    GTEST_SKIP() << "the file was made on a little-endian LP64 machine";
  }
  std::ifstream file(STRIDEPORT_TEST_DIR "/support/format_vectors.tsv");
  std::map<std::string, int> seen;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> parts = split(line);
    ASSERT_GE(parts.size(), 3u) << line;
    SCOPED_TRACE(parts[0] + " " + parts[1]);
    const int64_t itemsize = std::stoll(parts[2]);
    const std::vector<std::string> expected(parts.begin() + 3, parts.end());

    const Format format = Format::parse_for(parts[1], itemsize);
    EXPECT_EQ(format.itemsize(), itemsize);
    EXPECT_EQ(format.text(), parts[1]);
    EXPECT_EQ(members_of(format), expected);
    EXPECT_EQ(Format::parse(format.canonical()), format) << format.canonical();
    EXPECT_EQ(members_of(Format::parse(format.canonical())), expected) << format.canonical();
    if (parts[0] == "struct") {
      EXPECT_EQ(size_from_format(parts[1]), itemsize);
      EXPECT_EQ(members_of(Format::parse(parts[1])), expected);
    }
    ++seen[parts[0]];
  }
  EXPECT_GE(seen["struct"], 300);
  EXPECT_GE(seen["numpy"], 300);
  EXPECT_GE(seen["ctypes"], 300);
}

}  // namespace
}  // namespace strideport
