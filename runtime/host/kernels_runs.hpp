// Part of kernels_body.hpp: words, runs, and loops over strided items.
#pragma once

#include <cstring>

#include "runtime/host/kernels.hpp"

namespace strideport::host::STRIDEPORT_TARGET {
namespace {

// Words that may lie at any address and alias anything.
template <int S>
struct WordOf;
template <>
struct WordOf<1> {
  typedef uint8_t type __attribute__((aligned(1), may_alias));
};
template <>
struct WordOf<2> {
  typedef uint16_t type __attribute__((aligned(1), may_alias));
};
template <>
struct WordOf<4> {
  typedef uint32_t type __attribute__((aligned(1), may_alias));
};
template <>
struct WordOf<8> {
  typedef uint64_t type __attribute__((aligned(1), may_alias));
};
template <>
struct WordOf<16> {
  typedef uint64_t type __attribute__((vector_size(16), aligned(1), may_alias));
};

constexpr bool is_word(int size) { return size == 1 || size == 2 || size == 4 || size == 8 || size == 16; }

template <int S>
inline void move(std::byte* dst, const std::byte* src) {
  if constexpr (is_word(S)) {
    using Word = typename WordOf<S>::type;
    *reinterpret_cast<Word*>(dst) = *reinterpret_cast<const Word*>(src);
  } else {
    __builtin_memcpy(dst, src, static_cast<size_t>(S));
  }
}

// Runs ---------------------------------------------------------------------------------------------------------------

// A run of up to 256 bytes without a call: vectors, the last of which overlaps the one before it.
inline void move_run(std::byte* dst, const std::byte* src, int64_t bytes) {
  if (bytes >= 16) {
    for (int64_t i = 0; i + 16 < bytes; i += 16) move<16>(dst + i, src + i);
    move<16>(dst + bytes - 16, src + bytes - 16);
  } else if (bytes >= 8) {
    move<8>(dst, src);
    move<8>(dst + bytes - 8, src + bytes - 8);
  } else if (bytes >= 4) {
    move<4>(dst, src);
    move<4>(dst + bytes - 4, src + bytes - 4);
  } else {
    for (int64_t i = 0; i < bytes; ++i) dst[i] = src[i];
  }
}

constexpr int64_t kInlineRunBytes = 256;

inline void rows_inline(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    std::byte* d = dst;
    const std::byte* s = src;
    for (int64_t c = 0; c < b.columns; ++c, d += b.dst_column, s += b.src_column) move_run(d, s, b.item);
  }
}

void rows_memcpy(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    std::byte* d = dst;
    const std::byte* s = src;
    for (int64_t c = 0; c < b.columns; ++c, d += b.dst_column, s += b.src_column) {
      std::memcpy(d, s, static_cast<size_t>(b.item));
    }
  }
}

// Strided loops ------------------------------------------------------------------------------------------------------

// Strides that are template arguments let the compiler use shuffles; 0 stands for "any".
template <int S, int DstItems, int SrcItems>
inline void row(std::byte* __restrict dst, const std::byte* __restrict src, int64_t n, int64_t dst_stride,
                int64_t src_stride) {
  const int64_t ds = DstItems != 0 ? DstItems * S : dst_stride;
  const int64_t ss = SrcItems != 0 ? SrcItems * S : src_stride;
  for (int64_t i = 0; i < n; ++i) move<S>(dst + i * ds, src + i * ss);
}

template <int S>
inline void fill(std::byte* __restrict dst, const std::byte* __restrict src, int64_t n, int64_t dst_stride) {
  std::byte value[S];
  move<S>(value, src);
  if (dst_stride == S) {
    for (int64_t i = 0; i < n; ++i) move<S>(dst + i * S, value);
  } else {
    for (int64_t i = 0; i < n; ++i) move<S>(dst + i * dst_stride, value);
  }
}

template <int S, int DstItems, int SrcItems>
void strided(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    row<S, DstItems, SrcItems>(dst, src, b.columns, b.dst_column, b.src_column);
  }
}

template <int S>
void fill_rows(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) fill<S>(dst, src, b.columns, b.dst_column);
}

}  // namespace
}  // namespace strideport::host::STRIDEPORT_TARGET
