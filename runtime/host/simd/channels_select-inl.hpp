// One vector made of lanes of up to four others, by a table known to the compiler: what AVX-512 does in one to three
// instructions, and Highway 1.0.3 has no operation for.
//
// Why not Highway's LoadInterleaved and StoreInterleaved there: rows in first-level cache, beside a plain copy, on a
// Xeon with AVX-512 VBMI. f32: 2 planes to pixels 0.38 with them and 0.69 with what is here, 3 planes to pixels 0.38
// and 0.65, pixels to 3 planes 0.53 and 0.60, every fourth item 0.42 and 0.59; u8: pixels to 3 planes 0.26 and 0.36.
#if defined(STRIDEPORT_HOST_SIMD_CHANNELS_SELECT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDEPORT_HOST_SIMD_CHANNELS_SELECT_INL
#undef STRIDEPORT_HOST_SIMD_CHANNELS_SELECT_INL
#else
#define STRIDEPORT_HOST_SIMD_CHANNELS_SELECT_INL
#endif

#include "runtime/host/simd/runs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

/// True where lanes of S bytes can be selected.
#if HWY_TARGET == HWY_AVX3_DL
template <int S>
constexpr bool kSelects = true;
#elif HWY_TARGET == HWY_AVX3
template <int S>
constexpr bool kSelects = S > 1;
#else
template <int S>
constexpr bool kSelects = false;
#endif

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3

using SelectVectors = __m512i[4];

/// For each lane the number of the one that it takes, in K vectors one after another.
template <int S>
struct Lanes512 {
  static constexpr int kLanes = 64 / S;
  alignas(64) Lane<S> from[kLanes];
  uint64_t beyond_two;  ///< bit of each lane that comes from the third or fourth vector
};

/// Lane i takes first + i * step.
template <int S, int First, int Step>
constexpr Lanes512<S> every() {
  Lanes512<S> t{};
  for (int i = 0; i < t.kLanes; ++i) {
    const int from = First + i * Step;
    t.from[i] = static_cast<Lane<S>>(from);
    if (from >= 2 * t.kLanes) t.beyond_two |= uint64_t{1} << i;
  }
  return t;
}

/// The `part`-th vector of pixels made of K planes.
template <int S, int K, int Part>
constexpr Lanes512<S> woven() {
  Lanes512<S> t{};
  for (int i = 0; i < t.kLanes; ++i) {
    const int at = Part * t.kLanes + i;
    const int from = at % K * t.kLanes + at / K;
    t.from[i] = static_cast<Lane<S>>(from);
    if (from >= 2 * t.kLanes) t.beyond_two |= uint64_t{1} << i;
  }
  return t;
}

template <int S>
HWY_INLINE __m512i of_two(__m512i a, __m512i from, __m512i b) {
  if constexpr (S == 8) return _mm512_permutex2var_epi64(a, from, b);
  if constexpr (S == 4) return _mm512_permutex2var_epi32(a, from, b);
  if constexpr (S == 2) return _mm512_permutex2var_epi16(a, from, b);
#if HWY_TARGET == HWY_AVX3_DL
  if constexpr (S == 1) return _mm512_permutex2var_epi8(a, from, b);
#endif
}

// Lanes whose bit is set come from `b`, the others stay as they are in `a`.
template <int S>
HWY_INLINE __m512i with(__m512i a, uint64_t bits, __m512i b) {
  if constexpr (S == 8) return _mm512_mask_blend_epi64(static_cast<__mmask8>(bits), a, b);
  if constexpr (S == 4) return _mm512_mask_blend_epi32(static_cast<__mmask16>(bits), a, b);
  if constexpr (S == 2) return _mm512_mask_blend_epi16(static_cast<__mmask32>(bits), a, b);
  if constexpr (S == 1) return _mm512_mask_blend_epi8(static_cast<__mmask64>(bits), a, b);
}

template <int S>
HWY_INLINE __m512i with_third(__m512i two, const Lanes512<S>& t, __m512i from, __m512i third) {
  if constexpr (S == 8) return _mm512_mask_permutexvar_epi64(two, static_cast<__mmask8>(t.beyond_two), from, third);
  if constexpr (S == 4) return _mm512_mask_permutexvar_epi32(two, static_cast<__mmask16>(t.beyond_two), from, third);
  if constexpr (S == 2) return _mm512_mask_permutexvar_epi16(two, static_cast<__mmask32>(t.beyond_two), from, third);
#if HWY_TARGET == HWY_AVX3_DL
  if constexpr (S == 1) return _mm512_mask_permutexvar_epi8(two, t.beyond_two, from, third);
#endif
}

/// The instructions ignore the high bits of a lane's number: one table serves the first two vectors and the others.
template <int S, int K>
HWY_INLINE __m512i selected(const SelectVectors& v, const Lanes512<S>& t) {
  const __m512i from = _mm512_load_si512(t.from);
  if constexpr (K == 1) return of_two<S>(v[0], from, v[0]);
  const __m512i two = of_two<S>(v[0], from, v[1]);
  if constexpr (K == 2) return two;
  if constexpr (K == 3) return with_third<S>(two, t, from, v[2]);
  return with<S>(two, t.beyond_two, of_two<S>(v[2], from, v[3]));
}

template <int K>
HWY_INLINE void load_some(const std::byte* src, int64_t apart, SelectVectors& v) {
  for (int i = 0; i < K; ++i) v[i] = _mm512_loadu_si512(src + i * apart);
  for (int i = K; i < 4; ++i) v[i] = v[0];
}

template <class D>
HWY_INLINE hn::VFromD<D> from_select(D d, __m512i v) {
  return hn::BitCast(d, hn::Vec512<uint8_t>{v});
}

template <int S, auto Table>
constexpr Lanes512<S> kTable = Table();

#else

// Never called there.
using SelectVectors = int[4];

template <int K>
HWY_INLINE void load_some(const std::byte*, int64_t, SelectVectors&) {}

template <class D>
HWY_INLINE hn::VFromD<D> from_select(D d, int) {
  return hn::Zero(d);
}

#endif

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
