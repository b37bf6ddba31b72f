/// Family F, one item a row: the innermost dimension is dense in dst and stands still in src. The item is loaded once a
/// thread and stored as vectors of 16 bytes, which hold it whole times wherever the row begins; items in front of the
/// first and behind the last vector go one by one.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

struct FillParams {
  Global dst;
  Global src;
  int64_t run;  ///< bytes of dst
  uint32_t rows;
  uint32_t threads_log2;  ///< of a row, at least 32
  uint32_t vectors;       ///< a thread
  Divider<uint32_t> segments;
  OuterDims<64> outer;
};

template <uint32_t kUnit>
struct FillProgram {
  using Params = FillParams;
  using Item = Word<kUnit>;
  struct State {};

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 0;
  static constexpr Sync kBefore[kPhases] = {Sync::none};

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State&) {
    const uint32_t group = p.segments.quotient(id.block);
    const uint32_t segment = p.segments.remainder(id.block, group);
    const uint32_t row = group * (kThreads >> p.threads_log2) + (id.thread >> p.threads_log2);
    const bool on = row < p.rows;
    const Offsets offsets = p.outer.offsets(on ? row : 0);
    fill(m, p, advanced(p.dst, offsets.dst), m.template load<Item>(p.src, offsets.src, on), id.thread, segment, on);
  }

 private:
  template <class Machine>
  STRIDEPORT_PROGRAM static void fill(const Machine& m, const Params& p, Global dst, Item item, uint32_t thread,
                                      uint32_t segment, bool on) {
    const uint32_t threads = 1u << p.threads_log2;
    thread &= threads - 1;
    const uint32_t to_chunk = (16 - low_bits(dst, 15)) & 15;
    const uint32_t head = to_chunk > p.run ? static_cast<uint32_t>(p.run) : to_chunk;
    const int64_t chunks = (p.run - head) / 16;
    const auto tail = static_cast<uint32_t>((p.run - head) % 16);
    const Word16 vector = repeated(item);
    const int64_t first = static_cast<int64_t>(segment) * p.vectors * threads + thread;
    STRIDEPORT_NO_UNROLL
    for (uint32_t i = 0; i < p.vectors; ++i) {
      const int64_t chunk = first + static_cast<int64_t>(i) * threads;
      m.store(dst, head + chunk * 16, vector, on && chunk < chunks);
    }
    if constexpr (kUnit < 16) {
      m.store(dst, thread * kUnit, item, on && segment == 0 && thread * kUnit < head);
      m.store(dst, head + chunks * 16 + thread * kUnit, item,
              on && segment + 1 == p.segments.divisor && thread * kUnit < tail);
    }
  }

  STRIDEPORT_PROGRAM static Word16 repeated(uint8_t item) { return repeated(item * 0x01010101u); }
  STRIDEPORT_PROGRAM static Word16 repeated(uint16_t item) { return repeated(item * 0x00010001u); }
  STRIDEPORT_PROGRAM static Word16 repeated(uint32_t item) { return {{item, item, item, item}}; }
  STRIDEPORT_PROGRAM static Word16 repeated(Word8 item) { return {{item.at[0], item.at[1], item.at[0], item.at[1]}}; }
  STRIDEPORT_PROGRAM static Word16 repeated(Word16 item) { return item; }
};

#define STRIDEPORT_FILL_KERNELS(X)                            \
  X(strideport_fill_1, ::strideport::kernels::FillProgram<1>) \
  X(strideport_fill_2, ::strideport::kernels::FillProgram<2>) \
  X(strideport_fill_4, ::strideport::kernels::FillProgram<4>) \
  X(strideport_fill_8, ::strideport::kernels::FillProgram<8>) \
  X(strideport_fill_16, ::strideport::kernels::FillProgram<16>)

}  // namespace strideport::kernels
