/// Blocks for the host's kernels, run on memory that ends where readable memory ends and compared with the odometer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "runtime/host/kernels.hpp"
#include "runtime/host/simd/target.hpp"
#include "tests/support/guarded.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"

namespace strideport::testing {

/// Where a block lies in its memory: so many bytes from the begin, or from the end.
struct Place {
  bool at_end = false;
  int64_t distance_bytes = 0;
};

inline std::string text(const host::Block& b) {
  return std::to_string(b.rows) + "x" + std::to_string(b.columns) + " items of " + std::to_string(b.item) + ", dst " +
         std::to_string(b.dst_row) + "," + std::to_string(b.dst_column) + ", src " + std::to_string(b.src_row) + "," +
         std::to_string(b.src_column) + (b.streams ? ", streams" : "");
}

class BlockMemory {
 public:
  explicit BlockMemory(Random& random) {
    for (std::byte* p = src_.begin(); p != src_.end(); ++p) *p = static_cast<std::byte>(random());
    expected_.resize(dst_.size());
  }

  /// Expects `kernel` to write what the odometer says, and nothing else in the whole of dst's memory.
  void check(const char* who, host::Kernel kernel, const host::Block& b, Place dst_place, Place src_place) {
    const Index shape{b.rows, b.columns};
    const std::array<int64_t, 2> dst_strides{b.dst_row, b.dst_column};
    const std::array<int64_t, 2> src_strides{b.src_row, b.src_column};
    std::byte* const dst = first_item(dst_, dst_strides, b, dst_place);
    const std::byte* const src = first_item(src_, src_strides, b, src_place);
    ASSERT_TRUE(dst != nullptr && src != nullptr) << "too large for the test's memory: " << text(b);
    std::memset(dst_.begin(), 0xA5, dst_.size());
    std::fill(expected_.begin(), expected_.end(), std::byte{0xA5});
    for_each_index(shape, [&](const Index& index) {
      const uintptr_t to = element_address(dst, dst_strides, {}, index);
      const uintptr_t from = element_address(src, src_strides, {}, index);
      std::memcpy(expected_.data() + (to - reinterpret_cast<uintptr_t>(dst_.begin())),
                  reinterpret_cast<const void*>(from), static_cast<size_t>(b.item));
    });
    kernel(dst, src, b);
    const int64_t bytes = static_cast<int64_t>(dst - dst_.begin());
    EXPECT_EQ(std::memcmp(dst_.begin(), expected_.data(), expected_.size()), 0)
        << who << ": " << text(b) << ", dst at " << bytes << ", src at " << (src - src_.begin());
  }

 private:
  // Null where the block does not fit.
  static std::byte* first_item(const Guarded& memory, const std::array<int64_t, 2>& strides, const host::Block& b,
                               Place place) {
    int64_t lower = 0;
    int64_t upper = b.item;
    (strides[0] < 0 ? lower : upper) += (b.rows - 1) * strides[0];
    (strides[1] < 0 ? lower : upper) += (b.columns - 1) * strides[1];
    if (upper - lower + place.distance_bytes > static_cast<int64_t>(memory.size())) return nullptr;
    return place.at_end ? memory.end() - upper - place.distance_bytes : memory.begin() - lower + place.distance_bytes;
  }

  Guarded dst_{8};
  Guarded src_{8};
  std::vector<std::byte> expected_;
};

/// Calls f(target, its name, its picker) for each instruction set of this machine.
template <class F>
void for_each_target(const host::simd::Pickers& pickers, F&& f) {
  for (const host::simd::Target target : host::simd::targets()) {
    f(target, host::simd::name(target), pickers[static_cast<size_t>(target)]);
  }
}

}  // namespace strideport::testing
