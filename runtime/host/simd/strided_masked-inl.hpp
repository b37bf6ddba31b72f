// Items that lie apart in dst, where AVX-512 stores some bytes of a vector and leaves the others alone.
//
// Other targets have such stores for no items, or not for small ones, and take the plain loops of strided.cpp. (There
// Highway's BlendedStore reads and writes back what lies between, which may belong to another thread.)
#if defined(STRIDEPORT_HOST_SIMD_STRIDED_MASKED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDEPORT_HOST_SIMD_STRIDED_MASKED_INL
#undef STRIDEPORT_HOST_SIMD_STRIDED_MASKED_INL
#else
#define STRIDEPORT_HOST_SIMD_STRIDED_MASKED_INL
#endif

#include "runtime/host/simd/runs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3

/// A bit for each byte of a vector that belongs to an item: the first `item` of every `apart`, which divides 64.
HWY_INLINE uint64_t bytes_of_items(int64_t item, int64_t apart) {
  uint64_t bits = (uint64_t{1} << item) - 1;
  for (; apart < 64; apart *= 2) bits |= bits << apart;
  return bits;
}

/// The first `count` bits, for 0 to 64.
HWY_INLINE uint64_t first_bits(int64_t count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

// Both sides have the same gaps: whole vectors are read, and the items of them stored.
inline void sieve(std::byte* dst, const std::byte* src, const Block& b) {
  const uint64_t items = bytes_of_items(b.item, b.dst_column);
  const int64_t span = (b.columns - 1) * b.dst_column + b.item;
  const int64_t whole = span / 64 * 64;
  const uint64_t rest = items & first_bits(span - whole);
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    for (int64_t i = 0; i < whole; i += 64) {
      fetch_for_stores(dst + i);
      _mm512_mask_storeu_epi8(dst + i, items, _mm512_loadu_si512(src + i));
    }
    if (rest != 0) _mm512_mask_storeu_epi8(dst + whole, rest, _mm512_maskz_loadu_epi8(rest, src + whole));
  }
}

// 64 / K bytes of items, each to the begin of K times its size. The bits say which bytes to read.
template <int S, int K>
HWY_INLINE __m512i spread(const std::byte* src, uint64_t bits) {
  if constexpr (K == 2) {
    const __m256i v = _mm256_maskz_loadu_epi8(static_cast<__mmask32>(bits), src);
    if constexpr (S == 1) return _mm512_cvtepu8_epi16(v);
    if constexpr (S == 2) return _mm512_cvtepu16_epi32(v);
    if constexpr (S == 4) return _mm512_cvtepu32_epi64(v);
  } else {
    const __m128i v = _mm_maskz_loadu_epi8(static_cast<__mmask16>(bits), src);
    if constexpr (S == 1) return _mm512_cvtepu8_epi32(v);
    if constexpr (S == 2) return _mm512_cvtepu16_epi64(v);
  }
}

template <int S, int K>
void scatter(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int64_t kRead = 64 / K;  // bytes
  const uint64_t items = bytes_of_items(S, S * K);
  const int64_t bytes = b.columns * S;
  const int64_t whole = bytes / kRead * kRead;
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    for (int64_t i = 0; i < whole; i += kRead) {
      fetch_for_stores(dst + i * K);
      _mm512_mask_storeu_epi8(dst + i * K, items, spread<S, K>(src + i, first_bits(kRead)));
    }
    if (whole == bytes) continue;
    const __m512i rest = spread<S, K>(src + whole, first_bits(bytes - whole));
    _mm512_mask_storeu_epi8(dst + whole * K, items & first_bits((bytes - whole) * K), rest);
  }
}

// Words of W bytes, each from the place in a vector that `from` says.
template <int W>
HWY_INLINE __m512i permuted(__m512i v, __m512i from) {
#if HWY_TARGET == HWY_AVX3_DL
  if constexpr (W == 1) return _mm512_permutexvar_epi8(from, v);
#endif
  if constexpr (W == 4) return _mm512_permutexvar_epi32(from, v);
}

// Items of any size that lie closer together in src: the words of W bytes that make a vector of dst, all of one of src.
// From memory, beside a plain copy: 3 bytes to every fourth 0.92 (plain moves 0.53), 12 to every sixteenth 1.08 (0.76).
template <int W>
void part(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t apart = b.dst_column;
  const int64_t items_in = 64 / apart;
  const int64_t step = items_in * b.src_column;
  alignas(64) Lane<W> from[64 / W];
  for (int64_t i = 0; i < 64; i += W) {
    from[i / W] = static_cast<Lane<W>>((i / apart * b.src_column + i % apart) / W % (64 / W));
  }
  const __m512i table = _mm512_load_si512(from);
  const uint64_t items = bytes_of_items(b.item, apart);
  const uint64_t read = first_bits(step - b.src_column + b.item);
  const int64_t whole = b.columns / items_in;
  const int64_t rest = b.columns % items_in;
  const uint64_t read_rest = rest == 0 ? 0 : first_bits((rest - 1) * b.src_column + b.item);
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    std::byte* to = dst;
    const std::byte* at = src;
    for (int64_t i = 0; i < whole; ++i, to += 64, at += step) {
      fetch_for_stores(to);
      _mm512_mask_storeu_epi8(to, items, permuted<W>(_mm512_maskz_loadu_epi8(read, at), table));
    }
    if (rest == 0) continue;
    const __m512i last = permuted<W>(_mm512_maskz_loadu_epi8(read_rest, at), table);
    _mm512_mask_storeu_epi8(to, items & first_bits(rest * apart), last);
  }
}

inline Kernel pick_part(const Block& b) {
  const int64_t apart = b.dst_column;
  const bool divides = apart <= 32 && (apart & (apart - 1)) == 0;
  if (!divides || b.item == 8 || b.item >= apart || b.src_column < b.item) return nullptr;  // plain moves do for 8
  if ((64 / apart - 1) * b.src_column + b.item > 64) return nullptr;
  if ((b.item | b.src_column | apart) % 4 == 0) return part<4>;
#if HWY_TARGET == HWY_AVX3_DL
  return part<1>;
#else
  return nullptr;
#endif
}

inline Kernel pick_sieve(const Block& b) {
  const int64_t apart = b.dst_column;
  const bool divides = apart <= 64 && (apart & (apart - 1)) == 0;
  return divides && b.src_column == apart && b.item < apart ? sieve : nullptr;
}

template <int S>
Kernel pick_masked(const Block& b) {
  if constexpr (S == 1 || S == 2 || S == 4) {
    if (b.src_column == S && b.dst_column == 2 * S) return scatter<S, 2>;
  }
  if constexpr (S <= 2) {
    if (b.src_column == S && b.dst_column == 4 * S) return scatter<S, 4>;
  }
  if (const Kernel kernel = pick_sieve(b)) return kernel;
  return pick_part(b);
}

#else

template <int S>
Kernel pick_masked(const Block&) {
  return nullptr;
}

#endif
}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
