/// Family B, short rows: runs of bytes on both sides that are too short for vectors and begin anywhere, packed one behind the
/// other into the lanes. A lane takes an aligned word of dst, cuts it from two aligned words of src, and stores it whole, or
/// by bytes where it reaches beyond its row.
///
/// An aligned word of src may hold bytes between two rows, but none before the first or behind the last row: what lies there may
/// be no one's memory. A block that meets those rows goes byte by byte.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

struct RowWordsProgram {
  struct Params {
    Global dst;
    Global src;
    uint32_t run;             ///< bytes
    uint32_t slots;           ///< words of all rows, below 2^31
    Divider<uint32_t> words;  ///< slots of a row: as many as it can touch
    uint32_t edge_rows[2];    ///< whose words reach beyond src; ~0 for none
    uint32_t bytes_only;      ///< 1 if too many do
    OuterDims<65> outer;
  };
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};
  static constexpr uint32_t kWordsPerThread = 4;
  static constexpr uint32_t kWordsPerBlock = kThreads * kWordsPerThread;

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    const uint32_t first = id.block * kWordsPerBlock;
    if (meets_edge(p, first)) {
      STRIDEPORT_NO_UNROLL
      for (uint32_t i = 0; i < kWordsPerThread; ++i) move_bytes(m, p, find(p, first + i * kThreads + id.thread));
    } else {
      move_words(m, p, first + id.thread);
    }
  }

 private:
  /// A word of dst, and where its bytes lie in the row: from `begin` on, which is negative for the first of a row that begins
  /// amid a word.
  struct Slot {
    Global dst;
    Global src;
    int32_t begin;
    bool on;

    STRIDEPORT_PROGRAM bool has(int32_t byte, uint32_t run) const {
      return on && begin + byte >= 0 && begin + byte < static_cast<int32_t>(run);
    }
  };

  STRIDEPORT_PROGRAM static bool meets_edge(const Params& p, uint32_t first) {
    const uint32_t first_row = p.words.quotient(first);
    const uint32_t last_row = p.words.quotient(first + (kWordsPerBlock - 1));
    const auto meets = [&](uint32_t row) { return first_row <= row && row <= last_row; };
    return p.bytes_only != 0 || meets(p.edge_rows[0]) || meets(p.edge_rows[1]);
  }

  STRIDEPORT_PROGRAM static Slot find(const Params& p, uint32_t index) {
    const bool on = index < p.slots;
    const uint32_t row = p.words.quotient(on ? index : 0);
    const Offsets offsets = p.outer.offsets(row);
    Slot slot{advanced(p.dst, offsets.dst), advanced(p.src, offsets.src), 0, on};
    const uint32_t word = p.words.remainder(on ? index : 0, row);
    slot.begin = static_cast<int32_t>(word * 4) - static_cast<int32_t>(low_bits(slot.dst, 3));
    return slot;
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void move_words(const Machine& m, const Params& p, uint32_t first) {
    Slot slots[kWordsPerThread];
    uint32_t low[kWordsPerThread];
    uint32_t high[kWordsPerThread];
    uint32_t shift[kWordsPerThread];
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kWordsPerThread; ++i) {
      const Slot slot = slots[i] = find(p, first + i * kThreads);
      shift[i] = (low_bits(slot.src, 3) + static_cast<uint32_t>(slot.begin)) & 3;
      const int32_t from = slot.begin - static_cast<int32_t>(shift[i]);  // of the lower word, in the row
      const auto run = static_cast<int32_t>(p.run);
      low[i] = m.template load<uint32_t>(slot.src, from, slot.on && from > -4 && from < run);
      high[i] = m.template load<uint32_t>(slot.src, from + 4, slot.on && shift[i] != 0 && from > -8 && from + 4 < run);
    }
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kWordsPerThread; ++i) {
      const Slot& slot = slots[i];
      const uint32_t word = funnel_bytes(low[i], high[i], shift[i]);
      const bool whole = slot.has(0, p.run) && slot.has(3, p.run);
      m.store(slot.dst, slot.begin, word, whole);
      STRIDEPORT_UNROLL
      for (int32_t byte = 0; byte < 4; ++byte) {
        m.store(slot.dst, slot.begin + byte, static_cast<uint8_t>(word >> (8 * byte)), !whole && slot.has(byte, p.run));
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void move_bytes(const Machine& m, const Params& p, const Slot& slot) {
    uint8_t bytes[4];
    STRIDEPORT_UNROLL
    for (int32_t i = 0; i < 4; ++i) {
      bytes[i] = m.template load<uint8_t>(slot.src, slot.begin + i, slot.has(i, p.run));
    }
    STRIDEPORT_UNROLL
    for (int32_t i = 0; i < 4; ++i) m.store(slot.dst, slot.begin + i, bytes[i], slot.has(i, p.run));
  }
};

#define STRIDEPORT_ROW_WORDS_KERNELS(X) X(strideport_row_words, ::strideport::kernels::RowWordsProgram)

}  // namespace strideport::kernels
