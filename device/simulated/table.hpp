/// The simulated driver: the functions of the CUDA driver (device/driver/driver.hpp) over host threads and memory, for
/// machines without a GPU. What is above the table runs as the same source on both, error paths included.
///
/// Streams are threads. The driver's own bookkeeping is hidden from ThreadSanitizer, and only the order that the driver
/// promises is told to it (quiet.hpp): a missing wait is a data race that it sees. Addresses of device memory have no
/// access rights; the same bytes lie elsewhere (memory.hpp), so a dereference on the host faults.
///
/// Environment, read at the first use:
/// - STRIDEPORT_SIMULATED_DEVICES: 0 to 8, default 0: cuInit answers CUDA_ERROR_NO_DEVICE.
/// - STRIDEPORT_SIMULATED_SEED: not 0: streams run one piece of work at a time, in an order drawn from the seed.
/// - STRIDEPORT_SIMULATED_MACHINE: fast, checking or counting: what kernels run on (device/kernels/simulate.hpp).
#pragma once

#include "device/driver/driver.hpp"

namespace strideport::simulated {

/// The table, with cuInit called. Not usable, and saying why, where there is no simulated device. What this returns
/// stays valid for good; after `restart` (control.hpp) ask again.
[[nodiscard]] const driver::Loaded& table();

}  // namespace strideport::simulated
