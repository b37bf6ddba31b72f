// The layouts that the benchmarks time, from the same table, against the odometer: strides as they are, extents cut.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "strideport/copy.hpp"
#include "strideport/plan.hpp"
#include "tests/support/copy_pair.hpp"

namespace strideport {
namespace {

std::vector<int64_t> numbers(const std::string& text) {
  std::vector<int64_t> result;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) result.push_back(std::stoll(item));
  return result;
}

std::vector<int64_t> byte_strides(const std::string& text, const std::vector<int64_t>& shape, int64_t itemsize) {
  std::vector<int64_t> strides(shape.size(), 1);
  if (text == "C") {
    for (size_t axis = shape.size() - 1; axis-- > 0;) strides[axis] = strides[axis + 1] * shape[axis + 1];
  } else {
    strides = numbers(text);
  }
  for (int64_t& stride : strides) stride *= itemsize;
  return strides;
}

// The largest equal bound on extents that leaves at most about 20 000 elements.
std::vector<int64_t> cut(std::vector<int64_t> shape) {
  const auto count = [](const std::vector<int64_t>& extents) {
    int64_t product = 1;
    for (const int64_t extent : extents) product *= extent;
    return product;
  };
  while (count(shape) > 20'000) {
    int64_t& longest = *std::max_element(shape.begin(), shape.end());
    longest -= (longest + 3) / 4;
  }
  return shape;
}

void place(testing::Random& random, testing::Side& side, int64_t itemsize, testing::Arena& arena, uintptr_t& buf) {
  testing::bound(side, itemsize);
  arena.randomise(random, side.upper - side.lower + 1);
  buf = arena.begin() + static_cast<uintptr_t>(1 - side.lower);  // at an odd address
}

void copy_named(testing::Random& random, const std::string& line) {
  std::istringstream stream(line);
  std::string name, dtype, shape_text, dst_text, src_text;
  stream >> name >> dtype >> shape_text >> dst_text >> src_text;
  SCOPED_TRACE(name);
  const int64_t itemsize = std::stoll(dtype.substr(1));
  const auto full = numbers(shape_text);
  testing::Side dst{cut(full), byte_strides(dst_text, full, itemsize), {}};
  testing::Side src{dst.shape, byte_strides(src_text, full, itemsize), {}};
  testing::Arena dst_arena, src_arena;
  uintptr_t to = 0, from = 0;
  place(random, dst, itemsize, dst_arena, to);
  place(random, src, itemsize, src_arena, from);
  const BufferView dst_view = testing::view_at(to, dst, itemsize);
  const BufferView src_view = testing::view_at(from, src, itemsize);
  const auto expected = testing::copied_by_hand(testing::places(dst_view, dst_arena), dst_arena, src_view);
  copy(dst_view, src_view, StreamRef::host());
  EXPECT_TRUE(dst_arena.memory == expected) << explain(dst_view, src_view);
}

TEST(NamedLayouts, AreCopiedRight) {
  testing::Random random = testing::seeded_random("NamedLayouts.AreCopiedRight");
  std::ifstream table(STRIDEPORT_LAYOUTS);
  ASSERT_TRUE(table) << STRIDEPORT_LAYOUTS;
  int count = 0;
  for (std::string line; std::getline(table, line);) {
    if (line.starts_with("#")) continue;
    copy_named(random, line);
    ++count;
  }
  EXPECT_GT(count, 50);
}

}  // namespace
}  // namespace strideport
