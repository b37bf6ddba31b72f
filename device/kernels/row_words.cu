#include "device/kernels/row_words.hpp"

#include "device/kernels/machine_device.cuh"

STRIDEPORT_ROW_WORDS_KERNELS(STRIDEPORT_DEFINE_KERNEL)
