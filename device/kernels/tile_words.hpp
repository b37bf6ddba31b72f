/// Tile transposes of 4-, 8- and 16-byte units.
///
/// Where src rows allow 16-byte loads, a thread loads a block of E x E units (4x4, 2x2, 1), turns it over in registers
/// and stores E chunks; else it loads E rows at one y, unit by unit, with neighbouring lanes on neighbouring units, and
/// stores the same kind of chunk. Rows of dst are stored in chunks, or unit by unit. The choice is the block's, so the
/// ragged tiles at the far edges of a matrix may choose differently from all others.
#pragma once

#include "device/kernels/tile.hpp"

namespace strideport::kernels {

template <uint32_t kUnit>
struct TileWordsProgram {
  using Params = TileParams;
  struct State {
    Tile tile;
  };
  using Unit = Word<static_cast<int>(kUnit)>;

  static constexpr uint32_t kPerChunk = 16 / kUnit;
  static constexpr uint32_t kX = kUnit == 16 ? 32 : 64;
  static constexpr uint32_t kY = kUnit == 4 ? 64 : 32;
  static constexpr uint32_t kChunks = kX / kPerChunk;
  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 2;
  static constexpr uint32_t kSharedBytes = kX * kY * kUnit;
  static constexpr Sync kBefore[kPhases] = {Sync::none, Sync::block};

  struct Swizzle {
    static STRIDEPORT_PROGRAM uint32_t of(uint32_t y) { return kUnit == 16 ? y : y ^ (y / kPerChunk); }
  };

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State& state) {
    if constexpr (kPhase == 0) {
      state.tile = find_tile<kUnit, kX, kY>(p, id.block);
      if (p.vector_load != 0 && state.tile.ny % kPerChunk == 0) {
        load_blocks(m, id.thread, p, state.tile);
      } else {
        load_units(m, id.thread, p, state.tile);
      }
    } else {
      if (p.vector_store != 0 && state.tile.nx % kPerChunk == 0) {
        store_chunks<TileWordsProgram>(m, id.thread, p, state.tile);
      } else {
        store_units(m, id.thread, p, state.tile);
      }
    }
  }

 private:
  // All loads of a thread come before its first store to shared memory: 64 bytes in flight.
  template <class Machine>
  STRIDEPORT_PROGRAM static void load_blocks(const Machine& m, uint32_t thread, const Params& p, const Tile& tile) {
    constexpr uint32_t kVectors = kY / kPerChunk;  // of a row of src
    constexpr uint32_t kPasses = kChunks * kVectors / kThreads;
    const uint32_t j = thread % kVectors;
    const uint32_t c = thread / kVectors * kPasses;
    const bool y_on = j * kPerChunk < tile.ny;
    Global row = advanced(advanced(tile.src, j * 16), wrapping_product(p.src_x, c * kPerChunk));
    Word16 in[kPasses][kPerChunk];
    STRIDEPORT_UNROLL
    for (uint32_t pass = 0; pass < kPasses; ++pass) {
      STRIDEPORT_UNROLL
      for (uint32_t r = 0; r < kPerChunk; ++r) {
        in[pass][r] = m.template load<Word16>(row, 0, y_on && (c + pass) * kPerChunk + r < tile.nx);
        row = advanced(row, p.src_x);
      }
    }
    const uint32_t place = chunk_place<kChunks, Swizzle>(j * kPerChunk, c);
    STRIDEPORT_UNROLL
    for (uint32_t pass = 0; pass < kPasses; ++pass) {
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kPerChunk; ++k) {
        Word16 out;
        STRIDEPORT_UNROLL
        for (uint32_t r = 0; r < kPerChunk; ++r) {
          set_item(out, static_cast<int>(r), item_of<static_cast<int>(kUnit)>(in[pass][r], static_cast<int>(k)));
        }
        m.store_shared(chunk_place_further<kChunks, Swizzle>(place, k, pass), out);
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_units(const Machine& m, uint32_t thread, const Params& p, const Tile& tile) {
    constexpr uint32_t kPasses = kChunks * kY / kThreads;
    const uint32_t y = thread % kY;
    const uint32_t c = thread / kY * kPasses;
    const bool y_on = y < tile.ny;
    Global row = advanced(advanced(tile.src, y * kUnit), wrapping_product(p.src_x, c * kPerChunk));
    Word16 chunk[kPasses];
    STRIDEPORT_UNROLL
    for (uint32_t pass = 0; pass < kPasses; ++pass) {
      STRIDEPORT_UNROLL
      for (uint32_t r = 0; r < kPerChunk; ++r) {
        const bool on = y_on && (c + pass) * kPerChunk + r < tile.nx;
        set_item(chunk[pass], static_cast<int>(r), m.template load<Unit>(row, 0, on));
        row = advanced(row, p.src_x);
      }
    }
    const uint32_t place = chunk_place<kChunks, Swizzle>(y, c);
    STRIDEPORT_UNROLL
    for (uint32_t pass = 0; pass < kPasses; ++pass) {
      m.store_shared(chunk_place_further<kChunks, Swizzle>(place, 0, pass), chunk[pass]);
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void store_units(const Machine& m, uint32_t thread, const Params& p, const Tile& tile) {
    constexpr uint32_t kRows = kY * kX / kThreads;  // of a thread
    const uint32_t x = thread % kX;
    const uint32_t y = thread / kX * kRows;
    const bool x_on = x < tile.nx;
    Global row = advanced(advanced(tile.dst, x * kUnit), wrapping_product(p.dst_y, y));
    const uint32_t place = chunk_place<kChunks, Swizzle>(y, x / kPerChunk);
    const uint32_t inside = x % kPerChunk * kUnit;
    STRIDEPORT_UNROLL
    for (uint32_t d = 0; d < kRows; ++d) {
      const bool on = x_on && y + d < tile.ny;
      const Unit unit = m.template load_shared<Unit>(chunk_place_further<kChunks, Swizzle>(place, d) + inside);
      m.store(row, 0, unit, on);
      row = advanced(row, p.dst_y);
    }
  }
};

// clang-format off
#define STRIDEPORT_TILE_WORDS_KERNELS(X)                                               \
  X(strideport_tile_4, ::strideport::kernels::TileWordsProgram<4>)                     \
  X(strideport_tile_8, ::strideport::kernels::TileWordsProgram<8>)                     \
  X(strideport_tile_16, ::strideport::kernels::TileWordsProgram<16>)
// clang-format on

}  // namespace strideport::kernels
