#include "device/kernels/machine_device.cuh"
#include "device/kernels/tile_words.hpp"

STRIDEPORT_TILE_WORDS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
