#include "device/kernels/contiguous.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_CONTIGUOUS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
