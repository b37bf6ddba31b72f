// Rows of items that lie apart, in src, in dst or in both, and of one item many times. Every such block that is no
// transpose has a loop here, on every target.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/strided.cpp"
#include "runtime/host/simd/highway.hpp"
// The order matters here.
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/strided-inl.hpp"
#include "runtime/host/simd/strided_masked-inl.hpp"
#include "runtime/host/simd/strided_shuffle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

// Plain loops --------------------------------------------------------------------------------------------------------

// Strides, in items, that are template arguments let the compiler use shuffles; 0 stands for "any".
template <int S, int DstItems, int SrcItems>
void strided(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t dst_column = DstItems != 0 ? DstItems * S : b.dst_column;
  const int64_t src_column = SrcItems != 0 ? SrcItems * S : b.src_column;
  const int64_t n = b.columns;
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    std::byte* __restrict to = dst;
    const std::byte* __restrict from = src;
    int64_t i = 0;
    if constexpr (DstItems != 1 && (S == 4 || S == 8)) {
      for (constexpr int64_t kItems = 32 / S; i + kItems <= n; i += kItems) {
        fetch_for_stores(to + i * dst_column);
        for (int64_t k = i; k < i + kItems; ++k) move<S>(to + k * dst_column, from + k * src_column);
      }
    }
    for (; i < n; ++i) move<S>(to + i * dst_column, from + i * src_column);
  }
}

// One item, many times ------------------------------------------------------------------------------------------------

template <int S>
void fill_apart(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    std::byte value[S];
    move<S>(value, src);
    for (int64_t i = 0; i < b.columns; ++i) move<S>(dst + i * b.dst_column, value);
  }
}

#if HWY_TARGET != HWY_SCALAR

template <int S>
HWY_INLINE void fill_row(std::byte* dst, const std::byte* src, int64_t n, bool streams) {
  const hn::ScalableTag<Lane<S>> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  Lane<S> item;
  move<S>(reinterpret_cast<std::byte*>(&item), src);
  if (n < step) {
    for (int64_t i = 0; i < n; ++i) move<S>(dst + i * S, reinterpret_cast<const std::byte*>(&item));
    return;
  }
  const auto v = hn::Set(d, item);
  Lane<S>* to = lanes<S>(dst);
  int64_t i = 0;
  if constexpr (sizeof(v) >= 32) {  // nothing is loaded between the parts of a line
    const Streamed part = streams ? streamed_part<S>(dst, n, step) : Streamed{};
    if (part.begin != 0) {
      for (; i + step < part.begin; i += step) hn::StoreU(v, d, to + i);
      hn::StoreU(v, d, to + part.begin - step);
      i = part.begin;
    }
    for (; i < part.end; i += step) hn::Stream(v, d, to + i);
  }
  for (; i + step < n; i += step) hn::StoreU(v, d, to + i);
  hn::StoreU(v, d, to + n - step);
}

template <int S>
void fill(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) fill_row<S>(dst, src, b.columns, b.streams);
  if (b.streams) hwy::FlushStream();
}

#endif

// Picking ------------------------------------------------------------------------------------------------------------

template <int S>
Kernel pick_plain(const Block& b) {
  if (b.src_column == 0) return fill_apart<S>;
  if (b.dst_column == S) {
    if (b.src_column == S) return strided<S, 1, 1>;
#if HWY_TARGET == HWY_SCALAR
    if (b.src_column == -S) return strided<S, 1, -1>;
    if (b.src_column == 2 * S) return strided<S, 1, 2>;
    if (b.src_column == -2 * S) return strided<S, 1, -2>;
    if (b.src_column == 3 * S) return strided<S, 1, 3>;
    if (b.src_column == 4 * S) return strided<S, 1, 4>;
#endif
    return strided<S, 1, 0>;
  }
  if (b.src_column == S) return b.dst_column == 2 * S ? strided<S, 2, 1> : strided<S, 0, 1>;
  return strided<S, 0, 0>;
}

template <int S>
Kernel pick_word(const Block& b) {
#if HWY_TARGET != HWY_SCALAR
  if (b.src_column == 0 && b.dst_column == S) return fill<S>;
  if (const Kernel kernel = pick_gather<S>(b)) return kernel;
  if (const Kernel kernel = pick_compact<S>(b)) return kernel;
#endif
  if (const Kernel kernel = pick_masked<S>(b)) return kernel;
  return pick_plain<S>(b);
}

// Items that are no word; those of 5, 7 and so on are runs.
template <int S>
Kernel pick_odd(const Block& b) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (S <= 12) {
    if (const Kernel kernel = pick_compact<S>(b)) return kernel;
  }
#endif
  if (const Kernel kernel = pick_masked<S>(b)) return kernel;
  return b.src_column == 0 ? fill_apart<S> : strided<S, 0, 0>;
}

// Transposes have a family of their own.
bool is_transpose(const Block& b) {
  const int64_t row = b.src_row < 0 ? -b.src_row : b.src_row;
  const int64_t column = b.src_column < 0 ? -b.src_column : b.src_column;
  return b.rows > 1 && row != 0 && row < column;
}

}  // namespace

Kernel pick_strided(const Block& b) {
  if (is_transpose(b)) return nullptr;
  switch (b.item) {
    case 1: return pick_word<1>(b);
    case 2: return pick_word<2>(b);
    case 3: return pick_odd<3>(b);
    case 4: return pick_word<4>(b);
    case 6: return pick_odd<6>(b);
    case 8: return pick_word<8>(b);
    case 12: return pick_odd<12>(b);
    case 16: return pick_odd<16>(b);
    case 24: return pick_odd<24>(b);
    default: return nullptr;
  }
}

}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace strideport::host::simd {
constexpr Pickers kStridedPickers = STRIDEPORT_PICKERS(pick_strided);
}
#endif
