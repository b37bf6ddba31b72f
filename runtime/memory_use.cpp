#include "runtime/memory_use.hpp"

#include <string>
#include <utility>

namespace strideport {
namespace {

// From here on, completions that are reached are looked for and dropped: what many streams leave behind stays short.
constexpr size_t kManyPending = 8;

// Where a leak checker finds what is kept for good.
constinit std::atomic<MemoryUse*> kept{nullptr};

bool must_wait(Access pending, Access next) noexcept { return pending == Access::write || next == Access::write; }

}  // namespace

// Recognised by its type, through std::get_deleter: a Buffer may be made from another one's owner.
struct MemoryUse::Handle {
  MemoryUse* use;
  void operator()(void*) const noexcept {
    if (!use->kept_for_good_.load(std::memory_order_relaxed)) return delete use;
    use->next_kept_ = kept.load(std::memory_order_relaxed);
    while (!kept.compare_exchange_weak(use->next_kept_, use, std::memory_order_relaxed)) {
    }
  }
};

std::shared_ptr<void> MemoryUse::adopt(Device device, std::shared_ptr<void> owner) {
  auto* use = new MemoryUse(device);
  use->owner_ = std::move(owner);
  return {static_cast<void*>(use), Handle{use}};
}

std::shared_ptr<void> MemoryUse::own(DeviceApi& api, int device, void* memory) {
  MemoryUse* use = nullptr;
  try {
    use = new MemoryUse({api.type(), device});
  } catch (...) {
    api.free(device, memory, {});
    throw;
  }
  use->memory_ = memory;
  use->api_ = &api;
  return {static_cast<void*>(use), Handle{use}};
}

MemoryUse* MemoryUse::find(const std::shared_ptr<void>& handle) noexcept {
  const Handle* const found = handle ? std::get_deleter<Handle>(handle) : nullptr;
  return found != nullptr ? found->use : nullptr;
}

MemoryUse::~MemoryUse() {
  if (memory_ != nullptr) {
    api_->free(device_.id, memory_, completions_);
  } else if (!completions_.empty()) {
    api_->release_after(std::move(completions_), std::move(owner_));
  }
}

void MemoryUse::order(const WorkStream& work, Access access) {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i < marks_.size(); ++i) {
    const Mark& mark = marks_[i];
    const bool same_stream = mark.device == work.device && mark.stream_id == work.id;
    if (same_stream || !must_wait(mark.access, access)) continue;
    if (!work.captures) {
      work.api->wait(work.device, work.stream, completions_[i]);
    } else if (!work.api->done(completions_[i])) {
      throw InvalidArgument("the stream captures, and work outside of the capture is pending on memory of " +
                            to_string(device_) + ": wait for it before the capture begins");
    }
  }
}

void MemoryUse::wait(Access access) {
  std::vector<Completion> before;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < marks_.size(); ++i) {
      if (must_wait(marks_[i].access, access)) before.push_back(completions_[i]);
    }
  }
  for (const Completion& completion : before) api_->synchronize(completion);
}

bool MemoryUse::done() {
  const std::lock_guard lock(mutex_);
  for (size_t i = marks_.size(); i-- > 0;) {
    if (!api_->done(completions_[i])) return false;
    forget(i);
  }
  return true;
}

void MemoryUse::note(const WorkStream& work, Completion completion, Access access) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    api_ = work.api;
    if (marks_.size() >= kManyPending) forget_done(*work.api);
    // Later work of one stream comes after all of its earlier work; a read does not stand for an earlier write.
    for (size_t i = marks_.size(); i-- > 0;) {
      const bool same_stream = marks_[i].device == work.device && marks_[i].stream_id == work.id;
      if (same_stream && (access == Access::write || marks_[i].access == Access::read)) forget(i);
    }
    marks_.reserve(marks_.size() + 1);
    completions_.push_back(completion);
    marks_.push_back({work.device, work.id, access});
  } catch (...) {  // no memory
    if (!work.api->drain(completion)) keep_for_good();
  }
}

void MemoryUse::ready_on(StreamRef stream) {
  const WorkStream work = inspect_stream(device_, stream);
  if (work.captures) return;
  note(work, work.api->record(work.device, stream), Access::write);
}

void MemoryUse::forget_done(DeviceApi& api) noexcept {
  for (size_t i = marks_.size(); i-- > 0;) {
    try {
      if (api.done(completions_[i])) forget(i);
    } catch (...) {  // what failed is kept: waiting for it says so
    }
  }
}

void MemoryUse::forget(size_t index) noexcept {
  marks_[index] = marks_.back();
  marks_.pop_back();
  std::swap(completions_[index], completions_.back());
  completions_.pop_back();
}

}  // namespace strideport
