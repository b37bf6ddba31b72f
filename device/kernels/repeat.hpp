/// Family F, one block many times: some dimension that is not the innermost stands still in src. A thread loads a unit
/// once and stores it for up to 16 indices of that dimension.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

struct RepeatParams {
  Global dst;
  Global src;
  uint32_t units;            ///< of one repetition, below 2^31
  uint32_t extent;           ///< of the dimension that repeats
  int64_t stride;            ///< of dst along it
  Divider<uint32_t> blocks;  ///< that one repetition takes
  OuterDims<65> dims;        ///< the others
};

template <uint32_t kUnit>
struct RepeatProgram {
  using Params = RepeatParams;
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};
  static constexpr uint32_t kRepeatsPerBlock = 16;

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    const uint32_t part = p.blocks.quotient(id.block);
    const uint32_t unit = p.blocks.remainder(id.block, part) * kThreads + id.thread;
    const bool on = unit < p.units;
    const Offsets offsets = p.dims.offsets(on ? unit : 0);
    const auto value = m.template load<Word<kUnit>>(p.src, offsets.src, on);
    const uint32_t first = part * kRepeatsPerBlock;
    const uint32_t count = p.extent - first < kRepeatsPerBlock ? p.extent - first : kRepeatsPerBlock;
    // A running offset: a running address would lose the global address space.
    int64_t dst = wrapping_product(p.stride, first) + offsets.dst;
    STRIDEPORT_NO_UNROLL
    for (uint32_t i = 0; i < count; ++i) {
      m.store(p.dst, dst, value, on);
      dst += p.stride;
    }
  }
};

#define STRIDEPORT_REPEAT_KERNELS(X)                              \
  X(strideport_repeat_1, ::strideport::kernels::RepeatProgram<1>) \
  X(strideport_repeat_2, ::strideport::kernels::RepeatProgram<2>) \
  X(strideport_repeat_4, ::strideport::kernels::RepeatProgram<4>) \
  X(strideport_repeat_8, ::strideport::kernels::RepeatProgram<8>) \
  X(strideport_repeat_16, ::strideport::kernels::RepeatProgram<16>)

}  // namespace strideport::kernels
