// The allocator fails where a copy starts its threads: the copy is done without them. This executable replaces operator
// new, which is why the file is alone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/host/pool.hpp"
#include "strideport/copy.hpp"

namespace {

constexpr int64_t kNever = -1;
thread_local int64_t allocations_left = kNever;
thread_local int64_t failures = 0;

}  // namespace

// Not inline: g++ would take the malloc() and free() that it sees for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (allocations_left == 0) {
    ++failures;
    throw std::bad_alloc();
  }
  if (allocations_left > 0) --allocations_left;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
// A sanitizer's own would not come through here.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace strideport {
namespace {

// Runs 4 parts with no memory after `allocations`; returns how often each was done.
std::vector<int> run_without_memory(int64_t allocations) {
  std::vector<std::atomic<int>> done(4);
  const auto part_done = [&done](int part) { ++done[static_cast<size_t>(part)]; };
  allocations_left = allocations;
  host::Pool::run(4, part_done);
  allocations_left = kNever;
  return {done.begin(), done.end()};
}

// First no pool can be made, then no first thread, then no second one, ...; each state is the next one's beginning.
TEST(CopyWithoutMemory, DoesAllPartsWithTheThreadsThatThereAre) {
  const std::vector<int> once(4, 1);
  for (int64_t allocations = 0; allocations < 4; ++allocations) {
    EXPECT_EQ(run_without_memory(allocations), once) << allocations << " allocations succeed";
  }
  EXPECT_GE(failures, 2);
  EXPECT_EQ(run_without_memory(0), once);
}

TEST(CopyWithoutMemory, CopiesWhereNoThreadCanBeStarted) {
  set_num_threads(16);
  const std::vector<uint8_t> src(size_t{1} << 24, 7);
  std::vector<uint8_t> dst(src.size());
  const auto count = static_cast<int64_t>(src.size());
  const BufferView to = BufferView::of(dst.data(), {count});
  const BufferView from = BufferView::of(src.data(), {count});
  failures = 0;
  allocations_left = 0;
  copy(to, from, StreamRef::host());
  allocations_left = kNever;
  set_num_threads(0);
  EXPECT_GE(failures, 1);
  EXPECT_TRUE(dst == src);
}

// Exceptions ----------------------------------------------------------------------------------------------------------

// Four parts, of which two throw.
void expect_all_parts_and_the_first_error() {
  std::vector<std::atomic<int>> done(4);
  const auto task = [&done](int part) {
    ++done[static_cast<size_t>(part)];
    if (part == 1 || part == 2) throw std::runtime_error("part");
  };
  EXPECT_THROW(host::Pool::run(4, task), std::runtime_error);
  for (const auto& times : done) EXPECT_EQ(times, 1);
}

TEST(Pool, DoesEveryPartBeforeItThrows) { expect_all_parts_and_the_first_error(); }

TEST(Pool, DoesEveryPartBeforeItThrowsWhereTheThreadsAreBusy) {
  host::Pool::run(2, [](int part) {
    if (part == 0) expect_all_parts_and_the_first_error();
  });
}

TEST(Pool, ThrowsTheErrorOfOnePart) {
  EXPECT_THROW(host::Pool::run(1, [](int) { throw std::runtime_error("alone"); }), std::runtime_error);
}

}  // namespace
}  // namespace strideport
