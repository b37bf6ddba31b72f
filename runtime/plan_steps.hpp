/// The steps of the planner, on plain arrays of dimensions. They run within nanoseconds: each value is loaded as it was
/// stored, one by one, and nothing is copied twice.
#pragma once

#include <cstdint>

#include "runtime/stride_order.hpp"
#include "strideport/layout.hpp"
#include "strideport/plan.hpp"

namespace strideport::planning {

/// Runs longer than this are copied as rows whatever the order of the dimensions: a cache line or more at a time.
inline constexpr int64_t kLongRunBytes = 64;

/// Strides and offsets wrap as addresses do, so that even INT64_MIN is no undefined behaviour.
inline int64_t wrapping_negate(int64_t x) noexcept {
  return static_cast<int64_t>(uint64_t{0} - static_cast<uint64_t>(x));
}
inline int64_t wrapping_muladd(int64_t sum, int64_t count, int64_t stride) noexcept {
  return static_cast<int64_t>(static_cast<uint64_t>(sum) +
                              static_cast<uint64_t>(count) * static_cast<uint64_t>(stride));
}

/// Bytes around the first unit that each side reaches, [lower, upper); dst's lower is 0.
struct Reach {
  int64_t dst_upper;
  int64_t src_lower;
  int64_t src_upper;
};

/// A plan under construction: dimensions with positive dst strides, sorted by dst stride, ties by |src stride|, equals
/// in the order in which they came. Room for 64, and the one that an odd itemsize adds.
struct Draft {
  PlanDim at[kMaxNdim + 1];
  int count = 0;
  int64_t dst_offset = 0;
  int64_t src_offset = 0;

  Draft() noexcept {}  // `at` stays uninitialised

  /// Takes a dimension of extent over 1. A reversed dst is walked from its other end, on both sides.
  void add(PlanDim dim) noexcept {
    if (dim.dst_stride < 0) {
      dst_offset = wrapping_muladd(dst_offset, dim.extent - 1, dim.dst_stride);
      src_offset = wrapping_muladd(src_offset, dim.extent - 1, dim.src_stride);
      dim.dst_stride = wrapping_negate(dim.dst_stride);
      dim.src_stride = wrapping_negate(dim.src_stride);
    }
    int place = count++;
    for (; place > 0 && goes_before(dim, at[place - 1]); --place) at[place] = at[place - 1];
    at[place] = dim;
  }

 private:
  static bool goes_before(const PlanDim& a, const PlanDim& b) noexcept {
    if (a.dst_stride != b.dst_stride) return a.dst_stride > b.dst_stride;
    return magnitude(a.src_stride) > magnitude(b.src_stride);
  }
};

/// What the last step finds out beside the plan.
struct Finished {
  Reach reach;
  bool nested;  ///< dst strides settle that no two elements share a byte
};

/// Splits the item, merges neighbours that are contiguous in both, widens the unit and classifies: fills `plan` but for
/// its bytes. `address_bits`: both addresses of the first unit, or-ed.
Finished finish(CopyPlan& plan, Draft& draft, int64_t itemsize, uint64_t address_bits);

Strategy classify(const PlanDim* dims, int count, int unit) noexcept;

/// Dimensions of a copy that is executed without a plan.
struct Dims {
  PlanDim at[kMaxNdim + 1];
  int count = 0;

  Dims() noexcept {}  // entries stay uninitialised
};

/// The dimensions of `plan` in two copies: src to a packed temporary in the order of dst, and from there to dst.
void split_through_temporary(const CopyPlan& plan, Dims& pack, Dims& unpack) noexcept;

/// Of one block of `plan`, in bytes around its first unit.
Reach reach_of(const CopyPlan& plan) noexcept;

}  // namespace strideport::planning
