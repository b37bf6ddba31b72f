/// Family A: one run of bytes on both sides, wherever it begins. A thread moves four vectors of 16 bytes, 16 KiB a
/// block.
#pragma once

#include "device/kernels/runs.hpp"

namespace strideport::kernels {

/// kShifted: dst and src lie differently to multiples of 16 bytes.
template <bool kShifted>
struct ContiguousProgram {
  struct Params {
    Global dst;
    Global src;
    int64_t bytes;
  };
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};
  static constexpr uint32_t kVectors = 4;
  static constexpr uint32_t kChunksPerBlock = kThreads * kVectors;

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    move_run<kVectors, kShifted>(m, p.dst, p.src, p.bytes, {id.thread, kThreads, id.block, id.blocks, true});
  }
};

#define STRIDEPORT_CONTIGUOUS_KERNELS(X)                                    \
  X(strideport_contiguous, ::strideport::kernels::ContiguousProgram<false>) \
  X(strideport_contiguous_shifted, ::strideport::kernels::ContiguousProgram<true>)

}  // namespace strideport::kernels
