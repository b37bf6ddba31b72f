#include "device/kernels/tile_words.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_TILE_WORDS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
