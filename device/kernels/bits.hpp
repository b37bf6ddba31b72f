/// What block programs do to words in registers.
#pragma once

#include "device/kernels/program.hpp"

namespace strideport::kernels {

/// Four bytes out of eight: a nibble of `selector` a byte, 0 to 3 from `low`, 4 to 7 from `high`.
STRIDEPORT_PROGRAM uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
#if defined(__CUDACC__)
  return __byte_perm(low, high, selector);
#else
  const uint64_t both = uint64_t{high} << 32 | low;
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t from = selector >> (4 * i) & 7;
    result |= static_cast<uint32_t>(both >> (8 * from) & 0xff) << (8 * i);
  }
  return result;
#endif
}

/// Four bytes out of eight, from byte `bytes` on (0 to 3).
STRIDEPORT_PROGRAM uint32_t funnel_bytes(uint32_t low, uint32_t high, uint32_t bytes) {
#if defined(__CUDACC__)
  return __funnelshift_r(low, high, bytes * 8);
#else
  return static_cast<uint32_t>((uint64_t{high} << 32 | low) >> (bytes * 8));
#endif
}

/// Four bytes, by their places in an array of words. All places are constants once loops are unrolled.
STRIDEPORT_PROGRAM uint32_t pick_bytes(const uint32_t* words, const uint32_t (&places)[4]) {
  const uint32_t a = places[0], b = places[1], c = places[2], d = places[3];
  if (a % 4 == 0 && b == a + 1 && c == a + 2 && d == a + 3) return words[a / 4];
  if (a / 4 == b / 4 && c / 4 == d / 4) {
    return permute_bytes(words[a / 4], words[c / 4], (a % 4) | (b % 4) << 4 | (c % 4 + 4) << 8 | (d % 4 + 4) << 12);
  }
  const uint32_t low = permute_bytes(words[a / 4], words[b / 4], (a % 4) | (b % 4 + 4) << 4);
  const uint32_t high = permute_bytes(words[c / 4], words[d / 4], (c % 4) | (d % 4 + 4) << 4);
  return permute_bytes(low, high, 0x5410);
}

/// Products of offsets wrap as addresses do: lanes that are off may be far outside of the plan.
template <class Count>
STRIDEPORT_PROGRAM int64_t wrapping_product(int64_t stride, Count count) {
  return static_cast<int64_t>(static_cast<uint64_t>(stride) * static_cast<uint64_t>(count));
}

/// A base further on. A running base costs two instructions where a running offset costs four.
STRIDEPORT_PROGRAM Global advanced(Global base, int64_t bytes) {
#if defined(__CUDACC__)
  return {base.address + bytes};
#else
  return {reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(base.address) + static_cast<uintptr_t>(bytes))};
#endif
}

STRIDEPORT_PROGRAM uint32_t low_bits(Global base, uint32_t mask) {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(base.address)) & mask;
}

/// kBytes of a vector, the `i`th of them.
template <int kBytes>
STRIDEPORT_PROGRAM Word<kBytes> item_of(const Word16& vector, int i) {
  if constexpr (kBytes == 4) return vector.at[i];
  if constexpr (kBytes == 8) return {{vector.at[2 * i], vector.at[2 * i + 1]}};
  if constexpr (kBytes == 16) return vector;
}
STRIDEPORT_PROGRAM void set_item(Word16& vector, int i, uint32_t item) { vector.at[i] = item; }
STRIDEPORT_PROGRAM void set_item(Word16& vector, int i, Word8 item) {
  vector.at[2 * i] = item.at[0];
  vector.at[2 * i + 1] = item.at[1];
}
STRIDEPORT_PROGRAM void set_item(Word16& vector, int, Word16 item) { vector = item; }

}  // namespace strideport::kernels
