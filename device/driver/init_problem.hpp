/// Why a driver could not be initialised, as a sentence for the user.
#pragma once

#include <string>

#include "device/driver/driver.hpp"

namespace strideport::driver {

/// "no device: ... (cuInit: CUDA_ERROR_NO_DEVICE, 100); look at ...". The driver may lack all of its functions.
[[nodiscard]] std::string init_problem(const Driver& driver, CUresult error);

}  // namespace strideport::driver
