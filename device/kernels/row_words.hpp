/// Family B, short rows: runs of bytes on both sides that are too short for vectors and begin anywhere, packed one
/// behind the other into the lanes. A lane takes an aligned word of dst, cuts it from two aligned words of src, and
/// stores it whole, or by bytes where it reaches beyond its row.
///
/// An aligned word of src may hold bytes between two rows, but none before the first or behind the last row: what lies
/// there may be no one's memory. A block that meets those rows goes byte by byte.
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
      for (uint32_t i = 0; i < kWordsPerThread; ++i) {
        Slot slot[1];
        find(p, first + i * kThreads + id.thread, slot);
        move_bytes(m, p, slot[0]);
      }
    } else {
      move_words(m, p, first + id.thread);
    }
  }

 private:
  /// A word of dst, and where its bytes lie in the row: from `begin` on, which is negative for the first of a row that
  /// begins amid a word.
  struct Slot {
    Global dst;
    Global src;
    int32_t begin;
    bool on;

    STRIDEPORT_PROGRAM bool has(int32_t byte, uint32_t run) const {
      return on && static_cast<uint32_t>(begin + byte) < run;  // negative numbers are large ones
    }
  };

  STRIDEPORT_PROGRAM static bool meets_edge(const Params& p, uint32_t first) {
    const uint32_t first_row = p.words.quotient(first);
    const uint32_t last_row = p.words.quotient(first + (kWordsPerBlock - 1));
    const auto meets = [&](uint32_t row) { return first_row <= row && row <= last_row; };
    return p.bytes_only != 0 || meets(p.edge_rows[0]) || meets(p.edge_rows[1]);
  }

  // kCount slots, kThreads apart. All go through the dimensions together, which then are read once.
  template <uint32_t kCount>
  STRIDEPORT_PROGRAM static void find(const Params& p, uint32_t first, Slot (&slots)[kCount]) {
    uint32_t rest[kCount];
    uint32_t word[kCount];
    Offsets sum[kCount] = {};
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kCount; ++i) {
      const uint32_t index = first + i * kThreads;
      slots[i].on = index < p.slots;
      rest[i] = p.words.quotient(slots[i].on ? index : 0);
      word[i] = p.words.remainder(slots[i].on ? index : 0, rest[i]);
    }
    STRIDEPORT_NO_UNROLL
    for (uint32_t d = 0; d < p.outer.count; ++d) {
      const OuterDim& dim = p.outer.at[d];
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < kCount; ++i) {
        const uint32_t quotient = dim.extent.quotient(rest[i]);
        const int64_t index = dim.extent.remainder(rest[i], quotient);
        sum[i].dst += index * dim.dst_stride;
        sum[i].src += index * dim.src_stride;
        rest[i] = quotient;
      }
    }
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kCount; ++i) {
      slots[i].dst = advanced(p.dst, sum[i].dst);
      slots[i].src = advanced(p.src, sum[i].src);
      slots[i].begin = static_cast<int32_t>(word[i] * 4) - static_cast<int32_t>(low_bits(slots[i].dst, 3));
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void move_words(const Machine& m, const Params& p, uint32_t first) {
    Slot slots[kWordsPerThread];
    uint32_t low[kWordsPerThread];
    uint32_t high[kWordsPerThread];
    uint32_t shift[kWordsPerThread];
    find(p, first, slots);
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kWordsPerThread; ++i) {
      const Slot& slot = slots[i];
      shift[i] = (low_bits(slot.src, 3) + static_cast<uint32_t>(slot.begin)) & 3;
      const int32_t from = slot.begin - static_cast<int32_t>(shift[i]);  // of the lower word, in the row
      const auto run = static_cast<int32_t>(p.run);
      const Global src = advanced(slot.src, from);
      low[i] = m.template load<uint32_t>(src, 0, slot.on && from > -4 && from < run);
      high[i] = m.template load<uint32_t>(src, 4, slot.on && shift[i] != 0 && from > -8 && from + 4 < run);
    }
    STRIDEPORT_UNROLL
    for (uint32_t i = 0; i < kWordsPerThread; ++i) {
      const Slot& slot = slots[i];
      const uint32_t word = funnel_bytes(low[i], high[i], shift[i]);
      const Global dst = advanced(slot.dst, slot.begin);
      const bool whole = slot.has(0, p.run) && slot.has(3, p.run);
      m.store(dst, 0, word, whole);
      STRIDEPORT_UNROLL
      for (int32_t byte = 0; byte < 4; ++byte) {
        m.store(dst, byte, static_cast<uint8_t>(word >> (8 * byte)), !whole && slot.has(byte, p.run));
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
