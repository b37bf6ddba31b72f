/// Slots of pinned memory through which pageable memory travels: a few a device, shared by all copies, taken at first
/// use.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>

#include "runtime/transfer/route.hpp"
#include "runtime/work_stream.hpp"

namespace strideport::transfer {

class Ring {
 public:
  /// The one of a device; it lives for ever. Throws: std::bad_alloc; DeviceError in a forked child.
  [[nodiscard]] static Ring& of(DeviceApi& api, int device);

  /// A slot of kSlotBytes, lent. On its end it goes back: after the work that uses it, if there is some.
  class Slot {
   public:
    Slot(Slot&& other) noexcept : ring_(other.ring_), index_(other.index_), user_(other.user_) {
      other.ring_ = nullptr;
    }
    Slot& operator=(Slot&&) = delete;
    ~Slot();

    std::byte* memory() const noexcept { return static_cast<std::byte*>(ring_->entries_[index_].block.memory); }
    /// From now on work of that stream may use it, until `release` says until when, or `free` that it is over.
    void use_on(const WorkStream& work) noexcept { user_ = &work; }
    void release_after(Completion completion) noexcept;
    void free() noexcept { user_ = nullptr; }

   private:
    friend class Ring;
    Slot(Ring* ring, int index) noexcept : ring_(ring), index_(index) {}
    void wait_for(const Completion& pending);
    Ring* ring_;
    int index_;
    const WorkStream* user_ = nullptr;
  };

  /// Blocks until one is free. A thread that holds one asks `try_take` for more: else two could wait for each other.
  /// Throws: DeviceError, DeviceOutOfMemory.
  [[nodiscard]] Slot take();
  /// Nothing where that would block.
  [[nodiscard]] std::optional<Slot> try_take();

 private:
  struct Entry {
    PinnedBlock block;  // none until first taken
    bool taken = false;
    Completion pending;  // of the work that used it last
  };

  explicit Ring(DeviceApi& api) noexcept : api_(api) {}
  bool is_over(const Completion& pending) noexcept;
  int find_free();              // under the mutex; -1 where none is, or could be without waiting
  int find_pending() noexcept;  // under the mutex; the one whose work was queued first, or -1
  void give_back(int index, Completion pending, bool lost) noexcept;

  DeviceApi& api_;
  std::mutex mutex_;
  std::condition_variable returned_;
  Entry entries_[kSlots];
  int next_ = 0;  // slots come round: the one that was given back longest ago is likeliest to be over
};

}  // namespace strideport::transfer
