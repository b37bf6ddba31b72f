#include "device/kernels/strided_units.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_STRIDED_UNITS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
