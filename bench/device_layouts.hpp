// The table bench/device_layouts.tsv, with extents cut so that a simulated device gets through it. What decides the
// traffic is kept: which dimensions are dense, gaps, signs, and long extents modulo 256.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace strideport::bench {

/// Strides and offsets in elements.
struct NamedLayout {
  std::string name;
  std::string dtype;
  int64_t itemsize = 1;
  std::vector<int64_t> shape;
  std::vector<int64_t> dst_strides;
  std::vector<int64_t> src_strides;
  int64_t dst_offset = 0;
  int64_t src_offset = 0;

  int64_t element_count() const { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()); }
};

inline std::vector<int64_t> numbers(const std::string& text) {
  std::vector<int64_t> result;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) result.push_back(std::stoll(item));
  return result;
}

inline std::vector<int64_t> strides_of(const std::string& text, const std::vector<int64_t>& shape) {
  if (text != "C") return numbers(text);
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = shape.size() - 1; axis-- > 0;) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

inline std::vector<NamedLayout> read_layouts(const std::string& path) {
  std::vector<NamedLayout> layouts;
  std::ifstream table(path);
  if (!table) throw std::runtime_error("cannot read " + path);
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line.starts_with("#")) continue;
    std::istringstream stream(line);
    NamedLayout layout;
    std::string shape, dst, src, offsets;
    stream >> layout.name >> layout.dtype >> shape >> dst >> src >> offsets;
    layout.itemsize = std::stoll(layout.dtype.substr(1));
    layout.shape = numbers(shape);
    layout.dst_strides = strides_of(dst, layout.shape);
    layout.src_strides = strides_of(src, layout.shape);
    const auto both = numbers(offsets);
    layout.dst_offset = both.at(0);
    layout.src_offset = both.at(1);
    layouts.push_back(layout);
  }
  return layouts;
}

/// The strides of a side for smaller extents: a dimension that began where the denser ones ended still does, with the
/// same gap; the densest keeps its stride, and a stride of 0 stays.
inline std::vector<int64_t> cut_strides(const std::vector<int64_t>& strides, const std::vector<int64_t>& old_shape,
                                        const std::vector<int64_t>& shape) {
  std::vector<size_t> order(strides.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto magnitude = [&](size_t axis) { return strides[axis] < 0 ? -strides[axis] : strides[axis]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return magnitude(a) < magnitude(b); });
  std::vector<int64_t> result = strides;
  int64_t old_end = 1, end = 1;
  for (const size_t axis : order) {
    if (strides[axis] == 0) continue;
    const int64_t stride = end + (magnitude(axis) - old_end);
    result[axis] = strides[axis] < 0 ? -stride : stride;
    old_end = magnitude(axis) * old_shape[axis];
    end = stride * shape[axis];
  }
  return result;
}

/// The same layout with at most about `most` elements.
inline NamedLayout cut(const NamedLayout& layout, int64_t most) {
  constexpr int64_t kStep = 256;
  NamedLayout result = layout;
  const auto over = [&] { return result.element_count() > most; };
  // Long dimensions first, by whole steps; then those that are dense on neither side.
  while (over()) {
    int64_t& longest = *std::max_element(result.shape.begin(), result.shape.end());
    if (longest < 2 * kStep) break;
    longest -= longest >= 8 * kStep ? longest / 2 / kStep * kStep : kStep;
  }
  while (over()) {
    int64_t* longest = nullptr;
    for (size_t axis = 0; axis < result.shape.size(); ++axis) {
      const bool dense = std::abs(layout.dst_strides[axis]) == 1 || std::abs(layout.src_strides[axis]) == 1;
      if (!dense && (longest == nullptr || result.shape[axis] > *longest)) longest = &result.shape[axis];
    }
    if (longest == nullptr || *longest <= 3) break;
    *longest = (*longest + 1) / 2;
  }
  result.dst_strides = cut_strides(layout.dst_strides, layout.shape, result.shape);
  result.src_strides = cut_strides(layout.src_strides, layout.shape, result.shape);
  return result;
}

}  // namespace strideport::bench
