/// What copies and kernels do when their turn comes: find the bytes behind addresses, or fail the device.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/kernels/simulate.hpp"
#include "device/simulated/state.hpp"

namespace strideport::simulated {

/// One side of a copy: `rows` rows of `width` bytes, `pitch` apart.
struct Side {
  uintptr_t address = 0;
  size_t pitch = 0;
};

/// What a call makes of a range that is not empty. Refuses, as a driver does, ranges that leave their allocation and
/// addresses of device memory that is not there. Memory that the driver does not know is the caller's: pageable.
enum class Place : uint8_t { device, managed, pinned, pageable };
[[nodiscard]] Place place_of(const State& state, uintptr_t address, size_t bytes);

/// In a stream's thread. Where memory is gone by then, nothing is copied and the context fails with ILLEGAL_ADDRESS.
void copy_rows(State& state, Context& context, Side dst, Side src, size_t width, size_t rows) noexcept;
void fill(State& state, Context& context, uintptr_t dst, unsigned char value, size_t bytes) noexcept;

/// What a device's kernels reach.
class Reach : public kernels::DeviceMemory {
 public:
  Reach(State& state, const Context& context) noexcept;
  MemoryRange allocation_of(uintptr_t address) const override;

 private:
  State& state_;
  const Context& context_;
};

}  // namespace strideport::simulated
