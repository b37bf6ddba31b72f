// Part of transpose.cpp, compiled once a target and so without a guard: transposes that are larger than a cache.
//
// Tiles go down the rows, so that each source column is read on; one tile's lines are gathered in an L1 stage, each
// line whole and once, while those of the next are asked for. Source columns whose distance is a multiple of 4 KiB
// share the few places that a first-level cache has for them: without the stage each line would be fetched for every
// micro-kernel that takes a part of it.

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

// The shapes that did best of runs of 64 to 512 bytes on either side, on a 2-core Sapphire Rapids. Writes of 2 lines
// side by side gained 15 % over single ones, for bytes nothing.
template <class M, bool Stream, class Places = Even>
class Tiles {
 public:
  static constexpr int kReadBytes = Stream ? 256 : 128;                           // of a source column
  static constexpr int kWriteBytes = Stream && M::kItem == 1 ? kLineBytes : 128;  // of a destination row
  static constexpr int kTileRows = kReadBytes / M::kItem;
  static constexpr int kTileColumns = kWriteBytes / M::kItem;

  Tiles(std::byte* dst, const std::byte* src, const Block& b) : dst_(dst), src_(src), b_(b), places_(b) {}

  // Strips of a tile's width: from the first column that begins a line, as many as are whole; what is left before and
  // after by strips of one vector, which may write some items twice, the same.
  void run() {
    constexpr int64_t kStep = Stream ? kLineBytes / M::kItem : M::kColumns;
    const int64_t boundary = columns_to_boundary<M::kItem>(dst_, b_.dst_row, kLineBytes);
    int64_t c = 0;
    for (; c < boundary; c += M::kColumns) strip<false>(c, M::kColumns);
    for (c = boundary; b_.columns - c >= kStep;) {
      const int64_t left = (b_.columns - c) / kStep * kStep;
      const int64_t columns = left < kTileColumns ? left : kTileColumns;
      strip<Stream>(c, columns);
      c += columns;
    }
    for (; c < b_.columns; c += M::kColumns) {
      strip<false>(c + M::kColumns < b_.columns ? c : b_.columns - M::kColumns, M::kColumns);
    }
  }

 private:
  template <bool Streams>
  void strip(int64_t column, int64_t columns) {
    next_column_ = column + columns < b_.columns ? column + columns : 0;
    for (int64_t row = 0; row < b_.rows; row += kTileRows) {
      const int64_t rows = b_.rows - row < kTileRows ? b_.rows - row : kTileRows;
      if (rows < M::kRows) {
        tile<Streams>(b_.rows - M::kRows, M::kRows, column, columns);
      } else {
        tile<Streams>(row, rows, column, columns);
      }
    }
  }

  template <bool Streams>
  HWY_INLINE void tile(int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const std::byte* const src = src_ + row * M::kItem;
    if (rows == kTileRows) {
      for (int64_t c = 0; c < columns; ++c) copy_run<true>(at(c), src + places_.column(column + c), kReadBytes);
    } else {
      for (int64_t c = 0; c < columns; ++c) {
        copy_run<false>(at(c), src + places_.column(column + c), rows * M::kItem);
      }
    }
    const bool last = row + kTileRows >= b_.rows;
    const int64_t next_row = last ? 0 : row + kTileRows;
    const int64_t next_column = last ? next_column_ : column;
    std::byte* const dst = dst_ + column * M::kItem;
    int64_t asked = next_column;
    for (int64_t r = 0; r < rows; r += M::kRows) {
      const int64_t from = r + M::kRows < rows ? r : rows - M::kRows;
      ask_source(next_row, asked);
      asked += kAskedColumns;
      if constexpr (!Streams) ask_destination(next_row + from, next_column, columns * M::kItem);
      rows_out<Streams>(dst, row + from, from, columns);
    }
  }

  // The source columns to ask for beside each round of kRows rows.
  static constexpr int64_t kAskedColumns = (kTileColumns * M::kRows + kTileRows - 1) / kTileRows;
  static_assert(kTileRows <= kListedBeyond && kTileColumns + kAskedColumns <= kListedBeyond);

  HWY_INLINE void ask_source(int64_t row, int64_t from) const {
    for (int64_t c = from; c < from + kAskedColumns; ++c) ask_column<kReadBytes>(src_, places_, c, row * M::kItem);
  }

  HWY_INLINE void ask_destination(int64_t row, int64_t column, int64_t bytes) const {
    for (int64_t r = row; r < row + M::kRows; ++r) {
      for (int64_t i = 0; i < bytes; i += kLineBytes) foresee_write(dst_, places_.row(r) + column * M::kItem + i);
    }
  }

  // kRows rows from `row` on, which are `from` on in the stage.
  template <bool Streams>
  HWY_INLINE void rows_out(std::byte* dst, int64_t row, int64_t from, int64_t columns) {
    if constexpr (Streams && M::kBytes < kLineBytes) {
      // A line's parts are written one right after the other: apart they would go to memory one by one.
      for (int64_t c = 0; c < columns; c += kLineBytes / M::kItem) {
        for (int i = 0; i < kLineBytes / M::kBytes; ++i) {
          M::template run<false>(lines_ + i * M::kBytes, kLineBytes, at(c + i * M::kColumns) + from * M::kItem,
                                 kReadBytes);
        }
        for (int r = 0; r < M::kRows; ++r) {
          stream_lines(dst + places_.row(row + r) + c * M::kItem, lines_ + r * kLineBytes, kLineBytes);
        }
      }
    } else {
      for (int64_t c = 0; c < columns; c += M::kColumns) {
        M::template run_to<Streams>(dst + c * M::kItem, places_, row, at(c) + from * M::kItem, kReadBytes);
      }
    }
  }

  std::byte* at(int64_t column) { return stage_ + column * kReadBytes; }

  std::byte* dst_;
  const std::byte* src_;
  const Block b_;
  const Places places_;
  int64_t next_column_ = 0;
  alignas(kLineBytes) std::byte stage_[kReadBytes * kTileColumns];
  alignas(kLineBytes) std::byte lines_[kLineBytes * M::kRows];
};

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
