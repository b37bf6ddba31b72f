// Copies on several threads: equal to those on one, safe from several callers at once, and after a fork.

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

#include "strideport/copy.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

// Resets the number of threads whatever a test does.
class CopyThreads : public ::testing::Test {
 protected:
  ~CopyThreads() override { set_num_threads(0); }
};

std::vector<uint16_t> random_words(size_t count) {
  testing::Random random = testing::seeded_random("CopyThreads");
  std::vector<uint16_t> words(count);
  for (uint16_t& word : words) word = static_cast<uint16_t>(random());
  return words;
}

// dst[i][j] = src[j][i] for n x m words.
bool is_transpose(const std::vector<uint16_t>& dst, const std::vector<uint16_t>& src, int64_t n, int64_t m) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < m; ++j) {
      if (dst[static_cast<size_t>(i * m + j)] != src[static_cast<size_t>(j * n + i)]) return false;
    }
  }
  return true;
}

TEST_F(CopyThreads, TransposeAlikeOnAnyNumber) {
  const int64_t n = 1801;
  const int64_t m = 2203;
  const auto src = random_words(static_cast<size_t>(n * m));
  for (const int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    std::vector<uint16_t> dst(src.size(), 0xA5A5);
    copy(BufferView::of(dst.data(), {n, m}), BufferView::of(src.data(), {n, m}, {2, 2 * n}), StreamRef::host());
    EXPECT_TRUE(is_transpose(dst, src, n, m)) << threads << " threads";
  }
}

TEST_F(CopyThreads, CopyOneBlockAlikeOnAnyNumber) {
  const auto src = random_words(5'000'011);
  const auto count = static_cast<int64_t>(src.size());
  for (const int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    std::vector<uint16_t> dst(src.size());
    copy(BufferView::of(dst.data(), {count}), BufferView::of(src.data(), {count}), StreamRef::host());
    EXPECT_EQ(dst, src) << threads << " threads";
  }
}

TEST_F(CopyThreads, SplitAnotherDimensionWhereTheOutermostIsShort) {
  const int64_t n = 2;
  const int64_t m = 2'000'003;
  const auto src = random_words(static_cast<size_t>(n * m));
  set_num_threads(8);
  std::vector<uint16_t> dst(src.size());
  copy(BufferView::of(dst.data(), {n, m}), BufferView::of(src.data(), {n, m}, {2, 2 * n}), StreamRef::host());
  EXPECT_TRUE(is_transpose(dst, src, n, m));
}

TEST_F(CopyThreads, MoveAnOverlappingBlockRight) {
  auto words = random_words(5'000'000);
  const auto before = words;
  set_num_threads(8);
  const int64_t count = 4'999'000;
  copy(BufferView::of(words.data() + 1000, {count}), BufferView::of(words.data(), {count}), StreamRef::host());
  EXPECT_TRUE(std::equal(words.begin() + 1000, words.end(), before.begin()));
  EXPECT_TRUE(std::equal(words.begin(), words.begin() + 1000, before.begin()));
}

TEST_F(CopyThreads, StageAnOverlapRight) {
  const int64_t n = 1500;
  auto words = random_words(static_cast<size_t>(n * n));
  const auto before = words;
  set_num_threads(3);
  copy(BufferView::of(words.data(), {n, n}), BufferView::of(words.data(), {n, n}, {2, 2 * n}), StreamRef::host());
  EXPECT_TRUE(is_transpose(words, before, n, n));
}

TEST_F(CopyThreads, FollowRowPointersAlike) {
  const int64_t rows = 3001;
  const int64_t columns = 1000;
  auto src = random_words(static_cast<size_t>(rows * columns));
  std::vector<uint16_t*> pointers;
  for (int64_t row = rows; row-- > 0;) pointers.push_back(src.data() + row * columns);
  ViewSpec spec;
  spec.buf = pointers.data();
  const int64_t shape[] = {rows, columns};
  const int64_t strides[] = {8, 2};
  const int64_t suboffsets[] = {0, -1};
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.itemsize = 2;
  spec.dtype = dtype_of<uint16_t>();
  spec.format = Format::of(spec.dtype);
  const BufferView view = BufferView::create(spec);
  for (const int threads : {1, 2, 8}) {
    set_num_threads(threads);
    std::vector<uint16_t> dst(src.size());
    copy(BufferView::of(dst.data(), {rows, columns}), view, StreamRef::host());
    bool equal = true;
    for (int64_t row = 0; row < rows; ++row) {
      equal = equal && std::equal(dst.begin() + row * columns, dst.begin() + (row + 1) * columns,
                                  src.begin() + (rows - 1 - row) * columns);
    }
    EXPECT_TRUE(equal) << threads << " threads";
  }
}

// The pool's threads are kept off the caller's CPU; the caller may run where it could before, be it on one CPU alone.
TEST_F(CopyThreads, LeaveTheCallerWhereItMayRun) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const auto src = random_words(3'000'000);
  const auto count = static_cast<int64_t>(src.size());
  const auto copies = [&](const cpu_set_t& allowed) {
    std::vector<uint16_t> dst(src.size());
    copy(BufferView::of(dst.data(), {count}), BufferView::of(src.data(), {count}), StreamRef::host());
    EXPECT_EQ(dst, src);
    cpu_set_t after;
    EXPECT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_TRUE(CPU_EQUAL(&after, &allowed));
  };
  set_num_threads(4);
  copies(before);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  copies(one);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
  copies(before);
}

TEST_F(CopyThreads, ServeSeveralCallersAtOnce) {
  const auto src = random_words(3'000'000);
  const auto count = static_cast<int64_t>(src.size());
  set_num_threads(3);
  std::vector<std::vector<uint16_t>> results(4, std::vector<uint16_t>(src.size()));
  std::vector<std::thread> callers;
  for (auto& dst : results) {
    callers.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        std::fill(dst.begin(), dst.end(), uint16_t{0});
        copy(BufferView::of(dst.data(), {count}), BufferView::of(src.data(), {count}), StreamRef::host());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const auto& dst : results) EXPECT_EQ(dst, src);
}

TEST_F(CopyThreads, WorkInAForkedChild) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer ends a process that starts threads after a fork (die_after_fork)";
#endif
  const int64_t n = 1801;
  const int64_t m = 1203;
  const auto src = random_words(static_cast<size_t>(n * m));
  set_num_threads(4);
  std::vector<uint16_t> dst(src.size());
  const BufferView to = BufferView::of(dst.data(), {n, m});
  const BufferView from = BufferView::of(src.data(), {n, m}, {2, 2 * n});
  copy(to, from, StreamRef::host());  // the parent's threads exist
  const pid_t child = fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    std::fill(dst.begin(), dst.end(), uint16_t{0});
    copy(to, from, StreamRef::host());
    _exit(is_transpose(dst, src, n, m) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
  std::fill(dst.begin(), dst.end(), uint16_t{0});
  copy(to, from, StreamRef::host());
  EXPECT_TRUE(is_transpose(dst, src, n, m));
}

TEST_F(CopyThreads, AreSetAndReset) {
  set_num_threads(5);
  EXPECT_EQ(num_threads(), 5);
  set_num_threads(0);
  EXPECT_GE(num_threads(), 1);
  testing::expect_throws<InvalidArgument>([] { set_num_threads(-1); }, {"set_num_threads(-1)", "0 for the default"});
  testing::expect_throws<InvalidArgument>([] { set_num_threads(5000); }, {"5000", "1024"});
}

// The environment is read once a process, so each case is a process of its own.
int threads_with_environment(const char* value) {
  setenv("STRIDEPORT_THREADS", value, 1);
  set_num_threads(0);
  return num_threads();
}

TEST(CopyThreadsDeathTest, FollowTheEnvironment) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(_exit(threads_with_environment("7")), ::testing::ExitedWithCode(7), "");
  for (const char* bad : {"many", "0", "-3", "2x", "99999999999", "1025"}) {
    EXPECT_EXIT(_exit(threads_with_environment(bad) >= 1 ? 0 : 1), ::testing::ExitedWithCode(0),
                "STRIDEPORT_THREADS is '.*', not a number of threads from 1 to 1024");
  }
}

}  // namespace
}  // namespace strideport
