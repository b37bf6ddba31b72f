// Rows of runs: items of any size but those of strided.cpp, contiguous on both sides. Every such block has a loop here,
// on every target. One row of one item is a contiguous copy, and worth a loop where it streams.
//
// A run of less than a vector is two moves that overlap; a longer one is vectors, the last of which overlaps the one
// before. Streaming stores are of 32 bytes at most, two to a line: rows of 256 bytes from memory reached 1.82 of a
// plain copy that way, by 64 bytes 1.47, and a single run of 64 MiB 1.83 and 1.43.

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/runs.cpp"
#include "runtime/host/simd/highway.hpp"
// The order matters here.
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/runs-inl.hpp"
#include "runtime/host/simd/runs_stitched-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

// The widest plain moves, in bytes. Not 64: most runs lie across lines, and rows of 64 bytes in second-level cache took
// 0.87 of a plain copy's rate by 32 bytes, 0.74 by 64.
#if HWY_TARGET == HWY_SCALAR
constexpr int kWidest = 16;
#else
constexpr int kWidest = HWY_MAX_BYTES < 32 ? HWY_MAX_BYTES : 32;
#endif

// How one run is moved ------------------------------------------------------------------------------------------------

// S bytes, S known to the compiler.
template <int S>
struct Exactly {
  static HWY_INLINE void move_run(std::byte* dst, const std::byte* src, int64_t) {
    constexpr int kWidth = S < kWidest ? 16 : kWidest;
    move<kWidth>(dst, src);
    if constexpr (S > kWidth) Exactly<S - kWidth>::move_run(dst + kWidth, src + kWidth, 0);
  }
};

// Width to 2 * Width bytes in two moves; the widest, any number from Width on.
template <int Width>
struct AtLeast {
  static HWY_INLINE void move_run(std::byte* dst, const std::byte* src, int64_t bytes) {
    if constexpr (Width == kWidest) {
      for (int64_t i = 0; i + Width < bytes; i += Width) move<Width>(dst + i, src + i);
    } else {
      move<Width>(dst, src);
    }
    move<Width>(dst + bytes - Width, src + bytes - Width);
  }
};

struct ByCall {
  static HWY_INLINE void move_run(std::byte* dst, const std::byte* src, int64_t bytes) {
    std::memcpy(dst, src, static_cast<size_t>(bytes));
  }
};

#if HWY_TARGET != HWY_SCALAR

// Whole lines at the begin of lines.
struct Lines {
  static HWY_INLINE void move_run(std::byte* dst, const std::byte* src, int64_t bytes) {
    const hn::CappedTag<uint8_t, kWidest> d;
    for (int64_t i = 0; i < bytes; i += kWidest) {
      hn::Stream(hn::LoadU(d, lanes<1>(src + i)), d, lanes<1>(dst + i));
    }
  }
};

// Whole lines in streaming stores and what is around them in plain ones.
struct LinesWithin {
  static HWY_INLINE void move_run(std::byte* dst, const std::byte* src, int64_t bytes) {
    const Streamed part = streamed_part<1>(dst, bytes, kWidest);
    if (part.end == 0) return AtLeast<kWidest>::move_run(dst, src, bytes);
    if (part.begin != 0) AtLeast<kWidest>::move_run(dst, src, part.begin);
    Lines::move_run(dst + part.begin, src + part.begin, part.end - part.begin);
    AtLeast<kWidest>::move_run(dst + part.end, src + part.end, bytes - part.end);
  }
};

// As LinesWithin, four pages in turn, of each some lines: more of the memory's banks and channels are at work. One run
// of 16, 64, 128 and 256 MiB, beside the C library's memcpy (which does the like from 181 MiB on, on this machine):
// 1.5, 1.7, 1.9 and 1.05; a page after the other 1.5, 1.5, 1.3 and 0.7.
struct PagesWithin {
  static constexpr int64_t kPageBytes = 4096;
  static constexpr int64_t kPages = 4;
  static constexpr int64_t kTurnBytes = 128;
  static constexpr int64_t kAheadBytes = 512;

  static HWY_INLINE void move_pages(std::byte* dst, const std::byte* src) {
    for (int64_t i = 0; i < kPageBytes; i += kTurnBytes) {
      for (int64_t page = 0; page < kPages * kPageBytes; page += kPageBytes) {
        for (int64_t line = 0; line < kTurnBytes; line += kLineBytes) {
          __builtin_prefetch(src + page + i + kAheadBytes + line);
        }
        Lines::move_run(dst + page + i, src + page + i, kTurnBytes);
      }
    }
  }

  static HWY_INLINE void move_run(std::byte* dst, const std::byte* src, int64_t bytes) {
    const Streamed part = streamed_part<1>(dst, bytes, kWidest);
    if (part.begin != 0) AtLeast<kWidest>::move_run(dst, src, part.begin);
    int64_t i = part.begin;
    for (; i + kPages * kPageBytes <= part.end; i += kPages * kPageBytes) move_pages(dst + i, src + i);
    Lines::move_run(dst + i, src + i, part.end - i);
    AtLeast<kWidest>::move_run(dst + part.end, src + part.end, bytes - part.end);
  }
};

#endif

// Rows of src that lie apart: the processor's own prefetching ends with each. 512 bytes of the next one, asked for
// before a row is moved, took rows of 1 KiB from 0.98 of a plain copy to 1.18, of 4 KiB from 1.26 to 1.48; 1 KiB of it
// gained less, and rows of 512 bytes nothing.
constexpr int64_t kFewestFetched = 1024;

template <class Run>
constexpr bool kFetches = false;
#if HWY_TARGET != HWY_SCALAR
template <>
constexpr bool kFetches<LinesWithin> = true;
template <>
constexpr bool kFetches<Lines> = true;
#endif

template <int Locality = 3>
HWY_INLINE void fetch(const std::byte* src, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += kLineBytes) __builtin_prefetch(src + i, 0, Locality);
}

// The loops around it -------------------------------------------------------------------------------------------------

template <class Run>
struct Apart {
  static HWY_INLINE void move_row(std::byte* dst, const std::byte* src, const Block& b, int64_t columns) {
    const bool fetches = kFetches<Run> && b.item >= kFewestFetched;
    for (int64_t c = 0; c < columns; ++c, dst += b.dst_column, src += b.src_column) {
      if (fetches) fetch(src + b.src_column, 512);
      Run::move_run(dst, src, b.item);
    }
  }
};

#if HWY_TARGET != HWY_SCALAR

// From here on a row whose runs lie side by side in dst is put together to whole lines.
constexpr int64_t kFewestStitched = 1024;

template <class Run>
struct SideBySide {
  static HWY_INLINE void move_row(std::byte* dst, const std::byte* src, const Block& b, int64_t columns) {
    Stitched to(dst);
    for (int64_t c = 0; c < columns; ++c, src += b.src_column) Run::move_run(to.next(b.item), src, b.item);
    to.finish();
  }
};

#endif

// Rows of src that are closer together than its columns: tiles, so that each line of src is read once.
template <class Row>
HWY_INLINE void move_tile(std::byte* dst, const std::byte* src, const Block& b, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, dst += b.dst_row, src += b.src_row) Row::move_row(dst, src, b, columns);
}

// What of src comes below a tile. Only columns that lie far apart, which the processor does not see coming: with it,
// rows of 96 bytes of (16,128,128,24) f32 took 3.5 ms and not 4.4, of 20 bytes of (16,256,128,20) u8 1.4 and not 1.9.
inline void fetch_tile(const std::byte* src, const Block& b, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c, src += b.src_column) fetch<2>(src, rows * b.src_row);
}

template <class Row>
void tiles_of_rows(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t most_rows = 1 + 512 / b.item;
  const int64_t most_columns = b.streams ? 1 + 3072 / b.item : 16;
  for (int64_t r = 0; r < b.rows; r += most_rows) {
    const int64_t rows = r + most_rows < b.rows ? most_rows : b.rows - r;
    for (int64_t c = 0; c < b.columns; c += most_columns) {
      const int64_t columns = c + most_columns < b.columns ? most_columns : b.columns - c;
      const std::byte* const from = src + r * b.src_row + c * b.src_column;
      if (b.streams && r + rows < b.rows) fetch_tile(from + rows * b.src_row, b, rows, columns);
      move_tile<Row>(dst + r * b.dst_row + c * b.dst_column, from, b, rows, columns);
    }
  }
}

template <class Row>
void rows_of(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t row = b.src_row < 0 ? -b.src_row : b.src_row;
  const int64_t column = b.src_column < 0 ? -b.src_column : b.src_column;
  if (row != 0 && row < column) return tiles_of_rows<Row>(dst, src, b);
  move_tile<Row>(dst, src, b, b.rows, b.columns);
}

template <class Run>
void runs(std::byte* dst, const std::byte* src, const Block& b) {
  rows_of<Apart<Run>>(dst, src, b);
}

#if HWY_TARGET != HWY_SCALAR

// From here on pages are moved in turn.
constexpr int64_t kFewestPaged = int64_t{64} << 10;

// kShort: of less than kFewestFetched, which alone are put together.
template <class Run, bool kShort>
void streaming_runs(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t lines = bytes_to_line(dst) | b.dst_row | b.dst_column | b.item;
  if (b.item < kFewestPaged && lines % kLineBytes == 0) {
    rows_of<Apart<Lines>>(dst, src, b);
  } else if (kShort && b.dst_column == b.item && b.columns * b.item >= kFewestStitched) {
    rows_of<std::conditional_t<kShort, SideBySide<Run>, Apart<Run>>>(dst, src, b);
  } else {
    rows_of<Apart<Run>>(dst, src, b);
  }
  hwy::FlushStream();
}

#endif

}  // namespace

Kernel pick_runs(const Block& b) {
  if (b.item <= 4 || b.item == 6 || b.item == 8 || b.item == 12 || b.item == 16 || b.item == 24) return nullptr;
  // From here on a call of memcpy costs less than it gains.
  constexpr int64_t kCallBytes = 512;
#if HWY_TARGET != HWY_SCALAR
  if (b.streams && b.item >= kFewestPaged) return streaming_runs<PagesWithin, false>;
  if (b.streams && b.item >= kFewestFetched) return streaming_runs<LinesWithin, false>;
  if (b.streams && b.item >= kWidest) return streaming_runs<AtLeast<kWidest>, true>;
  if (b.streams && b.item >= 16) return streaming_runs<AtLeast<16>, true>;
  if (b.streams && b.item >= 8) return streaming_runs<AtLeast<8>, true>;
#endif
  switch (b.item) {
    case 32: return runs<Exactly<32>>;
    case 48: return runs<Exactly<48>>;
    case 64: return runs<Exactly<64>>;
    case 96: return runs<Exactly<96>>;
    case 128: return runs<Exactly<128>>;
    default: break;
  }
  if (b.item >= kCallBytes) return runs<ByCall>;
  if (b.item >= kWidest) return runs<AtLeast<kWidest>>;
  if (b.item >= 16) return runs<AtLeast<16>>;
  if (b.item >= 8) return runs<AtLeast<8>>;
  return runs<AtLeast<4>>;
}

}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace strideport::host::simd {
constexpr Pickers kRunPickers = STRIDEPORT_PICKERS(pick_runs);
}
#endif
