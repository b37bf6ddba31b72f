#include "device/simulated/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

#include "device/simulated/quiet.hpp"

namespace strideport::simulated {
namespace {

constexpr int kNewByte = 0xCD;
constexpr int kFreedByte = 0xDD;
constexpr int kGuardByte = 0xFB;
constexpr size_t kSparse = size_t{64} << 20;
constexpr size_t kPage = 4096;

// Whoever gets memory gets it after whoever gave it back, on whatever thread or stream: the driver sees to that, and
// ThreadSanitizer is told. The keys are addresses in the memory: one every kAlignment bytes for blocks of up to kFine
// bytes, one every kFine bytes for larger ones, so that neighbours do not order each other.
constexpr size_t kFine = size_t{1} << 20;

template <class F>
[[maybe_unused]] void for_keys(const std::byte* begin, size_t bytes, size_t step, F function) {
  const auto first = reinterpret_cast<uintptr_t>(begin) / step * step;
  for (uintptr_t key = first; key < reinterpret_cast<uintptr_t>(begin) + bytes; key += step) {
    function(reinterpret_cast<const std::byte*>(key) + (step == kFine ? 128 : 0));
  }
}

void publish_freed([[maybe_unused]] const std::byte* begin, [[maybe_unused]] size_t block) noexcept {
#if defined(STRIDEPORT_SIMULATED_TSAN)
  for_keys(begin, block, block > kFine ? kFine : Memory::kAlignment, [](const void* key) { publish(key); });
#endif
}

void receive_freed([[maybe_unused]] const std::byte* begin, [[maybe_unused]] size_t block) noexcept {
#if defined(STRIDEPORT_SIMULATED_TSAN)
  for_keys(begin, block, kFine, [](const void* key) { receive(key); });
  for_keys(begin, block, Memory::kAlignment, [](const void* key) { receive(key); });
#endif
}

void* reserve(size_t bytes, int protection) {
  void* const address = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  return address;
}

}  // namespace

const Allocation* AllocationMap::find(uintptr_t address) const noexcept {
  auto after = all_.upper_bound(address);
  if (after == all_.begin()) return nullptr;
  const Allocation& candidate = std::prev(after)->second;
  return address < candidate.end() ? &candidate : nullptr;
}

const Allocation* AllocationMap::starting_at(uintptr_t begin) const noexcept {
  const auto found = all_.find(begin);
  return found != all_.end() ? &found->second : nullptr;
}

bool AllocationMap::overlaps(uintptr_t begin, size_t bytes) const noexcept {
  const auto next = all_.lower_bound(begin);
  if (next != all_.end() && next->first - begin < bytes) return true;
  return next != all_.begin() && std::prev(next)->second.end() > begin;
}

void AllocationMap::erase(const Allocation& allocation) noexcept {
  const auto found = all_.find(allocation.begin);
  if (found != all_.end() && found->second.id == allocation.id) all_.erase(found);
}

Memory::Memory(int devices, size_t capacity) : capacity_(capacity / kPage * kPage) {
  const auto count = static_cast<size_t>(devices);
  size_ = std::max(count * capacity_, kPage);
  heaps_.resize(count);
  void* const window = reserve(size_, PROT_NONE);
  try {
    bytes_ = static_cast<std::byte*>(reserve(size_, PROT_READ | PROT_WRITE));
  } catch (...) {
    munmap(window, size_);
    throw;
  }
  madvise(bytes_, size_, MADV_DONTDUMP);
  window_ = reinterpret_cast<uintptr_t>(window);
  to_host_ = static_cast<ptrdiff_t>(reinterpret_cast<uintptr_t>(bytes_) - window_);
  for (int device = 0; device < devices; ++device) reset_heap(device);
}

Memory::~Memory() {
  munmap(reinterpret_cast<void*>(window_), size_);
  munmap(bytes_, size_);
}

void Memory::reset_heap(int device) {
  Heap& heap = heaps_[static_cast<size_t>(device)];
  heap.free.clear();
  heap.free[window_ + static_cast<size_t>(device) * capacity_] = capacity_;
  heap.used = 0;
}

uintptr_t Memory::take(int device, size_t bytes) {
  if (bytes > capacity_) return 0;
  Heap& heap = heaps_[static_cast<size_t>(device)];
  const size_t block = block_bytes(bytes);
  for (auto hole = heap.free.begin(); hole != heap.free.end(); ++hole) {
    if (hole->second < block) continue;
    const auto [begin, room] = *hole;
    heap.free.erase(hole);
    if (room > block) heap.free[begin + block] = room - block;
    heap.used += block;
    return begin;
  }
  return 0;
}

void Memory::give_back(int device, uintptr_t begin, size_t bytes) {
  Heap& heap = heaps_[static_cast<size_t>(device)];
  size_t block = block_bytes(bytes);
  heap.used -= block;
  auto next = heap.free.lower_bound(begin);
  if (next != heap.free.end() && begin + block == next->first) {
    block += next->second;
    next = heap.free.erase(next);
  }
  if (next != heap.free.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == begin) {
      previous->second += block;
      return;
    }
  }
  heap.free[begin] = block;
}

void Memory::give_all_back(int device) {
  reset_heap(device);
  madvise(bytes_ + static_cast<size_t>(device) * capacity_, capacity_, MADV_DONTNEED);
}

void Memory::poison_new(uintptr_t begin, size_t bytes) const noexcept {
  std::byte* const at = host(begin);
  receive_freed(at, block_bytes(bytes));
  const size_t ends = bytes > kSparse ? kPage * 16 : bytes;
  std::memset(at, kNewByte, ends);
  if (ends < bytes) std::memset(at + bytes - ends, kNewByte, ends);
  std::memset(at + bytes, kGuardByte, block_bytes(bytes) - bytes);
}

void Memory::poison_freed(uintptr_t begin, size_t bytes) const noexcept {
  std::byte* const at = host(begin);
  const size_t block = block_bytes(bytes);
  if (bytes <= kSparse) {
    std::memset(at, kFreedByte, block);
    publish_freed(at, block);
    return;
  }
  const auto first_page = (reinterpret_cast<uintptr_t>(at) + kPage - 1) / kPage * kPage;
  const auto last_page = (reinterpret_cast<uintptr_t>(at) + block) / kPage * kPage;
  madvise(reinterpret_cast<void*>(first_page), last_page - first_page, MADV_DONTNEED);
  std::memset(at, kFreedByte, kPage * 16);
  std::memset(at + block - kPage * 16, kFreedByte, kPage * 16);
  publish_freed(at, block);
}

bool Memory::guard_is_whole(uintptr_t begin, size_t bytes) const noexcept {
  const auto* const at = reinterpret_cast<const unsigned char*>(host(begin));
  return std::all_of(at + bytes, at + block_bytes(bytes), [](unsigned char byte) { return byte == kGuardByte; });
}

}  // namespace strideport::simulated
