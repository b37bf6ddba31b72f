#include "device/kernels/interleave.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_INTERLEAVE_KERNELS(STRIDEPORT_DEFINE_KERNEL)
