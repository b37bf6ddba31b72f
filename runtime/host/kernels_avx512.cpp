// The kernels for AVX-512 (F, BW, DQ and VL).

#define STRIDEPORT_TARGET avx512
#define STRIDEPORT_LANES 4
#include "runtime/host/kernels_body.hpp"
