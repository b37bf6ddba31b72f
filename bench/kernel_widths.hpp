// Which widths of accesses each kernel makes, from copies of every kind on the simulated device.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "bench/traffic.hpp"
#include "device/kernels/generic.hpp"
#include "device/kernels/params.hpp"

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
    switch (pick(0, 4)) {
      case 0: layout = channels(); break;
      case 1: layout = stepped_rows(); break;
      case 2: layout = transpose_of_short_runs(); break;
      default: layout = anything();
    }
    layout.name = "drawn_" + std::to_string(++drawn_);
    if (pick(0, 1) == 0) layout.dst_offset = pick(0, 40);
    if (pick(0, 1) == 0) layout.src_offset = pick(0, 40);
    return layout;
  }

 private:
  NamedLayout anything() {
    NamedLayout layout;
    layout.itemsize = itemsize();
    const int64_t rank = pick(0, 9) == 0 ? pick(7, 10) : pick(1, 4);
    for (int64_t i = 0; i < rank; ++i) layout.shape.push_back(rank > 4 ? pick(2, 3) : extent());
    while (layout.element_count() > 8'000) {
      int64_t& longest = *std::max_element(layout.shape.begin(), layout.shape.end());
      longest = longest / 2 + longest % 2;
    }
    std::vector<size_t> order = densest_last(layout.shape.size());
    layout.dst_strides = strides(layout, order, false);
    if (pick(0, 2) > 0) shuffle(order);
    layout.src_strides = strides(layout, order, true);
    return layout;
  }

  // Pixels of 2 to 4 channels to planes, planes to pixels, and pixels with their channels reversed.
  NamedLayout channels() {
    NamedLayout layout;
    layout.itemsize = int64_t{1} << pick(0, 3);
    const int64_t rows = pick(1, 4), columns = pick(0, 1) == 0 ? 64 * pick(1, 10) : pick(5, 700), count = pick(2, 4);
    const int64_t gap = pick(0, 1) * pick(0, 40);
    const int64_t pixel_row = columns * count + gap, plane_row = columns + gap, plane = plane_row * rows;
    const int64_t kind = pick(0, 2);
    layout.shape = {rows, columns, count};
    layout.dst_strides = {pixel_row, count, 1};
    layout.src_strides = {plane_row, 1, plane};
    if (kind == 1) std::swap(layout.dst_strides, layout.src_strides);
    if (kind == 2) layout.src_strides = {pixel_row, count, -1};
    return layout;
  }

  // Rows whose elements follow each other in steps of 1 to 4, either way, on one side or both.
  NamedLayout stepped_rows() {
    NamedLayout layout;
    layout.itemsize = pick(0, 1) == 0 ? pick(1, 2) : itemsize();
    const int64_t columns = pick(0, 1) == 0 ? 64 * pick(1, 30) : pick(5, 2000);
    layout.shape = {pick(1, 5), columns};
    const auto side = [&](int64_t step) -> std::vector<int64_t> {
      return {columns * step + pick(0, 1) * pick(0, 40), pick(0, 1) == 0 ? step : -step};
    };
    const int64_t step = pick(1, 4);
    layout.dst_strides = side(pick(0, 2) == 0 ? step : 1);
    layout.src_strides = side(step);
    return layout;
  }

  // Items of a few elements, which may lie at any address.
  NamedLayout transpose_of_short_runs() {
    NamedLayout layout;
    layout.itemsize = pick(0, 1) == 0 ? 1 : itemsize();
    const int64_t rows = pick(30, 140), columns = pick(0, 1) == 0 ? 16 * pick(2, 9) : pick(30, 140), run = pick(1, 4),
                  gap = pick(0, 1) * pick(0, 5);
    layout.shape = {rows, columns, run};
    layout.dst_strides = {columns * run + gap, run, 1};
    layout.src_strides = {run, rows * run + gap, 1};
    return layout;
  }

  int64_t itemsize() {
    static constexpr int64_t kItems[] = {1, 2, 3, 4, 6, 8, 12, 16, 24};
    return kItems[pick(0, 8)];
  }
  static std::vector<size_t> densest_last(size_t rank) {
    std::vector<size_t> order(rank);
    for (size_t i = 0; i < rank; ++i) order[i] = rank - 1 - i;
    return order;
  }
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

/// Over 2^31 units that nothing but the generic family takes: dense on neither side, and short.
inline NamedLayout huge_layout(int64_t itemsize) {
  NamedLayout layout;
  layout.name = "huge_" + std::to_string(itemsize);
  layout.itemsize = itemsize;
  layout.shape = {70'000, 1'100, 29};
  layout.dst_strides = {61 * 1'100 + 1, 61, 2};
  layout.src_strides = {89 * 1'100 + 1, 89, 3};
  return layout;
}

/// Rows of bytes that lie alike to vectors on both sides.
inline NamedLayout pitched_rows(int64_t run) {
  NamedLayout layout;
  layout.name = "pitched_" + std::to_string(run);
  layout.shape = {40, run};
  layout.dst_strides = {(run / 16 + 2) * 16, 1};
  layout.src_strides = {(run / 16 + 3) * 16, 1};
  layout.dst_offset = layout.src_offset = 5;
  return layout;
}

/// Leaves two blocks of a launch for huge layouts.
inline void keep_two_blocks(kernels::Launch& launch) {
  using Program = kernels::GenericProgram<1, uint64_t, uint64_t>;  // the parameters are the same for all units
  if (!std::string(launch.kernel).ends_with("_many")) {
    throw std::runtime_error(std::string(launch.kernel) + " was chosen for over 2^31 units");
  }
  kernels::params_of<Program::Params>(launch).units = 2 * Program::kUnitsPerBlock - 1;
  launch.grid = 2;
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
  for (const int64_t run : {200, 500, 1'000, 3'000, 20'000}) count(pitched_rows(run));
  for (const int64_t itemsize : {1, 2, 4, 8, 16}) {
    const NamedLayout layout = huge_layout(itemsize);
    const Arena dst(layout, layout.dst_strides, 0), src(layout, layout.src_strides, 0);
    const Simulated simulated = simulate_copy(layout, dst, src, keep_two_blocks);
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
