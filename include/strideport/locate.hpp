/// What drivers say of an address: for memory that comes in by its address alone.
#pragma once

#include <optional>

#include "strideport/buffer_view.hpp"
#include "strideport/device.hpp"

namespace strideport {

/// A place in memory that a driver knows.
struct Location {
  Device device;           ///< the kind of memory, and the device that it belongs to; never cpu
  MemoryRange allocation;  ///< the whole of it; size 0 where the driver does not tell
};

/// Asks the drivers that there are: CUDA's, then the simulated one. Nothing for an address that none of them knows,
/// such as plain host memory, or freed memory.
/// Cost:   initialises the drivers, which takes a second the first time; then about a microsecond.
/// Throws: DeviceError where a driver that is there fails.
[[nodiscard]] std::optional<Location> locate(const void* address);

/// Checks that memory said to be on `device` is so, as far as a driver can tell, and returns what it tells; nothing for
/// plain host memory, and where there is no driver.
/// Cost:   as `locate`.
/// Throws: BufferError where the driver does not know the address, or knows it on another device; DeviceError where
///         there is no driver. Pinned and managed memory without a driver is host memory, and is taken as such.
std::optional<Location> check_location(const void* address, Device device);

}  // namespace strideport
