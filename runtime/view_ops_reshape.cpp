// Reshape without a copy. Axes of extent 1 say nothing and are dropped; what is left is merged into runs, an axis
// joining the run on its left where that one's stride is the axis's extent times its stride. Runs are as long as they
// can be, so the view has the new shape exactly if every new axis lies inside one run; its stride is then the product
// of the run's stride and the new extents to its right.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/tuple_text.hpp"
#include "runtime/view_axes.hpp"
#include "strideport/view_ops.hpp"

namespace strideport {
namespace {

struct Run {  // no initial values: 64 of them are made for every reshape
  int64_t extent;
  int64_t stride;     // of its last axis
  int64_t suboffset;  // of the dereference after it
  int first_axis;     // in the view, for messages
};

class Runs {
 public:
  // No axis of extent 1 may be indirect: the dereference would have no run to stand on.
  explicit Runs(const BufferView& view) {
    for (int axis = 0; axis < view.ndim(); ++axis) {
      const auto i = static_cast<size_t>(axis);
      const int64_t extent = view.shape()[i];
      const int64_t stride = view.strides()[i];
      if (extent == 1) continue;
      int64_t width = 0;
      const bool joins = count_ > 0 && back().suboffset < 0 && try_mul(stride, extent, width) && back().stride == width;
      if (!joins) runs_[count_++] = Run{1, 0, -1, axis};
      back().extent *= extent;
      back().stride = stride;
      if (view.has_suboffsets()) back().suboffset = view.suboffsets()[i];
    }
  }
  Run& back() noexcept { return runs_[count_ - 1]; }
  bool empty() const noexcept { return count_ == 0; }
  void pop() noexcept { --count_; }

 private:
  std::array<Run, kMaxNdim> runs_;
  size_t count_ = 0;
};

[[noreturn]] void throw_not_expressible(const BufferView& view, std::span<const int64_t> shape, size_t axis, int from) {
  throw BufferError("no strides express shape " + tuple_text(view.shape()) + " with strides " +
                    tuple_text(view.strides()) + " as shape " + tuple_text(shape) + ": new axis " +
                    std::to_string(axis) + " does not fit into old axis " + std::to_string(from) +
                    "; copy with .contiguous() first");
}

// Lays the new axes over the runs from the right.
BufferView lay_out(const BufferView& view, std::span<const int64_t> shape) {
  Runs runs(view);
  ViewBuilder builder(view, static_cast<int>(shape.size()), view.has_suboffsets());
  int64_t stride = runs.empty() ? view.itemsize() : runs.back().stride;
  for (size_t i = shape.size(); i-- > 0;) {
    builder.shape()[i] = shape[i];
    builder.strides()[i] = stride;
    if (view.has_suboffsets()) builder.suboffsets()[i] = -1;
    if (shape[i] == 1) continue;
    Run& run = runs.back();
    if (run.extent % shape[i] != 0) throw_not_expressible(view, shape, i, run.first_axis);
    if (run.suboffset >= 0) builder.suboffsets()[i] = std::exchange(run.suboffset, -1);
    run.extent /= shape[i];
    stride = scaled_stride(stride, shape[i]);
    if (run.extent > 1) continue;
    runs.pop();
    if (!runs.empty()) stride = runs.back().stride;
  }
  return std::move(builder).finish();
}

using Extents = std::array<int64_t, kMaxNdim>;

// Copies `shape` into `storage`, the extent of -1 worked out.
std::span<const int64_t> resolve_extents(const BufferView& view, std::span<const int64_t> shape, Extents& storage) {
  check_ndim(shape.size());
  const auto used = std::span(storage).first(shape.size());
  std::copy(shape.begin(), shape.end(), used.begin());
  const auto open = std::find(used.begin(), used.end(), -1);
  const int64_t count = view.element_count();
  if (open != used.end()) {
    *open = 1;
    const int64_t others = std::find(used.begin(), used.end(), -1) == used.end() ? element_count(used) : 0;
    if (others == 0 || count % others != 0) {
      throw InvalidArgument("shape " + tuple_text(shape) + " leaves no single extent for -1 with " +
                            std::to_string(count) + " elements");
    }
    *open = count / others;
  } else if (element_count(used) != count) {
    throw InvalidArgument("shape " + tuple_text(shape) + " has " + std::to_string(element_count(used)) +
                          " elements, but the view's " + tuple_text(view.shape()) + " has " + std::to_string(count));
  }
  return used;
}

}  // namespace

BufferView reshape(const BufferView& view, std::span<const int64_t> shape) {
  Extents storage;
  const auto wanted = resolve_extents(view, shape, storage);
  if (std::equal(wanted.begin(), wanted.end(), view.shape().begin(), view.shape().end())) return view;
  if (view.element_count() > 0) return lay_out(view.has_suboffsets() ? squeeze(view) : view, wanted);
  ViewBuilder builder(view, static_cast<int>(shape.size()));
  std::copy(wanted.begin(), wanted.end(), builder.shape().begin());
  contiguous_strides(wanted, view.itemsize(), Order::C, builder.strides());
  return std::move(builder).finish();
}

}  // namespace strideport
