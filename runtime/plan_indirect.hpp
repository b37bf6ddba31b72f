/// Suboffsets: a copy splits at the last indirect dimension. Outside it pointers are followed, index by index; inside
/// lie blocks of plain strides, all alike, that are planned once.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/plan_steps.hpp"
#include "strideport/buffer_view.hpp"

namespace strideport::planning {

/// One step from buf towards a block: add stride times the index of loop `loop` (-1: index 0), then, with a
/// suboffset, follow the pointer that lies there and add the suboffset.
struct ChainStep {
  int64_t stride;
  int64_t suboffset;  ///< negative: no pointer
  int loop;
};

struct IndirectSplit {
  std::vector<int64_t> extents;  ///< of the loops outside the blocks, outermost first
  std::vector<ChainStep> dst;
  std::vector<ChainStep> src;
  Draft block;         ///< the dimensions inside
  int64_t blocks = 1;  ///< product of `extents`; 0 where there are no elements
};

/// Throws: InvalidArgument if shapes differ.
IndirectSplit split_indirect(const BufferView& dst, const BufferView& src);

}  // namespace strideport::planning
