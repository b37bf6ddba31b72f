#include "device/kernels/tile_items.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_TILE_ITEMS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
