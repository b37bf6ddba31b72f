// The kernels themselves, included once by each kernels_<target>.cpp, which names the namespace (STRIDEPORT_TARGET)
// and the width of its vectors in 16-byte lanes (STRIDEPORT_LANES). Nothing here or in the three parts may be called
// by another file, and nothing of the standard library but memcpy is used: a template instantiated here would be
// compiled for this instruction set and then picked by the linker for all.
//
// No kernel reads a byte that belongs to no element, so that a view may end at the end of a mapping.
#pragma once

#include "runtime/host/kernels_channels.hpp"
#include "runtime/host/kernels_runs.hpp"
#include "runtime/host/kernels_transposes.hpp"

namespace strideport::host::STRIDEPORT_TARGET {
namespace {

bool is_transpose(const Block& b) {
  const int64_t row = b.src_row < 0 ? -b.src_row : b.src_row;
  const int64_t column = b.src_column < 0 ? -b.src_column : b.src_column;
  return b.rows > 1 && row != 0 && row < column;
}

template <int S>
Kernel pick_strided(const Block& b) {
  if (b.src_column == 0) return fill_rows<S>;
  if (b.dst_column == S) {
    if (b.src_column == -S) return strided<S, 1, -1>;
    if (b.src_column == 2 * S) return strided<S, 1, 2>;
    if (b.src_column == -2 * S) return strided<S, 1, -2>;
    if (b.src_column == 3 * S) return strided<S, 1, 3>;
    if (b.src_column == 4 * S) return strided<S, 1, 4>;
    return strided<S, 1, 0>;
  }
  if (b.dst_column == 2 * S && b.src_column == S) return strided<S, 2, 1>;
  if (b.src_column == S) return strided<S, 0, 1>;
  return strided<S, 0, 0>;
}

template <int S>
Kernel pick_word(const Block& b) {
  if (!is_transpose(b)) return pick_strided<S>(b);
  if (const Kernel kernel = pick_channels<S>(b)) return kernel;
  if (fits_micro_kernel<S>(b)) return transpose_dense<S>;
  return transpose_any<S>;
}

template <int S>
Kernel pick_fixed(const Block& b) {
  if (is_transpose(b)) return transpose_any<S>;
  return b.src_column == 0 ? fill_rows<S> : strided<S, 0, 0>;
}

void rows_short(std::byte* dst, const std::byte* src, const Block& b) { rows_inline(dst, src, b); }

}  // namespace

Kernel pick_kernel(const Block& b) {
  switch (b.item) {
    case 1: return pick_word<1>(b);
    case 2: return pick_word<2>(b);
    case 3: return pick_fixed<3>(b);
    case 4: return pick_word<4>(b);
    case 6: return pick_fixed<6>(b);
    case 8: return pick_word<8>(b);
    case 12: return pick_fixed<12>(b);
    case 16: return pick_word<16>(b);
    case 24: return pick_fixed<24>(b);
    case 32: return pick_fixed<32>(b);
    case 48: return pick_fixed<48>(b);
    case 64: return pick_fixed<64>(b);
    case 96: return strided<96, 0, 0>;
    case 128: return strided<128, 0, 0>;
    default: return b.item <= kInlineRunBytes ? rows_short : rows_memcpy;
  }
}

}  // namespace strideport::host::STRIDEPORT_TARGET
