// Rows whose ranges meet in a chain form a group, and a group is settled in one of three ways. Evenly spaced rows, such
// as the columns of a matrix, are one more dimension of a plain layout. Else every byte is marked, or, where bytes lie
// far apart, all runs are sorted. Asking for each pair of rows would take a time quadratic in their number.

#include "runtime/host/rows_apart.hpp"

#include <algorithm>
#include <bit>
#include <span>

#include "strideport/layout.hpp"

namespace strideport::host {
namespace {

// Groups of fewer runs are not worth the question of a layout.
constexpr size_t kFewRuns = 4096;

// Bytes of a group for each run up to which bits take no more room than sorted runs.
constexpr size_t kDenseBytes = 64;

// Room for rows with gaps between them.
constexpr size_t kCellsPerRow = 8;

// One block of dst: runs of `run_bytes` contiguous bytes.
class Row {
 public:
  explicit Row(const CopyPlan& plan) : run_bytes_(plan.unit) {
    int count = plan.dims.size();
    if (count > 0 && plan.dims[count - 1].dst_stride == plan.unit) run_bytes_ *= plan.dims[--count].extent;
    int64_t reach = run_bytes_;
    for (int i = 0; i < count; ++i) {
      const PlanDim& dim = plan.dims[i];
      shape_.push_back(dim.extent);
      strides_.push_back(dim.dst_stride);
      runs_ *= static_cast<size_t>(dim.extent);
      reach += (dim.extent - 1) * dim.dst_stride;
    }
    reach_ = static_cast<uintptr_t>(reach);
  }

  size_t runs() const noexcept { return runs_; }
  size_t run_bytes() const noexcept { return static_cast<size_t>(run_bytes_); }
  uintptr_t reach() const noexcept { return reach_; }

  // Where the runs begin, counted from the row.
  std::vector<uintptr_t> offsets() const {
    std::vector<uintptr_t> result{0};
    result.reserve(runs_);
    for (size_t axis = 0; axis < shape_.size(); ++axis) {
      const size_t inner = result.size();
      for (int64_t index = 1; index < shape_[axis]; ++index) {
        const auto offset = static_cast<uintptr_t>(index * strides_[axis]);
        for (size_t i = 0; i < inner; ++i) result.push_back(result[i] + offset);
      }
    }
    return result;
  }

  // True where `count` rows, `pitch` bytes apart, certainly share no byte.
  bool lies_apart(size_t count, uintptr_t pitch) const {
    if (shape_.size() >= static_cast<size_t>(kMaxNdim)) return false;
    std::vector<int64_t> shape{static_cast<int64_t>(count)};
    std::vector<int64_t> strides{static_cast<int64_t>(pitch)};
    shape.insert(shape.end(), shape_.begin(), shape_.end());
    strides.insert(strides.end(), strides_.begin(), strides_.end());
    return !overlaps_itself(shape, strides, run_bytes_);
  }

 private:
  int64_t run_bytes_;
  std::vector<int64_t> shape_;
  std::vector<int64_t> strides_;
  size_t runs_ = 1;
  uintptr_t reach_ = 0;
};

using Starts = std::span<const uintptr_t>;

bool is_evenly_spaced(Starts starts) noexcept {
  const uintptr_t pitch = starts[1] - starts[0];
  for (size_t i = 2; i < starts.size(); ++i) {
    if (starts[i] - starts[i - 1] != pitch) return false;
  }
  return true;
}

bool marks_a_byte_twice(Starts starts, const std::vector<uintptr_t>& offsets, const Row& row) {
  std::vector<bool> marked(starts.back() - starts.front() + row.reach());
  for (const uintptr_t start : starts) {
    for (const uintptr_t offset : offsets) {
      const size_t begin = start - starts.front() + offset;
      for (size_t byte = begin; byte < begin + row.run_bytes(); ++byte) {
        if (marked[byte]) return true;
        marked[byte] = true;
      }
    }
  }
  return false;
}

bool sorted_runs_meet(Starts starts, const std::vector<uintptr_t>& offsets, const Row& row) {
  std::vector<uintptr_t> runs;
  runs.reserve(starts.size() * offsets.size());
  for (const uintptr_t start : starts) {
    for (const uintptr_t offset : offsets) runs.push_back(start + offset);
  }
  std::sort(runs.begin(), runs.end());
  return std::adjacent_find(runs.begin(), runs.end(),
                            [&row](uintptr_t a, uintptr_t b) { return b - a < row.run_bytes(); }) != runs.end();
}

// For two rows or more, sorted.
bool group_shares_bytes(Starts starts, const Row& row) {
  if (row.runs() == 1) return true;  // rows without gaps whose ranges meet
  const size_t runs = starts.size() * row.runs();
  if (runs >= kFewRuns && is_evenly_spaced(starts) && row.lies_apart(starts.size(), starts[1] - starts[0]))
    return false;
  const std::vector<uintptr_t> offsets = row.offsets();
  const bool dense = (starts.back() - starts.front() + row.reach()) / kDenseBytes <= runs;
  return dense ? marks_a_byte_twice(starts, offsets, row) : sorted_runs_meet(starts, offsets, row);
}

// True where no two ranges of rows meet, as is usual; false where they do or sorting costs less than the question. Each
// row is put in a cell of half its reach to all of it, so that cells are sorted where rows are not.
bool ranges_lie_apart(Starts starts, uintptr_t reach) {
  const auto [lowest, highest] = std::minmax_element(starts.begin(), starts.end());
  const auto shift = static_cast<unsigned>(std::bit_width(reach)) - 1;
  const uintptr_t first = *lowest >> shift;
  const size_t cells = (*highest >> shift) - first + 1;
  if (cells / kCellsPerRow > starts.size()) return false;
  std::vector<uintptr_t> start_in(cells);  // 0: none
  for (const uintptr_t start : starts) {
    uintptr_t& place = start_in[(start >> shift) - first];
    if (place != 0) return false;
    place = start;
  }
  uintptr_t end = 0;
  for (const uintptr_t start : start_in) {
    if (start == 0) continue;
    if (start < end) return false;
    end = start + reach;
  }
  return true;
}

}  // namespace

bool rows_share_bytes(std::vector<uintptr_t> starts, const CopyPlan& plan) {
  const Row row(plan);
  if (starts.empty() || ranges_lie_apart(starts, row.reach())) return false;
  std::sort(starts.begin(), starts.end());
  for (size_t begin = 0; begin < starts.size();) {
    size_t end = begin + 1;
    while (end < starts.size() && starts[end] - starts[end - 1] < row.reach()) ++end;
    if (end - begin > 1 && group_shares_bytes(Starts(starts).subspan(begin, end - begin), row)) return true;
    begin = end;
  }
  return false;
}

}  // namespace strideport::host
