#include "device/kernels/rows.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_ROWS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
