#include "device/kernels/strided_vectors.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_STRIDED_VECTORS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
