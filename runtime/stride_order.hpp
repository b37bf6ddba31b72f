/// The axes of a layout in the order of their strides: what contiguity in any order, order K and the overlap test
/// start from.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "strideport/layout.hpp"

namespace strideport {

/// |stride|, INT64_MIN included.
constexpr uint64_t magnitude(int64_t stride) noexcept {
  return stride < 0 ? uint64_t{0} - static_cast<uint64_t>(stride) : static_cast<uint64_t>(stride);
}

/// Axes of extent other than 1, the smallest |stride| first; among equals the last axis first, as in C order.
class AxesByStride {
 public:
  /// Shapes: at most kMaxNdim dimensions.
  AxesByStride(std::span<const int64_t> shape, std::span<const int64_t> strides) noexcept {
    // Insertion from the last axis on: C order, the common case, is already sorted.
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i] == 1) continue;
      const uint64_t stride = magnitude(strides[i]);
      size_t at = count_++;
      for (; at > 0 && magnitude(strides[static_cast<size_t>(axes_[at - 1])]) > stride; --at) axes_[at] = axes_[at - 1];
      axes_[at] = static_cast<int>(i);
    }
  }

  std::span<const int> densest_first() const noexcept { return {axes_.data(), count_}; }

 private:
  std::array<int, kMaxNdim> axes_;
  size_t count_ = 0;
};

}  // namespace strideport
