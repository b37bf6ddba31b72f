// Part of kernels_body.hpp: interleaved channels, pixels to planes and back.
#pragma once

#include "runtime/host/kernels_runs.hpp"

namespace strideport::host::STRIDEPORT_TARGET {
namespace {

// Pixels to planes: `Channels` rows, each src item next to the one of the next row.
template <int S, int Channels>
void to_planes(std::byte* dst, const std::byte* src, const Block& b) {
  using Word = typename WordOf<S>::type;
  const Word* __restrict s = reinterpret_cast<const Word*>(src);
  Word* __restrict d0 = reinterpret_cast<Word*>(dst);
  Word* __restrict d1 = reinterpret_cast<Word*>(dst + b.dst_row);
  Word* __restrict d2 = reinterpret_cast<Word*>(dst + (Channels > 2 ? 2 * b.dst_row : 0));
  Word* __restrict d3 = reinterpret_cast<Word*>(dst + (Channels > 3 ? 3 * b.dst_row : 0));
  const int64_t n = b.columns;  // not read in the loop, where stores of bytes could change it
  for (int64_t i = 0; i < n; ++i) {
    d0[i] = s[i * Channels];
    d1[i] = s[i * Channels + 1];
    if constexpr (Channels > 2) d2[i] = s[i * Channels + 2];
    if constexpr (Channels > 3) d3[i] = s[i * Channels + 3];
  }
}

// Planes to pixels: `Channels` columns.
template <int S, int Channels>
void to_pixels(std::byte* dst, const std::byte* src, const Block& b) {
  using Word = typename WordOf<S>::type;
  Word* __restrict d = reinterpret_cast<Word*>(dst);
  const Word* __restrict s0 = reinterpret_cast<const Word*>(src);
  const Word* __restrict s1 = reinterpret_cast<const Word*>(src + b.src_column);
  const Word* __restrict s2 = reinterpret_cast<const Word*>(src + (Channels > 2 ? 2 * b.src_column : 0));
  const Word* __restrict s3 = reinterpret_cast<const Word*>(src + (Channels > 3 ? 3 * b.src_column : 0));
  const int64_t n = b.rows;  // as above
  for (int64_t i = 0; i < n; ++i) {
    d[i * Channels] = s0[i];
    d[i * Channels + 1] = s1[i];
    if constexpr (Channels > 2) d[i * Channels + 2] = s2[i];
    if constexpr (Channels > 3) d[i * Channels + 3] = s3[i];
  }
}

template <int S>
Kernel pick_channels(const Block& b) {
  if (b.src_row == S && b.dst_column == S && b.src_column == b.rows * S) {
    if (b.rows == 2) return to_planes<S, 2>;
    if (b.rows == 3) return to_planes<S, 3>;
    if (b.rows == 4) return to_planes<S, 4>;
  }
  if (b.src_row == S && b.dst_column == S && b.dst_row == b.columns * S) {
    if (b.columns == 2) return to_pixels<S, 2>;
    if (b.columns == 3) return to_pixels<S, 3>;
    if (b.columns == 4) return to_pixels<S, 4>;
  }
  return nullptr;
}

}  // namespace
}  // namespace strideport::host::STRIDEPORT_TARGET
