/// Random valid structures over memory that is exactly as large as they need (plus random slack), for tests that
/// compare the library with the odometer. Bounds are found by walking every element, never by a formula.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "strideport/buffer_view.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"

namespace strideport::testing {

/// Shape, strides, suboffsets and the memory under them. `spec()` refers into it, so it must stay where it is.
struct Structure {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  std::vector<int64_t> suboffsets;
  int64_t itemsize = 1;
  int64_t offset = 0;                                         ///< of the element with all indices 0
  std::vector<std::byte> memory;                              ///< of the first segment
  std::vector<std::unique_ptr<std::vector<std::byte>>> rows;  ///< what the row pointers lead to

  bool empty() const { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }

  ViewSpec spec() {
    ViewSpec spec;
    spec.buf = memory.data() + offset;
    spec.shape = shape;
    spec.strides = strides;
    spec.suboffsets = suboffsets;
    spec.itemsize = itemsize;
    spec.memory = MemoryRange{memory.data(), static_cast<int64_t>(memory.size())};
    return spec;
  }
};

inline constexpr int64_t kWildStrides[] = {
    std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), -1, 0, 7, int64_t{1} << 40};

inline int64_t wild_stride(Random& random) {
  return kWildStrides[static_cast<size_t>(pick(random, 0, std::size(kWildStrides) - 1))];
}

inline std::vector<int64_t> random_shape(Random& random) {
  // One in 50 has many dimensions, nearly all of extent 1, so that 64 of them stay walkable.
  const bool deep = one_in(random, 50);
  std::vector<int64_t> shape(static_cast<size_t>(deep ? pick(random, 6, kMaxNdim) : pick(random, 0, 4)));
  for (int64_t& extent : shape) {
    extent = deep ? (one_in(random, 20) ? 2 : 1) : (one_in(random, 20) ? 0 : pick(random, 1, 5));
  }
  return shape;
}

/// Strides of every kind: C or F order, permuted, padded, reversed, repeated, and small ones without any order.
inline std::vector<int64_t> random_strides(Random& random, const std::vector<int64_t>& shape, int64_t itemsize) {
  std::vector<int64_t> strides(shape.size());
  const int64_t kind = pick(random, 0, 3);
  std::vector<size_t> order(shape.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = kind == 1 ? i : order.size() - 1 - i;
  if (kind == 2) shuffle(random, order);
  int64_t stride = itemsize;
  for (const size_t axis : order) {
    strides[axis] = kind == 3 ? pick(random, -20, 20) : stride;
    stride *= std::max<int64_t>(shape[axis], 1);
    if (kind == 2 && one_in(random, 3)) stride += pick(random, 0, 9);
    if (one_in(random, 6)) strides[axis] = -strides[axis];
    if (one_in(random, 25)) strides[axis] = 0;
  }
  return strides;
}

/// Makes memory for one segment: every element (`width` bytes) inside. Returns the offset of the first element.
inline int64_t make_memory(Random& random, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                           int64_t width, std::vector<std::byte>& memory) {
  int64_t lower = 0;
  int64_t upper = 0;
  for_each_index(shape, [&](const Index& index) {
    int64_t at = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) at += index[axis] * strides[axis];
    lower = std::min(lower, at);
    upper = std::max(upper, at + width);
  });
  const int64_t before = one_in(random, 2) ? 0 : pick(random, 0, 20);
  const int64_t after = one_in(random, 2) ? 0 : pick(random, 0, 20);
  memory.resize(static_cast<size_t>(before - lower + upper + after));
  for (std::byte& byte : memory) byte = static_cast<std::byte>(random());
  return before - lower;
}

/// A valid structure without suboffsets. Strides that mean nothing are often wild.
inline Structure random_structure(Random& random) {
  static constexpr int64_t kItemsizes[] = {1, 1, 2, 3, 4, 8, 12, 16, 24, 0};
  Structure s;
  s.itemsize = kItemsizes[static_cast<size_t>(pick(random, 0, std::size(kItemsizes) - 1))];
  s.shape = random_shape(random);
  s.strides = random_strides(random, s.shape, s.itemsize);
  s.offset = make_memory(random, s.shape, s.strides, s.itemsize, s.memory);
  for (size_t axis = 0; axis < s.shape.size(); ++axis) {
    if ((s.shape[axis] == 1 || s.empty()) && one_in(random, 2)) s.strides[axis] = wild_stride(random);
  }
  if (one_in(random, 10)) s.suboffsets.assign(s.shape.size(), -1);
  return s;
}

/// A valid structure with at least one indirect axis, its row pointers filled in.
inline Structure random_indirect_structure(Random& random) {
  Structure s;
  s.itemsize = pick(random, 1, 8);
  s.shape.resize(static_cast<size_t>(pick(random, 1, 4)));
  for (int64_t& extent : s.shape) extent = one_in(random, 30) ? 0 : pick(random, 1, 4);
  const size_t ndim = s.shape.size();
  s.suboffsets.assign(ndim, -1);
  s.suboffsets[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(ndim) - 1))] = pick(random, 0, 9);
  for (int64_t& suboffset : s.suboffsets) {
    if (one_in(random, 3)) suboffset = pick(random, 0, 9);
  }
  s.strides.resize(ndim);
  std::vector<uintptr_t> holes;  // addresses that wait for a pointer to the next segment
  for (size_t begin = 0; begin <= ndim;) {
    size_t end = begin;
    while (end < ndim && s.suboffsets[end] < 0) ++end;
    const bool last = end == ndim;
    const std::vector<int64_t> shape(s.shape.begin() + static_cast<std::ptrdiff_t>(begin),
                                     s.shape.begin() + static_cast<std::ptrdiff_t>(last ? end : end + 1));
    const int64_t width = last ? s.itemsize : static_cast<int64_t>(sizeof(void*));
    auto strides = random_strides(random, shape, width);
    if (!last) {  // row pointers must not overwrite each other
      for (int64_t& stride : strides) stride = 0;
      int64_t stride = width;
      for (size_t i = shape.size(); i-- > 0; stride *= std::max<int64_t>(shape[i], 1)) strides[i] = stride;
      if (one_in(random, 3)) strides[0] = -strides[0];
    }
    std::copy(strides.begin(), strides.end(), s.strides.begin() + static_cast<std::ptrdiff_t>(begin));
    std::vector<uintptr_t> next;
    const auto fill = [&](std::vector<std::byte>& memory) {
      const int64_t offset = make_memory(random, shape, strides, width, memory);
      for_each_index(shape, [&](const Index& index) {
        next.push_back(element_address(memory.data() + offset, strides, {}, index));
      });
      return offset;
    };
    if (begin == 0) {
      s.offset = fill(s.memory);
    } else if (!s.empty()) {
      for (const uintptr_t hole : holes) {
        s.rows.push_back(std::make_unique<std::vector<std::byte>>());
        const int64_t offset = fill(*s.rows.back());
        const auto row = reinterpret_cast<uintptr_t>(s.rows.back()->data() + offset) -
                         static_cast<uintptr_t>(s.suboffsets[begin - 1]);
        std::memcpy(reinterpret_cast<void*>(hole), &row, sizeof row);
      }
    }
    holes = std::move(next);
    begin = last ? ndim + 1 : end + 1;
  }
  return s;
}

}  // namespace strideport::testing
