/// What a kernel of the host must make of a block, for blocks too large for the odometer: two loops, an item at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "runtime/host/kernels.hpp"
#include "tests/support/host_blocks.hpp"

namespace strideport::testing {

/// The bytes that a block's side takes, from its first item's address.
struct Span {
  int64_t lower = 0;
  int64_t upper = 0;

  int64_t bytes() const { return upper - lower; }
};

inline Span span_of(int64_t rows, int64_t row, int64_t columns, int64_t column, int64_t item) {
  Span span{0, item};
  (row < 0 ? span.lower : span.upper) += (rows - 1) * row;
  (column < 0 ? span.lower : span.upper) += (columns - 1) * column;
  return span;
}
inline Span span_of(const int64_t* offsets, int64_t count, int64_t bytes) {
  const auto [least, most] = std::minmax_element(offsets, offsets + count);
  return {*least, *most + bytes};
}
inline Span dst_span(const host::Block& b) {
  if (b.dst_rows != nullptr) return span_of(b.dst_rows, b.rows, b.columns * b.item);
  return span_of(b.rows, b.dst_row, b.columns, b.dst_column, b.item);
}
inline Span src_span(const host::Block& b) {
  if (b.src_columns != nullptr) return span_of(b.src_columns, b.columns, b.rows * b.item);
  return span_of(b.rows, b.src_row, b.columns, b.src_column, b.item);
}

/// Runs the kernel that is picked for `b`, and compares every byte of the destination and up to 256 around it.
inline void expect_copied(const host::Block& b, std::byte* dst, const std::byte* src, const Guarded& dst_memory) {
  const Span span = dst_span(b);
  std::byte* const from = dst_memory.begin() + std::max<int64_t>(0, dst + span.lower - dst_memory.begin() - 256);
  std::byte* const to = dst_memory.end() - std::max<int64_t>(0, dst_memory.end() - (dst + span.upper) - 256);
  std::fill(from, to, std::byte{0xA5});
  std::vector<std::byte> expected(from, to);
  for (int64_t r = 0; r < b.rows; ++r) {
    std::byte* const row = expected.data() + (dst - from) + (b.dst_rows == nullptr ? r * b.dst_row : b.dst_rows[r]);
    for (int64_t c = 0; c < b.columns; ++c) {
      const std::byte* const column = src + (b.src_columns == nullptr ? c * b.src_column : b.src_columns[c]);
      std::memcpy(row + c * b.dst_column, column + r * b.src_row, static_cast<size_t>(b.item));
    }
  }
  host::pick_kernel(b)(dst, src, b);
  EXPECT_EQ(std::memcmp(from, expected.data(), expected.size()), 0)
      << text(b) << ", dst at " << dst - dst_memory.begin() << ", src at an address of "
      << reinterpret_cast<uintptr_t>(src) % 64 << " mod 64";
}

}  // namespace strideport::testing
