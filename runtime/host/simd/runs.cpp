// Rows of runs: items of any size but those of strided.cpp, contiguous on both sides. Every such block has a loop here,
// on every target.
//
// A run of less than a vector is two moves that overlap; a longer one is vectors, the last of which overlaps the one
// before.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "runtime/host/simd/runs.cpp"
#include "runtime/host/simd/highway.hpp"
// The order matters here.
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "runtime/host/simd/runs-inl.hpp"

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
    const hn::ScalableTag<uint8_t> d;
    for (int64_t i = 0; i < bytes; i += HWY_MAX_BYTES) {
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

#endif

// The loops around it -------------------------------------------------------------------------------------------------

template <class Run>
HWY_INLINE void rows_of_runs(std::byte* dst, const std::byte* src, const Block& b, int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, dst += b.dst_row, src += b.src_row) {
    std::byte* to = dst;
    const std::byte* from = src;
    for (int64_t c = 0; c < columns; ++c, to += b.dst_column, from += b.src_column) Run::move_run(to, from, b.item);
  }
}

// Rows of src that are closer together than its columns: tiles, so that each line of src is read once.
template <class Run>
HWY_INLINE void tiles_of_runs(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int64_t kColumns = 16;
  constexpr int64_t kSrcBytes = 512;  // of one column
  const int64_t tile = 1 + kSrcBytes / b.item;
  for (int64_t r = 0; r < b.rows; r += tile) {
    const int64_t rows = r + tile < b.rows ? tile : b.rows - r;
    for (int64_t c = 0; c < b.columns; c += kColumns) {
      const int64_t columns = c + kColumns < b.columns ? kColumns : b.columns - c;
      rows_of_runs<Run>(dst + r * b.dst_row + c * b.dst_column, src + r * b.src_row + c * b.src_column, b, rows,
                        columns);
    }
  }
}

template <class Run>
void runs(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t row = b.src_row < 0 ? -b.src_row : b.src_row;
  const int64_t column = b.src_column < 0 ? -b.src_column : b.src_column;
  if (row != 0 && row < column) return tiles_of_runs<Run>(dst, src, b);
  rows_of_runs<Run>(dst, src, b, b.rows, b.columns);
}

#if HWY_TARGET != HWY_SCALAR

template <class Plain>
void streaming_runs(std::byte* dst, const std::byte* src, const Block& b) {
  const int64_t lines = bytes_to_line(dst) | b.dst_row | b.dst_column | b.item;
  if (lines % kLineBytes == 0) {
    runs<Lines>(dst, src, b);
  } else {
    runs<Plain>(dst, src, b);
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
  constexpr int64_t kFewestStreamed = 512;
  if (kWidest >= 32 && b.streams && b.item >= 64) {
    return b.item >= kFewestStreamed ? streaming_runs<LinesWithin> : streaming_runs<AtLeast<kWidest>>;
  }
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
