// What the kernels ask of a GPU's memory, counted on the simulated device, for the layouts that the benches time. The
// bounds are those that the library promises; the committed tables are what it does.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "bench/traffic_tables.hpp"
#include "device/kernels/registry.hpp"

namespace strideport {
namespace {

using bench::Counts;
using bench::NamedLayout;

// True if every run of dense elements on this side begins and ends between sectors.
bool on_sectors(const NamedLayout& layout, const std::vector<int64_t>& strides, int64_t offset) {
  bool result = offset * layout.itemsize % 32 == 0;
  int64_t dense = 1;
  for (size_t axis = 0; axis < strides.size(); ++axis) {
    const int64_t stride = std::abs(strides[axis]);
    if (stride == 1) dense = layout.shape[axis];
    result = result && (stride <= 1 || stride * layout.itemsize % 32 == 0);
  }
  return result && dense * layout.itemsize % 32 == 0;
}

bool is_aligned(const NamedLayout& layout) {
  return on_sectors(layout, layout.dst_strides, layout.dst_offset) &&
         on_sectors(layout, layout.src_strides, layout.src_offset);
}

// The most that a sector may be fetched or written, over once.
double most_sectors(const NamedLayout& layout, char family) {
  if (family == 'D' || family == 'E') return 1.05;
  if (is_aligned(layout)) return 1.00;
  return layout.itemsize % 4 == 0 ? 1.15 : 1.30;
}

class Traffic : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!layouts_.empty()) return;
    layouts_ = bench::cut_layouts(STRIDEPORT_BENCH_DIR "/device_layouts.tsv");
    for (const NamedLayout& layout : layouts_) counts_.push_back(bench::count_traffic(layout));
  }
  static inline std::vector<NamedLayout> layouts_;
  static inline std::vector<Counts> counts_;
};

TEST_F(Traffic, StaysWithinWhatIsPromised) {
  ASSERT_GT(layouts_.size(), 60U);
  for (size_t i = 0; i < layouts_.size(); ++i) {
    const Counts& counts = counts_[i];
    SCOPED_TRACE(layouts_[i].name + " by " + counts.kernel);
    EXPECT_LE(counts.conflicts(), 1.05);
    if (counts.family == 'G') continue;
    const double most = most_sectors(layouts_[i], counts.family);
    EXPECT_LE(counts.unique_stores(), most);
    if (counts.family == 'F') continue;  // its blocks read the same few elements
    EXPECT_LE(counts.unique_loads(), most);
  }
}

TEST_F(Traffic, AlignedRequestsOfContiguousBlocksRowsAndTilesTouchNothingTwice) {
  int aligned = 0;
  for (size_t i = 0; i < layouts_.size(); ++i) {
    const Counts& counts = counts_[i];
    if (counts.family > 'C' || !is_aligned(layouts_[i])) continue;
    SCOPED_TRACE(layouts_[i].name + " by " + counts.kernel);
    EXPECT_EQ(counts.loads(), 1.0);
    EXPECT_EQ(counts.stores(), 1.0);
    ++aligned;
  }
  EXPECT_GT(aligned, 20);
}

std::vector<std::string> lines_of(std::istream& stream) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> committed(const std::string& name) {
  std::ifstream stream(std::string(STRIDEPORT_BENCH_DIR "/results/") + name);
  EXPECT_TRUE(stream) << name;
  return lines_of(stream);
}

constexpr const char* kCure = "\nif that is as it should be, write the table anew: traffic --write bench/results";

TEST_F(Traffic, IsWhatTheCommittedTableSays) {
  const auto table = committed("traffic.tsv");
  std::map<std::string, std::string> rows;
  for (const std::string& line : table) rows[line.substr(0, line.find('\t'))] = line;
  for (size_t i = 0; i < layouts_.size(); ++i) {
    EXPECT_EQ(rows[layouts_[i].name] + "\n", bench::traffic_row(layouts_[i], counts_[i])) << kCure;
  }
}

TEST_F(Traffic, EveryKernelIsReachedAndHasTheWidthsOfTheCommittedTable) {
  std::istringstream fresh(bench::widths_table(layouts_));
  const auto lines = lines_of(fresh);
  EXPECT_EQ(committed("kernel_widths.tsv"), lines) << kCure;
  std::map<std::string, int> reached;
  for (const std::string& line : lines) ++reached[line.substr(0, line.find('\t'))];
  for (const auto family : kernels::kernel_families()) {
    for (const kernels::Kernel& kernel : family) {
      EXPECT_EQ(reached[kernel.name], 1) << kernel.name << " is chosen for no layout";
    }
  }
}

}  // namespace
}  // namespace strideport
