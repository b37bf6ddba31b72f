/// View operations with arguments from a fuzzer, each beside what it must pick from the list of elements. Nothing comes
/// back where the operation was rightly refused.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "strideport/error.hpp"
#include "strideport/view_ops.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/modelled_view.hpp"
#include "tests/support/slice_indices.hpp"

namespace strideport::testing {

/// Runs it. A view through row pointers may refuse what it has no suboffsets for; no other view refuses.
template <class F>
std::optional<BufferView> attempt(const Modelled& from, F&& operation) {
  try {
    return operation(from.view);
  } catch (const BufferError&) {
    require(from.view.has_suboffsets(), "only row pointers are a reason to refuse");
    return std::nullopt;
  }
}

inline int some_axis(Input& input, const Modelled& from) {
  return static_cast<int>(input.pick(-from.view.ndim(), from.view.ndim() - 1));
}
inline size_t from_start(const Modelled& from, int axis) {
  return static_cast<size_t>(axis < 0 ? axis + from.view.ndim() : axis);
}

inline std::optional<Modelled> sliced(Input& input, const Modelled& from) {
  if (from.shape.empty()) return std::nullopt;
  const int axis = some_axis(input, from);
  const auto bound = [&]() -> std::optional<int64_t> {
    if (input.byte() < 64) return std::nullopt;
    return input.wide();
  };
  Slice range;
  range.start = bound();
  range.stop = bound();
  range.step = input.flag() ? input.pick(-4, 4) : input.wide();
  if (range.step == 0) range.step = -1;
  const size_t i = from_start(from, axis);
  const auto result = attempt(from, [&](const BufferView& v) { return slice(v, axis, range); });
  if (!result) return std::nullopt;
  const std::vector<int64_t> indices = sliced_indices(range, from.shape[i]);
  Index shape = from.shape;
  shape[i] = std::ssize(indices);
  return from.picked(*result, shape, [&](Index index) {
    index[i] = indices[static_cast<size_t>(index[i])];
    return index;
  });
}

inline std::optional<Modelled> indexed(Input& input, const Modelled& from) {
  if (from.shape.empty()) return std::nullopt;
  const int axis = some_axis(input, from);
  const size_t i = from_start(from, axis);
  const int64_t extent = from.shape[i];
  const int64_t position = input.pick(-140, 140);
  if (position < -extent || position >= extent) {
    bool refused = false;
    try {
      (void)index(from.view, axis, position);
    } catch (const OutOfRange&) {
      refused = true;
    }
    require(refused, "an index past the end is refused");
    return std::nullopt;
  }
  const auto result = attempt(from, [&](const BufferView& v) { return index(v, axis, position); });
  if (!result) return std::nullopt;
  Index shape = from.shape;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(i));
  return from.picked(*result, shape, [&](Index index) {
    index.insert(index.begin() + static_cast<std::ptrdiff_t>(i), position < 0 ? position + extent : position);
    return index;
  });
}

inline std::optional<Modelled> flipped(Input& input, const Modelled& from) {
  if (from.shape.empty()) return std::nullopt;
  const int axis = some_axis(input, from);
  const size_t i = from_start(from, axis);
  const auto result = attempt(from, [&](const BufferView& v) { return flip(v, axis); });
  if (!result) return std::nullopt;
  return from.picked(*result, from.shape, [&](Index index) {
    index[i] = from.shape[i] - 1 - index[i];
    return index;
  });
}

inline std::optional<Modelled> permuted(Input& input, const Modelled& from) {
  std::vector<int> axes(from.shape.size());
  for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
  for (size_t left = axes.size(); left > 1; --left) {
    std::swap(axes[left - 1], axes[static_cast<size_t>(input.pick(0, static_cast<int64_t>(left) - 1))]);
  }
  const auto result = attempt(from, [&](const BufferView& v) { return permute(v, axes); });
  if (!result) return std::nullopt;
  Index shape(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) shape[i] = from.shape[static_cast<size_t>(axes[i])];
  return from.picked(*result, shape, [&](const Index& index) {
    Index source(index.size());
    for (size_t i = 0; i < index.size(); ++i) source[static_cast<size_t>(axes[i])] = index[i];
    return source;
  });
}

inline std::optional<Modelled> expanded(Input& input, const Modelled& from) {
  const auto added = static_cast<size_t>(input.pick(0, 2));
  Index shape(added);
  for (int64_t& extent : shape) extent = input.pick(0, 3);
  for (const int64_t extent : from.shape) shape.push_back(extent == 1 ? input.pick(0, 5) : extent);
  if (shape.size() > 12 || product(shape) > kMostElements) return std::nullopt;
  bool repeats = false;
  for (size_t i = 0; i < shape.size(); ++i) repeats = repeats || shape[i] > (i < added ? 1 : from.shape[i - added]);
  Modelled result = from.picked(expand(from.view, shape), shape, [&](const Index& index) {
    Index source(index.begin() + static_cast<std::ptrdiff_t>(added), index.end());
    for (size_t i = 0; i < source.size(); ++i) source[i] = from.shape[i] == 1 ? 0 : source[i];
    return source;
  });
  result.readonly = from.readonly || (repeats && product(shape) > 0);
  return result;
}

inline std::optional<Modelled> squeezed(Input&, const Modelled& from) {
  const auto result = attempt(from, [](const BufferView& v) { return squeeze(v); });
  if (!result) return std::nullopt;
  return Modelled{*result, from.without_units(), from.at, from.readonly};
}

inline std::optional<Modelled> unsqueezed(Input& input, const Modelled& from) {
  if (from.shape.size() >= 12) return std::nullopt;
  const int axis = static_cast<int>(input.pick(0, from.view.ndim()));
  Index shape = from.shape;
  shape.insert(shape.begin() + axis, 1);
  return Modelled{unsqueeze(from.view, axis), shape, from.at, from.readonly};
}

/// Whether strides lead to these addresses, in C order, under that shape.
inline bool strides_exist(const std::vector<uintptr_t>& at, const Index& shape) {
  Index strides(shape.size(), 0);
  size_t step = 1;
  for (size_t axis = shape.size(); axis-- > 0; step *= static_cast<size_t>(shape[axis])) {
    if (shape[axis] > 1) strides[axis] = static_cast<int64_t>(at[step] - at[0]);
  }
  std::vector<uintptr_t> reached;
  for_each_index(shape, [&](const Index& index) {
    reached.push_back(element_address(reinterpret_cast<void*>(at[0]), strides, {}, index));
  });
  return reached == at;
}

inline std::optional<Modelled> reshaped(Input& input, const Modelled& from) {
  Index shape;
  if (from.empty()) shape = {input.pick(0, 3), 0, input.pick(0, 3)};
  for (int64_t left = std::ssize(from.at); left > 1;) {
    int64_t factor = input.pick(1, std::min<int64_t>(left, 40));
    if (shape.size() == 7) factor = left;
    while (left % factor != 0) --factor;
    shape.push_back(factor);
    left /= factor;
  }
  try {
    const BufferView result = reshape(from.view, shape);
    return Modelled{result, shape, from.at, from.readonly};
  } catch (const BufferError&) {
    require(from.view.has_suboffsets() || !strides_exist(from.at, shape), "a reshape that needs no copy is a view");
    return std::nullopt;
  }
}

inline std::optional<Modelled> recast(Input& input, const Modelled& from) {
  const int64_t itemsize = some_itemsize(input);
  const Format format = Format::parse(std::to_string(itemsize) + "s");
  const bool whole = itemsize == from.itemsize();
  Index shape = from.shape;
  bool divides = whole || (!shape.empty() && itemsize > 0 && from.itemsize() > 0);
  if (!whole && divides) {
    const int64_t row = shape.back() * from.itemsize();
    const bool dense = from.empty() || shape.back() == 1 || from.view.strides().back() == from.itemsize();
    const bool indirect = from.view.has_suboffsets() && from.view.suboffsets().back() >= 0;
    divides = row % itemsize == 0 && dense && !indirect;
    shape.back() = row / itemsize;
  }
  Modelled result{{}, shape, {}, from.readonly};
  try {
    result.view = cast(from.view, format);
  } catch (const TypeMismatch&) {
    require(!divides, "a cast that fits is done");
    return std::nullopt;
  }
  require(divides, "a cast that does not fit is refused");
  require(result.itemsize() == itemsize, "a cast has the new item size");
  const std::vector<uintptr_t> bytes = from.bytes();
  if (whole) result.at = from.at;
  for (size_t i = 0; !whole && i < bytes.size(); i += static_cast<size_t>(itemsize)) result.at.push_back(bytes[i]);
  require(result.bytes() == bytes, "a cast reads the same bytes");
  return result;
}

inline std::optional<Modelled> made_readonly(Input&, const Modelled& from) {
  return Modelled{toreadonly(from.view), from.shape, from.at, true};
}

}  // namespace strideport::testing
