/// Tile transposes of 1- and 2-byte units, and of 4-byte units at any byte address.
///
/// Everything moves in words. A thread loads a word (4 or 2 units of y) of each of the rows that make a chunk of x, and
/// byte permutes turn them into the chunks of those y. Where src rows begin anywhere, a word is cut from two aligned
/// ones by a funnel shift; where dst rows do, aligned words are cut from the tile in the same way, and the up to six
/// bytes around them are stored one by one. Rows that are four apart begin at the same place in a word, whatever the
/// stride, so a thread works out few shifts. The aligned words at the very ends of src would reach beyond it: a block
/// that meets those loads its tile byte by byte.
#pragma once

#include "device/kernels/tile.hpp"

namespace strideport::kernels {

template <uint32_t kUnit>
struct TileBytesProgram {
  using Params = TileParams;
  struct State {
    Tile tile;
  };

  static constexpr uint32_t kX = kUnit == 4 ? 64 : 128;
  static constexpr uint32_t kY = kUnit == 1 ? 128 : 64;
  static constexpr uint32_t kPerChunk = 16 / kUnit;
  static constexpr uint32_t kPerWord = 4 / kUnit;
  static constexpr uint32_t kChunks = kX / kPerChunk;
  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 2;
  static constexpr uint32_t kSharedBytes = kX * kY * kUnit;
  static constexpr Sync kBefore[kPhases] = {Sync::none, Sync::block};
  static constexpr uint32_t kVectorBytes = 4 * kUnit;  ///< of a vector load: four units

  struct Swizzle {
    static STRIDEPORT_PROGRAM uint32_t of(uint32_t y) {
      if (kUnit == 1) return y / 4;
      return kUnit == 2 ? (y / 2) ^ (y / 4) : y ^ (y / 4);
    }
  };

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State& state) {
    if constexpr (kPhase == 0) {
      state.tile = find_tile<kUnit, kX, kY>(p, id.block);
      load(m, id, p, state.tile);
    } else {
      if (p.vector_store != 0 && state.tile.nx % kPerChunk == 0) {
        store_chunks<TileBytesProgram>(m, id.thread, p, state.tile);
      } else {
        store_words(m, id, p, state.tile);
      }
    }
  }

 private:
  static constexpr uint32_t kWarps = kThreads / 32;

  template <class Machine>
  STRIDEPORT_PROGRAM static void load(const Machine& m, Id id, const Params& p, const Tile& tile) {
    if constexpr (kUnit < 4) {
      if (p.vector_load != 0 && tile.ny % 4 == 0) return load_vectors(m, id.thread, p, tile);
    }
    if (words_stay_inside(p, tile)) {
      load_words(m, id.thread, p, tile);
    } else {
      load_bytes(m, id, p, tile);
    }
  }

  STRIDEPORT_PROGRAM static bool words_stay_inside(const Params& p, const Tile& tile) {
    const auto first = reinterpret_cast<uintptr_t>(tile.src.address);
    const uintptr_t last = first + static_cast<uintptr_t>(wrapping_product(p.src_x, tile.nx - 1));
    const uintptr_t low = p.src_x < 0 ? last : first;
    const uintptr_t high = (p.src_x < 0 ? first : last) + tile.ny * kUnit;
    return low / 4 * 4 >= reinterpret_cast<uintptr_t>(p.src_begin.address) &&
           (high + 3) / 4 * 4 <= reinterpret_cast<uintptr_t>(p.src_end.address);
  }

  // Words of kPerChunk rows of src to the chunks of kPerWord rows of dst.
  STRIDEPORT_PROGRAM static void turn(const uint32_t (&in)[kPerChunk], Word16 (&out)[kPerWord]) {
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t* from = in + i * kPerWord;
      if constexpr (kUnit == 1) {
        const uint32_t a = permute_bytes(from[0], from[1], 0x5140);
        const uint32_t b = permute_bytes(from[2], from[3], 0x5140);
        const uint32_t c = permute_bytes(from[0], from[1], 0x7362);
        const uint32_t d = permute_bytes(from[2], from[3], 0x7362);
        out[0].at[i] = permute_bytes(a, b, 0x5410);
        out[1].at[i] = permute_bytes(a, b, 0x7632);
        out[2].at[i] = permute_bytes(c, d, 0x5410);
        out[3].at[i] = permute_bytes(c, d, 0x7632);
      } else if constexpr (kUnit == 2) {
        out[0].at[i] = permute_bytes(from[0], from[1], 0x5410);
        out[1].at[i] = permute_bytes(from[0], from[1], 0x7632);
      } else {
        out[0].at[i] = from[0];
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_vectors(const Machine& m, uint32_t thread, const Params& p, const Tile& tile) {
    constexpr uint32_t kVectors = kY / 4;  // of a row of src
    static_assert(kThreads / kVectors == kChunks);
    const uint32_t j = thread % kVectors;
    const uint32_t c = thread / kVectors;
    const bool y_on = j * 4 < tile.ny;
    Global row = advanced(advanced(tile.src, j * kVectorBytes), wrapping_product(p.src_x, c * kPerChunk));
    uint32_t in[kUnit][kPerChunk];
    STRIDEPORT_UNROLL
    for (uint32_t r = 0; r < kPerChunk; ++r) {
      const bool on = y_on && c * kPerChunk + r < tile.nx;
      if constexpr (kUnit == 1) {
        in[0][r] = m.template load<uint32_t>(row, 0, on);
      } else {
        const Word8 word = m.template load<Word8>(row, 0, on);
        in[0][r] = word.at[0];
        in[1][r] = word.at[1];
      }
      row = advanced(row, p.src_x);
    }
    const uint32_t place = chunk_place<kChunks, Swizzle>(j * 4, c);
    STRIDEPORT_UNROLL
    for (uint32_t h = 0; h < kUnit; ++h) {
      Word16 out[kPerWord];
      turn(in[h], out);
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kPerWord; ++k) {
        m.store_shared(chunk_place_further<kChunks, Swizzle>(place, h * kPerWord + k), out[k]);
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_words(const Machine& m, uint32_t thread, const Params& p, const Tile& tile) {
    constexpr uint32_t kRowWords = kY * kUnit / 4;
    constexpr uint32_t kPasses = kChunks * kRowWords / kThreads;
    const uint32_t w = thread % kRowWords;
    const uint32_t c = thread / kRowWords * kPasses;
    const uint32_t place = chunk_place<kChunks, Swizzle>(w * kPerWord, c);
    const uint32_t row_bytes = tile.ny * kUnit;
    STRIDEPORT_UNROLL
    for (uint32_t pass = 0; pass < kPasses; ++pass) {
      const uint32_t x = (c + pass) * kPerChunk;
      uint32_t in[kPerChunk];
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < 4; ++i) {
        Global row = advanced(tile.src, wrapping_product(p.src_x, x + i));
        const uint32_t low = low_bits(row, 3);
        row = advanced(row, int64_t{w * 4} - low);
        const bool first_on = w * 4 < row_bytes;
        const bool second_on = low != 0 && w * 4 + 4 < row_bytes + low;
        STRIDEPORT_UNROLL
        for (uint32_t r = i; r < kPerChunk; r += 4) {
          const bool x_on = x + r < tile.nx;
          const uint32_t first = m.template load<uint32_t>(row, 0, x_on && first_on);
          const uint32_t second = m.template load<uint32_t>(row, 4, x_on && second_on);
          in[r] = funnel_bytes(first, second, low);
          row = advanced(row, wrapping_product(p.src_x, 4));
        }
      }
      Word16 out[kPerWord];
      turn(in, out);
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kPerWord; ++k) {
        m.store_shared(chunk_place_further<kChunks, Swizzle>(place, k, pass), out[k]);
      }
    }
  }

  struct ByteOfTile {
    uint32_t x;
    uint32_t b;  ///< in its row of src
  };
  // Eight lanes along a row, four bytes apart, and four such rows, in other words of a chunk: what they store lies in
  // 32 banks.
  STRIDEPORT_PROGRAM static ByteOfTile byte_of_tile(Id id, uint32_t round) {
    const uint32_t n = id.warp() + round * kWarps;
    const uint32_t rest = n / (4 * kPerWord);
    constexpr uint32_t kStretches = kY * kUnit / 32;
    return {n / 4 % kPerWord + id.lane() / 8 * kPerWord + rest / kStretches * kPerChunk,
            n % 4 + id.lane() % 8 * 4 + rest % kStretches * 32};
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_bytes(const Machine& m, Id id, const Params& p, const Tile& tile) {
    constexpr uint32_t kAtOnce = 8;
    STRIDEPORT_NO_UNROLL
    for (uint32_t round = 0; round < kX * kY * kUnit / kThreads; round += kAtOnce) {
      uint8_t bytes[kAtOnce];
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < kAtOnce; ++i) {
        const auto [x, b] = byte_of_tile(id, round + i);
        const Global row = advanced(tile.src, wrapping_product(p.src_x, x));
        bytes[i] = m.template load<uint8_t>(row, b, x < tile.nx && b < tile.ny * kUnit);
      }
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < kAtOnce; ++i) {
        const auto [x, b] = byte_of_tile(id, round + i);
        const uint32_t chunk = chunk_place<kChunks, Swizzle>(b / kUnit, x / kPerChunk);
        m.store_shared(chunk + x % kPerChunk * kUnit + b % kUnit, bytes[i]);
      }
    }
  }

  // Warps store rows that are kWarps apart: all rows of a warp begin at the same place in a word.
  template <class Machine>
  STRIDEPORT_PROGRAM static void store_words(const Machine& m, Id id, const Params& p, const Tile& tile) {
    constexpr uint32_t kRowWords = kX * kUnit / 4;
    const uint32_t row_bytes = tile.nx * kUnit;
    const Global first_row = advanced(tile.dst, wrapping_product(p.dst_y, id.warp()));
    const uint32_t apart = (0 - low_bits(first_row, 3)) & 3;
    const uint32_t head = apart < row_bytes ? apart : row_bytes;
    const uint32_t words = (row_bytes - head) / 4;
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kRowWords / 32; ++i) {
      const uint32_t w = id.lane() + i * 32;
      const uint32_t next = (w + 1) % kRowWords;
      const uint32_t low_place = chunk_place<kChunks, Swizzle>(id.warp(), w / 4) + w % 4 * 4;
      const uint32_t high_place = chunk_place<kChunks, Swizzle>(id.warp(), next / 4) + next % 4 * 4;
      Global row = advanced(first_row, int64_t{head} + w * 4);
      STRIDEPORT_UNROLL
      for (uint32_t d = 0; d < kY; d += kWarps) {
        const uint32_t low = m.template load_shared<uint32_t>(chunk_place_further<kChunks, Swizzle>(low_place, d));
        const uint32_t high = m.template load_shared<uint32_t>(chunk_place_further<kChunks, Swizzle>(high_place, d));
        m.store(row, 0, funnel_bytes(low, high, head), w < words && id.warp() + d < tile.ny);
        row = advanced(row, wrapping_product(p.dst_y, kWarps));
      }
    }
    store_edges(m, id, p, tile, head, words);
  }

  // The bytes before the first and after the last whole word of a row: eight lanes a row, four rows at a time.
  template <class Machine>
  STRIDEPORT_PROGRAM static void store_edges(const Machine& m, Id id, const Params& p, const Tile& tile, uint32_t head,
                                             uint32_t words) {
    const uint32_t edge = id.lane() % 8;
    const uint32_t b = edge < head ? edge : edge + words * 4;
    const uint32_t first = id.warp() + id.lane() / 8 * kWarps;
    Global row = advanced(advanced(tile.dst, b), wrapping_product(p.dst_y, first));
    STRIDEPORT_UNROLL
    for (uint32_t d = 0; d < kY; d += 4 * kWarps) {
      const bool on = b < tile.nx * kUnit && first + d < tile.ny;
      const uint32_t chunk = chunk_place<kChunks, Swizzle>(first + d, b / 16);
      const uint8_t byte = m.template load_shared<uint8_t>(chunk + b % 16, on);
      m.store(row, 0, byte, on);
      row = advanced(row, wrapping_product(p.dst_y, 4 * kWarps));
    }
  }
};

// clang-format off
#define STRIDEPORT_TILE_BYTES_KERNELS(X)                                                   \
  X(strideport_tile_1, ::strideport::kernels::TileBytesProgram<1>)                         \
  X(strideport_tile_2, ::strideport::kernels::TileBytesProgram<2>)                         \
  X(strideport_tile_4_anywhere, ::strideport::kernels::TileBytesProgram<4>)
// clang-format on

}  // namespace strideport::kernels
