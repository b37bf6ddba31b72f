// Every kernel of every instruction set that this machine runs, on blocks that end where readable memory ends: a read
// past the last element, or before the first, is a fault.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/host/kernels.hpp"
#include "runtime/host/simd/target.hpp"
#include "tests/support/seed.hpp"

namespace strideport::host {
namespace {

using testing::one_in;
using testing::pick;
using testing::Random;

// Memory between two pages that fault.
class Guarded {
 public:
  explicit Guarded(size_t pages) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_(pages * page_) {
    void* memory = mmap(nullptr, size_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(memory);
    if (mprotect(begin(), size_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, size_ + 2 * page_); }

  std::byte* begin() const { return base_ + page_; }
  std::byte* end() const { return begin() + size_; }
  size_t size() const { return size_; }

 private:
  size_t page_;
  size_t size_;
  std::byte* base_;
};

struct Span {
  int64_t lower = 0;
  int64_t upper = 0;
};

Span span_of(int64_t rows, int64_t row, int64_t columns, int64_t column, int64_t item) {
  Span span{0, item};
  (row < 0 ? span.lower : span.upper) += (rows - 1) * row;
  (column < 0 ? span.lower : span.upper) += (columns - 1) * column;
  return span;
}

// Blocks such as the executor makes: dst does not overlap itself, src does what it likes.
Block random_block(Random& random) {
  static constexpr int64_t kItems[] = {1, 1, 2, 2, 3, 4, 4, 6, 8, 8, 12, 16, 16, 24, 32, 48, 64, 96, 128};
  Block b;
  b.item =
      one_in(random, 4) ? pick(random, 1, 300) : kItems[static_cast<size_t>(pick(random, 0, std::size(kItems) - 1))];
  const int64_t most = b.item > 32 ? 6 : 70;
  b.rows = one_in(random, 4) ? pick(random, 1, 4) : pick(random, 1, most);
  b.columns = one_in(random, 4) ? pick(random, 1, 4) : pick(random, 1, most);
  if (b.item <= 8 && one_in(random, 8)) b.rows = pick(random, 100, 600);
  const auto gap = [&] {
    return one_in(random, 2) ? 0 : one_in(random, 2) ? pick(random, 0, 3) * b.item : pick(random, 0, 9);
  };
  b.streams = one_in(random, 2);
  b.dst_column = b.item + gap();
  b.dst_row = b.columns * b.dst_column + gap();
  if (one_in(random, 2)) b.dst_row = (b.dst_row + 63) / 64 * 64;  // whole cache lines
  if (one_in(random, 4)) b.dst_row = -b.dst_row;
  if (one_in(random, 2)) {  // dense along the rows: a transpose
    b.src_row = b.item + (one_in(random, 4) ? gap() : 0);
    b.src_column = b.rows * b.src_row + gap();
  } else {
    b.src_column = b.item + gap();
    b.src_row = b.columns * b.src_column + gap();
  }
  if (one_in(random, 4)) b.src_row = -b.src_row;
  if (one_in(random, 4)) b.src_column = -b.src_column;
  if (one_in(random, 12)) b.src_column = 0;
  if (one_in(random, 12)) b.src_row = 0;
  return b;
}

std::string text(const Block& b) {
  return std::to_string(b.rows) + "x" + std::to_string(b.columns) + " items of " + std::to_string(b.item) + ", dst " +
         std::to_string(b.dst_row) + "," + std::to_string(b.dst_column) + ", src " + std::to_string(b.src_row) + "," +
         std::to_string(b.src_column);
}

void kernels_stay_inside(const char* name) {
  Random random = testing::seeded_random(name);
  const Guarded src_memory(32);
  const Guarded dst_memory(32);
  for (std::byte* p = src_memory.begin(); p != src_memory.end(); ++p) *p = static_cast<std::byte>(random());
  std::vector<std::byte> expected(dst_memory.size());
  for (int64_t round = 0, n = testing::rounds(15'000); round < n && !::testing::Test::HasFailure(); ++round) {
    const Block b = random_block(random);
    const Span s = span_of(b.rows, b.src_row, b.columns, b.src_column, b.item);
    const Span d = span_of(b.rows, b.dst_row, b.columns, b.dst_column, b.item);
    if (s.upper - s.lower > static_cast<int64_t>(src_memory.size()) ||
        d.upper - d.lower > static_cast<int64_t>(dst_memory.size())) {
      continue;
    }
    // Flush with the end of the memory or with its begin, on both sides.
    const std::byte* src = one_in(random, 2) ? src_memory.end() - s.upper : src_memory.begin() - s.lower;
    std::byte* dst = one_in(random, 2) ? dst_memory.end() - d.upper : dst_memory.begin() - d.lower;
    std::memset(dst_memory.begin(), 0xA5, dst_memory.size());
    std::fill(expected.begin(), expected.end(), std::byte{0xA5});
    for (int64_t r = 0; r < b.rows; ++r) {
      for (int64_t c = 0; c < b.columns; ++c) {
        const int64_t at = dst - dst_memory.begin() + r * b.dst_row + c * b.dst_column;
        std::memcpy(expected.data() + at, src + r * b.src_row + c * b.src_column, static_cast<size_t>(b.item));
      }
    }
    pick_kernel(b)(dst, src, b);
    EXPECT_EQ(std::memcmp(dst_memory.begin(), expected.data(), expected.size()), 0) << text(b);
  }
}

TEST(Kernels, OfEveryTargetStayInside) {
  const simd::Target best = simd::target();
  for (const simd::Target target : simd::targets()) {
    SCOPED_TRACE(simd::name(target));
    simd::set_target(target);
    kernels_stay_inside(simd::name(target));
  }
  simd::set_target(best);
}

}  // namespace
}  // namespace strideport::host
