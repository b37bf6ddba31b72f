// Part of kernels_body.hpp: transposes.
//
// A micro-kernel takes `kLanes` groups of 16/S rows by 16/S columns of items of S bytes. Each of its vectors is
// loaded as 16-byte pieces, one from each group of rows, so that after log2(16/S) rounds of interleaving within
// 16-byte lanes every vector is one whole piece of a destination row. Whole cache lines are written, one micro-kernel
// after another consumes the source lines while they are in L1, and tiles bound the number of pages in use.
#pragma once

#include <utility>
#if STRIDEPORT_LANES == 4
#include <immintrin.h>
#endif

#include "runtime/host/kernels_runs.hpp"

namespace strideport::host::STRIDEPORT_TARGET {
namespace {

constexpr int kLanes = STRIDEPORT_LANES;
constexpr int64_t kLineBytes = 64;
template <int S>
constexpr int64_t kTileRows = S >= 8 ? 128 : 256;

constexpr int64_t kAheadRows = 8;

// Asks for the lines of `bytes` bytes, `offset` bytes from `base`, to write to them.
inline void prefetch_bytes(const std::byte* base, int64_t offset, int64_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(offset);
  for (int64_t i = 0; i < bytes; i += kLineBytes) {
    __builtin_prefetch(reinterpret_cast<const void*>(address + static_cast<uintptr_t>(i)), 1, 3);
  }
}

// Any strides: strips of columns, a cache line or more wide, over some rows. Each source column is read on in small
// steps while the strip goes down; the lines of dst, which no hardware prefetcher foresees, are asked for some rows
// ahead.
template <int S>
void transpose_any(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int64_t kColumns = kLineBytes / S > 16 ? kLineBytes / S : 16;
  const bool foresees = b.rows >= 4 * kAheadRows;
  for (int64_t r0 = 0; r0 < b.rows; r0 += kTileRows<S>) {
    const int64_t rows = b.rows - r0 < kTileRows<S> ? b.rows - r0 : kTileRows<S>;
    for (int64_t c0 = 0; c0 < b.columns; c0 += kColumns) {
      std::byte* to = dst + r0 * b.dst_row + c0 * b.dst_column;
      const std::byte* from = src + r0 * b.src_row + c0 * b.src_column;
      const int64_t n = c0 + kColumns < b.columns ? kColumns : b.columns - c0;
      for (int64_t r = 0; r < rows; ++r, to += b.dst_row, from += b.src_row) {
        if (foresees) prefetch_bytes(to, kAheadRows * b.dst_row, kColumns * S);
        row<S, 0, 0>(to, from, n, b.dst_column, b.src_column);
      }
    }
  }
}

template <int S>
struct LaneWord {
  using type = uint64_t;
};
template <>
struct LaneWord<1> {
  using type = uint8_t;
};
template <>
struct LaneWord<2> {
  using type = uint16_t;
};
template <>
struct LaneWord<4> {
  using type = uint32_t;
};

// `Lanes` lanes of 16 bytes, and the same as it lies in memory, at any address.
template <int S, int Lanes>
struct VectorOf {
  typedef typename LaneWord<S>::type type __attribute__((vector_size(16 * Lanes)));
  typedef typename LaneWord<S>::type memory __attribute__((vector_size(16 * Lanes), aligned(1), may_alias));
};
template <int S, int Lanes>
using Vector = typename VectorOf<S, Lanes>::type;

template <int S, int Lanes, class Indices>
struct MicroTile;

template <int S, int Lanes, int... I>
struct MicroTile<S, Lanes, std::integer_sequence<int, I...>> {
  static constexpr int kWords = sizeof...(I);         // in a vector
  static constexpr int kRows = S == 16 ? 1 : 16 / S;  // of the micro-kernel, and words in a lane
  static constexpr int kColumns = kRows * Lanes;
  using V = Vector<S, Lanes>;

  // Word i of the interleaving of the lower (half = 0) or upper halves of each lane of two vectors.
  static constexpr int interleaved(int i, int half) {
    const int word = i % kRows;
    return i - word + word / 2 + half * (kRows / 2) + (word % 2) * kWords;
  }

  static V load(const std::byte* src, int64_t group_bytes) {
    if constexpr (Lanes == 1) {
      return *reinterpret_cast<const typename VectorOf<S, 1>::memory*>(src);
    } else {
      using Half = MicroTile<S, Lanes / 2, std::make_integer_sequence<int, kWords / 2>>;
      const auto low = Half::load(src, group_bytes);
      const auto high = Half::load(src + group_bytes * (Lanes / 2), group_bytes);
      return __builtin_shufflevector(low, high, I...);
    }
  }

  template <int... R>
  static void round(V* v, std::integer_sequence<int, R...>) {
    const V in[kRows] = {v[R]..., v[R + kRows / 2]...};
    ((v[2 * R] = __builtin_shufflevector(in[R], in[R + kRows / 2], interleaved(I, 0)...),
      v[2 * R + 1] = __builtin_shufflevector(in[R], in[R + kRows / 2], interleaved(I, 1)...)),
     ...);
  }

  template <bool Stream>
  static void store(std::byte* dst, V v) {
#if STRIDEPORT_LANES == 4
    if constexpr (Stream && Lanes == 4) return _mm512_stream_si512(reinterpret_cast<__m512i*>(dst), (__m512i)v);
#endif
    *reinterpret_cast<typename VectorOf<S, Lanes>::memory*>(dst) = v;
  }

  template <bool Stream, int... R>
  static void run(std::byte* dst, int64_t dst_row, const std::byte* src, int64_t src_column,
                  std::integer_sequence<int, R...>) {
    V v[kRows] = {load(src + R * src_column, src_column * kRows)...};
    if constexpr (kRows > 1) {
      using Pairs = std::make_integer_sequence<int, kRows / 2>;
      for (int i = 1; i < kRows; i *= 2) round(v, Pairs());
    }
    (store<Stream>(dst + R * dst_row, v[R]), ...);
  }

  template <bool Stream>
  static void run(std::byte* dst, int64_t dst_row, const std::byte* src, int64_t src_column) {
    run<Stream>(dst, dst_row, src, src_column, std::make_integer_sequence<int, kRows>());
  }
};

template <int S, int Lanes>
using Micro = MicroTile<S, Lanes, std::make_integer_sequence<int, 16 * Lanes / (S == 16 ? 8 : S)>>;

// Columns from the first on that end at a boundary of a vector in every row of dst; 0 where rows differ in that.
template <int S, int Lanes>
int64_t columns_to_boundary(const std::byte* dst, int64_t dst_row) {
  constexpr int64_t kBytes = 16 * Lanes;
  const auto past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(dst) % kBytes);
  return dst_row % kBytes != 0 || past % S != 0 ? 0 : (kBytes - past) % kBytes / S;
}

// Rows of dst are a line each, far apart: no hardware prefetcher follows. Asking for lines this many rows ahead made a
// transpose of 2048 x 2048 doubles 4 times as fast; 8 and 32 rows were slower.
constexpr int64_t kPrefetchRows = 16;

// Asks for `Rows` lines, kPrefetchRows ahead of row `at` of a strip; past its end that is in the strip to the right.
// The last byte of each: where rows lie across lines, the strip before this one had the line of the first.
template <int Rows, int64_t ColumnBytes>
inline void prefetch_rows(const std::byte* strip, int64_t rows, int64_t dst_row, int64_t at) {
  auto address = reinterpret_cast<uintptr_t>(strip) + static_cast<uintptr_t>(ColumnBytes - 1);
  at += kPrefetchRows;
  if (at >= rows) {
    at -= rows;
    address += static_cast<uintptr_t>(ColumnBytes);
  }
  for (int64_t r = at; r < at + Rows; ++r) {
    __builtin_prefetch(reinterpret_cast<const void*>(address + static_cast<uintptr_t>(r * dst_row)), 1, 3);
  }
}

// How the lines of dst are written.
enum class Lines { partly, prefetched, streamed };

// Rows [0, rows) of kColumns columns.
template <class M, int S, Lines How>
inline void transpose_strip(std::byte* dst, const std::byte* src, int64_t rows, const Block& b) {
  for (int64_t r = 0; r < rows; r += M::kRows) {
    const int64_t at = r + M::kRows < rows ? r : rows - M::kRows;
    if constexpr (How == Lines::prefetched) prefetch_rows<M::kRows, sizeof(typename M::V)>(dst, rows, b.dst_row, r);
    M::template run<How == Lines::streamed>(dst + at * b.dst_row, b.dst_row, src + at * S, b.src_column);
  }
}

// Both extents hold a micro-kernel at least. A strip that would cross the last column starts earlier, and so does the
// one after the first columns: some items are written twice, the same. Whole lines are written that way: a line written
// in two halves would be fetched twice where dst_row is a large power of two.
template <int S, int Lanes, Lines How>
inline void transpose_strips(std::byte* dst, const std::byte* src, const Block& b) {
  using M = Micro<S, Lanes>;
  constexpr int64_t kTile = kTileRows<S>;
  const int64_t boundary = columns_to_boundary<S, Lanes>(dst, b.dst_row);
  for (int64_t r0 = 0; r0 < b.rows;) {
    // The last tile takes what would be too little for a micro-kernel.
    const int64_t r1 = b.rows - r0 < kTile + M::kRows ? b.rows : r0 + kTile;
    for (int64_t c = 0; c < b.columns; c = c == 0 && boundary != 0 ? boundary : c + M::kColumns) {
      const int64_t column = c + M::kColumns < b.columns ? c : b.columns - M::kColumns;
      std::byte* const to = dst + r0 * b.dst_row + column * S;
      const std::byte* const from = src + r0 * S + column * b.src_column;
      if (How == Lines::streamed && reinterpret_cast<uintptr_t>(to) % sizeof(typename M::V) != 0) {
        transpose_strip<M, S, Lines::partly>(to, from, r1 - r0, b);
      } else {
        transpose_strip<M, S, How>(to, from, r1 - r0, b);
      }
    }
    r0 = r1;
  }
}

// Rows shorter than this are written partly at both ends, too often for whole lines, or for asking for lines, to pay.
constexpr int64_t kLongRowBytes = 512;

// Streaming stores need a line each, or they are written to memory piece by piece.
template <int S>
void transpose_dense(std::byte* dst, const std::byte* src, const Block& b) {
  const bool whole_lines = b.dst_row % kLineBytes == 0 && b.columns * S >= kLongRowBytes;
  if (b.columns < Micro<S, kLanes>::kColumns) {
    transpose_strips<S, 1, Lines::partly>(dst, src, b);
  } else if (whole_lines && b.streams && kLanes == 4) {
    transpose_strips<S, kLanes, Lines::streamed>(dst, src, b);
#if STRIDEPORT_LANES == 4
    _mm_sfence();  // another thread may be told that the copy is done
#endif
  } else if (b.columns * S >= kLongRowBytes && b.rows > 2 * kPrefetchRows) {
    transpose_strips<S, kLanes, Lines::prefetched>(dst, src, b);
  } else {
    transpose_strips<S, kLanes, Lines::partly>(dst, src, b);
  }
}

template <int S>
bool fits_micro_kernel(const Block& b) {
  return b.src_row == S && b.dst_column == S && b.rows >= Micro<S, 1>::kRows && b.columns >= Micro<S, 1>::kColumns;
}

}  // namespace
}  // namespace strideport::host::STRIDEPORT_TARGET
