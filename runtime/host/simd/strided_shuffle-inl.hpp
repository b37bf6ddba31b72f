// Rows whose bytes move in one pattern that repeats every few items: small items that lie close together in src and
// side by side in dst (three of four channels, every fifth byte), and groups whose items swap places.
//
// A step reads one window of src, permutes it, and stores a whole vector, of which the next step overwrites the end.
#if defined(STRIDEPORT_HOST_SIMD_STRIDED_SHUFFLE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDEPORT_HOST_SIMD_STRIDED_SHUFFLE_INL
#undef STRIDEPORT_HOST_SIMD_STRIDED_SHUFFLE_INL
#else
#define STRIDEPORT_HOST_SIMD_STRIDED_SHUFFLE_INL
#endif

#include "runtime/host/simd/runs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {
#if HWY_TARGET != HWY_SCALAR

/// Any permutation of the bytes of a window: 64 bytes where one instruction does it, else 16.
#if HWY_TARGET == HWY_AVX3_DL
constexpr int64_t kWindowBytes = 64;
#else
constexpr int64_t kWindowBytes = 16;
#endif

struct Window {
  uint8_t from[kWindowBytes] = {};  ///< byte of src for each byte of dst
  int64_t origin = 0;               ///< of the window, from the first item of the step
  int64_t items = 0;                ///< that a step moves
  int64_t reach = 0;                ///< items, from the first of a step, that must be there for it to stay inside
};

template <int Bytes>
HWY_INLINE void permute(std::byte* dst, const std::byte* src, const uint8_t* from) {
  const hn::CappedTag<uint8_t, Bytes> d;
#if HWY_TARGET == HWY_AVX3_DL
  if constexpr (Bytes == 64) {
    const __m512i window = _mm512_loadu_si512(src);
    _mm512_storeu_si512(dst, _mm512_permutexvar_epi8(_mm512_loadu_si512(from), window));
    return;
  }
#endif
  hn::StoreU(hn::TableLookupBytes(hn::LoadU(d, lanes<1>(src)), hn::LoadU(d, from)), d, lanes<1>(dst));
}

/// Windows over items of `item` bytes, `src_step` apart (of any sign) and side by side in dst. The bytes of an item
/// keep their order where `swap` is 0, else the words of `swap` bytes in it trade places, the first with the last.
inline Window window_of(int64_t item, int64_t src_step, int64_t swap) {
  Window w;
  const int64_t apart = src_step < 0 ? -src_step : src_step;
  w.items = 1 + (kWindowBytes - item) / apart;
  if (w.items * item > kWindowBytes) w.items = kWindowBytes / item;
  w.origin = src_step < 0 ? item - kWindowBytes : 0;
  int64_t at = 0;             // of this byte in its item
  int64_t first = -w.origin;  // of its item in the window
  for (int64_t i = 0; i < kWindowBytes; ++i) {
    const int64_t from = swap == 0 ? at : item - swap - at + 2 * (at & (swap - 1));
    w.from[i] = static_cast<uint8_t>((first + from) & (kWindowBytes - 1));
    if (++at == item) at = 0, first += src_step;
  }
  const int64_t stores = (kWindowBytes + item - 1) / item;
  const int64_t loads = 1 + (kWindowBytes - item + apart - 1) / apart;
  w.reach = stores > loads ? stores : loads;
  return w;
}

/// Moves as many of n items as whole steps can; returns how many. Fetches: asks for lines ahead; 1080 x 1920 pixels of
/// three bytes that swap went from 0.71 of a plain copy to 1.14.
template <int Item, bool Fetches = false>
HWY_INLINE int64_t shuffle_row(std::byte* dst, const std::byte* src, int64_t n, int64_t src_step, const Window& w) {
  int64_t i = 0;
  const std::byte* from = src + w.origin;
  for (; i + w.reach <= n; i += w.items) {
    if constexpr (Fetches) {
      __builtin_prefetch(from + i * src_step + 1024);
      fetch_for_stores(dst + i * Item);
    }
    permute<kWindowBytes>(dst + i * Item, from + i * src_step, w.from);
  }
  return i;
}

template <int Item>
void compact(std::byte* dst, const std::byte* src, const Block& b) {
  const Window w = window_of(Item, b.src_column, 0);
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    int64_t i = shuffle_row<Item>(dst, src, b.columns, b.src_column, w);
    for (; i < b.columns; ++i) move<Item>(dst + i * Item, src + i * b.src_column);
  }
}

/// Worth it from two items a step of 16 bytes, four of 64: whole vectors that overlap are stored across lines.
template <int Item>
Kernel pick_compact(const Block& b) {
  constexpr int64_t kFewest = kWindowBytes == 16 ? 2 : 4;
  const int64_t apart = b.src_column < 0 ? -b.src_column : b.src_column;
  if (b.dst_column != Item || apart < Item || Item + (kFewest - 1) * apart > kWindowBytes) return nullptr;
  return compact<Item>;
}

#endif
}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
