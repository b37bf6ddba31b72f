/// Arithmetic on shapes and strides alone: no memory, no element types, no devices.
///
/// Units: extents count elements, strides and offsets count bytes and may have either sign. The stride of an
/// extent of 1 and every stride of an empty shape are meaningless, and no function here looks at them. All functions
/// throw InvalidArgument for strides of another length than shape, more than 64 dimensions and a negative itemsize.
#pragma once

#include <cstdint>
#include <span>

namespace strideport {

/// PyBUF_MAX_NDIM.
inline constexpr int kMaxNdim = 64;

/// C: last dimension densest; F: first; A: either; K: that of the source, its gaps closed.
enum class Order : char { C = 'C', F = 'F', A = 'A', K = 'K' };

/// Bytes [lower, upper) around the first element that the elements of a layout occupy; lower <= 0.
struct OffsetBounds {
  int64_t lower = 0;
  int64_t upper = 0;
  friend constexpr bool operator==(const OffsetBounds&, const OffsetBounds&) = default;
};

/// Product of the extents: 1 for no dimension; 0 where one of them is 0, however large the others are.
/// Throws: InvalidArgument for a negative extent or a product over int64.
[[nodiscard]] int64_t element_count(std::span<const int64_t> shape);

/// Counterpart of PyBuffer_FillContiguousStrides. Shapes: `strides` has shape.size() entries.
/// Order A and K mean C here. In an empty shape, strides wider than the extent of 0 are 0, as CPython writes them.
/// Throws: InvalidArgument for a negative extent, or where a stride that means something overflows.
void contiguous_strides(std::span<const int64_t> shape, int64_t itemsize, Order order, std::span<int64_t> strides);

/// The strides of a copy in order K: positive, without gaps, the axes in the source's order of |stride|, as NumPy's
/// empty_like chooses them. Shapes: `strides` and `result` have shape.size() entries.
/// Throws: InvalidArgument as `contiguous_strides`.
void kept_strides(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
                  std::span<int64_t> result);

/// Counterpart of PyBuffer_IsContiguous without suboffsets. Empty shapes are contiguous in every order. K asks
/// whether the elements fill one gapless block, dimensions in any order and strides of any sign.
[[nodiscard]] bool is_contiguous(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
                                 Order order);

/// The bytes that a layout can reach; {0, 0} for an empty one.
/// Throws: InvalidArgument where an offset, or the distance of two elements, overflows int64.
[[nodiscard]] OffsetBounds offset_bounds(std::span<const int64_t> shape, std::span<const int64_t> strides,
                                         int64_t itemsize);

/// True if two different indices of one layout share a byte.
/// Cost: sorts the strides, which settles ordinary layouts; interleaved ones are searched, within a fixed bound
///       of work, past which up to 2^20 elements are looked at one by one, and for more the answer is true.
[[nodiscard]] bool overlaps_itself(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize);

}  // namespace strideport
