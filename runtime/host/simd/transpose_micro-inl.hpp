// Part of transpose.cpp, compiled once a target and so without a guard: transposes within registers.
//
// A micro-kernel takes 16/S rows by kBytes/S columns of items of S bytes. Each of its vectors is loaded as 16-byte
// pieces, one from each group of columns, so that after log2(16/S) rounds of interleaving within 16-byte lanes every
// vector is one whole piece of a destination row.

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Where the rows of dst and the columns of src begin: at equal distances, or where lists say. See Block.
struct Even {
  int64_t dst_row;
  int64_t src_column;

  explicit Even(const Block& b) : dst_row(b.dst_row), src_column(b.src_column) {}
  HWY_INLINE int64_t row(int64_t r) const { return r * dst_row; }
  HWY_INLINE int64_t column(int64_t c) const { return c * src_column; }
};
struct Listed {
  const int64_t* dst_rows;
  const int64_t* src_columns;

  explicit Listed(const Block& b) : dst_rows(b.dst_rows), src_columns(b.src_columns) {}
  HWY_INLINE int64_t row(int64_t r) const { return dst_rows[r]; }
  HWY_INLINE int64_t column(int64_t c) const { return src_columns[c]; }
};

// Items of S bytes in vectors of D.
template <int S, class D>
struct Micro {
  using V = hn::Vec<D>;
  using T = hn::TFromD<D>;
  static constexpr int kItem = S;
  static constexpr int kBytes = static_cast<int>(hn::MaxLanes(D()) * sizeof(T));
  static constexpr int kRows = S == 16 ? 1 : 16 / S;
  static constexpr int kColumns = kBytes / S;

  // 16 bytes from each of the groups, which are `group` bytes apart.
  template <class Some>
  static HWY_INLINE hn::Vec<Some> load(Some d, const std::byte* src, int64_t group) {
    constexpr auto kGroups = static_cast<int64_t>(hn::MaxLanes(d) * sizeof(T) / 16);
    if constexpr (kGroups == 1) {
      return hn::LoadU(d, reinterpret_cast<const T*>(src));
    } else {
      const hn::Half<Some> half;
      const auto low = load(half, src, group);
      return hn::Combine(d, load(half, src + group * (kGroups / 2), group), low);
    }
  }

  static HWY_INLINE void interleave(V* v) {
    V in[kRows];
    for (int r = 0; r < kRows; ++r) in[r] = v[r];
    for (int r = 0; r < kRows / 2; ++r) {
      v[2 * r] = hn::InterleaveLower(D(), in[r], in[r + kRows / 2]);
      v[2 * r + 1] = hn::InterleaveUpper(D(), in[r], in[r + kRows / 2]);
    }
  }

  static HWY_INLINE void load_turned(V* v, const std::byte* src, int64_t src_column) {
    for (int c = 0; c < kRows; ++c) v[c] = load(D(), src + c * src_column, src_column * kRows);
    for (int i = 1; i < kRows; i *= 2) interleave(v);
  }

  template <bool Stream>
  static HWY_INLINE void store(std::byte* dst, V v) {
    T* const to = reinterpret_cast<T*>(dst);
    if constexpr (Stream) {
      hn::Stream(v, D(), to);
    } else {
      hn::StoreU(v, D(), to);
    }
  }

  template <bool Stream>
  static HWY_INLINE void run(std::byte* dst, int64_t dst_row, const std::byte* src, int64_t src_column) {
    V v[kRows];
    load_turned(v, src, src_column);
    for (int r = 0; r < kRows; ++r) store<Stream>(dst + r * dst_row, v[r]);
  }

  // To the rows from `first` on of `places`, counted from `dst`.
  template <bool Stream, class Places>
  static HWY_INLINE void run_to(std::byte* dst, const Places& places, int64_t first, const std::byte* src,
                                int64_t src_column) {
    V v[kRows];
    load_turned(v, src, src_column);
    for (int r = 0; r < kRows; ++r) store<Stream>(dst + places.row(first + r), v[r]);
  }
};

template <int S>
using Word = hwy::UnsignedFromSize<S == 16 ? 8 : S>;
template <int S>
using Narrow = Micro<S, hn::FixedTag<Word<S>, 16 / sizeof(Word<S>)>>;
template <int S>
using Wide = Micro<S, hn::ScalableTag<Word<S>>>;

// Columns from the first on that end at a multiple of `bytes` in every row of dst; 0 where rows differ in that.
template <int S>
int64_t columns_to_boundary(const std::byte* dst, int64_t dst_row, int64_t bytes) {
  const auto past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(dst)) & (bytes - 1);
  return dst_row % bytes != 0 || past % S != 0 ? 0 : (bytes - past) % bytes / S;
}

// `bytes` bytes, a multiple of a vector where Whole; 16 at least.
template <bool Whole>
HWY_INLINE void copy_run(std::byte* dst, const std::byte* src, int64_t bytes) {
  if constexpr (Whole) {
    const hn::ScalableTag<uint8_t> d;
    for (int64_t i = 0; i < bytes; i += static_cast<int64_t>(hn::MaxLanes(d))) {
      hn::StoreU(hn::LoadU(d, reinterpret_cast<const uint8_t*>(src + i)), d, reinterpret_cast<uint8_t*>(dst + i));
    }
  } else {
    const hn::FixedTag<uint8_t, 16> d;
    for (int64_t i = 0;; i = i + 32 <= bytes ? i + 16 : bytes - 16) {
      hn::StoreU(hn::LoadU(d, reinterpret_cast<const uint8_t*>(src + i)), d, reinterpret_cast<uint8_t*>(dst + i));
      if (i + 16 == bytes) return;
    }
  }
}

// Line by line past the caches; `dst` begins a line, src may lie anywhere.
HWY_INLINE void stream_lines(std::byte* dst, const std::byte* src, int64_t bytes) {
  const hn::ScalableTag<uint8_t> d;
  for (int64_t i = 0; i < bytes; i += static_cast<int64_t>(hn::MaxLanes(d))) {
    hn::Stream(hn::LoadU(d, reinterpret_cast<const uint8_t*>(src + i)), d, reinterpret_cast<uint8_t*>(dst + i));
  }
}

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
