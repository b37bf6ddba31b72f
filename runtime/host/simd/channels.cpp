// Interleaved channels: pixels to planes, planes to pixels, and channels that trade places (BGR to RGB).

#include "runtime/host/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/channels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/channels_select-inl.hpp"
#include "runtime/host/simd/strided_shuffle-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::HWY_NAMESPACE {
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

template <int S, int Channels, bool Streams, int C = 0, class D>
HWY_INLINE void split_selected(D d, Lane<S>* dst, int64_t plane, const Lane<S>* src) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  if constexpr (C < Channels) {
    __m512i v[4];
    load_some<Channels>(reinterpret_cast<const std::byte*>(src), 64, v);
    const hn::Vec512<uint8_t> one{selected<S, Channels>(v, kTable<S, every<S, C, Channels>>)};
    put<Streams>(hn::BitCast(d, one), d, lanes<S>(reinterpret_cast<std::byte*>(dst) + C * plane));
    split_selected<S, Channels, Streams, C + 1>(d, dst, plane, src);
  }
#endif
}

template <int S, int Channels, bool Streams, class D>
HWY_INLINE void split_vectors(D d, Lane<S>* dst, int64_t plane, const Lane<S>* src) {
  hn::VFromD<D> v[4];
  if constexpr (sizeof(v[0]) == 64 && kSelects<S>) return split_selected<S, Channels, Streams>(d, dst, plane, src);
  if constexpr (Channels == 2) hn::LoadInterleaved2(d, src, v[0], v[1]);
  if constexpr (Channels == 3) hn::LoadInterleaved3(d, src, v[0], v[1], v[2]);
  if constexpr (Channels == 4) hn::LoadInterleaved4(d, src, v[0], v[1], v[2], v[3]);
  for (int c = 0; c < Channels; ++c) put<Streams>(v[c], d, lanes<S>(reinterpret_cast<std::byte*>(dst) + c * plane));
}

template <int S, int Channels, class D>
HWY_INLINE void split(D d, std::byte* dst, const std::byte* src, const Block& b, bool streams) {
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t n = b.columns;
  const int64_t plane = b.dst_row;
  Lane<S>* to = lanes<S>(dst);
  const Lane<S>* from = lanes<S>(src);
  int64_t i = 0;
  if (kStreams<D> && streams && bytes_to_line(dst) % S == 0 && plane % kLineBytes == 0) {
    const int64_t head = bytes_to_line(dst) / S;
    for (; i < head && i + step <= n; i += step)
      split_vectors<S, Channels, false>(d, to + i, plane, from + i * Channels);
    if (i > head) i = head;
    for (; i + step <= n; i += step) split_vectors<S, Channels, true>(d, to + i, plane, from + i * Channels);
    hwy::FlushStream();
  } else {
    for (; i + step <= n; i += step) split_vectors<S, Channels, false>(d, to + i, plane, from + i * Channels);
  }
  if (i == n) return;
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

template <int S, int Channels, bool Streams, int Part = 0, class D>
HWY_INLINE void join_selected(D d, Lane<S>* dst, const std::byte* src, int64_t plane) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  if constexpr (Part < Channels) {
    __m512i v[4];
    load_some<Channels>(src, plane, v);
    const hn::Vec512<uint8_t> one{selected<S, Channels>(v, kTable<S, woven<S, Channels, Part>>)};
    put<Streams>(hn::BitCast(d, one), d, dst + Part * (64 / S));
    join_selected<S, Channels, Streams, Part + 1>(d, dst, src, plane);
  }
#endif
}

// Streams: through a few lines of first-level cache to full lines of dst, but where vectors of dst are made one by one.
template <int S, int Channels, bool Streams, class D>
HWY_INLINE void join_vectors(D d, Lane<S>* dst, const std::byte* src, int64_t plane) {
  if constexpr (sizeof(hn::VFromD<D>) == 64 && kSelects<S>) {
    return join_selected<S, Channels, Streams>(d, dst, src, plane);
  }
  constexpr size_t kLanes = hn::MaxLanes(D());
  alignas(kLineBytes) Lane<S> pixels[Channels * kLanes];
  Lane<S>* to = Streams ? pixels : dst;
  hn::VFromD<D> v[4];
  for (int c = 0; c < Channels; ++c) v[c] = hn::LoadU(d, lanes<S>(src + c * plane));
  if constexpr (Channels == 2) hn::StoreInterleaved2(v[0], v[1], d, to);
  if constexpr (Channels == 3) hn::StoreInterleaved3(v[0], v[1], v[2], d, to);
  if constexpr (Channels == 4) hn::StoreInterleaved4(v[0], v[1], v[2], v[3], d, to);
  if constexpr (Streams) {
    for (size_t c = 0; c < Channels; ++c) hn::Stream(hn::Load(d, pixels + c * kLanes), d, dst + c * kLanes);
  }
}

// The first pixel that begins a line, or -1.
template <int PixelBytes>
HWY_INLINE int64_t pixel_on_line(const std::byte* dst) {
  for (int64_t i = 0; i < kLineBytes; ++i) {
    if (bytes_to_line(dst + i * PixelBytes) == 0) return i;
  }
  return -1;
}

template <int S, int Channels, class D>
HWY_INLINE void join(D d, std::byte* dst, const std::byte* src, const Block& b, bool streams) {
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t n = b.rows;
  const int64_t plane = b.src_column;
  Lane<S>* to = lanes<S>(dst);
  int64_t i = 0;
  if (const int64_t head = kStreams<D> && streams ? pixel_on_line<S * Channels>(dst) : -1; head >= 0) {
    for (; i < head && i + step <= n; i += step)
      join_vectors<S, Channels, false>(d, to + i * Channels, src + i * S, plane);
    if (i > head) i = head;
    for (; i + step <= n; i += step) join_vectors<S, Channels, true>(d, to + i * Channels, src + i * S, plane);
    hwy::FlushStream();
  } else {
    for (; i + step <= n; i += step) join_vectors<S, Channels, false>(d, to + i * Channels, src + i * S, plane);
  }
  if (i == n) return;
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
    i = shuffle_row<kPixel>(dst, src, b.rows, kPixel, w);
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
  if (b.src_row == S && b.src_column >= b.rows * S) return to_pixels<S, Channels>;
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

}  // namespace strideport::host::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
