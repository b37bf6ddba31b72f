/// Family D where dst is dense and src goes in steps of at most 4 bytes, forwards or backwards, or just backwards:
/// every second unit, every fourth, reversed.
///
/// A thread makes 16-byte chunks of dst. The units of a chunk lie in a window of src that is kStep chunks wide; the
/// window is loaded whole, in vectors where rows are aligned for it, else in words, by a funnel shift, and byte
/// permutes pick the units. Chunks begin at multiples of 16 bytes of dst, whatever the row does. Those at the ends of a
/// row are partial, and the window of a last one may reach beyond src: such chunks go unit by unit, in the blocks at
/// the ends of rows alone.
#pragma once

#include "device/kernels/row_tiles.hpp"

namespace strideport::kernels {

template <uint32_t kUnit, uint32_t kStep, bool kBackwards>
struct StridedVectorsProgram {
  using Params = RowTilesParams;
  struct State {};
  using Unit = Word<static_cast<int>(kUnit)>;

  static_assert(kStep == 1 ? kBackwards : kStep * kUnit <= 4);
  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};
  static constexpr uint32_t kPerChunk = 16 / kUnit;
  static constexpr uint32_t kUnitsPerThread = 4 / kStep * kPerChunk;

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    const RowPlace place = find_row(p, id);
    const int64_t tile_units = int64_t{kUnitsPerThread} << p.lanes_log2;
    const int64_t first = tile_units * place.tile;
    const bool inner = place.tile > 0 && first + tile_units + kPerChunk * 2 <= p.nx;  // the same in the whole block
    // Chunks begin `before` units before the row, which is not 0 only where rows are not aligned.
    const int64_t before = low_bits(place.dst, 15) / kUnit;
    const int64_t x = first - before + int64_t{place.lane} * kPerChunk;
    move_chunks(m, p, place, x, inner);
    if (!inner) move_ends(m, p, place, x);
  }

 private:
  static constexpr uint32_t kChunks = 4 / kStep;
  static constexpr int64_t kSrcStep = kBackwards ? -int64_t{kStep * kUnit} : int64_t{kStep * kUnit};
  static constexpr uint32_t kWords = kStep * 4;  ///< of a window

  // The lowest address of the window of the chunk at x.
  STRIDEPORT_PROGRAM static Global window(const RowPlace& place, int64_t x) {
    return advanced(place.src, kBackwards ? (x + kPerChunk - 1) * kSrcStep : x * kSrcStep);
  }

  // The words that are loaded for a window: one more than its own where it begins between two.
  STRIDEPORT_PROGRAM static bool is_whole(const Params& p, const RowPlace& place, int64_t x) {
    const auto low = reinterpret_cast<uintptr_t>(window(place, x).address);
    return place.on && x >= 0 && x + kPerChunk <= p.nx &&
           low / 4 * 4 >= reinterpret_cast<uintptr_t>(p.src_begin.address) &&
           (low + kWords * 4 + 3) / 4 * 4 <= reinterpret_cast<uintptr_t>(p.src_end.address);
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void move_chunks(const Machine& m, const Params& p, const RowPlace& place, int64_t x,
                                             bool inner) {
    const int64_t apart = int64_t{kPerChunk} << p.lanes_log2;
    uint32_t words[kChunks][kWords];
    bool on[kChunks];
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kChunks; ++i) {
      on[i] = inner ? place.on : is_whole(p, place, x + i * apart);
      if (p.vectors != 0) {
        load_vectors(m, window(place, x + i * apart), on[i], words[i]);
      } else {
        load_words(m, window(place, x + i * apart), on[i], words[i]);
      }
    }
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kChunks; ++i) {
      m.store(place.dst, (x + i * apart) * kUnit, chunk_of(words[i]), on[i]);
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_vectors(const Machine& m, Global from, bool on, uint32_t (&words)[kWords]) {
    STRIDEPORT_UNROLL
    for (uint32_t v = 0; v < kStep; ++v) {
      const Word16 vector = m.template load<Word16>(from, v * 16, on);
      STRIDEPORT_UNROLL
      for (uint32_t w = 0; w < 4; ++w) words[v * 4 + w] = vector.at[w];
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_words(const Machine& m, Global from, bool on, uint32_t (&words)[kWords]) {
    const uint32_t low = low_bits(from, 3);
    from = advanced(from, -int64_t{low});
    STRIDEPORT_UNROLL
    for (uint32_t w = 0; w < kWords; ++w) words[w] = m.template load<uint32_t>(from, w * 4, on);
    const uint32_t last = m.template load<uint32_t>(from, kWords * 4, on && low != 0);
    STRIDEPORT_UNROLL
    for (uint32_t w = 0; w < kWords; ++w) words[w] = funnel_bytes(words[w], w + 1 < kWords ? words[w + 1] : last, low);
  }

  STRIDEPORT_PROGRAM static Word16 chunk_of(const uint32_t (&words)[kWords]) {
    Word16 chunk;
    STRIDEPORT_UNROLL
    for (uint32_t w = 0; w < 4; ++w) {
      uint32_t places[4];
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < 4; ++i) {
        const uint32_t byte = w * 4 + i;
        const uint32_t unit = kBackwards ? kPerChunk - 1 - byte / kUnit : byte / kUnit;
        places[i] = unit * (kStep * kUnit) + byte % kUnit;
      }
      chunk.at[w] = pick_bytes(words, places);
    }
    return chunk;
  }

  // What of this thread's chunks is not whole.
  template <class Machine>
  STRIDEPORT_PROGRAM static void move_ends(const Machine& m, const Params& p, const RowPlace& place, int64_t x) {
    const int64_t apart = int64_t{kPerChunk} << p.lanes_log2;
    STRIDEPORT_NO_UNROLL
    for (uint32_t i = 0; i < kChunks; ++i, x += apart) {
      const bool on = place.on && !is_whole(p, place, x);
      Unit units[kPerChunk];
      STRIDEPORT_UNROLL
      for (uint32_t u = 0; u < kPerChunk; ++u) {
        units[u] = m.template load<Unit>(place.src, (x + u) * kSrcStep, on && x + u >= 0 && x + u < p.nx);
      }
      STRIDEPORT_UNROLL
      for (uint32_t u = 0; u < kPerChunk; ++u) {
        m.store(place.dst, (x + u) * kUnit, units[u], on && x + u >= 0 && x + u < p.nx);
      }
    }
  }
};

// clang-format off
// Only steps that use every word of a window: of others the compiler loads the words that are used, and a thread a unit
// does it.
#define STRIDEPORT_STRIDED_VECTORS_KERNELS(X)                                                                       \
  X(strideport_reversed_1, ::strideport::kernels::StridedVectorsProgram<1, 1, true>)                                \
  X(strideport_reversed_2, ::strideport::kernels::StridedVectorsProgram<2, 1, true>)                                \
  X(strideport_reversed_4, ::strideport::kernels::StridedVectorsProgram<4, 1, true>)                                \
  X(strideport_reversed_8, ::strideport::kernels::StridedVectorsProgram<8, 1, true>)                                \
  X(strideport_every_second_1, ::strideport::kernels::StridedVectorsProgram<1, 2, false>)                           \
  X(strideport_every_second_2, ::strideport::kernels::StridedVectorsProgram<2, 2, false>)                           \
  X(strideport_every_second_reversed_1, ::strideport::kernels::StridedVectorsProgram<1, 2, true>)                   \
  X(strideport_every_second_reversed_2, ::strideport::kernels::StridedVectorsProgram<2, 2, true>)                   \
  X(strideport_every_fourth_1, ::strideport::kernels::StridedVectorsProgram<1, 4, false>)                           \
  X(strideport_every_fourth_reversed_1, ::strideport::kernels::StridedVectorsProgram<1, 4, true>)
// clang-format on

}  // namespace strideport::kernels
