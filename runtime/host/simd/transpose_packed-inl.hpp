// Part of transpose.cpp, compiled once a target and so without a guard: what transpose_rotated-inl.hpp writes, lines of
// rows, turned in registers.
//
// Some rows of some columns, of which each row has kVectors lines. A column of the source is `pitch` bytes behind the
// one before it; 16 bytes behind its last item may be read.

#if HWY_TARGET == HWY_AVX3_DL

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {

// Words. Two lines side by side took 0.9 of the time that one did, of bytes and 16-bit words 1.1 to 1.2.
template <int S>
struct WordLines {
  using M = Wide<S>;
  static_assert(M::kBytes == kLineBytes);
  static constexpr int kItem = S;
  static constexpr int kRows = M::kRows;
  static constexpr int kVectors = S <= 2 ? 1 : 2;
  static constexpr int kColumns = kVectors * M::kColumns;
  static constexpr int kReadBytes = 256;

  static HWY_INLINE void load(__m512i (*lines)[kRows], const std::byte* src, int64_t pitch) {
    for (int i = 0; i < kVectors; ++i) {
      typename M::V v[kRows];
      M::load_turned(v, src + i * M::kColumns * pitch, pitch);
      for (int r = 0; r < kRows; ++r) lines[i][r] = v[r].raw;
    }
  }
};

// Items of 3, 6, 12 and 24 bytes, three lines of them. Pieces of 16 or 32 bytes from a column have 12 or 24 of use, in
// one to four rows. Where there are several rows, these are turned; then each row of a quarter of the columns is
// 3 words of every 4, or 6 of every 8, in one vector, and the lines are packed of two such vectors each.
template <int S>
struct OddLines {
  static_assert(S == 3 || S == 6 || S == 12 || S == 24);
  static constexpr int kItem = S;
  static constexpr int kRows = S < 12 ? 12 / S : 1;
  static constexpr int kVectors = 3;
  static constexpr int kColumns = kVectors * kLineBytes / S;
  static constexpr int kReadBytes = 384;

  static HWY_INLINE void load(__m512i (*lines)[kRows], const std::byte* src, int64_t pitch) {
    __m512i quarters[4][kRows];
    for (int i = 0; i < 4; ++i) load_quarter(quarters[i], src + i * (kColumns / 4) * pitch, pitch);
    for (int i = 0; i < kVectors; ++i) {
      const __m512i places = _mm512_load_si512(kPacked.at[i]);
      for (int r = 0; r < kRows; ++r) {
        lines[i][r] = _mm512_permutex2var_epi32(quarters[i][r], places, quarters[i + 1][r]);
      }
    }
  }

 private:
  struct alignas(kLineBytes) Words {
    uint32_t at[kVectors][16];
  };
  struct alignas(kLineBytes) Bytes {
    uint8_t at[kLineBytes];
  };

  // Where line i has its words in quarters i and i + 1.
  static constexpr Words packed() {
    constexpr uint32_t kUsed = S == 6 || S == 24 ? 6 : 3;
    constexpr uint32_t kLane = kUsed == 3 ? 4 : 8;
    Words places{};
    for (uint32_t word = 0; word < 16 * kVectors; ++word) {
      const uint32_t line = word / 16;
      places.at[line][word % 16] = word / kUsed * kLane + word % kUsed - 16 * line;
    }
    return places;
  }
  static constexpr Words kPacked = packed();

  // Four columns of kRows rows each, from pieces of 16 bytes to rows of 64 / kRows bytes.
  static constexpr Bytes turned() {
    Bytes places{};
    for (int i = 0; i < kLineBytes; ++i) {
      const int row = i / (kLineBytes / kRows);
      const int byte = i % (kLineBytes / kRows);
      if (byte < 4 * S) places.at[i] = static_cast<uint8_t>(byte / S * 16 + row * S + byte % S);
    }
    return places;
  }
  static constexpr Bytes kTurned = turned();

  static HWY_INLINE __m512i load_columns(const std::byte* src, int64_t pitch) {
    const auto piece = [&](int c) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + c * pitch)); };
    __m512i v = _mm512_castsi128_si512(piece(0));
    v = _mm512_inserti32x4(v, piece(1), 1);
    v = _mm512_inserti32x4(v, piece(2), 2);
    return _mm512_inserti32x4(v, piece(3), 3);
  }

  static HWY_INLINE void load_quarter(__m512i* rows, const std::byte* src, int64_t pitch) {
    if constexpr (S == 24) {
      const auto piece = [&](int c) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + c * pitch)); };
      rows[0] = _mm512_inserti64x4(_mm512_castsi256_si512(piece(0)), piece(1), 1);
    } else if constexpr (S == 12) {
      rows[0] = load_columns(src, pitch);
    } else {
      __m512i v[kRows];
      const __m512i places = _mm512_load_si512(kTurned.at);
      for (int i = 0; i < kRows; ++i) {
        v[i] = _mm512_permutexvar_epi8(places, load_columns(src + 4 * i * pitch, pitch));
      }
      exchange_rows(v, rows);
    }
  }

  // Vectors of the same rows of four columns each, to one of each row.
  static HWY_INLINE void exchange_rows(const __m512i* v, __m512i* rows) {
    if constexpr (kRows == 2) {
      rows[0] = _mm512_shuffle_i64x2(v[0], v[1], 0x44);
      rows[1] = _mm512_shuffle_i64x2(v[0], v[1], 0xEE);
    } else {
      const __m512i upper_left = _mm512_shuffle_i64x2(v[0], v[1], 0x44);
      const __m512i upper_right = _mm512_shuffle_i64x2(v[2], v[3], 0x44);
      const __m512i lower_left = _mm512_shuffle_i64x2(v[0], v[1], 0xEE);
      const __m512i lower_right = _mm512_shuffle_i64x2(v[2], v[3], 0xEE);
      rows[0] = _mm512_shuffle_i64x2(upper_left, upper_right, 0x88);
      rows[1] = _mm512_shuffle_i64x2(upper_left, upper_right, 0xDD);
      rows[2] = _mm512_shuffle_i64x2(lower_left, lower_right, 0x88);
      rows[3] = _mm512_shuffle_i64x2(lower_left, lower_right, 0xDD);
    }
  }
};

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
