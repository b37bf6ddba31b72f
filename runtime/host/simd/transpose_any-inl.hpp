// Part of transpose.cpp, compiled once a target and so without a guard: transposes of any strides.

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

constexpr int kLineBytes = 64;

// How many rows bound the number of pages in use.
template <int S>
constexpr int64_t kTileRows = S >= 8 ? 128 : 256;

HWY_INLINE void foresee(const std::byte* base, int64_t offset) {
  const auto address = reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(offset);
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}
HWY_INLINE void foresee_write(const std::byte* base, int64_t offset) {
  const auto address = reinterpret_cast<uintptr_t>(base) + static_cast<uintptr_t>(offset);
  __builtin_prefetch(reinterpret_cast<const void*>(address), 1, 3);
}

constexpr int64_t kAheadRows = 8;

// Strips of columns, a cache line or more wide, over some rows. Each source column is read on in small steps while the
// strip goes down; the lines of dst, which no hardware prefetcher foresees, are asked for some rows ahead.
template <int S>
void transpose_any(std::byte* dst, const std::byte* src, const Block& b) {
  constexpr int64_t kColumns = kLineBytes / S > 16 ? kLineBytes / S : 16;
  const bool foresees = b.rows >= 4 * kAheadRows;
  for (int64_t r0 = 0; r0 < b.rows; r0 += kTileRows<S>) {
    const int64_t rows = b.rows - r0 < kTileRows<S> ? b.rows - r0 : kTileRows<S>;
    for (int64_t c0 = 0; c0 < b.columns; c0 += kColumns) {
      std::byte* __restrict to = dst + r0 * b.dst_row + c0 * b.dst_column;
      const std::byte* __restrict from = src + r0 * b.src_row + c0 * b.src_column;
      const int64_t columns = b.columns - c0 < kColumns ? b.columns - c0 : kColumns;
      for (int64_t r = 0; r < rows; ++r, to += b.dst_row, from += b.src_row) {
        for (int64_t i = 0; foresees && i < kColumns * S; i += kLineBytes)
          foresee_write(to, kAheadRows * b.dst_row + i);
        for (int64_t c = 0; c < columns; ++c) {
          __builtin_memcpy(to + c * b.dst_column, from + c * b.src_column, static_cast<size_t>(S));
        }
      }
    }
  }
}

// Where lists say which rows and columns, of which there are few.
template <int S>
void transpose_any_listed(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r) {
    std::byte* const to = dst + b.dst_rows[r];
    const std::byte* const from = src + r * S;
    for (int64_t c = 0; c < b.columns; ++c) {
      __builtin_memcpy(to + c * S, from + b.src_columns[c], static_cast<size_t>(S));
    }
  }
}

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
