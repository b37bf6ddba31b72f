/// The owner of memory that a driver knows, and the work that is pending on it.
///
/// One MemoryUse stands between all Buffers on a piece of memory and the memory's true owner. Work that is queued on
/// the memory leaves a completion here, one a stream; later work waits for it, and the owner is let go after it. Reads
/// wait for writes alone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "runtime/device_api.hpp"
#include "runtime/work_stream.hpp"

namespace strideport {

enum class Access : uint8_t { read, write };

class MemoryUse {
 public:
  /// Takes what keeps memory of `device` alive, and gives the handle that Buffers share. No driver is asked.
  /// Throws: std::bad_alloc, after `owner` was let go.
  [[nodiscard]] static std::shared_ptr<void> adopt(Device device, std::shared_ptr<void> owner);
  /// The same for memory that `DeviceApi::allocate` gave, and which goes back there.
  /// Throws: std::bad_alloc, after the memory was freed.
  [[nodiscard]] static std::shared_ptr<void> own(DeviceApi& api, int device, void* memory);
  /// What a handle leads to; null for one that none of the two made.
  [[nodiscard]] static MemoryUse* find(const std::shared_ptr<void>& handle) noexcept;

  MemoryUse(const MemoryUse&) = delete;
  MemoryUse& operator=(const MemoryUse&) = delete;
  ~MemoryUse();

  Device device() const noexcept { return device_; }

  /// Work that is queued on `work` from now on, which accesses the memory so, comes after what is pending.
  /// Throws: InvalidArgument where the stream captures and that is work outside of the capture; DeviceError.
  void order(const WorkStream& work, Access access);
  /// The same for the host: blocks.
  void wait(Access access);
  /// True if nothing is pending. Throws: DeviceError.
  [[nodiscard]] bool done();
  /// Remembers work that was queued. Where there is no room to remember, waits for it instead.
  void note(const WorkStream& work, Completion completion, Access access) noexcept;
  /// Work goes on there of which nobody can say when it ends: neither the memory nor its owner is ever let go.
  void keep_for_good() noexcept { kept_for_good_.store(true, std::memory_order_relaxed); }
  /// The contents become ready on a stream, after what is queued there by now. Nothing is noted of a stream that
  /// captures.
  void ready_on(StreamRef stream);

 private:
  struct Mark {  // of the completion with the same index
    int device;
    uint64_t stream_id;
    Access access;
  };
  struct Handle;

  explicit MemoryUse(Device device) noexcept : device_(device) {}
  void forget_done(DeviceApi& api) noexcept;  // under the mutex
  void forget(size_t index) noexcept;

  Device device_;
  std::shared_ptr<void> owner_;  // null for memory of ours
  void* memory_ = nullptr;       // ours, to be freed
  DeviceApi* api_ = nullptr;     // set where memory_ is, or anything was ever pending
  std::atomic<bool> kept_for_good_{false};
  MemoryUse* next_kept_ = nullptr;
  std::mutex mutex_;  // guards what follows
  std::vector<Mark> marks_;
  std::vector<Completion> completions_;  // apart from the marks, so that letting go allocates nothing
};

}  // namespace strideport
