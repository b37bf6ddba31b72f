// Transposes: blocks whose source is dense along the rows.
//
// What a cache holds goes by strips: one micro-kernel after another consumes the source lines while they are in L1, and
// tiles bound the number of pages in use. What is larger goes by staged tiles (transpose_tiles-inl.hpp); where rows do
// not begin lines, these lay together what meets in one, in registers (transpose_rotated-inl.hpp) or, with no
// permutations of bytes, in a second stage (transpose_shifted-inl.hpp).

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/transpose.cpp"
#include "runtime/host/simd/highway.hpp"
// The order matters here.
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "runtime/host/simd/transpose_any-inl.hpp"
#if HWY_TARGET != HWY_SCALAR
#include "runtime/host/simd/transpose_micro-inl.hpp"
#include "runtime/host/simd/transpose_packed-inl.hpp"
#include "runtime/host/simd/transpose_rotated-inl.hpp"
#include "runtime/host/simd/transpose_shifted-inl.hpp"
#include "runtime/host/simd/transpose_tiles-inl.hpp"
#endif

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

// Rows of dst are a line each, far apart: no hardware prefetcher follows. Asking for lines this many rows ahead made a
// transpose of 2048 x 2048 doubles 4 times as fast; 8 and 32 rows were slower.
constexpr int64_t kPrefetchRows = 16;

// Asks for the lines of kRows rows, kPrefetchRows ahead of row `at` of a strip; past its end that is in the strip to
// the right. The last byte of each: where rows lie across lines, the strip before this one had the line of the first.
template <class M>
HWY_INLINE void prefetch_rows(const std::byte* strip, int64_t rows, int64_t dst_row, int64_t at) {
  auto address = reinterpret_cast<uintptr_t>(strip) + uintptr_t{M::kBytes - 1};
  at += kPrefetchRows;
  if (at >= rows) {
    at -= rows;
    address += uintptr_t{M::kBytes};
  }
  for (int64_t r = at; r < at + M::kRows; ++r) {
    __builtin_prefetch(reinterpret_cast<const void*>(address + static_cast<uintptr_t>(r * dst_row)), 1, 3);
  }
}

// How the lines of dst are written.
enum class Lines { partly, prefetched, streamed };

// Rows [0, rows) of kColumns columns.
template <int S, class M, Lines How>
HWY_INLINE void transpose_strip(std::byte* dst, const std::byte* src, int64_t rows, const Block& b) {
  for (int64_t r = 0; r < rows; r += M::kRows) {
    const int64_t at = r + M::kRows < rows ? r : rows - M::kRows;
    if constexpr (How == Lines::prefetched) prefetch_rows<M>(dst, rows, b.dst_row, r);
    M::template run<How == Lines::streamed>(dst + at * b.dst_row, b.dst_row, src + at * S, b.src_column);
  }
}

// Both extents hold a micro-kernel at least. A strip that would cross the last column starts earlier, and so does the
// one after the first columns: some items are written twice, the same. Whole lines are written that way: a line written
// in two halves would be fetched twice where dst_row is a large power of two.
template <int S, class M, Lines How>
void transpose_strips(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int64_t kTile = kTileRows<S>;
  const int64_t boundary = columns_to_boundary<S>(dst, b.dst_row, M::kBytes);
  for (int64_t r0 = 0; r0 < b.rows;) {
    // The last tile takes what would be too little for a micro-kernel.
    const int64_t r1 = b.rows - r0 < kTile + M::kRows ? b.rows : r0 + kTile;
    for (int64_t c = 0; c < b.columns; c = c == 0 && boundary != 0 ? boundary : c + M::kColumns) {
      const int64_t column = c + M::kColumns < b.columns ? c : b.columns - M::kColumns;
      std::byte* const to = dst + r0 * b.dst_row + column * S;
      const std::byte* const from = src + r0 * S + column * b.src_column;
      if (How == Lines::streamed && reinterpret_cast<uintptr_t>(to) % M::kBytes != 0) {
        transpose_strip<S, M, Lines::partly>(to, from, r1 - r0, b);
      } else {
        transpose_strip<S, M, How>(to, from, r1 - r0, b);
      }
    }
    r0 = r1;
  }
}

// kLines lines side by side in each row, past the caches.
template <class M, int kLines>
void stream_strip(std::byte* dst, const std::byte* src, const Block& b) {
  static_assert(M::kRows == 1);
  for (int64_t r = 0; r < b.rows; ++r) {
    for (int i = 0; i < kLines * kLineBytes / M::kBytes; ++i) {
      M::template run<true>(dst + r * b.dst_row + i * M::kBytes, b.dst_row,
                            src + r * M::kItem + i * M::kColumns * b.src_column, b.src_column);
    }
  }
}

// Items of 16 bytes, that need no registers to be turned and so no stage. Four lines side by side took 0.6 of the time
// that single ones did for 4096 x 4096 items.
void stream_strips(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int kItem = 16;
  constexpr int64_t kLine = kLineBytes / kItem;
  const int64_t boundary = columns_to_boundary<kItem>(dst, b.dst_row, kLineBytes);
  for (int64_t c = 0; c < b.columns;) {
    std::byte* const to = dst + c * kItem;
    const std::byte* const from = src + c * b.src_column;
    if (c < boundary || b.columns - c < kLine) {
      transpose_strip<kItem, Narrow<kItem>, Lines::partly>(to, from, b.rows, b);
      ++c;
    } else if (b.columns - c < 4 * kLine) {
      stream_strip<Wide<kItem>, 1>(to, from, b);
      c += kLine;
    } else {
      stream_strip<Wide<kItem>, 4>(to, from, b);
      c += 4 * kLine;
    }
  }
}

// Rows shorter than this are written partly at both ends, too often for whole lines, or for asking for lines, to pay.
constexpr int64_t kLongRowBytes = 512;

// From here on source and destination together do not fit in a second-level cache.
constexpr int64_t kTiledBytes = int64_t{1} << 20;

// Past the caches, of rows that do not begin lines or of items that are no words. In registers 7264 x 7264 bytes took
// 0.64 of the time, 8208 x 8208 16-bit words 0.6, 2047 x 2049 words 0.85, items of 12 and 3 bytes in cache 0.68 and
// 0.27. In a second stage what laying bytes and 16-bit words together costs is what whole lines gain (0.54 of memcpy
// for 8209 x 8209 bytes, 0.56 by strips).
#if HWY_TARGET == HWY_AVX3_DL
template <int S>
constexpr bool kShifts = true;

template <int S, class Places, bool Word = is_word(S)>
struct Shifted {
  using Tiles = RotatedTiles<WordLines<S>, Places>;
};
template <int S, class Places>
struct Shifted<S, Places, false> {
  using Tiles = RotatedTiles<OddLines<S>, Places>;
};
#else
template <int S>
constexpr bool kShifts = S >= 4 || !is_word(S);

template <int S, class Places>
struct Shifted {
  using Tiles = ShiftedTiles<S, Places>;
};
#endif

template <int S, class Places = Even>
void transpose_shifted(std::byte* dst, const std::byte* src, const Block& b) {
  typename Shifted<S, Places>::Tiles(dst, src, b).run();
  hwy::FlushStream();  // another thread may be told that the copy is done
}

template <int S>
void transpose_dense(std::byte* dst, const std::byte* src, const Block& b) {
  using M = Wide<S>;
  const bool long_rows = b.columns * S >= kLongRowBytes;
  const bool whole_lines = long_rows && b.dst_row % kLineBytes == 0 && reinterpret_cast<uintptr_t>(dst) % S == 0;
  if (b.columns < M::kColumns) {
    transpose_strips<S, Narrow<S>, Lines::partly>(dst, src, b);
  } else if (kDeep<S> && b.rows < M::kRows) {
    transpose_strips<S, Flat<S>, Lines::partly>(dst, src, b);
  } else if (b.streams && whole_lines) {
    // Of few rows the source is read on from column to column: nothing is to be gathered. 20 x 500000 words took 0.75
    // of the time.
    if constexpr (S == 16) {
      stream_strips(dst, src, b);
    } else if (M::kBytes == kLineBytes && b.rows < Tiles<M, true>::kTileRows) {
      transpose_strips<S, M, Lines::streamed>(dst, src, b);
    } else {
      Tiles<M, true>(dst, src, b).run();
    }
    hwy::FlushStream();
  } else if (b.streams && long_rows && kShifts<S>) {
    transpose_shifted<S>(dst, src, b);
  } else if (whole_lines && b.rows * b.columns * S >= kTiledBytes) {
    Tiles<M, false>(dst, src, b).run();
  } else if (long_rows && b.rows > 2 * kPrefetchRows) {
    transpose_strips<S, M, Lines::prefetched>(dst, src, b);
  } else {
    transpose_strips<S, M, Lines::partly>(dst, src, b);
  }
}

// Rows and columns that come from several dimensions.
template <int S>
void transpose_listed(std::byte* dst, const std::byte* src, const Block& b) {
  using M = Wide<S>;
  const bool at_items = reinterpret_cast<uintptr_t>(dst) % S == 0;
  if (b.columns * S < 2 * kLineBytes || b.rows < M::kRows) {
    transpose_any_listed<S>(dst, src, b);
  } else if (b.streams && at_items && b.dst_row % kLineBytes == 0) {
    Tiles<M, true, Listed>(dst, src, b).run();
    hwy::FlushStream();
  } else if (b.streams && kShifts<S> && b.columns * S >= kLongRowBytes) {
    transpose_shifted<S, Listed>(dst, src, b);
  } else {
    Tiles<M, false, Listed>(dst, src, b).run();
  }
}

template <int S>
Kernel pick_dense(const Block& b) {
  if constexpr (is_word(S)) {
    if (b.dst_rows != nullptr) return transpose_listed<S>;
    const bool fits = b.rows >= Narrow<S>::kRows && b.columns >= Narrow<S>::kColumns;
    return fits ? transpose_dense<S> : transpose_any<S>;
  } else {
    const bool pays = b.streams && b.columns * S >= kLongRowBytes && b.rows * S >= kLongRowBytes;
    return pays ? transpose_shifted<S> : transpose_any<S>;
  }
}

#else

template <int S>
Kernel pick_dense(const Block& b) {
  return b.dst_rows != nullptr ? transpose_any_listed<S> : transpose_any<S>;
}

#endif

template <int S>
Kernel pick_item(const Block& b) {
  return b.src_row == S && b.dst_column == S ? pick_dense<S>(b) : transpose_any<S>;
}

}  // namespace

Kernel pick_transpose(const Block& b) {
  const int64_t row = b.src_row < 0 ? -b.src_row : b.src_row;
  const int64_t column = b.src_column < 0 ? -b.src_column : b.src_column;
  if (b.dst_rows == nullptr && (b.rows == 1 || row == 0 || row >= column)) return nullptr;
  switch (b.item) {
    case 1: return pick_item<1>(b);
    case 2: return pick_item<2>(b);
    case 3: return pick_item<3>(b);
    case 4: return pick_item<4>(b);
    case 6: return pick_item<6>(b);
    case 8: return pick_item<8>(b);
    case 12: return pick_item<12>(b);
    case 16: return pick_item<16>(b);
    case 24: return pick_item<24>(b);
    default: return nullptr;
  }
}

}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace strideport::host::simd {
constexpr Pickers kTransposePickers = STRIDEPORT_PICKERS(pick_transpose);
}
#endif
