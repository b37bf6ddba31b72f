#include "device/kernels/repeat.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_REPEAT_KERNELS(STRIDEPORT_DEFINE_KERNEL)
