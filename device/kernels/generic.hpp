// Family G: any dimensions at all. A thread takes the unit of its number apart into one index a dimension, by division
// with constants; neighbours in the destination are neighbours in a warp. What no other family does well, or at all.
#pragma once

#include <type_traits>

#include "device/kernels/program.hpp"

namespace strideport::kernels {

/// U: uint32_t where there are fewer than 2^31 units, else uint64_t. Offset: uint32_t where all offsets fit 32 bits.
template <int kUnit, class U, class Offset>
struct GenericProgram {
  static constexpr int kMaxDims = 66;
  struct Dim {
    Divider<U> extent;
    Offset dst_stride;  // modulo 2^32 (2^64)
    Offset src_stride;
  };
  struct Params {
    Global dst;
    Global src;
    U units;
    uint32_t count;
    Dim dims[kMaxDims];  // innermost first
  };
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};
  static constexpr uint32_t kUnitsPerThread = 4;
  static constexpr uint32_t kUnitsPerBlock = kThreads * kUnitsPerThread;

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    const U step = static_cast<U>(id.blocks) * kUnitsPerBlock;  // over 2^31 blocks' worth of units: several rounds
    for (U first = static_cast<U>(id.block) * kUnitsPerBlock; first < p.units; first += step) {
      move(m, p, first + id.thread);
    }
  }

 private:
  template <class Machine>
  STRIDEPORT_PROGRAM static void move(const Machine& m, const Params& p, U first) {
    U rest[kUnitsPerThread];
    Offset dst[kUnitsPerThread] = {};
    Offset src[kUnitsPerThread] = {};
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kUnitsPerThread; ++i) rest[i] = first + i * kThreads;
    STRIDEPORT_NO_UNROLL
    for (uint32_t d = 0; d < p.count; ++d) {
      const Dim& dim = p.dims[d];
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < kUnitsPerThread; ++i) {
        const U quotient = dim.extent.quotient(rest[i]);
        const U index = dim.extent.remainder(rest[i], quotient);
        dst[i] += index * dim.dst_stride;
        src[i] += index * dim.src_stride;
        rest[i] = quotient;
      }
    }
    Word<kUnit> units[kUnitsPerThread];
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kUnitsPerThread; ++i) {
      units[i] = m.template load<Word<kUnit>>(p.src, signed_offset(src[i]), first + i * kThreads < p.units);
    }
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kUnitsPerThread; ++i) {
      m.store(p.dst, signed_offset(dst[i]), units[i], first + i * kThreads < p.units);
    }
  }

  STRIDEPORT_PROGRAM static int64_t signed_offset(Offset offset) {
    return static_cast<std::make_signed_t<Offset>>(offset);
  }
};

#define STRIDEPORT_GENERIC_KERNELS_OF(X, width, U, Offset)                             \
  X(strideport_generic_1_##width, ::strideport::kernels::GenericProgram<1, U, Offset>) \
  X(strideport_generic_2_##width, ::strideport::kernels::GenericProgram<2, U, Offset>) \
  X(strideport_generic_4_##width, ::strideport::kernels::GenericProgram<4, U, Offset>) \
  X(strideport_generic_8_##width, ::strideport::kernels::GenericProgram<8, U, Offset>) \
  X(strideport_generic_16_##width, ::strideport::kernels::GenericProgram<16, U, Offset>)
#define STRIDEPORT_GENERIC_KERNELS(X)                        \
  STRIDEPORT_GENERIC_KERNELS_OF(X, near, uint32_t, uint32_t) \
  STRIDEPORT_GENERIC_KERNELS_OF(X, far, uint32_t, uint64_t)  \
  STRIDEPORT_GENERIC_KERNELS_OF(X, many, uint64_t, uint64_t)

}  // namespace strideport::kernels
