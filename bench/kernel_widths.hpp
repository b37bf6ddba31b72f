// Which widths of accesses each kernel makes, from copies of every kind on the simulated device.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/traffic.hpp"

namespace strideport::bench {

struct Widths {
  uint32_t loads = 0;  ///< bit n: accesses of n bytes
  uint32_t stores = 0;
};

/// Layouts of every kind: dense and with gaps, axes in any order, any signs, standing still, far apart, of up to 10
/// dimensions, at any address. The same for the same seed, everywhere.
class LayoutSource {
 public:
  explicit LayoutSource(uint64_t seed) : random_(seed) {}

  NamedLayout next() {
    NamedLayout layout;
    static constexpr int64_t kItems[] = {1, 2, 3, 4, 8, 12, 16};
    layout.itemsize = kItems[pick(0, 6)];
    layout.name = "drawn_" + std::to_string(++drawn_);
    const int64_t rank = pick(0, 9) == 0 ? pick(7, 10) : pick(1, 4);
    for (int64_t i = 0; i < rank; ++i) layout.shape.push_back(rank > 4 ? pick(2, 3) : extent());
    while (layout.element_count() > 20'000) {
      int64_t& longest = *std::max_element(layout.shape.begin(), layout.shape.end());
      longest = longest / 2 + longest % 2;
    }
    std::vector<size_t> order(layout.shape.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = order.size() - 1 - i;
    layout.dst_strides = strides(layout, order, false);
    if (pick(0, 2) > 0) shuffle(order);
    layout.src_strides = strides(layout, order, true);
    const int64_t aligned = pick(0, 1);
    layout.dst_offset = aligned != 0 ? 0 : pick(0, 40);
    layout.src_offset = aligned != 0 ? 0 : pick(0, 40);
    return layout;
  }

 private:
  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  int64_t extent() {
    switch (pick(0, 3)) {
      case 0: return pick(2, 5);
      case 1: return 16 * pick(1, 20);
      default: return pick(2, 300);
    }
  }
  void shuffle(std::vector<size_t>& order) {
    for (size_t left = order.size(); left > 1; --left) {
      std::swap(order[left - 1], order[static_cast<size_t>(pick(0, static_cast<int64_t>(left) - 1))]);
    }
  }
  // `order`: densest first.
  std::vector<int64_t> strides(const NamedLayout& layout, const std::vector<size_t>& order, bool may_stand_still) {
    std::vector<int64_t> result(order.size());
    int64_t end = pick(0, 4) == 0 ? pick(2, 4) : 1;  // now and then no dimension is dense
    const bool gaps = pick(0, 1) == 0, signs = pick(0, 3) == 0, wide = pick(0, 3) == 0;
    const bool still = may_stand_still && pick(0, 4) == 0, far = pick(0, 15) == 0;
    for (const size_t axis : order) {
      if (still && pick(0, 1) == 0) {
        result[axis] = 0;
        continue;
      }
      if (wide) end = (end + 15) / 16 * 16;
      result[axis] = signs && pick(0, 1) == 0 ? -end : end;
      end *= layout.shape[axis];
      if (gaps) end += pick(0, 20);
      if (far && axis == order[order.size() > 1 ? order.size() - 2 : 0]) end += (int64_t{5} << 30) / layout.itemsize;
    }
    if (wide && pick(0, 1) == 0) {  // the densest keeps its items together
      for (const size_t axis : order) {
        if (result[axis] != 0) {
          result[axis] = result[axis] < 0 ? -1 : 1;
          break;
        }
      }
    }
    return result;
  }

  std::mt19937_64 random_;
  int drawn_ = 0;
};

/// More than 2^31 units that nothing but the generic family takes: dense on neither side.
inline NamedLayout huge_layout(int64_t itemsize) {
  NamedLayout layout;
  layout.name = "huge_" + std::to_string(itemsize);
  layout.itemsize = itemsize;
  layout.shape = {70'000, 31'000};
  layout.dst_strides = {31'000 * 2 + 3, 2};
  layout.src_strides = {31'000 * 3 + 5, 3};
  return layout;
}

/// By kernel, over the layouts given, `draws` more, and the first blocks of huge ones.
inline std::map<std::string, Widths> kernel_widths(const std::vector<NamedLayout>& layouts, int draws) {
  std::map<std::string, Widths> result;
  const auto add = [&](const std::string& kernel, const kernels::Traffic& traffic) {
    result[kernel].loads |= traffic.load_widths;
    result[kernel].stores |= traffic.store_widths;
  };
  const auto count = [&](const NamedLayout& layout) {
    const Counts counts = count_traffic(layout);
    add(counts.kernel, counts.traffic);
  };
  for (const NamedLayout& layout : layouts) count(layout);
  LayoutSource source(1);
  for (int i = 0; i < draws; ++i) count(source.next());
  for (const int64_t itemsize : {1, 2, 4, 8, 16}) {
    const NamedLayout layout = huge_layout(itemsize);
    const Arena dst(layout, layout.dst_strides, 0), src(layout, layout.src_strides, 0);
    const Simulated simulated = simulate_copy(layout, dst, src, 2);
    add(simulated.launch.kernel, simulated.traffic);
  }
  return result;
}

inline std::string widths_text(uint32_t widths) {
  std::string text;
  for (uint32_t bytes : {1U, 2U, 4U, 8U, 16U}) {
    if ((widths >> bytes & 1U) != 0) text += (text.empty() ? "" : ",") + std::to_string(bytes);
  }
  return text;
}

}  // namespace strideport::bench
