// What every family's source includes before anything of Highway: which targets are compiled, and how their pickers are
// put in a table. Highway is used as headers alone; its own dispatch would need its library.
//
// A family `things` is a file things.cpp, compiled once a target:
//
//     #undef HWY_TARGET_INCLUDE
//     #define HWY_TARGET_INCLUDE "runtime/host/simd/things.cpp"
//     #include "runtime/host/simd/highway.hpp"
//     #include "hwy/foreach_target.h"
//     #include "hwy/highway.h"
//
//     HWY_BEFORE_NAMESPACE();
//     namespace strideport::host::simd::HWY_NAMESPACE {
//     namespace {
//     ...                                               // the kernels
//     }  // namespace
//     Kernel pick_things(const Block& block) { ... }    // null where there is none
//     }  // namespace strideport::host::simd::HWY_NAMESPACE
//     HWY_AFTER_NAMESPACE();
//
//     #if HWY_ONCE
//     namespace strideport::host::simd {
//     constexpr Pickers kThingPickers = STRIDEPORT_PICKERS(pick_things);
//     }
//     #endif
//
// No function of the standard library that is a template or inline is called in there: it would be compiled for one
// target and then picked by the linker for all.
#pragma once

// HWY_SCALAR stands for any machine, in every compiler and however well it knows the machine that it compiles for.
#define HWY_COMPILE_ALL_ATTAINABLE
#define HWY_BROKEN_EMU128 1
#define HWY_WANT_AVX3_DL
// All but those of Target, so that none of a later Highway is compiled in vain. From 1.0.4 on there are two of NEON, and
// the one that asks for no AES is taken.
#define HWY_DISABLED_TARGETS                                     \
  (~(HWY_AVX3_DL | HWY_AVX3 | HWY_AVX2 | HWY_SSE4 | HWY_SCALAR | \
     (HWY_NEON_WITHOUT_AES ? HWY_NEON_WITHOUT_AES : HWY_NEON)))
// What no copy needs is no reason not to run on a machine.
#define HWY_DISABLE_PCLMUL_AES
#define HWY_DISABLE_BMI2_FMA
#define HWY_DISABLE_F16C
// Its assertions call its library.
#define HWY_IS_DEBUG_BUILD 0

#include "hwy/detect_targets.h"
#include "runtime/host/simd/target.hpp"

#ifdef HWY_NEON_WITHOUT_AES
#define STRIDEPORT_HAS_NEON ((HWY_TARGETS & HWY_NEON_WITHOUT_AES) != 0)
#define STRIDEPORT_CHOOSE_NEON HWY_CHOOSE_NEON_WITHOUT_AES
#else
#define HWY_NEON_WITHOUT_AES 0  // outside of #if an unknown name is no 0
#define STRIDEPORT_HAS_NEON ((HWY_TARGETS & HWY_NEON) != 0)
#define STRIDEPORT_CHOOSE_NEON HWY_CHOOSE_NEON
#endif

// In the order of Target.
#define STRIDEPORT_PICKERS(pick)                                                                   \
  {                                                                                                \
    HWY_CHOOSE_AVX3_DL(pick), HWY_CHOOSE_AVX3(pick), HWY_CHOOSE_AVX2(pick), HWY_CHOOSE_SSE4(pick), \
        STRIDEPORT_CHOOSE_NEON(pick), HWY_CHOOSE_FALLBACK(pick)                                    \
  }
