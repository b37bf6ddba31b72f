/// The driver's errors, as this library's exceptions and as words. The same for CUDA and for the simulated device.
#pragma once

#include <string>

#include "device/driver/driver.hpp"

namespace strideport::driver {

/// "CUDA_ERROR_INVALID_VALUE (1, invalid argument)", in the driver's own words; numbers where it has none.
[[nodiscard]] std::string describe(const Driver& driver, CUresult error);

/// Throws: DeviceOutOfMemory for CUDA_ERROR_OUT_OF_MEMORY, else DeviceError, both with the error as their code.
/// `function` is the driver's ("cuMemAllocFromPoolAsync"), `context` what it was asked to do ("allocating 16 bytes on
/// cuda:0"), perhaps empty.
[[noreturn]] void throw_driver_error(const Driver& driver, CUresult error, const char* function,
                                     const std::string& context = {});

}  // namespace strideport::driver
