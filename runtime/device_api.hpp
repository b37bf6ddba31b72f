/// The seam: all that the runtime asks of a device. `device/` implements it once, over the driver's table of functions;
/// there are two of it, for CUDA and for the simulated device.
///
/// Every function may be called from any thread, leaves the caller's current context as it was, and throws DeviceError
/// naming the driver's function and error. A device that failed for good (a sticky error) fails every later call at
/// once, with the first error. What is noexcept swallows errors, and does nothing in a forked child or after the
/// driver's end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "strideport/buffer_view.hpp"
#include "strideport/device.hpp"
#include "strideport/plan.hpp"
#include "strideport/stream.hpp"

namespace strideport {

/// A point in a stream: an event of ours, recorded once. The last copy gives the event back to a pool, from any thread.
using Completion = std::shared_ptr<void>;

/// What the driver says of an address.
struct PointerInfo {
  Device device;           ///< cpu for memory that the driver does not know
  MemoryRange allocation;  ///< the whole of it; size 0 where unknown
};

/// Pinned memory of ours.
struct PinnedBlock {
  void* memory = nullptr;
  uint64_t number = 0;  ///< never reused, as addresses are: what went with a reset of a device is nobody else's block
};

/// A stream as the driver sees it.
struct StreamInfo {
  int device = 0;   ///< where its work runs
  uint64_t id = 0;  ///< the driver's number for it, never reused; the per-thread default has one a thread
  bool captures = false;
};

/// How fast a device's ways to the host are; probed once a device, at the first copy that has a choice.
struct TransferRates {
  double dma_to_device = 0;  ///< bytes a second, one large pinned block
  double dma_to_host = 0;
  double zero_copy_to_device = 0;  ///< a kernel that reads pinned memory
  double zero_copy_to_host = 0;
  bool batch_copies = false;           ///< `memcpy_batch` works
  int64_t batch_run_bytes = 28 << 10;  ///< runs from here on go by batches
};

struct CopySegment {
  void* dst;
  const void* src;
  int64_t bytes;
};

/// What a device will do for a plan: pure, no device is needed.
struct KernelChoice {
  char family = 0;     ///< 'A' to 'G' of docs/device.md; 0: the driver's own copy, no kernel
  std::string kernel;  ///< its name in the fat binary
  int64_t launches = 0;
  std::string why;  ///< a few words for `explain`
};

/// Who moves a plan that is one block: the driver between two blocks of host memory makes the host wait, a kernel does
/// not.
enum class BlockBy : uint8_t { driver, kernel };

[[nodiscard]] KernelChoice choose_kernel(const CopyPlan& plan, const void* dst, const void* src,
                                         BlockBy block_by = BlockBy::driver);

class DeviceApi {
 public:
  virtual ~DeviceApi() = default;
  virtual DeviceType type() const noexcept = 0;  ///< cuda or simulated

  // Devices. Initialising the driver is left to the first call that needs it.
  virtual int count() = 0;  ///< throws DeviceError with the story where there is no usable driver
  virtual DeviceInfo info(int device) = 0;
  virtual TransferRates rates(int device) = 0;  ///< not while a stream captures: gives what is known then

  // Memory. Throws DeviceOutOfMemory. Size 0 gives an address all the same.
  /// Usable on `stream` at once; with StreamRef::host() everywhere, on return.
  virtual void* allocate(int device, int64_t bytes, StreamRef stream) = 0;
  /// On a stream of ours, after `pending`; the host does not wait. Of memory that was allocated on a stream, `pending`
  /// holds a completion of that stream, or the allocation is known to be done: memory cannot be freed before it is
  /// there.
  virtual void free(int device, void* memory, std::span<const Completion> pending) noexcept = 0;
  /// After the work of `stream` so far, which is not StreamRef::host(), and by which all use of the memory has come to
  /// its end: what is allocated on that stream next may have it at once.
  virtual void free_on(int device, void* memory, StreamRef stream) noexcept = 0;
  /// Portable and mapped, from a pool that keeps what is freed.
  virtual PinnedBlock allocate_pinned(int64_t bytes) = 0;
  /// No work may be pending on it. Nothing where it is gone.
  virtual void free_pinned(PinnedBlock block) noexcept = 0;
  /// False for pinned memory of ours that is gone: the device that it was allocated through was reset, or failed.
  virtual bool is_pinned_there(PinnedBlock block) = 0;
  /// Throws: DeviceError for a device that does not work while the host uses managed memory.
  virtual void* allocate_managed(int device, int64_t bytes) = 0;
  virtual void free_managed(int device, void* memory) noexcept = 0;
  /// Nothing where there is no driver, or it is not initialised and `initialise` is false. Pinned memory that the
  /// device sees at another address than the host (write-combined memory) is reported as the host's pageable memory.
  virtual std::optional<PointerInfo> locate(const void* address, bool initialise) = 0;
  /// Gives pooled memory back to the system.
  virtual void trim() noexcept = 0;

  // Streams. `device` is where the handles 1 and 2 belong to; for others the driver knows.
  virtual StreamRef create_stream(int device, int priority) = 0;
  virtual void destroy_stream(int device, StreamRef stream) noexcept = 0;
  virtual StreamInfo inspect(int device, StreamRef stream) = 0;
  virtual void synchronize(int device, StreamRef stream) = 0;
  virtual bool done(int device, StreamRef stream) = 0;
  /// Waits until nothing that is queued on the stream by now runs any more, be it done or dropped by a device that
  /// failed. False where the driver cannot be brought to say so: what that work uses must never be freed.
  [[nodiscard]] virtual bool drain(int device, StreamRef stream) noexcept = 0;

  // Completions.
  virtual Completion record(int device, StreamRef stream, bool timed = false) = 0;  ///< never on a capturing stream
  virtual void wait(int device, StreamRef stream, const Completion& completion) = 0;
  virtual bool done(const Completion& completion) = 0;
  virtual void synchronize(const Completion& completion) = 0;
  [[nodiscard]] virtual bool drain(const Completion& completion) noexcept = 0;         ///< as of a stream
  virtual double seconds_between(const Completion& start, const Completion& end) = 0;  ///< both timed
  /// The graph under capture on `stream` keeps `owner` until it is destroyed.
  virtual void retain_in_graph(int device, StreamRef stream, std::shared_ptr<void> owner) = 0;
  /// Drops `owner` in a thread of ours once all of `pending` is reached; at once where it is already.
  virtual void release_after(std::vector<Completion> pending, std::shared_ptr<void> owner) noexcept = 0;

  // Work. Addresses are device memory, managed memory, or pinned memory (which the device sees at the same address).
  virtual void memcpy_async(int device, void* dst, const void* src, int64_t bytes, StreamRef stream) = 0;
  virtual void memcpy_2d_async(int device, void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch,
                               int64_t width_bytes, int64_t rows, StreamRef stream) = 0;
  /// Only where `rates().batch_copies`; never on the handles 1 and 2.
  virtual void memcpy_batch(int device, std::span<const CopySegment> segments, StreamRef stream) = 0;
  virtual void memcpy_peer(int dst_device, void* dst, int src_device, const void* src, int64_t bytes,
                           StreamRef stream) = 0;
  /// Runs a plan whose both sides the device can reach. `dst` and `src` are the first units (offsets added); the two
  /// must not overlap (plan.strategy is not staged or indirect). One launch, or the driver's own copy; see
  /// `choose_kernel`.
  virtual void copy_strided(int device, const CopyPlan& plan, void* dst, const void* src, StreamRef stream,
                            BlockBy block_by = BlockBy::driver) = 0;
};

/// The api behind a type of memory (pinned and managed types lead to their driver's); null for cpu.
/// Throws: BufferError in a build without a device side, and for a number that is none of DeviceType's.
[[nodiscard]] DeviceApi* device_api(DeviceType type);

/// A kind of memory of the driver of `type`.
[[nodiscard]] constexpr bool is_pinned(DeviceType type) noexcept {
  return type == DeviceType::cuda_host || type == DeviceType::simulated_host;
}
[[nodiscard]] constexpr bool is_managed(DeviceType type) noexcept {
  return type == DeviceType::cuda_managed || type == DeviceType::simulated_managed;
}
/// One of DeviceType's: others come in as numbers, and are refused.
[[nodiscard]] constexpr bool is_known(DeviceType type) noexcept {
  return type == DeviceType::cpu || type == DeviceType::cuda || type == DeviceType::simulated || is_pinned(type) ||
         is_managed(type);
}
/// The device type of the driver behind a type of memory that is not cpu.
[[nodiscard]] constexpr DeviceType driver_of(DeviceType type) noexcept {
  const bool simulated =
      type == DeviceType::simulated || type == DeviceType::simulated_host || type == DeviceType::simulated_managed;
  return simulated ? DeviceType::simulated : DeviceType::cuda;
}
[[nodiscard]] constexpr bool is_device_memory(DeviceType type) noexcept {
  return type == DeviceType::cuda || type == DeviceType::simulated;
}

}  // namespace strideport
