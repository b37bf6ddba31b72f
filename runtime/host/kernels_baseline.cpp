// The kernels for any machine: on x86-64 that is SSE2.

#define STRIDEPORT_TARGET baseline
#define STRIDEPORT_LANES 1
#include "runtime/host/kernels_body.hpp"
