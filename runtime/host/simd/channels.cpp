// Interleaved channels: pixels to planes, planes to pixels, and channels that trade places (BGR to RGB).

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/channels.cpp"
#include "runtime/host/simd/highway.hpp"
// The order matters here.
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/channels_select-inl.hpp"
#include "runtime/host/simd/strided_shuffle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

template <bool Streams, class D, class V, class T>
HWY_INLINE void put(V v, D d, T* to) {
  if constexpr (Streams) {
    hn::Stream(v, d, to);
  } else {
    hn::StoreU(v, d, to);
  }
}

// Pixels to planes ---------------------------------------------------------------------------------------------------

template <int S, int Channels, int C = 0>
HWY_INLINE void select_planes(const SelectVectors& in, SelectVectors& out) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  if constexpr (C < Channels) {
    out[C] = selected<S, Channels>(in, kTable<S, every<S, C, Channels>>);
    select_planes<S, Channels, C + 1>(in, out);
  }
#endif
}

template <int S, int Channels, class D>
HWY_INLINE void load_split(D d, const Lane<S>* src, hn::VFromD<D> (&v)[4]) {
  if constexpr (Channels == 2) hn::LoadInterleaved2(d, src, v[0], v[1]);
  if constexpr (Channels == 3) hn::LoadInterleaved3(d, src, v[0], v[1], v[2]);
  if constexpr (Channels == 4) hn::LoadInterleaved4(d, src, v[0], v[1], v[2], v[3]);
}

template <int S, int Channels, bool Streams, class D>
HWY_INLINE void split_vectors(D d, Lane<S>* dst, int64_t plane, const Lane<S>* src) {
  hn::VFromD<D> v[4];
  if constexpr (sizeof(v[0]) == 64 && kSelects<S>) {
    SelectVectors in, out;
    load_some<Channels>(reinterpret_cast<const std::byte*>(src), 64, in);
    select_planes<S, Channels>(in, out);
    for (int c = 0; c < Channels; ++c) v[c] = from_select(d, out[c]);
  } else {
    load_split<S, Channels>(d, src, v);
  }
  for (int c = 0; c < Channels; ++c) put<Streams>(v[c], d, lanes<S>(reinterpret_cast<std::byte*>(dst) + c * plane));
}

// Lines that the next steps read and write. From so many bytes on, which are in no first-level cache: 1080 x 1920
// pixels of 3 bytes went from 0.83 of a plain copy to 1.26, 24 KiB of them would have gone from 0.54 to 0.43.
constexpr int64_t kFewestFetched = int64_t{1} << 20;

template <int Channels>
HWY_INLINE void fetch_split(const std::byte* dst, int64_t plane, const std::byte* src) {
  for (int c = 0; c < Channels; ++c) {
    __builtin_prefetch(src + 1024 + c * kLineBytes);
    fetch_for_stores(dst + c * plane);
  }
}

template <int S, int Channels, class D>
HWY_INLINE void split(D d, std::byte* dst, const std::byte* src, const Block& b, bool streams) {
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t n = b.columns;
  const int64_t plane = b.dst_row;
  Lane<S>* to = lanes<S>(dst);
  const Lane<S>* from = lanes<S>(src);
  int64_t i = 0;
  if constexpr (kStreams<D>) {
    const bool on_lines = streams && plane % kLineBytes == 0;
    const Streamed part = on_lines ? streamed_part<S>(dst, n, step) : Streamed{};
    for (; i < part.begin; i = i + step < part.begin ? part.begin - step : part.begin) {
      split_vectors<S, Channels, false>(d, to + i, plane, from + i * Channels);
    }
    for (; i < part.end; i += step) split_vectors<S, Channels, true>(d, to + i, plane, from + i * Channels);
    if (part.end != 0) hwy::FlushStream();
  }
  if (n * S * Channels >= kFewestFetched) {
    for (; i + step < n; i += step) {
      fetch_split<Channels>(dst + i * S, plane, src + i * S * Channels);
      split_vectors<S, Channels, false>(d, to + i, plane, from + i * Channels);
    }
  }
  for (; i + step < n; i += step) split_vectors<S, Channels, false>(d, to + i, plane, from + i * Channels);
  i = n - step;
  split_vectors<S, Channels, false>(d, to + i, plane, from + i * Channels);
}

template <int S, int Channels>
void to_planes(std::byte* dst, const std::byte* src, const Block& b) {
  const hn::ScalableTag<Lane<S>> d;
  const hn::CappedTag<Lane<S>, 16 / S> d16;
  if (b.columns >= static_cast<int64_t>(hn::Lanes(d))) {
    split<S, Channels>(d, dst, src, b, b.streams);
  } else if (b.columns >= static_cast<int64_t>(hn::Lanes(d16))) {
    split<S, Channels>(d16, dst, src, b, false);
  } else {
    for (int64_t i = 0; i < b.columns; ++i) {
      for (int c = 0; c < Channels; ++c) move<S>(dst + c * b.dst_row + i * S, src + (i * Channels + c) * S);
    }
  }
}

// Planes to pixels ---------------------------------------------------------------------------------------------------

template <int S, int Channels, int Part = 0>
HWY_INLINE void select_pixels(const SelectVectors& in, SelectVectors& out) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  if constexpr (Part < Channels) {
    out[Part] = selected<S, Channels>(in, kTable<S, woven<S, Channels, Part>>);
    select_pixels<S, Channels, Part + 1>(in, out);
  }
#endif
}

template <int S, int Channels, bool Streams, class D>
HWY_INLINE void join_selected(D d, Lane<S>* dst, const std::byte* src, int64_t plane) {
  SelectVectors in, out;
  load_some<Channels>(src, plane, in);
  select_pixels<S, Channels>(in, out);
  for (int part = 0; part < Channels; ++part) put<Streams>(from_select(d, out[part]), d, dst + part * (64 / S));
}

template <int S, int Channels, class D>
HWY_INLINE void join_one(D d, Lane<S>* dst, const std::byte* src, int64_t plane) {
  hn::VFromD<D> v[4];
  for (int c = 0; c < Channels; ++c) v[c] = hn::LoadU(d, lanes<S>(src + c * plane));
  if constexpr (Channels == 2) hn::StoreInterleaved2(v[0], v[1], d, dst);
  if constexpr (Channels == 3) hn::StoreInterleaved3(v[0], v[1], v[2], d, dst);
  if constexpr (Channels == 4) hn::StoreInterleaved4(v[0], v[1], v[2], v[3], d, dst);
}

// Streams: through first-level cache to full lines of dst.
template <int S, int Channels, bool Streams, class D>
HWY_INLINE void join_vectors(D d, Lane<S>* dst, const std::byte* src, int64_t plane) {
  if constexpr (sizeof(hn::VFromD<D>) == 64 && kSelects<S>) {
    join_selected<S, Channels, Streams>(d, dst, src, plane);
  } else if constexpr (Streams) {
    constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
    alignas(kLineBytes) Lane<S> pixels[Channels * kLanes];
    join_one<S, Channels>(d, pixels, src, plane);
    for (int i = 0; i < Channels * kLanes; i += kLanes) hn::Stream(hn::Load(d, pixels + i), d, dst + i);
  } else {
    join_one<S, Channels>(d, dst, src, plane);
  }
}

// The first pixel from `least` on that begins a line; n where there is none.
template <int PixelBytes>
HWY_INLINE int64_t pixel_on_line(const std::byte* dst, int64_t least, int64_t n) {
  for (int64_t i = least; i < least + kLineBytes && i < n; ++i) {
    if (bytes_to_line(dst + i * PixelBytes) == 0) return i;
  }
  return n;
}

template <int S, int Channels, class D>
HWY_INLINE void join(D d, std::byte* dst, const std::byte* src, const Block& b, bool streams) {
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t n = b.rows;
  const int64_t plane = b.src_column;
  Lane<S>* to = lanes<S>(dst);
  int64_t i = 0;
  if constexpr (kStreams<D>) {
    // As streamed_part, for pixels.
    const int64_t least = bytes_to_line(dst) == 0 ? 0 : step;
    const int64_t begin = streams ? pixel_on_line<S * Channels>(dst, least, n) : n;
    if (begin + 8 * step <= n) {
      for (; i < begin; i = i + step < begin ? i + step : begin) {
        const int64_t at = i + step <= begin ? i : begin - step;
        join_vectors<S, Channels, false>(d, to + at * Channels, src + at * S, plane);
      }
      for (; i + 2 * step <= n; i += step) join_vectors<S, Channels, true>(d, to + i * Channels, src + i * S, plane);
      hwy::FlushStream();
    }
  }
  for (; i + step < n; i += step) join_vectors<S, Channels, false>(d, to + i * Channels, src + i * S, plane);
  i = n - step;
  join_vectors<S, Channels, false>(d, to + i * Channels, src + i * S, plane);
}

template <int S, int Channels>
void to_pixels(std::byte* dst, const std::byte* src, const Block& b) {
  const hn::ScalableTag<Lane<S>> d;
  const hn::CappedTag<Lane<S>, 16 / S> d16;
  if (b.rows >= static_cast<int64_t>(hn::Lanes(d))) {
    join<S, Channels>(d, dst, src, b, b.streams);
  } else if (b.rows >= static_cast<int64_t>(hn::Lanes(d16))) {
    join<S, Channels>(d16, dst, src, b, false);
  } else {
    for (int64_t i = 0; i < b.rows; ++i) {
      for (int c = 0; c < Channels; ++c) move<S>(dst + (i * Channels + c) * S, src + c * b.src_column + i * S);
    }
  }
}

// Channels that trade places ----------------------------------------------------------------------------------------

template <int S, int Channels>
void swap_channels(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int kPixel = S * Channels;
  src += b.src_column * (Channels - 1);  // the lowest item of the first pixel
  int64_t i = 0;
  if constexpr (kPixel <= kWindowBytes) {
    const Window w = window_of(kPixel, kPixel, S);
    i = b.rows * kPixel < kFewestFetched ? shuffle_row<kPixel>(dst, src, b.rows, kPixel, w)
                                         : shuffle_row<kPixel, true>(dst, src, b.rows, kPixel, w);
  }
  for (; i < b.rows; ++i) {
    for (int c = 0; c < Channels; ++c) move<S>(dst + i * kPixel + c * S, src + i * kPixel + (Channels - 1 - c) * S);
  }
}

// Picking ------------------------------------------------------------------------------------------------------------

template <int S, int Channels>
Kernel pick_of(const Block& b) {
  constexpr int64_t kPixel = S * Channels;
  if (b.dst_column != S) return nullptr;
  if (b.rows == Channels && b.src_row == S && b.src_column == kPixel) return to_planes<S, Channels>;
  if (b.columns != Channels || b.dst_row != kPixel) return nullptr;
  if (b.src_row == S) return to_pixels<S, Channels>;  // planes lie anywhere, also in one place
  if (b.src_row == kPixel && b.src_column == -S) return swap_channels<S, Channels>;
  return nullptr;
}

template <int S>
Kernel pick_word(const Block& b) {
  if (const Kernel kernel = pick_of<S, 2>(b)) return kernel;
  if (const Kernel kernel = pick_of<S, 3>(b)) return kernel;
  return pick_of<S, 4>(b);
}

}  // namespace

Kernel pick_channels(const Block& b) {
  switch (b.item) {
    case 1: return pick_word<1>(b);
    case 2: return pick_word<2>(b);
    case 4: return pick_word<4>(b);
    case 8: return pick_word<8>(b);
    default: return nullptr;
  }
}

#else
Kernel pick_channels(const Block&) { return nullptr; }
#endif
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace strideport::host::simd {
constexpr Pickers kChannelPickers = STRIDEPORT_PICKERS(pick_channels);
}
#endif
