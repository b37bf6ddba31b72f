#include "runtime/transfer/ring.hpp"

#include <map>
#include <memory>
#include <utility>

#include "runtime/transfer/forget.hpp"

namespace strideport::transfer {

namespace {

struct All {
  std::mutex mutex;
  std::map<std::pair<DeviceApi*, int>, std::unique_ptr<Ring>> rings;
};

// Leaked on purpose: copies may run until the very end.
All& all_rings() {
  static All* const all = new All;
  return *all;
}

}  // namespace

Ring& Ring::of(DeviceApi& api, int device) {
  (void)api.count();  // in a forked child this throws: the mutexes below may be as the fork found them
  All& all = all_rings();
  const std::lock_guard lock(all.mutex);
  std::unique_ptr<Ring>& ring = all.rings[{&api, device}];
  if (!ring) ring.reset(new Ring(api));
  return *ring;
}

void forget_rings(DeviceApi& api) {
  All& all = all_rings();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.rings, [&api](const auto& entry) { return entry.first.first == &api; });
}

Ring::Slot::~Slot() {
  if (ring_ == nullptr) return;
  // A copy that failed midway: whoever takes the slot next must find it at rest.
  const bool at_rest = user_ == nullptr || user_->api->drain(user_->device, user_->stream);
  ring_->give_back(index_, nullptr, !at_rest);
}

void Ring::Slot::wait_for(const Completion& pending) {
  try {
    ring_->api_.synchronize(pending);
  } catch (...) {
    Ring* const ring = std::exchange(ring_, nullptr);
    ring->give_back(index_, nullptr, !ring->api_.drain(pending));
    throw;
  }
}

void Ring::Slot::release_after(Completion completion) noexcept {
  user_ = nullptr;
  Ring* const ring = std::exchange(ring_, nullptr);
  ring->give_back(index_, std::move(completion), false);
}

// Memory that may still be in use is nobody's any more.
void Ring::give_back(int index, Completion pending, bool lost) noexcept {
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[index];
    entry.taken = false;
    entry.pending = std::move(pending);
    if (lost) entry.block = {};
  }
  returned_.notify_one();
}

// Where the driver cannot say, it is waited for, which tells what is wrong.
bool Ring::is_over(const Completion& pending) noexcept {
  try {
    return api_.done(pending);
  } catch (...) {
    return false;
  }
}

int Ring::find_free() {
  int without_memory = -1;
  for (int i = 0; i < kSlots; ++i) {
    const int index = (next_ + i) % kSlots;
    Entry& entry = entries_[index];
    if (entry.taken) continue;
    if (entry.block.memory == nullptr) {
      if (without_memory < 0) without_memory = index;
      continue;
    }
    if (entry.pending && !is_over(entry.pending)) continue;
    entry.pending = nullptr;
    if (api_.is_pinned_there(entry.block)) return index;
    api_.free_pinned(std::exchange(entry.block, {}));
    if (without_memory < 0) without_memory = index;
  }
  if (without_memory >= 0) entries_[without_memory].block = api_.allocate_pinned(kSlotBytes);
  return without_memory;
}

int Ring::find_pending() noexcept {
  for (int i = 0; i < kSlots; ++i) {
    const int index = (next_ + i) % kSlots;
    if (!entries_[index].taken && entries_[index].pending) return index;
  }
  return -1;
}

Ring::Slot Ring::take() {
  std::unique_lock lock(mutex_);
  while (true) {
    int index = find_free();
    const bool wait = index < 0;
    if (wait) index = find_pending();
    if (index < 0) {
      returned_.wait(lock);
      continue;
    }
    Entry& entry = entries_[index];
    entry.taken = true;
    next_ = (index + 1) % kSlots;
    const Completion pending = std::exchange(entry.pending, nullptr);
    lock.unlock();
    {
      Slot slot(this, index);
      if (wait) slot.wait_for(pending);
      if (!wait || api_.is_pinned_there(entry.block)) return slot;
    }
    lock.lock();
  }
}

std::optional<Ring::Slot> Ring::try_take() {
  const std::lock_guard lock(mutex_);
  const int index = find_free();
  if (index < 0) return std::nullopt;
  entries_[index].taken = true;
  next_ = (index + 1) % kSlots;
  return Slot(this, index);
}

}  // namespace strideport::transfer
