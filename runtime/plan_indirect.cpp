#include "runtime/plan_indirect.hpp"

#include <algorithm>

#include "runtime/plan_checks.hpp"

namespace strideport::planning {
namespace {

struct Axes {
  std::vector<int> axes;  // of extent other than 1, in order
  int loops = 0;          // how many of them lie at or outside the last indirect axis
};

int64_t suboffset(const BufferView& view, int axis) {
  return view.has_suboffsets() ? view.suboffsets()[static_cast<size_t>(axis)] : -1;
}

Axes axes_of(const BufferView& view) {
  Axes result;
  for (int axis = 0; axis < view.ndim(); ++axis) {
    if (view.shape()[static_cast<size_t>(axis)] != 1) result.axes.push_back(axis);
    if (suboffset(view, axis) >= 0) result.loops = static_cast<int>(result.axes.size());
  }
  return result;
}

// An axis of extent 1 takes no loop, but its pointer is followed all the same.
std::vector<ChainStep> chain_of(const BufferView& view, int loops) {
  std::vector<ChainStep> chain;
  int loop = 0;
  for (int axis = 0; axis < view.ndim(); ++axis) {
    const auto i = static_cast<size_t>(axis);
    const bool unit = view.shape()[i] == 1;
    const int64_t sub = suboffset(view, axis);
    if (unit && sub >= 0) chain.push_back({0, sub, -1});
    if (unit) continue;
    if (loop < loops) chain.push_back({view.strides()[i], sub, loop});
    ++loop;
  }
  return chain;
}

}  // namespace

IndirectSplit split_indirect(const BufferView& dst, const BufferView& src) {
  const Axes dst_axes = axes_of(dst);
  const Axes src_axes = axes_of(src);
  if (dst_axes.axes.size() != src_axes.axes.size()) throw_shapes_differ(dst, src);
  const int loops = std::max(dst_axes.loops, src_axes.loops);
  IndirectSplit split;
  for (int i = 0; i < static_cast<int>(dst_axes.axes.size()); ++i) {
    const auto d = static_cast<size_t>(dst_axes.axes[static_cast<size_t>(i)]);
    const auto s = static_cast<size_t>(src_axes.axes[static_cast<size_t>(i)]);
    const int64_t extent = dst.shape()[d];
    if (extent != src.shape()[s]) throw_shapes_differ(dst, src);
    if (i < loops) {
      split.extents.push_back(extent);
    } else {
      split.block.add({extent, dst.strides()[d], src.strides()[s]});
    }
  }
  if (dst.empty()) {
    split.blocks = 0;  // extents beside a 0 may be of any size: their product may overflow
  } else {
    for (const int64_t extent : split.extents) split.blocks *= extent;
  }
  split.dst = chain_of(dst, loops);
  split.src = chain_of(src, loops);
  return split;
}

}  // namespace strideport::planning
