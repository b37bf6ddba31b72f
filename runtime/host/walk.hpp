/// The loops around a kernel: which dimensions it gets, and in which order and in what pieces the others are walked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/host/kernels.hpp"
#include "strideport/layout.hpp"
#include "strideport/plan.hpp"

namespace strideport::host {

/// One loop. A dimension that is walked in pieces has two: one over the pieces, and further in one over a piece, which
/// may be the kernel itself.
struct Loop {
  int64_t extent;
  int64_t dst_stride;
  int64_t src_stride;
  int64_t* piece;  ///< of a loop over pieces: the extent of what walks one of them
  int64_t last;    ///< that extent in the last piece
};

/// The most rows or columns of a kernel that come from several dimensions.
constexpr int64_t kMostListed = 2048;

struct Walk {
  Block block;
  std::byte* dst;
  const std::byte* src;
  int count = 0;
  Loop loops[2 * (kMaxNdim + 1)];  ///< outermost first
  int64_t dst_rows[kMostListed + kListedBeyond];
  int64_t src_columns[kMostListed + kListedBeyond];

  // Loops and lists stay uninitialised.
  Walk(std::byte* to, const std::byte* from) noexcept : dst(to), src(from) {}
  Walk(const Walk&) = delete;  // the loops point into it
  Walk& operator=(const Walk&) = delete;
};

/// Chooses the block and the loops. `bytes` is the payload of the whole copy, of which this may be a part.
/// Shapes: `dims` as in a plan, one at least, without the run that is the item.
void arrange(Walk& walk, const PlanDim* dims, int count, int64_t item, int64_t bytes) noexcept;

/// Calls the kernel once for every index of the loops.
void walk_all(Walk& walk, Kernel kernel);

}  // namespace strideport::host
