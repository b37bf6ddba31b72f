// The kernels for AVX2.

#define STRIDEPORT_TARGET avx2
#define STRIDEPORT_LANES 2
#include "runtime/host/kernels_body.hpp"
