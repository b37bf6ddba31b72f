/// Tile transposes of items of three units: 3, 6, 12, 24 and 48 bytes.
///
/// Rows are moved unit by unit, lanes on neighbouring units of neighbouring items. A row of the tile in shared memory
/// is a few units longer than its items need: so the units that neighbouring lanes put there, three to a row, lie in
/// different banks.
#pragma once

#include "device/kernels/tile.hpp"

namespace strideport::kernels {

template <uint32_t kUnit>
struct TileItemsProgram {
  using Params = TileParams;
  struct State {
    Tile tile;
  };
  using Unit = Word<static_cast<int>(kUnit)>;

  static constexpr uint32_t kPerItem = 3;
  static constexpr uint32_t kSide = kUnit == 1 ? 64 : kUnit == 16 ? 16 : 32;  // no more than 48 KiB of shared memory
  static constexpr uint32_t kX = kSide;
  static constexpr uint32_t kY = kSide;
  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 2;
  static constexpr uint32_t kRowUnits = kSide * kPerItem;
  static constexpr uint32_t kPitch = kRowUnits + (kUnit == 2 ? 4 : 3);  ///< units
  static constexpr uint32_t kSharedBytes = (kSide * kPitch * kUnit + 15) / 16 * 16;
  static constexpr Sync kBefore[kPhases] = {Sync::none, Sync::block};

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State& state) {
    if constexpr (kPhase == 0) {
      state.tile = find_tile<kUnit * kPerItem, kX, kY>(p, id.block);
      load(m, id, p, state.tile);
    } else {
      store(m, id, p, state.tile);
    }
  }

 private:
  static constexpr uint32_t kWarps = kThreads / 32;
  static constexpr uint32_t kRows = kSide / kWarps;  ///< of a warp
  static constexpr uint32_t kParts = (kRowUnits + 31) / 32;

  template <class Machine>
  STRIDEPORT_PROGRAM static void load(const Machine& m, Id id, const Params& p, const Tile& tile) {
    Unit units[kRows][kParts];
    Global row = advanced(tile.src, wrapping_product(p.src_x, id.warp() * kRows));
    STRIDEPORT_UNROLL
    for (uint32_t r = 0; r < kRows; ++r) {
      STRIDEPORT_UNROLL
      for (uint32_t part = 0; part < kParts; ++part) {
        const uint32_t e = id.lane() + part * 32;
        const bool on = e < tile.ny * kPerItem && id.warp() * kRows + r < tile.nx;
        units[r][part] = m.template load<Unit>(row, e * kUnit, on);
      }
      row = advanced(row, p.src_x);
    }
    STRIDEPORT_UNROLL
    for (uint32_t part = 0; part < kParts; ++part) {
      const uint32_t e = id.lane() + part * 32;
      const uint32_t place = e / kPerItem * kPitch + id.warp() * kRows * kPerItem + e % kPerItem;
      STRIDEPORT_UNROLL
      for (uint32_t r = 0; r < kRows; ++r) {
        m.store_shared((place + r * kPerItem) * kUnit, units[r][part], e < kRowUnits);
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void store(const Machine& m, Id id, const Params& p, const Tile& tile) {
    const uint32_t y = id.warp() * kRows;
    Global row = advanced(tile.dst, wrapping_product(p.dst_y, y));
    STRIDEPORT_UNROLL
    for (uint32_t r = 0; r < kRows; ++r) {
      STRIDEPORT_UNROLL
      for (uint32_t part = 0; part < kParts; ++part) {
        const uint32_t e = id.lane() + part * 32;
        const bool on = e < tile.nx * kPerItem && y + r < tile.ny;
        m.store(row, e * kUnit, m.template load_shared<Unit>(((y + r) * kPitch + e) * kUnit, on), on);
      }
      row = advanced(row, p.dst_y);
    }
  }
};

// clang-format off
#define STRIDEPORT_TILE_ITEMS_KERNELS(X)                                                   \
  X(strideport_tile_3_of_1, ::strideport::kernels::TileItemsProgram<1>)                    \
  X(strideport_tile_3_of_2, ::strideport::kernels::TileItemsProgram<2>)                    \
  X(strideport_tile_3_of_4, ::strideport::kernels::TileItemsProgram<4>)                    \
  X(strideport_tile_3_of_8, ::strideport::kernels::TileItemsProgram<8>)                    \
  X(strideport_tile_3_of_16, ::strideport::kernels::TileItemsProgram<16>)
// clang-format on

}  // namespace strideport::kernels
