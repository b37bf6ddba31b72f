/// Moves a run of bytes that is dense on both sides, with 16-byte stores wherever it begins: what families A and B
/// share.
///
/// The chunks are the aligned 16 bytes of dst. Where src is not aligned to them, a chunk is cut from two aligned
/// vectors of src; the second is the first of the next lane, so that memory is read once. A chunk counts where all that
/// it takes lies inside of the run; the up to 31 bytes in front of them and behind them go one by one, in steps of
/// their own.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

/// How a run falls into bytes in front, whole chunks, and bytes behind.
struct RunParts {
  int64_t chunks;
  uint32_t head;   ///< bytes
  uint32_t tail;   ///< bytes
  uint32_t shift;  ///< of src against the chunks: bytes from the aligned vector in front

  /// Units: bytes.
  static STRIDEPORT_PROGRAM RunParts of(Global dst, Global src, int64_t run) {
    RunParts parts;
    const uint32_t to_chunk = (16 - low_bits(dst, 15)) & 15;
    parts.shift = (low_bits(src, 15) + to_chunk) & 15;
    parts.head = to_chunk + (to_chunk < parts.shift ? 16 : 0);
    if (parts.head > run) parts.head = static_cast<uint32_t>(run);
    const int64_t rest = run - parts.head - (parts.shift == 0 ? 0 : 16 - parts.shift);
    parts.chunks = rest < 0 ? 0 : rest / 16;
    parts.tail = static_cast<uint32_t>(run - parts.head - parts.chunks * 16);
    return parts;
  }
};

/// 16 bytes out of 32, from byte `shift` on (0 to 15). With 0 the second vector does not matter.
STRIDEPORT_PROGRAM Word16 cut_chunk(const Word16& low, const Word16& high, uint32_t shift) {
  const uint32_t in[8] = {low.at[0], low.at[1], low.at[2], low.at[3], high.at[0], high.at[1], high.at[2], high.at[3]};
  uint32_t by_two[6];
  uint32_t by_one[5];
  Word16 chunk;
  STRIDEPORT_UNROLL
  for (int i = 0; i < 6; ++i) by_two[i] = (shift & 8) != 0 ? in[i + 2] : in[i];
  STRIDEPORT_UNROLL
  for (int i = 0; i < 5; ++i) by_one[i] = (shift & 4) != 0 ? by_two[i + 1] : by_two[i];
  STRIDEPORT_UNROLL
  for (int i = 0; i < 4; ++i) chunk.at[i] = funnel_bytes(by_one[i], by_one[i + 1], shift & 3);
  return chunk;
}

/// Who does which part of a run.
struct RunShare {
  uint32_t thread;    ///< among those of the run
  uint32_t threads;   ///< at least 32
  uint32_t segment;   ///< of the run: threads * kVectors chunks each
  uint32_t segments;  ///< the run's
  bool on;
};

/// kShifted: src may lie askew to dst.
template <uint32_t kVectors, bool kShifted, class Machine>
STRIDEPORT_PROGRAM void move_run(const Machine& m, Global dst, Global src, int64_t run, const RunShare& share) {
  const RunParts parts = RunParts::of(dst, src, run);
  const int64_t first = static_cast<int64_t>(share.segment) * (share.threads * kVectors);
  const int64_t left = parts.chunks - first;
  const uint32_t count = !share.on || left < 0 ? 0 : left > 0x40000000 ? 0x40000000 : static_cast<uint32_t>(left);
  const Global from = advanced(src, static_cast<int64_t>(parts.head) - (kShifted ? parts.shift : 0) + first * 16);
  const Global to = advanced(dst, parts.head + first * 16);
  Word16 low[kVectors];
  Word16 high[kVectors];
  STRIDEPORT_UNROLL
  for (uint32_t i = 0; i < kVectors; ++i) {
    const uint32_t chunk = share.thread + i * share.threads;
    low[i] = m.template load<Word16>(from, chunk * 16, chunk < count);
    if (kShifted) high[i] = m.template load<Word16>(from, chunk * 16 + 16, chunk < count && parts.shift != 0);
  }
  const bool has_head = share.on && share.segment == 0 && share.thread < parts.head;
  const bool has_tail = share.on && share.segment + 1 == share.segments && share.thread < parts.tail;
  const int64_t tail = parts.head + parts.chunks * 16 + share.thread;
  const uint8_t head_byte = m.template load<uint8_t>(src, share.thread, has_head);
  const uint8_t tail_byte = m.template load<uint8_t>(src, tail, has_tail);
  STRIDEPORT_UNROLL
  for (uint32_t i = 0; i < kVectors; ++i) {
    const uint32_t chunk = share.thread + i * share.threads;
    m.store(to, chunk * 16, kShifted ? cut_chunk(low[i], high[i], parts.shift) : low[i], chunk < count);
  }
  m.store(dst, share.thread, head_byte, has_head);
  m.store(dst, tail, tail_byte, has_tail);
}

}  // namespace strideport::kernels
