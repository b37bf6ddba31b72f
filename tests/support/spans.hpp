/// Shape, strides and suboffsets as vectors: to compare with literals, and to ask of a temporary.
#pragma once

#include <cstdint>
#include <vector>

namespace strideport::testing {

template <class View>
std::vector<int64_t> shape_of(const View& view) {
  return {view.shape().begin(), view.shape().end()};
}

template <class View>
std::vector<int64_t> strides_of(const View& view) {
  return {view.strides().begin(), view.strides().end()};
}

template <class View>
std::vector<int64_t> suboffsets_of(const View& view) {
  return {view.suboffsets().begin(), view.suboffsets().end()};
}

}  // namespace strideport::testing
