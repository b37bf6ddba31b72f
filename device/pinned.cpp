#include "device/pinned.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

// A reset is noticed where a device is entered.
bool is_usable(DeviceState& state) {
  if (state.health.failed()) return false;
  try {
    const Entry entry(state);
  } catch (const DeviceError&) {
    if (!state.health.failed()) throw;
    return false;
  }
  return true;
}

}  // namespace

size_t Pinned::size_class(size_t bytes) noexcept {
  constexpr size_t kSmallest = 4096;
  if (bytes <= kSmallest) return kSmallest;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

// Under the mutex. Null for a block that is gone.
const Pinned::Known* Pinned::find(PinnedBlock block) const {
  const auto found = blocks_.find(block.memory);
  return found != blocks_.end() && found->second.number == block.number ? &found->second : nullptr;
}

PinnedBlock Pinned::allocate(int64_t bytes) {
  if (bytes < 0) throw InvalidArgument("an allocation of " + std::to_string(bytes) + " bytes: the size is negative");
  session_.check_not_forked();
  if (bytes > INT64_MAX / 2) return from_driver(static_cast<size_t>(bytes), bytes);
  const size_t size = size_class(static_cast<size_t>(bytes));
  if (const PinnedBlock kept = take(size); kept.memory != nullptr) return kept;
  return from_driver(size, bytes);
}

PinnedBlock Pinned::take(size_t size) {
  while (true) {
    const PinnedBlock block = pop(size);
    if (block.memory == nullptr) return block;
    try {
      if (is_there(block)) return block;
    } catch (...) {
      free(block);
      throw;
    }
    const std::lock_guard lock(mutex_);
    if (find(block) != nullptr) blocks_.erase(block.memory);
  }
}

PinnedBlock Pinned::pop(size_t size) {
  const std::lock_guard lock(mutex_);
  const auto shelf = kept_.find(size);
  if (shelf == kept_.end() || shelf->second.empty()) return {};
  void* const memory = shelf->second.back();
  shelf->second.pop_back();
  kept_bytes_ -= size;
  // Under a new number: who still has the old one freed it.
  const uint64_t number = ++last_number_;
  blocks_[memory].number = number;
  return {memory, number};
}

// Of memory that is gone, somebody may get the address anew.
void Pinned::forget(void* memory) {
  const auto found = blocks_.find(memory);
  if (found == blocks_.end()) return;
  const size_t size = found->second.size;
  if (std::erase(kept_[size], memory) != 0) kept_bytes_ -= size;
  blocks_.erase(found);
}

bool Pinned::is_there(PinnedBlock block) {
  session_.check_not_forked();
  DeviceState* state = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const Known* const known = find(block);
    if (known == nullptr) return false;
    state = known->state;
  }
  return is_usable(*state);
}

// Portable: pinned for all devices, so any context will do.
PinnedBlock Pinned::from_driver(size_t size, int64_t asked) {
  DeviceState* any = &session_.any_device();
  for (int i = 1; i < session_.count() && !is_usable(*any); ++i) any = &session_.any_device();
  DeviceState& state = *any;
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
    forget(memory);
    const uint64_t number = ++last_number_;
    blocks_[memory] = {number, size, &state};
    return {memory, number};
  } catch (...) {
    session_.driver.MemFreeHost(memory);
    throw;
  }
}

void Pinned::free(PinnedBlock block) {
  session_.check_not_forked();
  DeviceState* state = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const Known* const known = find(block);
    if (known == nullptr) return;
    const size_t size = known->size;
    state = known->state;
    if (!state->health.failed() && size <= kKeptBytes - std::min(kept_bytes_, kKeptBytes)) {
      kept_[size].push_back(block.memory);
      kept_bytes_ += size;
      return;
    }
    blocks_.erase(block.memory);
  }
  to_driver(block.memory, *state);
}

void Pinned::to_driver(void* memory, DeviceState& state) noexcept {
  give_back_or_leak([&] {
    const Entry entry(state);
    state.note(state.driver.MemFreeHost(memory), "cuMemFreeHost");
  });
}

void Pinned::trim() noexcept {
  std::vector<std::pair<void*, DeviceState*>> all;
  try {
    const std::lock_guard lock(mutex_);
    for (auto& [size, shelf] : kept_) {
      for (; !shelf.empty(); shelf.pop_back()) {
        const auto found = blocks_.find(shelf.back());
        all.emplace_back(shelf.back(), found->second.state);
        blocks_.erase(found);
        kept_bytes_ -= size;
      }
    }
  } catch (...) {  // no room for the list: what is not on it stays kept
  }
  for (const auto& [memory, state] : all) to_driver(memory, *state);
}

}  // namespace strideport::device
