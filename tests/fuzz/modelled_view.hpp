/// A view beside what it must be: its shape, and the address of every element in C order, kept by operations that only
/// ever pick from such a list. A view operation is right where the odometer, walking the view, finds that list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "strideport/buffer_view.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/odometer.hpp"

namespace strideport::testing {

inline constexpr int64_t kMostElements = 1500;

inline int64_t product(const Index& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return count;
}

/// Those that loops are written for, and any other up to 32.
inline int64_t some_itemsize(Input& input) {
  static constexpr int64_t kCommon[] = {1, 2, 4, 8, 16, 3, 12, 24};
  const uint8_t kind = input.byte();
  return kind < 200 ? kCommon[kind % std::size(kCommon)] : kind % 33;
}

struct Modelled {
  BufferView view;
  Index shape;
  std::vector<uintptr_t> at;  ///< in C order
  bool readonly = false;

  int64_t itemsize() const { return view.itemsize(); }
  bool empty() const { return at.empty(); }

  uintptr_t operator[](const Index& index) const {
    size_t flat = 0;
    for (size_t axis = 0; axis < index.size(); ++axis) {
      flat = flat * static_cast<size_t>(shape[axis]) + static_cast<size_t>(index[axis]);
    }
    return at[flat];
  }

  /// What is left of this one under another shape; `source` says which element goes where.
  template <class F>
  Modelled picked(BufferView result, Index new_shape, F&& source) const {
    Modelled other{std::move(result), std::move(new_shape), {}, readonly};
    for_each_index(other.shape, [&](const Index& index) { other.at.push_back((*this)[source(index)]); });
    return other;
  }

  /// The addresses of all bytes.
  std::vector<uintptr_t> bytes() const {
    std::vector<uintptr_t> result;
    result.reserve(at.size() * static_cast<size_t>(itemsize()));
    for (const uintptr_t address : at) {
      for (int64_t i = 0; i < itemsize(); ++i) result.push_back(address + static_cast<uintptr_t>(i));
    }
    return result;
  }

  bool overlaps_itself() const {
    auto all = bytes();
    std::sort(all.begin(), all.end());
    return std::adjacent_find(all.begin(), all.end()) != all.end();
  }

  /// The shape as a copy sees it.
  Index without_units() const {
    Index result;
    for (const int64_t extent : shape) {
      if (extent != 1) result.push_back(extent);
    }
    return result;
  }

  void check() const {
    require(Index(view.shape().begin(), view.shape().end()) == shape, "the shape of the result");
    require(view.readonly() == readonly, "read-only is kept, and not invented");
    require(addresses(view) == at, "each element of the result lies where it lay");
  }
};

}  // namespace strideport::testing
