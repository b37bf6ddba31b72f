/// Small blocks of memory that were freed, kept for the next ones of the same thread: what an exchange allocates lives
/// for a microsecond, and the allocator's two calls cost more than the rest of it.
///
/// A block goes to the list of the thread that frees it, whichever took it: lists are never shared, and nothing is
/// locked. A thread keeps 4 KB of each size at most, and none once it ends; but where its first one comes back in a
/// destructor of a pthread key, after all thread_local objects are gone, that one stays. A library built with
/// AddressSanitizer keeps none: only memory that is gone is watched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "runtime/toolchain.hpp"

namespace strideport {

inline constexpr bool kKeepsSpareBlocks = STRIDEPORT_ADDRESS_SANITIZER == 0;

/// Sizes: the control block of a shared owner; a managed tensor with its owner and the arrays of 8 dimensions.
inline constexpr size_t kSmallBlock = 64;
inline constexpr size_t kTensorBlock = 256;
inline constexpr size_t kMostSpareBytes = 4096;

struct SpareList {
  void* first = nullptr;  // each block begins with the address of the next
  int room = 0;           // for so many more; 0 also before the first and after the thread's end
};
extern constinit thread_local SpareList small_spares STRIDEPORT_NEAR_TLS;
extern constinit thread_local SpareList tensor_spares STRIDEPORT_NEAR_TLS;

template <size_t kBytes>
SpareList& spares_of_this_thread() noexcept {
  static_assert(kBytes == kSmallBlock || kBytes == kTensorBlock);
  if constexpr (kBytes == kSmallBlock) return small_spares;
  return tensor_spares;
}

/// Where there is no room: makes some if this is the thread's first block, else frees it.
void give_first_spare_block(SpareList& list, void* block) noexcept;

/// Memory aligned as for operator new. Throws: std::bad_alloc.
template <size_t kBytes>
void* take_block() {
  SpareList& list = spares_of_this_thread<kBytes>();
  void* const block = list.first;
  if (block == nullptr) return ::operator new(kBytes);
  list.first = *static_cast<void**>(block);
  ++list.room;
  return block;
}

template <size_t kBytes>
void give_block(void* block) noexcept {
  SpareList& list = spares_of_this_thread<kBytes>();
  if (list.room == 0) return give_first_spare_block(list, block);
  ::new (block) void*(list.first);
  list.first = block;
  --list.room;
}

/// For the control blocks of shared owners.
template <class T>
struct SpareAllocator {
  using value_type = T;
  SpareAllocator() = default;
  template <class U>
  SpareAllocator(const SpareAllocator<U>&) noexcept {}  // NOLINT: as the standard library wants it

  static constexpr bool kFits = sizeof(T) <= kSmallBlock && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  T* allocate(size_t count) {
    if (kFits && count == 1) return static_cast<T*>(take_block<kSmallBlock>());
    return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(alignof(T))));
  }
  void deallocate(T* block, size_t count) noexcept {
    if (kFits && count == 1) return give_block<kSmallBlock>(block);
    ::operator delete(block, std::align_val_t(alignof(T)));
  }
  friend bool operator==(SpareAllocator, SpareAllocator) noexcept { return true; }
};

}  // namespace strideport
