#include <bitset>
#include <string>

#include "runtime/checked.hpp"
#include "runtime/tuple_text.hpp"
#include "runtime/view_axes.hpp"
#include "strideport/view_ops.hpp"

namespace strideport {
namespace {

void check_permutation(std::span<const int> axes, int ndim) {
  std::bitset<kMaxNdim> seen;
  bool valid = axes.size() == static_cast<size_t>(ndim);
  for (size_t i = 0; valid && i < axes.size(); ++i) {
    const int axis = checked_axis(axes[i], ndim);
    valid = !seen.test(static_cast<size_t>(axis));
    seen.set(static_cast<size_t>(axis));
  }
  if (valid) return;
  throw InvalidArgument("axes " + tuple_text(axes) + " must name each of the " + std::to_string(ndim) +
                        " dimensions once");
}

// Dereferences happen in a fixed order, so axes may change places only between two of them.
void permute_suboffsets(const BufferView& view, std::span<const int> axes, ViewBuilder& builder) {
  const auto suboffsets = view.suboffsets();
  const auto result = builder.suboffsets();
  std::fill(result.begin(), result.end(), -1);
  size_t begin = 0;
  for (size_t end = 0; end < suboffsets.size(); ++end) {
    if (suboffsets[end] < 0 && end + 1 < suboffsets.size()) continue;
    for (size_t i = begin; i <= end; ++i) {
      const auto from = static_cast<size_t>(checked_axis(axes[i], view.ndim()));
      if (from >= begin && from <= end) continue;
      const size_t crossed = from > end ? end : begin - 1;
      throw BufferError("axis " + std::to_string(from) + " cannot move to place " + std::to_string(i) +
                        ": it would cross the indirect axis " + std::to_string(crossed) +
                        "; make the layout direct with .contiguous() first");
    }
    result[end] = suboffsets[end];
    begin = end + 1;
  }
}

[[noreturn]] void throw_not_broadcastable(const BufferView& view, std::span<const int64_t> shape, size_t axis) {
  throw InvalidArgument("shape " + tuple_text(view.shape()) + " does not expand to " + tuple_text(shape) + ": axis " +
                        std::to_string(axis) + " of the view must have extent 1 or that of the result");
}

}  // namespace

BufferView permute(const BufferView& view, std::span<const int> axes) {
  check_permutation(axes, view.ndim());
  ViewBuilder builder(view, view.ndim(), view.has_suboffsets());
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto from = static_cast<size_t>(checked_axis(axes[i], view.ndim()));
    builder.shape()[i] = view.shape()[from];
    builder.strides()[i] = view.strides()[from];
  }
  if (view.has_suboffsets()) permute_suboffsets(view, axes, builder);
  return std::move(builder).finish();
}

BufferView transpose(const BufferView& view) {
  std::array<int, kMaxNdim> axes{};
  const auto ndim = static_cast<size_t>(view.ndim());
  for (size_t i = 0; i < ndim; ++i) axes[i] = static_cast<int>(ndim - 1 - i);
  return permute(view, std::span(axes).first(ndim));
}

BufferView expand(const BufferView& view, std::span<const int64_t> shape) {
  const auto rank = static_cast<size_t>(view.ndim());
  check_ndim(shape.size());
  if (shape.size() < rank) {
    throw InvalidArgument("shape " + tuple_text(shape) + " has fewer dimensions than the view's " +
                          tuple_text(view.shape()));
  }
  const int64_t count = element_count(shape);
  (void)checked_mul(count, view.itemsize(), "product(shape) * itemsize");
  ViewBuilder builder(view, static_cast<int>(shape.size()), view.has_suboffsets());
  const size_t added = shape.size() - rank;
  bool repeats = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool is_new = i < added;
    const int64_t extent = is_new ? 1 : view.shape()[i - added];
    if (extent != shape[i] && extent != 1) throw_not_broadcastable(view, shape, i - added);
    const bool repeated = extent != shape[i];
    repeats = repeats || (repeated && count > 0);
    builder.shape()[i] = shape[i];
    builder.strides()[i] = is_new || repeated ? 0 : view.strides()[i - added];
    if (view.has_suboffsets()) builder.suboffsets()[i] = is_new ? -1 : view.suboffsets()[i - added];
  }
  builder.set_readonly(view.readonly() || repeats);
  return std::move(builder).finish();
}

BufferView squeeze(const BufferView& view, std::optional<int> axis) {
  if (axis) {
    const int at = checked_axis(*axis, view.ndim());
    const int64_t extent = view.shape()[static_cast<size_t>(at)];
    if (extent == 1) return index(view, at, 0);
    throw InvalidArgument("axis " + std::to_string(at) + " has extent " + std::to_string(extent) +
                          "; only axes of extent 1 can be squeezed");
  }
  BufferView result = view;
  for (int at = view.ndim() - 1; at >= 0; --at) {
    if (result.shape()[static_cast<size_t>(at)] == 1) result = index(result, at, 0);
  }
  return result;
}

BufferView unsqueeze(const BufferView& view, int axis) {
  check_ndim(view.shape().size() + 1);
  const auto at = static_cast<size_t>(checked_axis(axis, view.ndim() + 1));
  ViewBuilder builder(view, view.ndim() + 1, view.has_suboffsets());
  const auto insert = [at](std::span<const int64_t> from, std::span<int64_t> to, int64_t value) {
    std::copy_n(from.begin(), at, to.begin());
    to[at] = value;
    std::copy(from.begin() + static_cast<std::ptrdiff_t>(at), from.end(),
              to.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  };
  insert(view.shape(), builder.shape(), 1);
  insert(view.strides(), builder.strides(), 0);
  if (view.has_suboffsets()) insert(view.suboffsets(), builder.suboffsets(), -1);
  return std::move(builder).finish();
}

}  // namespace strideport
