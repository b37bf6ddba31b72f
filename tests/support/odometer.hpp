/// The oracle of the layout tests: visits every index by hand and adds up addresses one stride at a time.
///
/// It shares no arithmetic with the library: it takes bare shapes and strides, or reads them off a view. Slow and
/// obvious on purpose; elements in C order throughout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "strideport/buffer_view.hpp"

namespace strideport::testing {

using Index = std::vector<int64_t>;

/// Calls f(const Index&) for every index of `shape` in C order; once, with an empty index, for no dimensions.
template <class F>
void for_each_index(std::span<const int64_t> shape, F&& f) {
  for (const int64_t extent : shape) {
    if (extent == 0) return;
  }
  Index index(shape.size(), 0);
  while (true) {
    f(static_cast<const Index&>(index));
    size_t axis = shape.size();
    while (axis > 0 && ++index[axis - 1] == shape[axis - 1]) index[--axis] = 0;
    if (axis == 0) return;
  }
}

/// The address of one element, as PEP 3118 spells it out. Reads row pointers where `suboffsets` is not empty.
inline uintptr_t element_address(const void* buf, std::span<const int64_t> strides, std::span<const int64_t> suboffsets,
                                 std::span<const int64_t> index) {
  auto address = reinterpret_cast<uintptr_t>(buf);
  for (size_t axis = 0; axis < index.size(); ++axis) {
    for (int64_t i = 0; i < index[axis]; ++i) address += static_cast<uintptr_t>(strides[axis]);
    if (!suboffsets.empty() && suboffsets[axis] >= 0) {
      uintptr_t row = 0;
      std::memcpy(&row, reinterpret_cast<const void*>(address), sizeof row);
      address = row + static_cast<uintptr_t>(suboffsets[axis]);
    }
  }
  return address;
}

inline uintptr_t element_address(const BufferView& view, std::span<const int64_t> index) {
  return element_address(view.buf(), view.strides(), view.suboffsets(), index);
}

/// The addresses of all elements.
inline std::vector<uintptr_t> addresses(const BufferView& view) {
  std::vector<uintptr_t> result;
  for_each_index(view.shape(), [&](const Index& index) { result.push_back(element_address(view, index)); });
  return result;
}

/// The addresses of all bytes of all elements.
inline std::vector<uintptr_t> byte_addresses(const BufferView& view) {
  std::vector<uintptr_t> result;
  for (const uintptr_t address : addresses(view)) {
    for (int64_t i = 0; i < view.itemsize(); ++i) result.push_back(address + static_cast<uintptr_t>(i));
  }
  return result;
}

/// The addresses of all elements, the first axis fastest.
inline std::vector<uintptr_t> fortran_addresses(const BufferView& view) {
  const Index reversed(view.shape().rbegin(), view.shape().rend());
  std::vector<uintptr_t> result;
  for_each_index(reversed, [&](const Index& index) {
    result.push_back(element_address(view, Index(index.rbegin(), index.rend())));
  });
  return result;
}

/// The bytes of all elements, one after another: what a copy in C order must contain.
inline std::vector<std::byte> gather(const BufferView& view) {
  std::vector<std::byte> result;
  for (const uintptr_t address : byte_addresses(view)) result.push_back(*reinterpret_cast<const std::byte*>(address));
  return result;
}

/// True if a byte belongs to two elements.
inline bool shares_bytes(const BufferView& view) {
  const auto bytes = byte_addresses(view);
  return std::set<uintptr_t>(bytes.begin(), bytes.end()).size() != bytes.size();
}

/// "(4,8):(8,1)": shape, then strides in bytes; for messages.
inline std::string layout_text(std::span<const int64_t> shape, std::span<const int64_t> strides) {
  const auto tuple = [](std::span<const int64_t> values) {
    std::string text = "(";
    for (const int64_t value : values) text += (text.size() > 1 ? "," : "") + std::to_string(value);
    return text + ")";
  };
  return tuple(shape) + ":" + tuple(strides);
}

inline std::string layout_text(const BufferView& view) {
  std::string text = layout_text(view.shape(), view.strides()) + " itemsize " + std::to_string(view.itemsize());
  if (view.has_suboffsets()) text += " suboffsets " + layout_text(view.suboffsets(), {});
  return text;
}

}  // namespace strideport::testing
