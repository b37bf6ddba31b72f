// The two tables of bench/traffic as text.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "bench/kernel_widths.hpp"
#include "bench/traffic.hpp"

namespace strideport::bench {

constexpr int64_t kMostBytes = 1'200'000;
constexpr int kDraws = 12'000;

inline std::vector<NamedLayout> cut_layouts(const std::string& path) {
  std::vector<NamedLayout> layouts = read_layouts(path);
  for (NamedLayout& layout : layouts) layout = cut(layout, kMostBytes / layout.itemsize);
  return layouts;
}

inline std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t extent : shape) text += (text.empty() ? "" : ",") + std::to_string(extent);
  return text;
}

inline std::string traffic_row(const NamedLayout& layout, const Counts& counts) {
  char numbers[160];
  std::snprintf(numbers, sizeof numbers, "%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%llu\t%llu", counts.unique_loads(),
                counts.unique_stores(), counts.loads(), counts.stores(), counts.conflicts(),
                static_cast<unsigned long long>(counts.traffic.load_requests),
                static_cast<unsigned long long>(counts.traffic.store_requests));
  return layout.name + "\t" + layout.dtype + "\t" + shape_text(layout.shape) + "\t" + counts.kernel + "\t" +
         counts.family + "\t" + numbers + "\n";
}

inline std::string traffic_table(const std::vector<NamedLayout>& layouts) {
  std::string text =
      "# Made by bench/traffic: the layouts of bench/device_layouts.tsv, extents cut, on the simulated device that "
      "counts.\n"
      "# Sectors of 32 bytes over the fewest that hold the elements: block_* counted once a block, *_sectors once a "
      "request\n"
      "# (an access of a warp); passes over shared memory over those without a bank conflict; requests as they are.\n"
      "# "
      "name\tdtype\tshape\tkernel\tfamily\tblock_loads\tblock_stores\tload_sectors\tstore_sectors\tshared\tload_"
      "requests\t"
      "store_requests\n";
  for (const NamedLayout& layout : layouts) text += traffic_row(layout, count_traffic(layout));
  return text;
}

inline std::string widths_table(const std::vector<NamedLayout>& layouts) {
  std::string text =
      "# Made by bench/traffic: the widths in bytes of each kernel's accesses to global memory, over those layouts and "
      "random\n"
      "# ones. tests/python/test_compiled_code.py compares them with the compiled code.\n"
      "# kernel\tloads\tstores\n";
  for (const auto& [kernel, widths] : kernel_widths(layouts, kDraws)) {
    text += kernel + "\t" + widths_text(widths.loads) + "\t" + widths_text(widths.stores) + "\n";
  }
  return text;
}

}  // namespace strideport::bench
