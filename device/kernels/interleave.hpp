/// Family C for tiny extents: pixels of 2, 3 or 4 channels to planes, planes to pixels, and pixels to pixels with their
/// channels in reverse.
///
/// A thread has 16 bytes of every channel: kPerChunk pixels. On the side of planes it moves them itself, in vectors. On
/// the side of pixels they are kChannels chunks, which a warp moves with its lanes on neighbouring chunks, through
/// shared memory; byte permutes in registers go between the two. Where a side is not aligned for vectors, or the tile
/// ends inside of one, the block moves that side unit by unit, lanes on neighbouring units.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

struct InterleaveParams {
  static constexpr int kMaxOuter = 64;

  Global dst;
  Global src;
  int64_t plane;  ///< bytes from one plane to the next
  Divider<uint32_t> tiles;
  uint32_t last_pixels;    ///< in the last tile
  uint32_t pixel_vectors;  ///< bool: vectors on the side of pixels
  uint32_t plane_vectors;  ///< on that of planes
  OuterDims<kMaxOuter> outer;
};

enum class Interleave : uint8_t { split, join, reverse };

template <Interleave kWay, uint32_t kUnit, uint32_t kChannels>
struct InterleaveProgram {
  using Params = InterleaveParams;
  struct State {
    Global dst;
    Global src;
    uint32_t pixels;  ///< of this tile
  };
  using Unit = Word<static_cast<int>(kUnit)>;

  static constexpr uint32_t kThreads = 256;
  static constexpr uint32_t kPerChunk = 16 / kUnit;
  static constexpr uint32_t kPixels = kThreads * kPerChunk;
  static constexpr uint32_t kPixelBytes = kChannels * kUnit;
  static constexpr uint32_t kPhases = kWay == Interleave::reverse ? 3 : 2;
  static constexpr uint32_t kSharedBytes = kPixels * kPixelBytes;
  static constexpr Sync kBefore[3] = {Sync::none, Sync::block, Sync::block};

  template <uint32_t kPhase, class Machine>
  STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& p, State& state) {
    if constexpr (kPhase == 0) {
      find_tile(p, id.block, state);
      if constexpr (kWay == Interleave::join) load_planes(m, id.thread, p, state);
      if constexpr (kWay != Interleave::join) load_pixels(m, id.thread, p, state);
    } else if constexpr (kPhase + 1 < kPhases) {
      reverse_channels(m, id.thread);
    } else {
      if constexpr (kWay == Interleave::split) store_planes(m, id.thread, p, state);
      if constexpr (kWay != Interleave::split) store_pixels(m, id.thread, p, state);
    }
  }

 private:
  static constexpr uint32_t kWords = kChannels * 4;  ///< of a thread
  static constexpr uint32_t kUnits = kPerChunk * kChannels;
  static constexpr uint32_t kAtOnce = kPerChunk;

  STRIDEPORT_PROGRAM static void find_tile(const Params& p, uint32_t block, State& state) {
    const uint32_t batch = p.tiles.quotient(block);
    const uint32_t tile = p.tiles.remainder(block, batch);
    const Offsets outer = p.outer.offsets(batch);
    const int64_t pixel = int64_t{tile} * kPixels;
    state.dst = advanced(p.dst, outer.dst + pixel * (kWay == Interleave::split ? kUnit : kPixelBytes));
    state.src = advanced(p.src, outer.src + pixel * (kWay == Interleave::join ? kUnit : kPixelBytes));
    state.pixels = tile + 1 == p.tiles.divisor ? p.last_pixels : kPixels;
  }

  // Three chunks a thread meet in no bank; two or four do, so their places are swizzled.
  STRIDEPORT_PROGRAM static uint32_t chunk_place(uint32_t chunk) {
    return (kChannels == 3 ? chunk : chunk ^ (chunk / 8 & 7)) * 16;
  }
  STRIDEPORT_PROGRAM static uint32_t unit_place(uint32_t unit) {
    return chunk_place(unit / kPerChunk) + unit % kPerChunk * kUnit;
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_pixels(const Machine& m, uint32_t thread, const Params& p, const State& state) {
    const uint32_t bytes = state.pixels * kPixelBytes;
    if (p.pixel_vectors != 0 && bytes % 16 == 0) {
      Word16 chunks[kChannels];
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kChannels; ++k) {
        const uint32_t chunk = thread + k * kThreads;
        chunks[k] = m.template load<Word16>(state.src, chunk * 16, chunk * 16 < bytes);
      }
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kChannels; ++k) m.store_shared(chunk_place(thread + k * kThreads), chunks[k]);
    } else {
      STRIDEPORT_NO_UNROLL
      for (uint32_t first = thread; first < kUnits * kThreads; first += kAtOnce * kThreads) {
        Unit units[kAtOnce];
        STRIDEPORT_UNROLL
        for (uint32_t i = 0; i < kAtOnce; ++i) {
          const uint32_t at = (first + i * kThreads) * kUnit;
          units[i] = m.template load<Unit>(state.src, at, at < bytes);
        }
        STRIDEPORT_UNROLL
        for (uint32_t i = 0; i < kAtOnce; ++i) m.store_shared(unit_place(first + i * kThreads), units[i]);
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void store_pixels(const Machine& m, uint32_t thread, const Params& p, const State& state) {
    const uint32_t bytes = state.pixels * kPixelBytes;
    if (p.pixel_vectors != 0 && bytes % 16 == 0) {
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kChannels; ++k) {
        const uint32_t chunk = thread + k * kThreads;
        m.store(state.dst, chunk * 16, m.template load_shared<Word16>(chunk_place(chunk)), chunk * 16 < bytes);
      }
    } else {
      STRIDEPORT_NO_UNROLL
      for (uint32_t first = thread; first < kUnits * kThreads; first += kAtOnce * kThreads) {
        STRIDEPORT_UNROLL
        for (uint32_t i = 0; i < kAtOnce; ++i) {
          const uint32_t unit = first + i * kThreads;
          m.store(state.dst, unit * kUnit, m.template load_shared<Unit>(unit_place(unit)), unit * kUnit < bytes);
        }
      }
    }
  }

  // The place of a byte of a thread's kChannels chunks of pixels, among kChannels chunks of one channel each.
  static STRIDEPORT_PROGRAM constexpr uint32_t in_planes(uint32_t byte) {
    const uint32_t unit = byte / kUnit;
    return unit % kChannels * 16 + unit / kChannels * kUnit + byte % kUnit;
  }
  // The reverse.
  static STRIDEPORT_PROGRAM constexpr uint32_t in_pixels(uint32_t byte) {
    const uint32_t pixel = byte % 16 / kUnit;
    return (pixel * kChannels + byte / 16) * kUnit + byte % kUnit;
  }
  static STRIDEPORT_PROGRAM constexpr uint32_t in_reverse(uint32_t byte) {
    const uint32_t pixel = byte / kPixelBytes;
    return pixel * kPixelBytes + (kChannels - 1 - byte % kPixelBytes / kUnit) * kUnit + byte % kUnit;
  }

  // Chunk k of what the words become; the byte at b was at place(b).
  template <class Place>
  STRIDEPORT_PROGRAM static Word16 rearranged(const uint32_t (&words)[kWords], uint32_t k, Place place) {
    Word16 chunk;
    STRIDEPORT_UNROLL
    for (uint32_t w = 0; w < 4; ++w) {
      uint32_t places[4];
      STRIDEPORT_UNROLL
      for (uint32_t i = 0; i < 4; ++i) places[i] = place(k * 16 + w * 4 + i);
      chunk.at[w] = pick_bytes(words, places);
    }
    return chunk;
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_own(const Machine& m, uint32_t thread, uint32_t (&words)[kWords]) {
    STRIDEPORT_UNROLL
    for (uint32_t k = 0; k < kChannels; ++k) {
      const Word16 chunk = m.template load_shared<Word16>(chunk_place(thread * kChannels + k));
      STRIDEPORT_UNROLL
      for (uint32_t w = 0; w < 4; ++w) words[k * 4 + w] = chunk.at[w];
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void reverse_channels(const Machine& m, uint32_t thread) {
    uint32_t words[kWords];
    load_own(m, thread, words);
    STRIDEPORT_UNROLL
    for (uint32_t k = 0; k < kChannels; ++k) {
      m.store_shared(chunk_place(thread * kChannels + k),
                     rearranged(words, k, [](uint32_t b) { return in_reverse(b); }));
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void load_planes(const Machine& m, uint32_t thread, const Params& p, const State& state) {
    if (p.plane_vectors != 0 && state.pixels % kPerChunk == 0) {
      uint32_t words[kWords];
      STRIDEPORT_UNROLL
      for (uint32_t c = 0; c < kChannels; ++c) {
        const Global plane = advanced(state.src, wrapping_product(p.plane, c));
        const Word16 chunk = m.template load<Word16>(plane, thread * 16, thread * kPerChunk < state.pixels);
        STRIDEPORT_UNROLL
        for (uint32_t w = 0; w < 4; ++w) words[c * 4 + w] = chunk.at[w];
      }
      STRIDEPORT_UNROLL
      for (uint32_t k = 0; k < kChannels; ++k) {
        m.store_shared(chunk_place(thread * kChannels + k),
                       rearranged(words, k, [](uint32_t b) { return in_planes(b); }));
      }
    } else {
      STRIDEPORT_NO_UNROLL
      for (uint32_t c = 0; c < kChannels; ++c) {
        const Global plane = advanced(state.src, wrapping_product(p.plane, c));
        Unit units[kPerChunk];
        STRIDEPORT_UNROLL
        for (uint32_t i = 0; i < kPerChunk; ++i) {
          const uint32_t pixel = thread + i * kThreads;
          units[i] = m.template load<Unit>(plane, pixel * kUnit, pixel < state.pixels);
        }
        STRIDEPORT_UNROLL
        for (uint32_t i = 0; i < kPerChunk; ++i) {
          m.store_shared(unit_place((thread + i * kThreads) * kChannels + c), units[i]);
        }
      }
    }
  }

  template <class Machine>
  STRIDEPORT_PROGRAM static void store_planes(const Machine& m, uint32_t thread, const Params& p, const State& state) {
    if (p.plane_vectors != 0 && state.pixels % kPerChunk == 0) {
      uint32_t words[kWords];
      load_own(m, thread, words);
      STRIDEPORT_UNROLL
      for (uint32_t c = 0; c < kChannels; ++c) {
        const Global plane = advanced(state.dst, wrapping_product(p.plane, c));
        m.store(plane, thread * 16, rearranged(words, c, [](uint32_t b) { return in_pixels(b); }),
                thread * kPerChunk < state.pixels);
      }
    } else {
      STRIDEPORT_NO_UNROLL
      for (uint32_t c = 0; c < kChannels; ++c) {
        const Global plane = advanced(state.dst, wrapping_product(p.plane, c));
        STRIDEPORT_UNROLL
        for (uint32_t i = 0; i < kPerChunk; ++i) {
          const uint32_t pixel = thread + i * kThreads;
          const Unit unit = m.template load_shared<Unit>(unit_place(pixel * kChannels + c));
          m.store(plane, pixel * kUnit, unit, pixel < state.pixels);
        }
      }
    }
  }
};

// clang-format off
#define STRIDEPORT_INTERLEAVE_OF(X, way, unit)                                                                   \
  X(strideport_##way##_2_##unit, ::strideport::kernels::InterleaveProgram<::strideport::kernels::Interleave::way, unit, 2>) \
  X(strideport_##way##_3_##unit, ::strideport::kernels::InterleaveProgram<::strideport::kernels::Interleave::way, unit, 3>) \
  X(strideport_##way##_4_##unit, ::strideport::kernels::InterleaveProgram<::strideport::kernels::Interleave::way, unit, 4>)
#define STRIDEPORT_INTERLEAVE_WAY(X, way) \
  STRIDEPORT_INTERLEAVE_OF(X, way, 1)     \
  STRIDEPORT_INTERLEAVE_OF(X, way, 2)     \
  STRIDEPORT_INTERLEAVE_OF(X, way, 4)
#define STRIDEPORT_INTERLEAVE_KERNELS(X) \
  STRIDEPORT_INTERLEAVE_WAY(X, split)    \
  STRIDEPORT_INTERLEAVE_WAY(X, join)     \
  STRIDEPORT_INTERLEAVE_WAY(X, reverse)
// clang-format on

}  // namespace strideport::kernels
