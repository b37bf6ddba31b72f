#include "device/kernels/launch.hpp"

#include <algorithm>
#include <cstring>

#include "device/kernels/families.hpp"

namespace strideport::kernels {
namespace {

// By counted instructions, not by time: a row by vectors costs a warp about 150 (its index once, two steps for its
// ends), a row by units about 40 for 32 of them (an index each). So they meet near 64 units of a row and more; units
// below 4 bytes go as words, four bytes for about 80.
constexpr int64_t kLongRowUnits = 64;
constexpr int64_t kLongRowBytes = 192;  // of units below 4 bytes
// Shorter runs fill no two words: a unit a lane is as good.
constexpr int64_t kShortestWordsRun = 8;
// Each row of a fill costs a warp at least: below, a unit a lane.
constexpr int64_t kShortestFill = 128;

bool is_long_row(const Problem& problem) noexcept {
  const int64_t run = problem.run_bytes();
  return problem.unit < 4 ? run >= kLongRowBytes : run >= kLongRowUnits * problem.unit;
}

// To store many times what was loaded once saves reads; it loses the vectors of rows where the unit is narrow.
bool repeats_often(const Problem& problem) noexcept {
  if (problem.unit < 4 && problem.run_bytes() >= kShortestWordsRun) return false;
  const int64_t often = problem.unit == 16 ? 2 : 4;
  return std::any_of(problem.begin(), problem.end(),
                     [&](const PlanDim& dim) { return dim.src_stride == 0 && dim.extent >= often; });
}

bool prepare_runs(Launch& launch, const Problem& problem) noexcept {
  if (!problem.has_run()) return false;
  if (prepare_contiguous(launch, problem)) return true;
  if (repeats_often(problem) && prepare_repeat(launch, problem)) return true;
  if (is_long_row(problem)) return prepare_rows(launch, problem);
  return problem.unit < 4 && problem.run_bytes() >= kShortestWordsRun && prepare_row_words(launch, problem);
}

bool prepare_fill_of_rows(Launch& launch, const Problem& problem) noexcept {
  if (problem.count == 0 || problem.inner().extent * problem.unit < kShortestFill) return false;
  return prepare_fill(launch, problem);
}

std::string bytes_text(int64_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

}  // namespace

Launch prepare(const CopyPlan& plan, void* dst, const void* src) {
  const Problem problem = make_problem(plan, dst, src);
  Launch launch;
  // The first whose kind it is; the last takes everything.
  static_cast<void>(prepare_runs(launch, problem) || prepare_fill_of_rows(launch, problem) ||
                    prepare_interleave(launch, problem) || prepare_tile(launch, problem) ||
                    prepare_strided(launch, problem) || prepare_generic(launch, problem));
  return launch;
}

std::string reason(const Launch& launch, const CopyPlan& plan) {
  const int64_t unit = plan.unit;
  const bool has_run = !plan.dims.empty() && plan.dims.back().dst_stride == unit && plan.dims.back().src_stride == unit;
  const int64_t run = has_run ? plan.dims.back().extent * unit : unit;
  const auto named = [&](const char* part) { return std::strstr(launch.kernel, part) != nullptr; };
  switch (launch.family) {
    case 'A': return "one run of " + bytes_text(plan.bytes) + " on both sides";
    case 'B': return "rows of " + bytes_text(run) + " that are dense on both sides";
    case 'C':
      if (named("tile")) return "dense dimensions differ: tiles turned in shared memory";
      return "pixels of a few channels: whole vectors on both sides, sorted in between";
    case 'D':
      if (named("reversed")) return "reversed in the source: whole vectors turned in registers";
      if (named("every")) return "small steps in the source: whole vectors picked apart";
      return "dense in the destination, not in the source: neighbouring lanes on neighbouring units";
    case 'E': return "not dense in the destination: neighbouring lanes on neighbouring units";
    case 'F': return "a dimension stands still in the source: loaded once, stored many times";
    default: {
      const std::string unit_text = plan.aligned ? "a unit of " + bytes_text(unit) + " a lane, found by its number"
                                                 : "part of a unit a lane, since they are misaligned";
      if (run > unit) return "short rows of " + bytes_text(run) + ": " + unit_text;
      return "any dimensions, here " + std::to_string(plan.dims.size()) + ": " + unit_text;
    }
  }
}

}  // namespace strideport::kernels
