/// Random pairs of views to copy between, over arenas whose every byte is compared, and the copy done by hand.
///
/// The oracle collects the bytes of all source elements through the odometer, then writes them to those of the
/// destination: an overlap behaves as if through a temporary.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "strideport/buffer_view.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"

namespace strideport::testing {

/// Bytes at an address of any alignment, and the row pointers that lead into them.
struct Arena {
  std::vector<std::byte> memory;
  std::vector<std::unique_ptr<std::vector<uintptr_t>>> tables;

  uintptr_t begin() const { return reinterpret_cast<uintptr_t>(memory.data()); }
  void randomise(Random& random, int64_t size) {
    memory.resize(static_cast<size_t>(size));
    fill(random, memory);
  }
};

/// A layout without an address: strides, and the bytes around the first element.
struct Side {
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  std::vector<int64_t> suboffsets;
  int64_t lower = 0;
  int64_t upper = 0;
};

/// Strides that nest: no two elements share a byte. Gaps, order and signs vary.
inline std::vector<int64_t> nested_strides(Random& random, const std::vector<int64_t>& shape, int64_t itemsize) {
  std::vector<size_t> order(shape.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = order.size() - 1 - i;
  if (!one_in(random, 3)) shuffle(random, order);
  std::vector<int64_t> strides(shape.size());
  int64_t span = itemsize;
  for (const size_t axis : order) {
    int64_t stride = span;
    if (one_in(random, 4)) stride += pick(random, 0, 3) * itemsize;
    if (one_in(random, 6)) stride += pick(random, 0, 9);
    span += (std::max<int64_t>(shape[axis], 1) - 1) * stride;
    strides[axis] = one_in(random, 4) ? -stride : stride;
  }
  return strides;
}

inline void bound(Side& side, int64_t itemsize) {
  side.lower = 0;
  side.upper = itemsize;
  for (size_t axis = 0; axis < side.shape.size(); ++axis) {
    const int64_t reach = (side.shape[axis] - 1) * side.strides[axis];
    (reach < 0 ? side.lower : side.upper) += reach;
  }
}

/// Extents for `rank` dimensions with at most about `limit` elements.
inline std::vector<int64_t> pair_shape(Random& random, int64_t rank, int64_t limit) {
  std::vector<int64_t> shape(static_cast<size_t>(rank));
  for (int64_t& extent : shape) {
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(limit, one_in(random, 3) ? 70 : 5));
    extent = one_in(random, 60) ? 0 : pick(random, one_in(random, 6) ? 1 : std::min<int64_t>(2, most), most);
    limit /= std::max<int64_t>(extent, 1);
  }
  shuffle(random, shape);
  return shape;
}

/// The same shape with dimensions of extent 1 put in or left out.
inline std::vector<int64_t> with_unit_dims(Random& random, const std::vector<int64_t>& shape) {
  std::vector<int64_t> result;
  for (const int64_t extent : shape) {
    if (one_in(random, 8)) result.push_back(1);
    if (extent != 1 || one_in(random, 2)) result.push_back(extent);
  }
  return result;
}

inline BufferView view_at(uintptr_t buf, const Side& side, int64_t itemsize) {
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>(buf);
  spec.shape = side.shape;
  spec.strides = side.strides;
  spec.suboffsets = side.suboffsets;
  spec.itemsize = itemsize;
  return BufferView::create(spec);
}

/// Strides of any kind for a source: nested, repeating, or small and without order.
inline std::vector<int64_t> source_strides(Random& random, const std::vector<int64_t>& shape, int64_t itemsize) {
  auto strides = nested_strides(random, shape, itemsize);
  const int64_t kind = pick(random, 0, 5);
  for (int64_t& stride : strides) {
    if (kind == 0 && one_in(random, 2)) stride = 0;
    if (kind == 1) stride = pick(random, -20, 20);
  }
  return strides;
}

/// Lays `side` out over fresh memory of `arena` with some of its axes indirect: tables of pointers, in any order, to
/// blocks that lie apart. Returns the address of the first entry of the outermost table.
inline uintptr_t make_indirect(Random& random, Side& side, int64_t itemsize, Arena& arena) {
  const size_t ndim = side.shape.size();
  side.suboffsets.assign(ndim, -1);
  side.suboffsets[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(ndim) - 1))] = pick(random, 0, 9);
  if (one_in(random, 3)) side.suboffsets[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(ndim) - 1))] = 3;
  size_t inner = ndim;  // first axis inside the last indirect one
  while (side.suboffsets[inner - 1] < 0) --inner;
  Side block;
  block.shape.assign(side.shape.begin() + static_cast<std::ptrdiff_t>(inner), side.shape.end());
  block.strides.assign(side.strides.begin() + static_cast<std::ptrdiff_t>(inner), side.strides.end());
  bound(block, itemsize);
  int64_t blocks = 1;
  for (size_t axis = 0; axis < inner; ++axis) blocks *= side.shape[axis];
  const int64_t pitch = block.upper - block.lower + pick(random, 0, 9);
  const int64_t before = pick(random, 0, 20);
  arena.randomise(random, before + blocks * pitch + pick(random, 0, 20));
  std::vector<uintptr_t> targets;
  for (int64_t i = 0; i < blocks; ++i) {
    targets.push_back(arena.begin() + static_cast<uintptr_t>(before + i * pitch - block.lower));
  }
  shuffle(random, targets);
  // From the innermost tables outwards: each segment's tables hold the addresses of the things inside it.
  for (size_t end = inner; end > 0;) {
    size_t begin = end - 1;
    while (begin > 0 && side.suboffsets[begin - 1] < 0) --begin;
    int64_t entries = 1;
    for (size_t axis = end; axis-- > begin;) {
      side.strides[axis] = entries * static_cast<int64_t>(sizeof(void*));
      entries *= side.shape[axis];
    }
    std::vector<uintptr_t> tables;
    for (size_t first = 0; first < targets.size(); first += static_cast<size_t>(entries)) {
      arena.tables.push_back(std::make_unique<std::vector<uintptr_t>>());
      for (size_t i = first; i < first + static_cast<size_t>(entries); ++i) {
        arena.tables.back()->push_back(targets[i] - static_cast<uintptr_t>(side.suboffsets[end - 1]));
      }
      tables.push_back(reinterpret_cast<uintptr_t>(arena.tables.back()->data()));
    }
    targets = std::move(tables);
    end = begin;
  }
  return targets.at(0);
}

/// Where the bytes of `view` lie in `arena`.
inline std::vector<size_t> places(const BufferView& view, const Arena& arena) {
  std::vector<size_t> result;
  for (const uintptr_t address : byte_addresses(view)) result.push_back(static_cast<size_t>(address - arena.begin()));
  return result;
}

/// True if a place below `size` comes up twice.
inline bool repeats(const std::vector<size_t>& where, size_t size) {
  std::vector<bool> seen(size);
  for (const size_t place : where) {
    if (seen.at(place)) return true;
    seen[place] = true;
  }
  return false;
}

/// What `arena` must hold after the copy of src to these places in it.
inline std::vector<std::byte> copied_by_hand(const std::vector<size_t>& where, const Arena& arena,
                                             const BufferView& src) {
  const std::vector<std::byte> bytes = gather(src);
  std::vector<std::byte> result = arena.memory;
  EXPECT_EQ(bytes.size(), where.size());
  for (size_t i = 0; i < where.size(); ++i) result.at(where[i]) = bytes.at(i);
  return result;
}

inline std::string describe(const BufferView& dst, const BufferView& src) {
  return "dst " + layout_text(dst) + " src " + layout_text(src) + " distance " +
         std::to_string(static_cast<std::byte*>(src.buf()) - static_cast<std::byte*>(dst.buf()));
}

}  // namespace strideport::testing
