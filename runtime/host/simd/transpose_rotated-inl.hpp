// Part of transpose.cpp, compiled once a target and so without a guard: transposes past the caches whose rows do not
// begin lines, in registers.
//
// As in transpose_tiles-inl.hpp; but each vector of a row is rotated to where its bytes stand in the lines of dst, and
// joined with what the vector before it had for the line in which both meet. So every line but the first and the last
// of a row and what the last tile has is written whole and once, past the caches, and a line costs one permutation more
// than where rows begin lines. Highway 1.0.3 has no name for permutations of bytes across lanes; its masked stores take
// masks that it makes of vectors, of which no end of a row has one.

#if HWY_TARGET == HWY_AVX3_DL

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

// The first `count` bytes of a line, 0 to 64.
HWY_INLINE __mmask64 first_bytes(int64_t count) {
  return count == kLineBytes ? ~__mmask64{0} : (__mmask64{1} << static_cast<unsigned>(count)) - 1;
}

// Lines as M has them (transpose_packed-inl.hpp). Rows are longer than a tile.
template <class M, class Places = Even>
class RotatedTiles {
 public:
  static constexpr int kReadBytes = M::kReadBytes;  // of a source column
  static constexpr int kTileRows = kReadBytes / M::kItem;
  static constexpr int kTileColumns = M::kColumns;

  RotatedTiles(std::byte* dst, const std::byte* src, const Block& b) : dst_(dst), src_(src), b_(b), places_(b) {}

  void run() {
    for (int64_t row = 0; row < b_.rows; row += kBandRows) {
      const int64_t rows = b_.rows - row < kBandRows ? b_.rows - row : kBandRows;
      strip<Part::first>(row, rows, 0);
      int64_t column = kTileColumns;
      for (; b_.columns - column > kTileColumns; column += kTileColumns) strip<Part::middle>(row, rows, column);
      strip<Part::last>(row, rows, column);
    }
  }

 private:
  enum class Part { first, middle, last };  // of a row

  // Whose parts of lines are kept from one strip to the next. With twice as many 8208 x 8208 bytes took 0.9 of the time,
  // but all of this lies on the stack, of which a thread may have 128 KiB.
  static constexpr int64_t kBandRows = 512 / kTileRows * kTileRows;

  template <Part Where>
  void strip(int64_t first, int64_t band, int64_t column) {
    const int64_t columns = Where == Part::last ? b_.columns - column : kTileColumns;
    for (int64_t row = first; row < first + band; row += kTileRows) {
      const int64_t rows = first + band - row < kTileRows ? first + band - row : kTileRows;
      const bool last = row + kTileRows >= first + band;
      gather<kReadBytes>(stage_, src_ + row * M::kItem, places_, column, columns, rows * M::kItem);
      const int64_t next_row = last ? first : row + kTileRows;
      int64_t asked = last ? column + kTileColumns : column;
      const int64_t asked_end = asked + kTileColumns;
      for (int64_t r = 0; r < rows; r += M::kRows) {
        for (int64_t c = asked; c < asked + kAskedColumns && asked < asked_end; ++c) {
          ask_column<kReadBytes>(src_, places_, c, next_row * M::kItem);
        }
        asked += kAskedColumns;
        const auto count = static_cast<int>(rows - r < M::kRows ? rows - r : M::kRows);
        rows_out<Where>(column, row + r, stage_ + r * M::kItem, count, columns * M::kItem,
                        kept_ + (row - first + r) * kLineBytes);
      }
    }
  }

  // The source columns to ask for beside each round of kRows rows.
  static constexpr int64_t kAskedColumns = (kTileColumns * M::kRows + kTileRows - 1) / kTileRows;
  static_assert(2 * kTileColumns + kAskedColumns <= kListedBeyond);

  // The first `count` rows of those that begin at `staged`, `bytes` bytes of each; the stage holds nothing of use
  // beyond. `kept` has a line of each row.
  template <Part Where>
  HWY_INLINE void rows_out(int64_t column, int64_t row, const std::byte* staged, int count, int64_t bytes,
                           std::byte* kept) {
    const hn::ScalableTag<uint8_t> bytes_tag;
    __m512i lines[M::kVectors][M::kRows];
    M::load(lines, staged, kReadBytes);
    for (int r = 0; r < M::kRows; ++r) {
      if (r == count) break;
      std::byte* const to = dst_ + places_.row(row + r) + column * M::kItem;
      const auto past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(to) % kLineBytes);
      // A permutation looks at the last six bits of each.
      const __m512i turn = hn::Sub(hn::Iota(bytes_tag, uint8_t{0}), hn::Set(bytes_tag, static_cast<uint8_t>(past))).raw;
      const __mmask64 before = first_bytes(past);
      std::byte* line = to - past;
      __m512i rest = _mm512_load_si512(kept + r * kLineBytes);
      for (int i = 0; i < M::kVectors; ++i, line += kLineBytes) {
        const __m512i turned = _mm512_permutexvar_epi8(turn, lines[i][r]);
        const int64_t left = bytes - i * kLineBytes;
        if (Where == Part::last && left <= kLineBytes) {
          const int64_t end = past + left;
          const __m512i whole = _mm512_mask_mov_epi8(turned, before, rest);
          _mm512_mask_storeu_epi8(line, first_bytes(end < kLineBytes ? end : kLineBytes), whole);
          if (end > kLineBytes) _mm512_mask_storeu_epi8(line + kLineBytes, first_bytes(end - kLineBytes), turned);
          break;
        }
        if (Where == Part::first && i == 0) {
          _mm512_mask_storeu_epi8(line, ~before, turned);
        } else {
          _mm512_stream_si512(reinterpret_cast<__m512i*>(line), _mm512_mask_mov_epi8(turned, before, rest));
        }
        rest = turned;
      }
      if constexpr (Where != Part::last) _mm512_store_si512(kept + r * kLineBytes, rest);
    }
  }

  std::byte* dst_;
  const std::byte* src_;
  const Block b_;
  const Places places_;
  alignas(kLineBytes) std::byte stage_[kReadBytes * kTileColumns + 16];
  alignas(kLineBytes) std::byte kept_[kLineBytes * kBandRows];
};

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
