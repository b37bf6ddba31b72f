#include "device/kernels/tile_bytes.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_TILE_BYTES_KERNELS(STRIDEPORT_DEFINE_KERNEL)
