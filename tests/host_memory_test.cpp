// Large host memory: kept, handed out again, given back.

#include "runtime/host_memory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <new>
#include <thread>
#include <vector>

#include "strideport/buffer.hpp"
#include "tests/support/in_child.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace strideport {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

class HostMemory : public ::testing::Test {
 protected:
  HostMemory() { trim_host(); }
  ~HostMemory() override { trim_host(); }
};

// Writes it all, so that a page that is not there shows.
bool holds(void* memory, int64_t size, unsigned char value) {
  auto* const bytes = static_cast<unsigned char*>(memory);
  std::memset(bytes, value, static_cast<size_t>(size));
  return bytes[0] == value && std::memcmp(bytes, bytes + 1, static_cast<size_t>(size - 1)) == 0;
}

TEST_F(HostMemory, IsHandedOutAgain) {
  const void* first = nullptr;
  {
    const auto memory = allocate_host(8 * kMiB);
    first = memory.get();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % (2 * kMiB), 0U);
    EXPECT_TRUE(holds(memory.get(), 8 * kMiB, 1));
    EXPECT_EQ(kept_host_bytes(), 0);
  }
  EXPECT_GE(kept_host_bytes(), 8 * kMiB);
  const auto again = allocate_host(8 * kMiB - 100);
  EXPECT_EQ(again.get(), first);
  EXPECT_TRUE(holds(again.get(), 8 * kMiB - 100, 2));
  EXPECT_EQ(kept_host_bytes(), 0);
  EXPECT_NE(allocate_host(8 * kMiB).get(), first);
}

TEST_F(HostMemory, IsNotHandedOutWhereItIsMuchTooLarge) {
  allocate_host(64 * kMiB).reset();
  const int64_t before = kept_host_bytes();
  const auto small = allocate_host(8 * kMiB);
  EXPECT_EQ(kept_host_bytes(), before);
}

TEST_F(HostMemory, IsGivenBack) {
  allocate_host(16 * kMiB).reset();
  EXPECT_GT(kept_host_bytes(), 0);
  trim_host();
  EXPECT_EQ(kept_host_bytes(), 0);
  EXPECT_TRUE(holds(allocate_host(16 * kMiB).get(), 16 * kMiB, 3));
}

TEST_F(HostMemory, IsKeptUpToABound) {
  std::vector<std::shared_ptr<void>> blocks;
  for (int i = 0; i < 20; ++i) blocks.push_back(allocate_host(kKeptBlockBytes + i * kMiB));
  for (int i = 0; i < 4; ++i) blocks.push_back(allocate_host(100 * kMiB));
  for (auto& block : blocks) {
    block.reset();
    EXPECT_LE(kept_host_bytes(), kMostKeptBytes);
  }
  EXPECT_GE(kept_host_bytes(), 200 * kMiB);
  const int64_t before = kept_host_bytes();
  allocate_host(kMostKeptBytes + 4 * kMiB).reset();
  EXPECT_EQ(kept_host_bytes(), before);
}

TEST_F(HostMemory, LeavesSmallBlocksToTheAllocator) {
  allocate_host(kKeptBlockBytes - 1).reset();
  EXPECT_NE(allocate_host(0), nullptr);
  EXPECT_EQ(kept_host_bytes(), 0);
}

TEST_F(HostMemory, IsAlignedAtEverySize) {
  std::vector<std::shared_ptr<void>> blocks;
  for (int64_t size = 0; size < 6000; size += size < 300 ? 1 : 61) {
    blocks.push_back(allocate_host(size));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.back().get()) % 64, 0U) << size;
    std::memset(blocks.back().get(), static_cast<int>(size % 251), static_cast<size_t>(size));
  }
  int64_t size = 0;
  for (const auto& block : blocks) {
    const auto* const bytes = static_cast<const unsigned char*>(block.get());
    for (int64_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], size % 251) << size;
    size += size < 300 ? 1 : 61;
  }
}

TEST_F(HostMemory, OutlivesItsOwnersWhereItsCountsDo) {
  std::shared_ptr<void> memory = allocate_host(100);
  std::shared_ptr<void> other = memory;
  const std::weak_ptr<void> watcher = memory;
  memory.reset();
  EXPECT_EQ(watcher.lock(), other);
  other.reset();
  EXPECT_TRUE(watcher.expired());
}

TEST_F(HostMemory, IsRefusedWhereThereIsNone) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the allocators of sanitizers end the process";
#endif
  EXPECT_THROW(allocate_host(std::numeric_limits<int64_t>::max()), std::bad_alloc);
}

TEST_F(HostMemory, IsThatOfBuffers) {
  const void* first = nullptr;
  {
    const Buffer buffer = empty({3, kMiB}, dtype_of<int64_t>());
    first = buffer.buf();
  }
  EXPECT_GE(kept_host_bytes(), 24 * kMiB);
  const Buffer buffer = empty({3, kMiB}, dtype_of<double>(), Order::F);
  EXPECT_EQ(buffer.buf(), first);
}

TEST_F(HostMemory, ServesSeveralThreads) {
  std::vector<std::thread> threads;
  for (unsigned char id = 0; id < 6; ++id) {
    threads.emplace_back([id] {
      for (int round = 0; round < 8; ++round) {
        const int64_t size = kKeptBlockBytes + (id + round) % 4 * kMiB;
        EXPECT_TRUE(holds(allocate_host(size).get(), size, id));
        if (round == 5) trim_host();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(kept_host_bytes(), kMostKeptBytes);
}

TEST_F(HostMemory, IsSafeAcrossAFork) {
  const auto used = allocate_host(kKeptBlockBytes);
  ASSERT_TRUE(holds(used.get(), kKeptBlockBytes, 7));
  const void* kept = nullptr;
  {
    const auto freed = allocate_host(16 * kMiB);
    ASSERT_TRUE(holds(freed.get(), 16 * kMiB, 8));
    kept = freed.get();
  }
  const std::string said = testing::in_child([&]() -> std::string {
    const auto again = allocate_host(16 * kMiB);
    if (again.get() != kept || !holds(again.get(), 16 * kMiB, 9)) return "what is kept is not usable";
    return holds(used.get(), kKeptBlockBytes, 10) ? "fine" : "what is used is not usable";
  });
  EXPECT_EQ(said, "fine");
  EXPECT_EQ(*static_cast<unsigned char*>(used.get()), 7);
  EXPECT_EQ(allocate_host(16 * kMiB).get(), kept);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_F(HostMemory, IsPoisonedAroundSmallBlocks) {
  for (const int64_t size : {1, 7, 8, 64, 100, 1000}) {
    const auto block = allocate_host(size);
    auto* const bytes = static_cast<char*>(block.get());
    EXPECT_EQ(__asan_region_is_poisoned(bytes, static_cast<size_t>(size)), nullptr) << size;
    EXPECT_NE(__asan_address_is_poisoned(bytes + size), 0) << size;
    EXPECT_NE(__asan_address_is_poisoned(bytes - 1), 0) << size;
  }
}

TEST_F(HostMemory, IsPoisonedWhereItLiesUnused) {
  void* memory = nullptr;
  {
    const auto block = allocate_host(8 * kMiB);
    memory = block.get();
    EXPECT_EQ(__asan_region_is_poisoned(memory, 8 * kMiB), nullptr);
    EXPECT_NE(__asan_address_is_poisoned(static_cast<char*>(memory) + 8 * kMiB), 0);
  }
  EXPECT_NE(__asan_address_is_poisoned(memory), 0);
  EXPECT_NE(__asan_address_is_poisoned(static_cast<char*>(memory) + 8 * kMiB - 1), 0);
}
#endif

}  // namespace
}  // namespace strideport
