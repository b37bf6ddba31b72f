#include "device/kernels/fill.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_FILL_KERNELS(STRIDEPORT_DEFINE_KERNEL)
