// Transposes: blocks whose source is dense along the rows.
//
// A micro-kernel takes kLanes groups of 16/S rows by 16/S columns of items of S bytes. Each of its vectors is loaded as
// 16-byte pieces, one from each group of columns, so that after log2(16/S) rounds of interleaving within 16-byte lanes
// every vector is one whole piece of a destination row. Whole cache lines are written, one micro-kernel after another
// consumes the source lines while they are in L1, and tiles bound the number of pages in use.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/transpose.cpp"
#include "runtime/host/simd/highway.hpp"
// The order matters here.
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kLineBytes = 64;
template <int S>
constexpr int64_t kTileRows = S >= 8 ? 128 : 256;

// The micro-kernel on vectors of D.
template <int S, class D>
struct Micro {
  using V = hn::Vec<D>;
  using T = hn::TFromD<D>;
  static constexpr int kRows = S == 16 ? 1 : 16 / S;
  static constexpr int kBytes = static_cast<int>(hn::MaxLanes(D()) * sizeof(T));
  static constexpr int kColumns = kBytes / S;

  // 16 bytes from each of `kBytes / 16` groups.
  template <class Some>
  static HWY_INLINE hn::Vec<Some> load(Some d, const std::byte* src, int64_t group) {
    if constexpr (hn::MaxLanes(Some()) * sizeof(T) == 16) {
      return hn::LoadU(d, reinterpret_cast<const T*>(src));
    } else {
      const hn::Half<Some> half;
      const auto low = load(half, src, group);
      return hn::Combine(
          d, load(half, src + group * (static_cast<int64_t>(hn::MaxLanes(Some()) * sizeof(T) / 32)), group), low);
    }
  }

  static HWY_INLINE void round(V* v) {
    V in[kRows];
    for (int r = 0; r < kRows; ++r) in[r] = v[r];
    for (int r = 0; r < kRows / 2; ++r) {
      v[2 * r] = hn::InterleaveLower(D(), in[r], in[r + kRows / 2]);
      v[2 * r + 1] = hn::InterleaveUpper(D(), in[r], in[r + kRows / 2]);
    }
  }

  template <bool Stream>
  static HWY_INLINE void run(std::byte* dst, int64_t dst_row, const std::byte* src, int64_t src_column) {
    V v[kRows];
    for (int c = 0; c < kRows; ++c) v[c] = load(D(), src + c * src_column, src_column * kRows);
    for (int i = 1; i < kRows; i *= 2) round(v);
    for (int r = 0; r < kRows; ++r) {
      T* const to = reinterpret_cast<T*>(dst + r * dst_row);
      if constexpr (Stream)
        hn::Stream(v[r], D(), to);
      else
        hn::StoreU(v[r], D(), to);
    }
  }
};

// Columns from the first on that end at a boundary of a vector in every row of dst; 0 where rows differ in that.
template <class M>
int64_t columns_to_boundary(const std::byte* dst, int64_t dst_row) {
  constexpr int64_t kItem = M::kBytes / M::kColumns;
  const auto past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(dst) % M::kBytes);
  return dst_row % M::kBytes != 0 || past % kItem != 0 ? 0 : (M::kBytes - past) % M::kBytes / kItem;
}

// Rows of dst are a line each, far apart: no hardware prefetcher follows. Asking for lines this many rows ahead made a
// transpose of 2048 x 2048 doubles 4 times as fast; 8 and 32 rows were slower.
constexpr int64_t kPrefetchRows = 16;

// Asks for the lines of kRows rows, kPrefetchRows ahead of row `at` of a strip; past its end that is in the strip to the
// right. The last byte of each: where rows lie across lines, the strip before this one had the line of the first.
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
  const int64_t boundary = columns_to_boundary<M>(dst, b.dst_row);
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

// Rows shorter than this are written partly at both ends, too often for whole lines, or for asking for lines, to pay.
constexpr int64_t kLongRowBytes = 512;

template <int S>
using Word = hwy::UnsignedFromSize<S == 16 ? 8 : S>;
template <int S>
using Narrow = Micro<S, hn::FixedTag<Word<S>, 16 / sizeof(Word<S>)>>;
template <int S>
using Wide = Micro<S, hn::ScalableTag<Word<S>>>;

// Streaming stores need a line each, or they are written to memory piece by piece.
template <int S>
void transpose_dense(std::byte* dst, const std::byte* src, const Block& b) {
  using M = Wide<S>;
  const bool long_rows = b.columns * S >= kLongRowBytes;
  if (b.columns < M::kColumns) {
    transpose_strips<S, Narrow<S>, Lines::partly>(dst, src, b);
  } else if (M::kBytes == kLineBytes && b.streams && long_rows && b.dst_row % kLineBytes == 0) {
    transpose_strips<S, M, Lines::streamed>(dst, src, b);
    hwy::FlushStream();  // another thread may be told that the copy is done
  } else if (long_rows && b.rows > 2 * kPrefetchRows) {
    transpose_strips<S, M, Lines::prefetched>(dst, src, b);
  } else {
    transpose_strips<S, M, Lines::partly>(dst, src, b);
  }
}

template <int S>
Kernel pick_dense(const Block& b) {
  const bool fits =
      b.src_row == S && b.dst_column == S && b.rows >= Narrow<S>::kRows && b.columns >= Narrow<S>::kColumns;
  return fits && b.rows > 4 && b.columns > 4 ? transpose_dense<S> : nullptr;
}

}  // namespace

// Up to 4 rows or columns are channels.
Kernel pick_transpose(const Block& b) {
  const int64_t column = b.src_column < 0 ? -b.src_column : b.src_column;
  if (b.src_row >= column) return nullptr;
  switch (b.item) {
    case 1: return pick_dense<1>(b);
    case 2: return pick_dense<2>(b);
    case 4: return pick_dense<4>(b);
    case 8: return pick_dense<8>(b);
    case 16: return pick_dense<16>(b);
    default: return nullptr;
  }
}

#else
Kernel pick_transpose(const Block&) { return nullptr; }
#endif
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace strideport::host::simd {
constexpr Pickers kTransposePickers = STRIDEPORT_PICKERS(pick_transpose);
}
#endif
