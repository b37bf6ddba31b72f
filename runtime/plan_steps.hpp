/// The steps of the planner, on plain arrays of dimensions.
#pragma once

#include <cstdint>

#include "strideport/layout.hpp"
#include "strideport/plan.hpp"

namespace strideport::planning {

/// Dimensions under construction, outermost first. Room for 64 and the one that an odd itemsize adds.
struct Dims {
  PlanDim at[kMaxNdim + 1];
  int count = 0;

  Dims() noexcept {}  // entries stay uninitialised
  void push(PlanDim dim) noexcept { at[count++] = dim; }
};

/// Bytes around the first unit that each side reaches, [lower, upper); dst's lower is 0.
struct Reach {
  int64_t dst_upper = 0;
  int64_t src_lower = 0;
  int64_t src_upper = 0;
};

/// Runs longer than this are copied as rows whatever the order of the dimensions: a cache line or more at a time.
inline constexpr int64_t kLongRunBytes = 64;

/// Makes dst strides positive, moving both offsets of `plan`, and sorts by |dst stride|, ties by |src stride|,
/// keeping the order of equals.
void orient_and_sort(Dims& dims, CopyPlan& plan);

/// Splits `itemsize` into a unit of 1, 2, 4, 8 or 16 bytes and, where that is not all of it, one more dimension.
/// Returns the unit.
int split_item(Dims& dims, int64_t itemsize) noexcept;

/// Merges neighbours that are contiguous in both.
void merge(Dims& dims) noexcept;

/// Widens the unit while every stride, the run and the addresses, or-ed into `address_bits`, are multiples of it.
int widen(Dims& dims, int unit, uint64_t address_bits) noexcept;

Reach reach_of(const Dims& dims, int64_t itemsize) noexcept;

/// True where sorted, positive dst strides settle that no two elements share a byte.
bool clearly_disjoint(const Dims& sorted, int64_t itemsize) noexcept;

Strategy classify(const PlanDim* dims, int count, int unit) noexcept;

/// Split, merge, widen, classify: from oriented and sorted dims to `plan.dims`, `unit`, `strategy` and the flags.
/// `address_bits`: both addresses of the first unit, or-ed.
void finish(CopyPlan& plan, Dims& dims, int64_t itemsize, const Reach& reach, uint64_t address_bits);

/// The dimensions of `plan` in two copies: src to a packed temporary in the order of dst, and from there to dst.
void split_through_temporary(const CopyPlan& plan, Dims& pack, Dims& unpack) noexcept;

}  // namespace strideport::planning
