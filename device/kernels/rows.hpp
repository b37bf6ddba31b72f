/// Family B, long rows: runs of bytes on both sides, each wherever it begins. 32 to 256 threads of a block take a row,
/// or a segment of one, with vectors of 16 bytes.
#pragma once

#include "device/kernels/runs.hpp"

namespace strideport::kernels {

struct RowsParams {
  Global dst;
  Global src;
  int64_t run;  ///< bytes
  uint32_t rows;
  uint32_t threads_log2;  ///< of a row
  Divider<uint32_t> segments;
  OuterDims<64> outer;
};

/// kShifted: some row of src lies differently to multiples of 16 bytes than the row of dst.
template <uint32_t kVectors, bool kShifted>
struct RowsProgram {
  using Params = RowsParams;
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    const uint32_t group = p.segments.quotient(id.block);
    const uint32_t row = group * (kThreads >> p.threads_log2) + (id.thread >> p.threads_log2);
    const uint32_t threads = 1u << p.threads_log2;
    const Offsets offsets = p.outer.offsets(row < p.rows ? row : 0);
    move_run<kVectors, kShifted>(
        m, advanced(p.dst, offsets.dst), advanced(p.src, offsets.src), p.run,
        {id.thread & (threads - 1), threads, p.segments.remainder(id.block, group), p.segments.divisor, row < p.rows});
  }
};

#define STRIDEPORT_ROWS_KERNELS(X)                                          \
  X(strideport_rows_1, ::strideport::kernels::RowsProgram<1, false>)        \
  X(strideport_rows_2, ::strideport::kernels::RowsProgram<2, false>)        \
  X(strideport_rows_4, ::strideport::kernels::RowsProgram<4, false>)        \
  X(strideport_rows_1_shifted, ::strideport::kernels::RowsProgram<1, true>) \
  X(strideport_rows_2_shifted, ::strideport::kernels::RowsProgram<2, true>) \
  X(strideport_rows_4_shifted, ::strideport::kernels::RowsProgram<4, true>)

}  // namespace strideport::kernels
