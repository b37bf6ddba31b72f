/// The memory of the simulated devices: one window of addresses without access rights, which are what callers get, and
/// the bytes themselves `to_host()` further on. Behind each allocation lies a guard, looked at when it is freed.
///
/// Bookkeeping only: what fills memory is asked for apart (`poison`), since it has a place in stream order.
/// Not synchronised; the driver's mutex guards it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "device/driver/driver.hpp"

namespace strideport::simulated {

enum class Kind : uint8_t { device, pool, graph, pinned, registered, managed };

struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Kind kind = Kind::device;
  int device = 0;
  uint64_t id = 0;              ///< never reused
  CUmemoryPool pool = nullptr;  ///< of kind pool
  bool portable = false;        ///< of kind pinned and registered
  bool mapped = false;
  uintptr_t device_offset = 0;  ///< of kind pinned: from the host's address to the device's

  uintptr_t end() const noexcept { return begin + bytes; }
  bool on_device() const noexcept { return kind == Kind::device || kind == Kind::pool || kind == Kind::graph; }
};

/// By first address.
class AllocationMap {
 public:
  /// The one that holds `address`, or null.
  const Allocation* find(uintptr_t address) const noexcept;
  const Allocation* starting_at(uintptr_t begin) const noexcept;
  bool overlaps(uintptr_t begin, size_t bytes) const noexcept;
  void insert(const Allocation& allocation) { all_[allocation.begin] = allocation; }
  /// Nothing where another allocation is there by now.
  void erase(const Allocation& allocation) noexcept;
  void clear() noexcept { all_.clear(); }
  const std::map<uintptr_t, Allocation>& all() const noexcept { return all_; }

 private:
  std::map<uintptr_t, Allocation> all_;
};

class Memory {
 public:
  static constexpr size_t kAlignment = 256;
  static constexpr size_t kGuard = 256;

  /// Reserves the addresses. Throws: std::bad_alloc where the system has none.
  Memory(int devices, size_t capacity);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  uintptr_t window_begin() const noexcept { return window_; }
  uintptr_t window_end() const noexcept { return window_ + size_; }
  ptrdiff_t to_host() const noexcept { return to_host_; }
  bool in_window(uintptr_t address) const noexcept { return address - window_ < size_; }
  std::byte* host(uintptr_t address) const noexcept {
    return reinterpret_cast<std::byte*>(in_window(address) ? address + static_cast<uintptr_t>(to_host_) : address);
  }

  size_t capacity() const noexcept { return capacity_; }
  size_t free_bytes(int device) const noexcept { return capacity_ - heaps_[static_cast<size_t>(device)].used; }

  /// A block for `bytes` and the guard behind them; 0 where there is no room. Writes nothing.
  uintptr_t take(int device, size_t bytes);
  void give_back(int device, uintptr_t begin, size_t bytes);
  void give_all_back(int device);
  /// What a block for `bytes` takes of the capacity.
  static size_t block_bytes(size_t bytes) noexcept {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment + kGuard;
  }

  // Contents. Past 64 MiB the middle is not touched, and becomes zeros when freed, so that large memory stays sparse.
  void poison_new(uintptr_t begin, size_t bytes) const noexcept;
  void poison_freed(uintptr_t begin, size_t bytes) const noexcept;
  /// False where somebody wrote behind the last byte.
  bool guard_is_whole(uintptr_t begin, size_t bytes) const noexcept;

  AllocationMap known;    ///< as the calls have it: an allocation of a pool is there once its call returned
  AllocationMap present;  ///< as the work has it: it is there once its stream came to it

 private:
  struct Heap {
    std::map<uintptr_t, size_t> free;
    size_t used = 0;
  };
  void reset_heap(int device);

  uintptr_t window_ = 0;
  std::byte* bytes_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  ptrdiff_t to_host_ = 0;
  std::vector<Heap> heaps_;
};

}  // namespace strideport::simulated
