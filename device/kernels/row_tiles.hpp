/// Rows of an innermost dimension, cut into tiles: what the programs for strided rows share.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

/// A block takes a stretch of x of 256 >> lanes_log2 rows; 1 << lanes_log2 neighbouring threads share a row.
struct RowTilesParams {
  static constexpr int kMaxOuter = 66;

  Global dst;
  Global src;
  int64_t dst_x;  ///< bytes from one unit to the next
  int64_t src_x;
  int64_t nx;  ///< units of a row
  Divider<uint32_t> tiles_x;
  uint32_t rows;
  uint32_t lanes_log2;
  uint32_t vectors;  ///< bool: rows of both sides are aligned for vectors
  Global src_begin;  ///< what may be loaded beside the units
  Global src_end;
  OuterDims<kMaxOuter> outer;
};

/// The place of a thread.
struct RowPlace {
  Global dst;  ///< of the row's first unit
  Global src;
  uint32_t tile;  ///< along x
  uint32_t lane;  ///< of those that share the row
  bool on;        ///< there is such a row
};

STRIDEPORT_PROGRAM RowPlace find_row(const RowTilesParams& p, Id id) {
  const uint32_t group = p.tiles_x.quotient(id.block);
  RowPlace place;
  place.tile = p.tiles_x.remainder(id.block, group);
  place.lane = id.thread & ((1u << p.lanes_log2) - 1);
  const uint32_t row = (group << (8 - p.lanes_log2)) + (id.thread >> p.lanes_log2);
  place.on = row < p.rows;
  const Offsets outer = p.outer.offsets(place.on ? row : 0);
  place.dst = advanced(p.dst, outer.dst);
  place.src = advanced(p.src, outer.src);
  return place;
}

}  // namespace strideport::kernels
