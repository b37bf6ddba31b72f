#include "strideport/layout.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "runtime/checked.hpp"
#include "runtime/stride_order.hpp"
#include "runtime/tuple_text.hpp"

namespace strideport {
namespace {

bool has_zero(std::span<const int64_t> shape) noexcept {
  return std::find(shape.begin(), shape.end(), 0) != shape.end();
}

void check_extents(std::span<const int64_t> shape) {
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0) {
      throw InvalidArgument("shape[" + std::to_string(axis) + "] is " + std::to_string(shape[axis]) +
                            "; extents must not be negative");
    }
  }
}

[[noreturn]] void throw_lengths_differ(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  throw InvalidArgument("strides " + tuple_text(strides) + " and shape " + tuple_text(shape) +
                        " differ in length; give one number a dimension");
}

// What every layout has to keep to before its numbers are looked at. `strides` may be an output.
void check_form(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize) {
  if (strides.size() != shape.size()) throw_lengths_differ(shape, strides);
  check_ndim(shape.size());
  if (itemsize < 0) {
    throw InvalidArgument("itemsize is " + std::to_string(itemsize) + "; it must not be negative");
  }
}

// Walks the axes from the densest to the widest one. The stride past the last axis is never formed: it may overflow
// where every stride that is needed does not.
bool is_dense(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
              bool first_axis_densest) noexcept {
  int64_t expected = itemsize;
  int64_t previous_extent = 1;
  const size_t ndim = shape.size();
  for (size_t i = 0; i < ndim; ++i) {
    const size_t axis = first_axis_densest ? i : ndim - 1 - i;
    if (shape[axis] == 1) continue;
    if (!try_mul(expected, previous_extent, expected) || strides[axis] != expected) return false;
    previous_extent = shape[axis];
  }
  return true;
}

bool is_gapless(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize) noexcept {
  const AxesByStride axes(shape, strides);
  int64_t expected = itemsize;
  int64_t previous_extent = 1;
  for (const int axis : axes.densest_first()) {
    const auto i = static_cast<size_t>(axis);
    const auto stride = magnitude(strides[i]);
    if (!try_mul(expected, previous_extent, expected) || stride != static_cast<uint64_t>(expected)) return false;
    previous_extent = shape[i];
  }
  return true;
}

}  // namespace

int64_t element_count(std::span<const int64_t> shape) {
  check_extents(shape);
  if (has_zero(shape)) return 0;
  int64_t count = 1;
  for (const int64_t extent : shape) count = checked_mul(count, extent, "the product of shape");
  return count;
}

void contiguous_strides(std::span<const int64_t> shape, int64_t itemsize, Order order, std::span<int64_t> strides) {
  check_form(shape, strides, itemsize);
  check_extents(shape);
  const bool empty = has_zero(shape);
  const size_t ndim = shape.size();
  int64_t stride = itemsize;
  for (size_t i = 0; i < ndim; ++i) {
    const size_t axis = order == Order::F ? i : ndim - 1 - i;
    strides[axis] = stride;
    if (i + 1 == ndim) break;
    if (!try_mul(stride, shape[axis], stride)) {
      if (!empty) throw_overflow("a stride", strides[axis], "*", shape[axis]);
      stride = 0;
    }
  }
}

void kept_strides(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize,
                  std::span<int64_t> result) {
  check_form(shape, strides, itemsize);
  check_form(shape, result, itemsize);
  if (is_contiguous(shape, strides, itemsize, Order::C)) return contiguous_strides(shape, itemsize, Order::C, result);
  if (is_contiguous(shape, strides, itemsize, Order::F)) return contiguous_strides(shape, itemsize, Order::F, result);
  check_extents(shape);
  int64_t stride = itemsize;
  int64_t previous_extent = 1;
  const AxesByStride axes(shape, strides);
  for (const int axis : axes.densest_first()) {
    const auto i = static_cast<size_t>(axis);
    stride = checked_mul(stride, previous_extent, "a stride");
    result[i] = stride;
    previous_extent = shape[i];
  }
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) result[i] = i + 1 < shape.size() ? result[i + 1] : itemsize;
  }
}

bool is_contiguous(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize, Order order) {
  check_form(shape, strides, itemsize);
  if (itemsize == 0 || has_zero(shape)) return true;
  switch (order) {
    case Order::C: return is_dense(shape, strides, itemsize, false);
    case Order::F: return is_dense(shape, strides, itemsize, true);
    case Order::A: return is_dense(shape, strides, itemsize, false) || is_dense(shape, strides, itemsize, true);
    case Order::K: return is_gapless(shape, strides, itemsize);
  }
  return false;
}

OffsetBounds offset_bounds(std::span<const int64_t> shape, std::span<const int64_t> strides, int64_t itemsize) {
  check_form(shape, strides, itemsize);
  check_extents(shape);
  if (has_zero(shape)) return {};
  OffsetBounds bounds{0, itemsize};
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) continue;
    const int64_t reach = checked_mul(shape[axis] - 1, strides[axis], "a byte offset");
    int64_t& side = reach < 0 ? bounds.lower : bounds.upper;
    side = checked_add(side, reach, "a byte offset");
  }
  int64_t span = 0;
  if (__builtin_sub_overflow(bounds.upper, bounds.lower, &span)) {
    throw_overflow("the span of byte offsets", bounds.upper, "-", bounds.lower);
  }
  return bounds;
}

}  // namespace strideport
