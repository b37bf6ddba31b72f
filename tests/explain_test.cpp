#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "strideport/copy.hpp"
#include "strideport/plan.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

constexpr uintptr_t kDst = uintptr_t{1} << 40;
constexpr uintptr_t kSrc = uintptr_t{1} << 44;

BufferView floats(uintptr_t buf, std::vector<int64_t> shape, std::vector<int64_t> strides,
                  std::vector<int64_t> suboffsets = {}) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(buf);
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.itemsize = 4;
  return BufferView::create(spec);
}

TEST(Explain, DescribesATranspose) {
  EXPECT_EQ(explain(floats(kDst, {4, 8}, {32, 4}), floats(kSrc, {4, 8}, {4, 16})),
            "strategy: transpose (dst and src are densest in different dimensions: cache tiles)\n"
            "dst: shape (4, 8), strides (32, 4), itemsize 4, cpu\n"
            "src: shape (4, 8), strides (4, 16), itemsize 4, cpu\n"
            "dims: dst (4,8):(32,4) <- src (4,8):(4,16) in units of 4 bytes\n"
            "moves: 128 bytes read, as many written\n"
            "temporary: none\n"
            "threads: 1\n"
            "kernel launches: 0 (host)\n"
            "not a view: dst has memory of its own, and on axis 0 a stride of 32 bytes where src has 4\n");
}

TEST(Explain, SaysWhereAViewWouldHaveTheSameLayout) {
  EXPECT_EQ(explain(floats(kDst, {2, 3}, {12, 4}), floats(kSrc, {2, 3}, {12, 4})),
            "strategy: memcpy (one contiguous block)\n"
            "dst: shape (2, 3), strides (12, 4), itemsize 4, cpu\n"
            "src: shape (2, 3), strides (12, 4), itemsize 4, cpu\n"
            "dims: dst (3):(8) <- src (3):(8) in units of 8 bytes\n"
            "moves: 24 bytes read, as many written\n"
            "temporary: none\n"
            "threads: 1\n"
            "kernel launches: 0 (host)\n"
            "not a view: dst has memory of its own; a view of src would have this same layout\n");
}

TEST(Explain, CountsTheTemporaryOfAnOverlap) {
  EXPECT_EQ(explain(floats(kDst, {2, 2}, {8, 4}), floats(kDst, {2, 2}, {4, 8})),
            "strategy: staged (dst and src overlap partly: through a temporary)\n"
            "dst: shape (2, 2), strides (8, 4), itemsize 4, cpu\n"
            "src: shape (2, 2), strides (4, 8), itemsize 4, cpu\n"
            "dims: dst (2,2):(8,4) <- src (2,2):(4,8) in units of 4 bytes\n"
            "moves: 16 bytes read, as many written\n"
            "temporary: 16 bytes\n"
            "threads: 1\n"
            "kernel launches: 0 (host)\n"
            "not a view: dst shares memory with src, but has on axis 0 a stride of 8 bytes where src has 4\n");
}

TEST(Explain, SaysThatNothingMovesWithinOneView) {
  EXPECT_EQ(explain(floats(kDst, {2, 2}, {8, 4}), floats(kDst, {2, 2}, {8, 4})),
            "strategy: nothing (dst and src are the same elements)\n"
            "dst: shape (2, 2), strides (8, 4), itemsize 4, cpu\n"
            "src: shape (2, 2), strides (8, 4), itemsize 4, cpu\n"
            "moves: 0 bytes read, as many written\n"
            "temporary: none\n"
            "threads: 1\n"
            "kernel launches: 0 (host)\n"
            "view: dst already is one of src\n");
}

TEST(Explain, SaysThatEmptyViewsNeedNothing) {
  EXPECT_EQ(explain(floats(kDst, {0, 2}, {8, 4}), floats(kSrc, {0, 2}, {8, 4})),
            "strategy: nothing (no element to move)\n"
            "dst: shape (0, 2), strides (8, 4), itemsize 4, cpu\n"
            "src: shape (0, 2), strides (8, 4), itemsize 4, cpu\n"
            "moves: 0 bytes read, as many written\n"
            "temporary: none\n"
            "threads: 1\n"
            "kernel launches: 0 (host)\n"
            "view: not needed, there are no elements\n");
}

TEST(Explain, DescribesRowPointersWithoutFollowingThem) {
  EXPECT_EQ(explain(floats(kDst, {5, 8}, {32, 4}), floats(kSrc, {5, 8}, {8, 4}, {0, -1})),
            "strategy: indirect (row pointers are followed, then blocks are copied)\n"
            "dst: shape (5, 8), strides (32, 4), itemsize 4, cpu\n"
            "src: shape (5, 8), strides (8, 4), suboffsets (0, -1), itemsize 4, cpu\n"
            "dims: dst (8):(4) <- src (8):(4) in units of 4 bytes, 5 blocks each by memcpy\n"
            "moves: 160 bytes read, as many written\n"
            "temporary: none, unless rows of dst share bytes with src or with row pointers\n"
            "threads: 1\n"
            "kernel launches: 0 (host)\n"
            "not a view: src reaches its elements through row pointers, dst has strides alone\n");
}

std::string last_line(const BufferView& dst, const BufferView& src) {
  const std::string text = explain(dst, src);
  const size_t end = text.size() - 1;
  return text.substr(text.rfind('\n', end - 1) + 1, end - text.rfind('\n', end - 1) - 1);
}

TEST(Explain, ComparesTheAxesThatThePlanMatched) {
  EXPECT_EQ(last_line(floats(kDst, {1, 3, 4}, {48, 16, 4}), floats(kSrc, {3, 4}, {4, 12})),
            "not a view: dst has memory of its own, and on axis 1 a stride of 16 bytes where src has 4 on its axis 0");
  EXPECT_EQ(last_line(floats(kDst, {3, 4}, {16, 4}), floats(kSrc, {3, 1, 4, 1}, {16, 7, 8, 9})),
            "not a view: dst has memory of its own, and on axis 1 a stride of 4 bytes where src has 8 on its axis 2");
  EXPECT_EQ(last_line(floats(kDst, {1, 3, 4}, {48, 16, 4}), floats(kSrc, {3, 4}, {16, 4})),
            "not a view: dst has memory of its own; a view of src would have this same layout");
}

TEST(Explain, SaysWhereMemoryIsShared) {
  EXPECT_EQ(last_line(floats(kDst + 4, {9}, {4}), floats(kDst, {9}, {4})),
            "not a view: dst and src share memory and have one layout, but begin at different addresses");
  EXPECT_EQ(last_line(floats(kDst, {3, 3}, {12, 4}), floats(kDst, {3, 3}, {4, 12})),
            "not a view: dst shares memory with src, but has on axis 0 a stride of 12 bytes where src has 4");
  EXPECT_EQ(last_line(floats(kDst, {9}, {8}), floats(kDst + 4, {9}, {8})),  // interleaved: no byte is shared
            "not a view: dst has memory of its own; a view of src would have this same layout");
}

TEST(Explain, SaysWhichSideHasRowPointers) {
  const BufferView plain = floats(kDst, {5, 8}, {32, 4});
  const BufferView rows = floats(kSrc, {5, 8}, {8, 4}, {0, -1});
  EXPECT_EQ(last_line(plain, rows), "not a view: src reaches its elements through row pointers, dst has strides alone");
  EXPECT_EQ(last_line(rows, plain), "not a view: dst reaches its elements through row pointers, src has strides alone");
  EXPECT_EQ(
      last_line(rows, rows),
      "not a view: dst and src both reach their elements through row pointers, which are followed by the copy only");
}

TEST(Explain, CountsThreadsAsTheCopyUsesThem) {
  const auto threads_line = [](int64_t mebibytes) {
    const std::string text = explain(floats(kDst, {mebibytes << 18}, {4}), floats(kSrc, {mebibytes << 18}, {4}));
    const size_t at = text.find("threads: ");
    return text.substr(at, text.find('\n', at) - at);
  };
  set_num_threads(8);
  EXPECT_EQ(threads_line(1), "threads: 1");
  EXPECT_EQ(threads_line(3), "threads: 3");
  EXPECT_EQ(threads_line(64), "threads: 8");
  set_num_threads(0);
}

TEST(Explain, RefusesWhatCopyRefuses) {
  testing::expect_throws<InvalidArgument>([] { return explain(floats(kDst, {2}, {4}), floats(kSrc, {3}, {4})); },
                                          {"dst.shape (2,)", "src.shape (3,)"});
}

TEST(Explain, NamesEveryStrategy) {
  EXPECT_EQ(to_string(Strategy::nothing), "nothing");
  EXPECT_EQ(to_string(Strategy::memcpy), "memcpy");
  EXPECT_EQ(to_string(Strategy::rows), "rows");
  EXPECT_EQ(to_string(Strategy::transpose), "transpose");
  EXPECT_EQ(to_string(Strategy::strided), "strided");
  EXPECT_EQ(to_string(Strategy::broadcast), "broadcast");
  EXPECT_EQ(to_string(Strategy::staged), "staged");
  EXPECT_EQ(to_string(Strategy::indirect), "indirect");
}

}  // namespace
}  // namespace strideport
