/// Families D and E, any strides along x: neighbouring lanes move neighbouring units, so that a request meets every
/// sector that holds them once, and a thread works out its row once for all of its units. Nothing is written that is
/// not an element.
#pragma once

#include "device/kernels/row_tiles.hpp"

namespace strideport::kernels {

template <uint32_t kUnit>
struct StridedUnitsProgram {
  using Params = RowTilesParams;
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};
  static constexpr uint32_t kUnitsPerThread = kUnit < 4 ? 8 : 4;

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    using Unit = Word<static_cast<int>(kUnit)>;
    const RowPlace place = find_row(p, id);
    const uint32_t lanes = 1u << p.lanes_log2;
    const int64_t x = (int64_t{place.tile} * kUnitsPerThread << p.lanes_log2) + place.lane;
    const int64_t rest = place.on ? p.nx - x : 0;
    Global src = advanced(place.src, wrapping_product(p.src_x, x));
    Global dst = advanced(place.dst, wrapping_product(p.dst_x, x));
    Unit units[kUnitsPerThread];
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kUnitsPerThread; ++i) {
      units[i] = m.template load<Unit>(src, 0, int64_t{i * lanes} < rest);
      src = advanced(src, wrapping_product(p.src_x, lanes));
    }
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kUnitsPerThread; ++i) {
      m.store(dst, 0, units[i], int64_t{i * lanes} < rest);
      dst = advanced(dst, wrapping_product(p.dst_x, lanes));
    }
  }
};

// clang-format off
#define STRIDEPORT_STRIDED_UNITS_KERNELS(X)                                                \
  X(strideport_strided_1, ::strideport::kernels::StridedUnitsProgram<1>)                   \
  X(strideport_strided_2, ::strideport::kernels::StridedUnitsProgram<2>)                   \
  X(strideport_strided_4, ::strideport::kernels::StridedUnitsProgram<4>)                   \
  X(strideport_strided_8, ::strideport::kernels::StridedUnitsProgram<8>)                   \
  X(strideport_strided_16, ::strideport::kernels::StridedUnitsProgram<16>)
// clang-format on

}  // namespace strideport::kernels
