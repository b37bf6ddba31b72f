#include "device/pinned.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {

size_t Pinned::size_class(size_t bytes) noexcept {
  constexpr size_t kSmallest = 4096;
  if (bytes <= kSmallest) return kSmallest;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

void* Pinned::allocate(int64_t bytes) {
  if (bytes < 0) throw InvalidArgument("an allocation of " + std::to_string(bytes) + " bytes: the size is negative");
  session_.check_not_forked();
  if (bytes > INT64_MAX / 2) return from_driver(static_cast<size_t>(bytes), bytes);
  const size_t size = size_class(static_cast<size_t>(bytes));
  if (void* const kept = take(size)) return kept;
  return from_driver(size, bytes);
}

void* Pinned::take(size_t size) {
  const std::lock_guard lock(mutex_);
  const auto shelf = kept_.find(size);
  if (shelf == kept_.end() || shelf->second.empty()) return nullptr;
  void* const memory = shelf->second.back();
  shelf->second.pop_back();
  kept_bytes_ -= size;
  return memory;
}

// Portable: pinned for all devices, so any context will do.
void* Pinned::from_driver(size_t size, int64_t asked) {
  DeviceState& state = session_.any_device();
  const Entry entry(state);
  const unsigned flags = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP;
  void* memory = nullptr;
  CUresult error = session_.driver.MemHostAlloc(&memory, size, flags);
  if (error == CUDA_ERROR_OUT_OF_MEMORY) {
    trim();
    error = session_.driver.MemHostAlloc(&memory, size, flags);
  }
  if (error != CUDA_SUCCESS) {
    state.fail(error, "cuMemHostAlloc", "allocating " + std::to_string(asked) + " bytes of pinned memory");
  }
  try {
    const std::lock_guard lock(mutex_);
    sizes_.emplace(memory, size);
  } catch (...) {
    session_.driver.MemFreeHost(memory);
    throw;
  }
  return memory;
}

void Pinned::free(void* memory) {
  session_.check_not_forked();
  {
    const std::lock_guard lock(mutex_);
    const auto found = sizes_.find(memory);
    if (found == sizes_.end()) return;
    const size_t size = found->second;
    if (size <= kKeptBytes - std::min(kept_bytes_, kKeptBytes)) {
      kept_[size].push_back(memory);
      kept_bytes_ += size;
      return;
    }
    sizes_.erase(found);
  }
  to_driver(memory);
}

void Pinned::to_driver(void* memory) noexcept {
  give_back_or_leak([&] {
    DeviceState& state = session_.any_device();
    const Entry entry(state);
    state.note(session_.driver.MemFreeHost(memory), "cuMemFreeHost");
  });
}

void Pinned::trim() noexcept {
  std::map<size_t, std::vector<void*>> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(kept_);
    kept_bytes_ = 0;
    for (const auto& [size, shelf] : all) {
      for (void* const memory : shelf) sizes_.erase(memory);
    }
  }
  for (const auto& [size, shelf] : all) {
    for (void* const memory : shelf) to_driver(memory);
  }
}

}  // namespace strideport::device
