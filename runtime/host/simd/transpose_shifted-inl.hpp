// Part of transpose.cpp, compiled once a target and so without a guard: transposes past the caches whose rows do not
// begin lines, or whose items are no words.
//
// As in transpose_tiles-inl.hpp; but what is written is laid together in a second stage, behind the bytes of the same
// row that the strip to the left had for the line in which both meet. So every line but the first and the last of a row
// is written whole and once, past the caches.

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

constexpr bool is_word(int size) { return size == 1 || size == 2 || size == 4 || size == 8 || size == 16; }

template <int S, class Places = Even>
class ShiftedTiles {
 public:
  static constexpr int kReadBytes = is_word(S) ? 256 : S == 3 ? 192 : 384;  // all of this lies on the stack
  static constexpr int kWriteBytes = is_word(S) ? 128 : 192;
  static constexpr int kTileRows = kReadBytes / S;
  static constexpr int kTileColumns = kWriteBytes / S;
  static_assert(2 * kTileColumns <= kListedBeyond);
  static_assert(kReadBytes % S == 0 && kWriteBytes % S == 0);

  ShiftedTiles(std::byte* dst, const std::byte* src, const Block& b) : dst_(dst), src_(src), b_(b), places_(b) {}

  void run() {
    for (int64_t row = 0; row < b_.rows; row += kBandRows) {
      const int64_t rows = b_.rows - row < kBandRows ? b_.rows - row : kBandRows;
      for (int64_t column = 0; column < b_.columns; column += kTileColumns) strip(row, rows, column);
    }
  }

 private:
  // Whose parts of lines are kept from one strip to the next.
  static constexpr int64_t kBandRows = 2 * 256 / kTileRows * kTileRows;
  // Of the second stage; the last item of a row may be moved with 16 bytes.
  static constexpr int kPitch = kLineBytes + kWriteBytes + 16;

  HWY_INLINE void strip(int64_t first, int64_t band, int64_t column) {
    const int64_t columns = b_.columns - column < kTileColumns ? b_.columns - column : kTileColumns;
    for (int64_t row = first; row < first + band; row += kTileRows) {
      const int64_t rows = first + band - row < kTileRows ? first + band - row : kTileRows;
      gather<kReadBytes>(stage_, src_ + row * S, places_, column, columns, rows * S);
      const bool last = row + kTileRows >= first + band;
      const int64_t next_row = last ? first : row + kTileRows;
      const int64_t next_column = last ? column + kTileColumns : column;
      transpose();
      for (int64_t r = 0; r < rows; ++r) {
        if (r < kTileColumns) ask_column<kReadBytes>(src_, places_, next_column + r, next_row * S);
        row_out(dst_ + places_.row(row + r) + column * S, out_ + r * kPitch + kLineBytes, columns * S, column == 0,
                column + columns == b_.columns, kept_ + (row - first + r) * kLineBytes);
      }
    }
  }

  // The whole of the first stage, whatever of it was filled.
  HWY_INLINE void transpose() {
    std::byte* const out = out_ + kLineBytes;
    if constexpr (is_word(S)) {
      using M = Wide<S>;
      for (int r = 0; r < kTileRows; r += M::kRows) {
        for (int c = 0; c < kTileColumns; c += M::kColumns) {
          M::template run<false>(out + r * kPitch + c * S, kPitch, stage_ + c * kReadBytes + r * S, kReadBytes);
        }
      }
    } else {
      // In this order, since what a move of 16 bytes has too many is put right by the next.
      for (int r = 0; r < kTileRows; ++r) {
        for (int c = 0; c < kTileColumns; ++c) {
          for (int i = 0; i < S; i += 16) {
            __builtin_memcpy(out + r * kPitch + c * S + i, stage_ + c * kReadBytes + r * S + i, 16);
          }
        }
      }
    }
  }

  // `bytes` bytes of a row from `buffer` to `dst`, and those of the strip to the left that are in the same line.
  HWY_INLINE void row_out(std::byte* dst, std::byte* buffer, int64_t bytes, bool first, bool last, std::byte* kept) {
    const auto past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(dst) % kLineBytes);
    int64_t at = -past;
    if (past != 0 && first) {
      at = kLineBytes - past < bytes ? kLineBytes - past : bytes;
      copy_part(dst, buffer, at);
    } else if (past != 0) {
      copy_run<true>(buffer - kLineBytes, kept, kLineBytes);
    }
    for (; at + kLineBytes <= bytes; at += kLineBytes) stream_lines(dst + at, buffer + at, kLineBytes);
    if (!last) {
      copy_run<true>(kept, buffer + kWriteBytes - kLineBytes, kLineBytes);
    } else if (at < bytes) {
      copy_part(dst + at, buffer + at, bytes - at);
    }
  }

  std::byte* dst_;
  const std::byte* src_;
  const Block b_;
  const Places places_;
  alignas(kLineBytes) std::byte stage_[kReadBytes * kTileColumns + 16];
  alignas(kLineBytes) std::byte out_[kPitch * kTileRows];
  alignas(kLineBytes) std::byte kept_[kLineBytes * kBandRows];
};

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
