/// Pinned host memory: portable and mapped, from a pool that keeps what is freed, since the driver takes milliseconds for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace strideport::device {

class Session;

class Pinned {
 public:
  /// Freed memory is kept up to here; the rest goes back to the driver.
  static constexpr size_t kKeptBytes = size_t{256} << 20;

  explicit Pinned(Session& session) noexcept : session_(session) {}

  /// Throws: DeviceOutOfMemory; DeviceError; InvalidArgument for a negative size.
  [[nodiscard]] void* allocate(int64_t bytes);
  void free(void* memory);
  /// Gives all that is kept back to the driver.
  void trim() noexcept;

  /// Sizes come in four steps to a doubling, from 4 KiB: at most a quarter of an allocation is unused.
  [[nodiscard]] static size_t size_class(size_t bytes) noexcept;

 private:
  void* take(size_t size);
  void* from_driver(size_t size, int64_t asked);
  void to_driver(void* memory) noexcept;

  Session& session_;
  std::mutex mutex_;
  std::unordered_map<void*, size_t> sizes_;        // of all that is alive or kept
  std::map<size_t, std::vector<void*>> kept_;      // by size class
  size_t kept_bytes_ = 0;
};

}  // namespace strideport::device
