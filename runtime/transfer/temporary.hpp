/// Device memory for the length of a copy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/work_stream.hpp"

namespace strideport::transfer {

/// Allocated on a stream, and freed after the work of that stream, and of one more that used it. The host never waits.
/// Where no other stream used it, the next one of the same stream has the memory again: queued copies take no more than
/// one. It leaks where the driver does not say when that work ends.
class Temporary {
 public:
  Temporary() noexcept = default;  // none
  /// Throws: DeviceOutOfMemory, DeviceError.
  Temporary(const WorkStream& work, int64_t bytes);
  Temporary(Temporary&& other) noexcept;
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary();

  std::byte* get() const noexcept { return memory_; }
  /// Work of another stream uses it too.
  void also_used_by(const WorkStream& work) noexcept { other_ = work; }

 private:
  WorkStream work_;
  WorkStream other_;
  std::byte* memory_ = nullptr;
};

/// Base address plus bytes; integer arithmetic, since a device pointer points at no object of this program.
[[nodiscard]] inline std::byte* address(const void* base, int64_t offset_bytes) noexcept {
  return reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(offset_bytes));
}

}  // namespace strideport::transfer
