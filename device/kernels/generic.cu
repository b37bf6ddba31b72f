#include "device/kernels/generic.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_GENERIC_KERNELS(STRIDEPORT_DEFINE_KERNEL)
