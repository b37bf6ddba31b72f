#include "runtime/host_memory.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "runtime/toolchain.hpp"
#include "strideport/buffer.hpp"

#if STRIDEPORT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace strideport {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

// More than any machine has: no sum below overflows.
constexpr int64_t kMostBytes = int64_t{1} << 46;

#if STRIDEPORT_ADDRESS_SANITIZER
constexpr size_t kRedZone = 64;  // behind every block, as the allocator would have it
void poison(std::byte* at, size_t size) noexcept { ASAN_POISON_MEMORY_REGION(at, size); }
void unpoison(std::byte* at, size_t size) noexcept { ASAN_UNPOISON_MEMORY_REGION(at, size); }
#else
constexpr size_t kRedZone = 0;
void poison(std::byte*, size_t) noexcept {}
void unpoison(std::byte*, size_t) noexcept {}
#endif

// A block of the allocator's, with what counts its owners at its beginning. Two blocks, of which one is aligned by the
// allocator, cost 130 ns for 256 bytes; one of its usual ones, that is aligned in here, 30.
constexpr size_t kCountBytes = 48;
constexpr size_t kHeadBytes = kCountBytes + kAlignment - 1;  // what the bytes before the aligned ones take at most

// What gives the counts the begin of the block, and with them the block back.
template <class T>
struct InBlock {
  using value_type = T;
  std::byte* block;
  size_t size;

  InBlock(std::byte* memory, size_t bytes) noexcept : block(memory), size(bytes) {}
  template <class Other>
  InBlock(const InBlock<Other>& other) noexcept : block(other.block), size(other.size) {}  // NOLINT: as allocators do

  T* allocate(size_t) noexcept {
    static_assert(sizeof(T) <= kCountBytes && alignof(T) <= alignof(std::max_align_t));
    return reinterpret_cast<T*>(block);
  }
  void deallocate(T*, size_t) noexcept {
    unpoison(block, size);
    std::free(block);
  }
  friend bool operator==(const InBlock& a, const InBlock& b) noexcept { return a.block == b.block; }
};

std::shared_ptr<void> allocate_small(size_t size) {
  const size_t whole = kHeadBytes + size;
  auto* const block = static_cast<std::byte*>(std::malloc(whole));
  if (block == nullptr) throw std::bad_alloc();
  const auto begin = reinterpret_cast<uintptr_t>(block);
  const size_t head = (begin + kHeadBytes) / kAlignment * kAlignment - begin;
  poison(block + kCountBytes, head - kCountBytes);
  poison(block + head + size, whole - head - size);
  return {block + head, [](void*) noexcept {}, InBlock<std::byte>(block, whole)};
}

struct Block {
  std::byte* at = nullptr;
  size_t capacity = 0;  // whole huge pages
};

// Whole huge pages: more is mapped, and what sticks out on either side goes back. No block where there is no memory.
Block map_block(size_t capacity) noexcept {
  const size_t mapped = capacity + kHugePage;
  void* const memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  auto* const begin = static_cast<std::byte*>(memory);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before != 0) munmap(begin, before);
  munmap(begin + before + capacity, kHugePage - before);
  madvise(begin + before, capacity, MADV_HUGEPAGE);  // where the system has none, pages of the usual size will do
  return {begin + before, capacity};
}

void unmap(Block block) noexcept {
  unpoison(block.at, block.capacity);
  munmap(block.at, block.capacity);
}

// Blocks that nobody uses, the one that was freed last at the end.
class Kept {
 public:
  // A block that holds `size` bytes and is not more than a quarter too large, or none.
  Block take(size_t size) noexcept {
    const std::lock_guard lock(mutex_);
    for (size_t i = count_; i-- > 0;) {
      if (blocks_[i].capacity >= size && blocks_[i].capacity <= size + size / 4) return remove(i);
    }
    return {};
  }

  // Keeps `block`; what has been kept longest goes where there is too much.
  void put(Block block) noexcept {
    if (block.capacity > static_cast<size_t>(kMostKeptBytes)) return unmap(block);
    poison(block.at, block.capacity);
#ifdef MADV_FREE
    madvise(block.at, block.capacity, MADV_FREE);
#endif
    while (true) {
      Block oldest;
      {
        const std::lock_guard lock(mutex_);
        if (count_ < blocks_.size() && bytes_ + block.capacity <= static_cast<size_t>(kMostKeptBytes)) {
          blocks_[count_++] = block;
          bytes_ += block.capacity;
          return;
        }
        oldest = remove(0);
      }
      unmap(oldest);
    }
  }

  void clear() noexcept {
    while (true) {
      Block block;
      {
        const std::lock_guard lock(mutex_);
        if (count_ == 0) return;
        block = remove(count_ - 1);
      }
      unmap(block);
    }
  }

  int64_t bytes() noexcept {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(bytes_);
  }

  // A fork finds no list half changed.
  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  Block remove(size_t i) noexcept {
    const Block block = blocks_[i];
    --count_;
    for (; i < count_; ++i) blocks_[i] = blocks_[i + 1];
    bytes_ -= block.capacity;
    return block;
  }

  std::mutex mutex_;
  std::array<Block, 16> blocks_;
  size_t count_ = 0;
  size_t bytes_ = 0;
};

// Leaked on purpose: Buffers may be freed after the destructors of statics have run.
Kept& kept() {
  static Kept& instance = []() -> Kept& {
    static Kept* made = nullptr;
    made = new Kept;
    pthread_atfork([] { made->lock(); }, [] { made->unlock(); }, [] { made->unlock(); });
    return *made;
  }();
  return instance;
}

}  // namespace

std::shared_ptr<void> allocate_host(int64_t size) {
  if (size > kMostBytes) throw std::bad_alloc();
  if (size < kKeptBlockBytes) return allocate_small(static_cast<size_t>(size > 0 ? size : 1));
  const auto bytes = static_cast<size_t>(size);
  const size_t capacity = (bytes + kRedZone + kHugePage - 1) / kHugePage * kHugePage;
  Block block = kept().take(capacity);
  if (block.at == nullptr) block = map_block(capacity);
  if (block.at == nullptr) {
    trim_host();
    block = map_block(capacity);
  }
  if (block.at == nullptr) throw std::bad_alloc();
  poison(block.at + bytes, block.capacity - bytes);
  unpoison(block.at, bytes);
  return {block.at, [block](void*) noexcept { kept().put(block); }};
}

void trim_host() noexcept { kept().clear(); }

int64_t kept_host_bytes() noexcept { return kept().bytes(); }

}  // namespace strideport
