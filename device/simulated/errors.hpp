/// The names of the driver's errors, and words for them.
#pragma once

#include "device/driver/driver.hpp"

namespace strideport::simulated {

/// cuGetErrorName and cuGetErrorString: CUDA_ERROR_INVALID_VALUE, and null, for a number that is no error.
CUresult CUDAAPI error_name(CUresult error, const char** name);
CUresult CUDAAPI error_string(CUresult error, const char** words);

}  // namespace strideport::simulated
