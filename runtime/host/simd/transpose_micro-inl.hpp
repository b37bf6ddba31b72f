// Part of transpose.cpp, compiled once a target and so without a guard: transposes within registers.
//
// A micro-kernel takes Piece/S rows by kBytes/S columns of items of S bytes. Each of its vectors is loaded as pieces of
// 16 bytes, one from each group of columns, so that after log2(16/S) rounds of interleaving within 16-byte lanes each
// vector is one whole piece of a destination row. Pieces of 32 bytes want a last round that exchanges lanes, and half as
// many loads.

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

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3

// The even 16-byte lanes of `a`, each followed by that of `b`; and the odd ones.
HWY_INLINE __m512i even_lanes(__m512i a, __m512i b) { return _mm512_mask_permutex_epi64(a, 0xCC, b, 0x44); }
HWY_INLINE __m512i odd_lanes(__m512i a, __m512i b) { return _mm512_mask_permutex_epi64(b, 0x33, a, 0xEE); }

// The first half of `in` has columns that are followed by those of the second half.
template <int N, class V>
HWY_INLINE void exchange_lanes(const V* in, V* out) {
  for (int r = 0; r < N / 2; ++r) {
    out[r] = V{even_lanes(in[r].raw, in[r + N / 2].raw)};
    out[r + N / 2] = V{odd_lanes(in[r].raw, in[r + N / 2].raw)};
  }
}

#endif

// Items of S bytes in vectors of D.
template <int S, class D, int Piece = 16>
struct Micro {
  using V = hn::Vec<D>;
  using T = hn::TFromD<D>;
  static constexpr int kItem = S;
  static constexpr int kBytes = static_cast<int>(hn::MaxLanes(D()) * sizeof(T));
  static constexpr int kRows = Piece / S;
  static constexpr int kColumns = kBytes / S;
  static constexpr int kTurned = 16 / S;  // rows that are turned within 16-byte lanes

  // A piece from each of the groups, which are `group` bytes apart.
  template <class Some>
  static HWY_INLINE hn::Vec<Some> load(Some d, const std::byte* src, int64_t group) {
    constexpr auto kGroups = static_cast<int64_t>(hn::MaxLanes(d) * sizeof(T) / Piece);
    if constexpr (kGroups == 1) {
      return hn::LoadU(d, reinterpret_cast<const T*>(src));
    } else {
      const hn::Half<Some> half;
      const auto low = load(half, src, group);
      return hn::Combine(d, load(half, src + group * (kGroups / 2), group), low);
    }
  }

  static HWY_INLINE void interleave(V* v) {
    V in[kTurned];
    for (int r = 0; r < kTurned; ++r) in[r] = v[r];
    for (int r = 0; r < kTurned / 2; ++r) {
      v[2 * r] = hn::InterleaveLower(D(), in[r], in[r + kTurned / 2]);
      v[2 * r + 1] = hn::InterleaveUpper(D(), in[r], in[r + kTurned / 2]);
    }
  }

  static HWY_INLINE void load_turned(V* v, const std::byte* src, int64_t src_column) {
    for (int c = 0; c < kRows; ++c) v[c] = load(D(), src + c * src_column, src_column * kRows);
    for (int i = 1; i < kTurned; i *= 2) {
      for (int r = 0; r < kRows; r += kTurned) interleave(v + r);
    }
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
    if constexpr (Piece == 32) {
      V in[kRows];
      for (int r = 0; r < kRows; ++r) in[r] = v[r];
      exchange_lanes<kRows>(in, v);
    }
#endif
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
using Flat = Micro<S, hn::ScalableTag<Word<S>>>;
// 64 x 64 words took 0.75 of the time by pieces of 32 bytes, 200 x 200 of 8 bytes 0.92, 200 x 200 of 2 bytes 1.08.
template <int S>
constexpr bool kDeep = (HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3) && (S == 4 || S == 8);
template <int S>
using Wide = Micro<S, hn::ScalableTag<Word<S>>, kDeep<S> ? 32 : 16>;

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

// sizeof(T) to 2 * sizeof(T) bytes.
template <class T>
HWY_INLINE void copy_ends(std::byte* dst, const std::byte* src, int64_t bytes) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  T first;
  T last;
  __builtin_memcpy(&first, src, sizeof(T));
  __builtin_memcpy(&last, src + bytes - kSize, sizeof(T));
  __builtin_memcpy(dst, &first, sizeof(T));
  __builtin_memcpy(dst + bytes - kSize, &last, sizeof(T));
}

// 1 byte or more.
HWY_INLINE void copy_part(std::byte* dst, const std::byte* src, int64_t bytes) {
  if (bytes >= 16) return copy_run<false>(dst, src, bytes);
  if (bytes >= 8) return copy_ends<uint64_t>(dst, src, bytes);
  if (bytes >= 4) return copy_ends<uint32_t>(dst, src, bytes);
  if (bytes >= 2) return copy_ends<uint16_t>(dst, src, bytes);
  *dst = *src;
}

// Lays `columns` columns from `column` on side by side, kReadBytes apart; `bytes` of each, which are at most as many.
template <int kReadBytes, class Places>
HWY_INLINE void gather(std::byte* stage, const std::byte* src, const Places& places, int64_t column, int64_t columns,
                       int64_t bytes) {
  if (bytes == kReadBytes) {
    for (int64_t c = 0; c < columns; ++c) {
      copy_run<true>(stage + c * kReadBytes, src + places.column(column + c), kReadBytes);
    }
  } else {
    for (int64_t c = 0; c < columns; ++c) {
      copy_part(stage + c * kReadBytes, src + places.column(column + c), bytes);
    }
  }
}

// Asks for kReadBytes of a column, from `offset` on.
template <int kReadBytes, class Places>
HWY_INLINE void ask_column(const std::byte* src, const Places& places, int64_t column, int64_t offset) {
  for (int64_t i = 0; i < kReadBytes; i += kLineBytes) foresee(src, offset + places.column(column) + i);
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
