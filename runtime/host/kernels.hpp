/// The innermost loops of the host copy: two dimensions of items, chosen once a copy and called once for every index
/// of the dimensions outside them. The same sources are compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strideport::host {

/// What one call of a kernel does. Source and destination share no byte of any element.
/// Units: extents in items, strides and `item` in bytes; dst_column is positive, src strides have any sign. A
///        transpose reads a reversed source forwards and then has a negative dst_row.
struct Block {
  int64_t rows = 1;  ///< the outer dimension
  int64_t dst_row = 0;
  int64_t src_row = 0;
  int64_t columns = 1;  ///< the inner dimension
  int64_t dst_column = 0;
  int64_t src_column = 0;
  int64_t item = 1;      ///< contiguous on both sides
  bool streams = false;  ///< the whole copy is larger than a cache that would be of use to who reads dst next

  /// Where both are given, the offsets of the rows in dst and of the columns in src, in bytes from the first, instead
  /// of dst_row, which then has the factors of two that all their distances have, and src_column. In transposes alone:
  /// src_row is the item, dst_column too. kListedBeyond offsets more can be read.
  const int64_t* dst_rows = nullptr;
  const int64_t* src_columns = nullptr;
};

constexpr int64_t kListedBeyond = 256;

using Kernel = void (*)(std::byte* dst, const std::byte* src, const Block& block);

/// Chooses the loop for a block: by item size and by the strides that have a loop of their own; for the instruction set in
/// use (runtime/host/simd/target.hpp). Never null: the families together have a loop for every block under every target.
Kernel pick_kernel(const Block& block);

}  // namespace strideport::host
