/// Kernels of more than two dimensions: several that follow each other without a gap make the rows of a transpose,
/// where the source is dense, or its columns, where the destination is.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/host/walk.hpp"
#include "runtime/stride_order.hpp"
#include "strideport/layout.hpp"
#include "strideport/plan.hpp"

namespace strideport::host {

/// The rows of a kernel, or its columns.
class Side {
 public:
  /// `dense`: the stride on the side where the items follow each other; `listed`: that on the other.
  Side(int64_t PlanDim::*dense, int64_t PlanDim::*listed, int64_t item) noexcept
      : dense_(dense), listed_(listed), item_(item) {}

  int64_t extent() const noexcept { return extent_; }
  int64_t run_bytes() const noexcept { return extent_ * item_; }

  /// True where `dim` can be taken.
  bool takes(const PlanDim& dim) const noexcept {
    const bool room = pieces_ == 1 && 2 * extent_ <= kMostListed;
    return room && static_cast<int64_t>(magnitude(dim.*dense_)) == run_bytes();
  }

  /// Of what makes too many, pieces of nearly the same extent. Reversed where the dense side would be read backwards.
  void take(PlanDim dim) noexcept {
    if (dim.*dense_ < 0) {
      dst_shift_ += (dim.extent - 1) * dim.dst_stride;
      src_shift_ += (dim.extent - 1) * dim.src_stride;
      dim.dst_stride = -dim.dst_stride;
      dim.src_stride = -dim.src_stride;
    }
    const int64_t most = kMostListed / extent_;
    pieces_ = (dim.extent + most - 1) / most;
    PlanDim& taken = dims_[count_++] = dim;
    taken.extent = (dim.extent + pieces_ - 1) / pieces_;
    last_ = extent_ * (dim.extent - (pieces_ - 1) * taken.extent);
    extent_ *= taken.extent;
  }

  /// Puts into `walk` where the first item is, and the loop over the pieces, which changes `extent`.
  void begin(Walk& walk, int64_t& extent) const noexcept {
    extent = extent_;
    walk.dst += dst_shift_;
    walk.src += src_shift_;
    if (pieces_ == 1) return;
    const PlanDim& dim = dims_[count_ - 1];
    walk.loops[walk.count++] = {pieces_, dim.extent * dim.dst_stride, dim.extent * dim.src_stride, &extent, last_};
  }

  /// Writes where each index lies on the other side. Returns a number with the factors of two that all distances have.
  int64_t list(int64_t* offsets) const noexcept {
    int64_t factors = 0;
    int64_t count = 1;
    offsets[0] = 0;
    for (int i = 0; i < count_; ++i) {
      const int64_t step = dims_[i].*listed_;
      factors |= step;
      for (int64_t index = 1; index < dims_[i].extent; ++index) {
        for (int64_t j = 0; j < count; ++j) offsets[index * count + j] = offsets[j] + index * step;
      }
      count *= dims_[i].extent;
    }
    std::fill_n(offsets + count, kListedBeyond, offsets[count - 1]);
    return factors;
  }

 private:
  int64_t PlanDim::*dense_;
  int64_t PlanDim::*listed_;
  int64_t item_;
  int64_t extent_ = 1;
  int64_t pieces_ = 1;  // of the last dimension
  int64_t last_ = 1;    // the extent in the last of them
  int64_t dst_shift_ = 0;
  int64_t src_shift_ = 0;
  int count_ = 0;
  PlanDim dims_[kMaxNdim + 1];
};

}  // namespace strideport::host
