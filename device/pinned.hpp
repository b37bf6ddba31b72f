/// Pinned host memory: portable and mapped, from a pool that keeps what is freed, since the driver takes milliseconds
/// for it. All devices reach it, and yet it is of one device's context, and goes with a reset of that: such memory is
/// neither handed out again nor given back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/device_api.hpp"

namespace strideport::device {

class DeviceState;
class Session;

class Pinned {
 public:
  /// Freed memory is kept up to here; the rest goes back to the driver.
  static constexpr size_t kKeptBytes = size_t{256} << 20;

  explicit Pinned(Session& session) noexcept : session_(session) {}

  /// Throws: DeviceOutOfMemory; DeviceError; InvalidArgument for a negative size.
  [[nodiscard]] PinnedBlock allocate(int64_t bytes);
  void free(PinnedBlock block);
  /// False where the context went that it was allocated in, or its device failed. Throws: DeviceError.
  [[nodiscard]] bool is_there(PinnedBlock block);
  /// Gives all that is kept back to the driver.
  void trim() noexcept;

  /// Sizes come in four steps to a doubling, from 4 KiB: at most a quarter of an allocation is unused.
  [[nodiscard]] static size_t size_class(size_t bytes) noexcept;

 private:
  struct Known {
    uint64_t number;
    size_t size;
    DeviceState* state;  // whose context it is of
  };

  PinnedBlock take(size_t size);
  PinnedBlock pop(size_t size);
  const Known* find(PinnedBlock block) const;
  void forget(void* memory);
  PinnedBlock from_driver(size_t size, int64_t asked);
  static void to_driver(void* memory, DeviceState& state) noexcept;

  Session& session_;
  std::mutex mutex_;
  std::unordered_map<const void*, Known> blocks_;  // all that are in use or kept
  std::map<size_t, std::vector<void*>> kept_;      // by size class
  size_t kept_bytes_ = 0;
  uint64_t last_number_ = 0;
};

}  // namespace strideport::device
