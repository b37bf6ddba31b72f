// The one door for descriptors from outside: everything that a view promises is checked here.
#include <algorithm>
#include <string>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/element_type.hpp"
#include "runtime/indirection.hpp"
#include "runtime/tuple_text.hpp"
#include "runtime/view_builder.hpp"
#include "strideport/buffer_view.hpp"

namespace strideport {
namespace {

constexpr int64_t kPointerSize = sizeof(void*);

void check_ranks(const ViewSpec& spec) {
  const size_t ndim = spec.shape.size();
  check_ndim(ndim);
  const auto same_rank = [&](std::span<const int64_t> values, const char* name) {
    if (values.empty() || values.size() == ndim) return;
    throw InvalidArgument(std::string(name) + " " + tuple_text(values) + " and shape " + tuple_text(spec.shape) +
                          " differ in length; give one number a dimension");
  };
  same_rank(spec.strides, "strides");
  same_rank(spec.suboffsets, "suboffsets");
}

void check_element(const ViewSpec& spec) {
  const auto differs = [&](const std::string& what, int64_t size) {
    throw InvalidArgument(what + " has " + std::to_string(size) + " bytes, but itemsize is " +
                          std::to_string(spec.itemsize));
  };
  if (spec.itemsize < 0) {
    throw InvalidArgument("itemsize is " + std::to_string(spec.itemsize) + "; it must not be negative");
  }
  if (spec.format && spec.format.itemsize() != spec.itemsize) {
    differs("format '" + spec.format.text() + "'", spec.format.itemsize());
  }
  if (!spec.dtype) return;
  check_element_type(spec.format, spec.dtype);
  if (spec.dtype.itemsize() != spec.itemsize) differs("dtype " + to_string(spec.dtype), spec.dtype.itemsize());
  if (spec.padded || !leaves_bits(spec.dtype)) return;
  throw InvalidArgument("packed elements of dtype " + to_string(spec.dtype) +
                        " do not fill bytes; fold them into lanes that do, or mark them as padded");
}

// What the host has to add to buf to reach an element: through the first segment only, in pointers, with suboffsets.
OffsetBounds first_reach(const BufferView& view) {
  const auto axes = static_cast<size_t>(end_of_first_segment(view.suboffsets(), view.ndim()) + 1);
  return offset_bounds(view.shape().first(axes), view.strides().first(axes),
                       view.has_suboffsets() ? kPointerSize : view.itemsize());
}

// The later segments start at addresses that only the row pointers know: all that can be checked is the arithmetic.
void check_later_segments(const BufferView& view) {
  const auto suboffsets = view.suboffsets();
  const size_t ndim = suboffsets.size();
  for (size_t axis = 0; axis < ndim; ++axis) {
    if (suboffsets[axis] < 0) continue;
    const size_t begin = axis + 1;
    const auto rest = suboffsets.subspan(begin);
    const auto next = static_cast<size_t>(
        std::find_if(rest.begin(), rest.end(), [](int64_t offset) { return offset >= 0; }) - rest.begin());
    const bool last = next == rest.size();
    const size_t count = last ? next : next + 1;
    const auto bounds = offset_bounds(view.shape().subspan(begin, count), view.strides().subspan(begin, count),
                                      last ? view.itemsize() : kPointerSize);
    (void)checked_add(suboffsets[axis], bounds.upper, "a suboffset plus the offsets behind it");
  }
}

void check_address(const BufferView& view, const OffsetBounds& reach) {
  if (view.buf() == nullptr && reach.upper > reach.lower) {
    throw InvalidArgument("buf is null, but shape " + tuple_text(view.shape()) + " has elements");
  }
  const auto address = reinterpret_cast<uintptr_t>(view.buf());
  const uintptr_t below = uintptr_t{0} - static_cast<uintptr_t>(reach.lower);
  if (below > address || static_cast<uintptr_t>(reach.upper) > UINTPTR_MAX - address) {
    throw InvalidArgument("offsets " + std::to_string(reach.lower) + " to " + std::to_string(reach.upper) +
                          " from buf leave the address space");
  }
}

void check_inside(const MemoryRange& memory, const BufferView& view, const OffsetBounds& reach) {
  // As unsigned distances from the start: neither end can wrap once check_address has passed.
  const auto begin = reinterpret_cast<uintptr_t>(memory.begin);
  const auto first = reinterpret_cast<uintptr_t>(view.buf()) + static_cast<uintptr_t>(reach.lower);
  const auto length = static_cast<uintptr_t>(reach.upper) - static_cast<uintptr_t>(reach.lower);
  const auto size = static_cast<uintptr_t>(memory.size);
  if (memory.size >= 0 && first >= begin && first - begin <= size && length <= size - (first - begin)) return;
  const auto from = static_cast<int64_t>(first - begin);
  int64_t to = 0;
  if (!try_add(from, static_cast<int64_t>(length), to)) to = INT64_MAX;
  throw InvalidArgument("shape " + tuple_text(view.shape()) + " with strides " + tuple_text(view.strides()) +
                        " reaches bytes " + std::to_string(from) + " to " + std::to_string(to) + " of a memory of " +
                        std::to_string(memory.size) + " bytes");
}

void check_reach(const BufferView& view, const std::optional<MemoryRange>& memory) {
  const int64_t count = element_count(view.shape());
  (void)checked_mul(count, view.itemsize(), "product(shape) * itemsize");
  if (count == 0) return;
  const OffsetBounds reach = first_reach(view);
  if (view.has_suboffsets()) check_later_segments(view);
  check_address(view, reach);
  if (memory) check_inside(*memory, view, reach);
}

// What nearly every caller has: a format, few dimensions, at least one element, no row pointers. Says yes, with the
// bytes of all elements, only where every check below would pass; what is wrong with the others is theirs to say.
bool is_ordinary(const ViewSpec& spec, size_t most_dimensions, int64_t& len) noexcept {
  const size_t ndim = spec.shape.size();
  if (ndim > most_dimensions || !spec.suboffsets.empty() || spec.memory || !spec.format) return false;
  if (spec.itemsize <= 0 || spec.format.itemsize() != spec.itemsize || spec.buf == nullptr) return false;
  if (spec.dtype && spec.dtype != spec.format.dtype()) return false;
  const bool dense = spec.strides.empty();
  if (!dense && spec.strides.size() != ndim) return false;
  OffsetBounds reach{0, spec.itemsize};
  len = spec.itemsize;
  for (size_t axis = ndim; axis-- > 0;) {
    const int64_t extent = spec.shape[axis];
    if (extent <= 0) return false;
    int64_t offset = 0;
    if (!dense && extent > 1 && !try_mul(extent - 1, spec.strides[axis], offset)) return false;
    int64_t& side = offset < 0 ? reach.lower : reach.upper;
    if (!try_add(side, offset, side) || !try_mul(len, extent, len)) return false;
  }
  if (dense) reach.upper = len;
  int64_t span = 0;
  if (__builtin_sub_overflow(reach.upper, reach.lower, &span)) return false;
  const auto address = reinterpret_cast<uintptr_t>(spec.buf);
  return uintptr_t{0} - static_cast<uintptr_t>(reach.lower) <= address &&
         static_cast<uintptr_t>(reach.upper) <= UINTPTR_MAX - address;
}

}  // namespace

BufferView::BufferView(const ViewSpec& ordinary, int64_t len) noexcept  // NOLINT: the dimensions that there are
    : buf_(ordinary.buf),
      len_(len),
      itemsize_(ordinary.itemsize),
      format_(ordinary.format),
      dtype_(ordinary.format.dtype()),
      device_(ordinary.device),
      ndim_(static_cast<int32_t>(ordinary.shape.size())),
      readonly_(ordinary.readonly) {
  int64_t stride = itemsize_;
  for (size_t axis = ordinary.shape.size(); axis-- > 0;) {
    inline_[axis] = ordinary.shape[axis];
    inline_[kInlineNdim + axis] = ordinary.strides.empty() ? stride : ordinary.strides[axis];
    stride *= ordinary.shape[axis];
  }
}

BufferView BufferView::create(const ViewSpec& spec) {
  int64_t len = 0;
  return is_ordinary(spec, kInlineNdim, len) ? BufferView(spec, len) : create_with_checks(spec);
}

void BufferView::make_with_checks(std::span<const int64_t> dense_shape) {
  ViewSpec parts = spec();
  parts.shape = dense_shape;
  parts.strides = {};
  *this = create_with_checks(parts);
}

BufferView BufferView::create_with_checks(const ViewSpec& spec) {
  check_ranks(spec);
  check_element(spec);
  const bool indirect =
      std::any_of(spec.suboffsets.begin(), spec.suboffsets.end(), [](int64_t offset) { return offset >= 0; });
  ViewBuilder builder(static_cast<int>(spec.shape.size()), indirect);
  builder.set_buf(spec.buf).set_device(spec.device).set_readonly(spec.readonly);
  builder.set_element(spec.itemsize, spec.format ? spec.format : Format::of(spec.dtype),
                      spec.dtype ? spec.dtype : spec.format.dtype(), spec.padded && leaves_bits(spec.dtype));
  std::copy(spec.shape.begin(), spec.shape.end(), builder.shape().begin());
  if (spec.strides.empty()) {
    contiguous_strides(spec.shape, spec.itemsize, Order::C, builder.strides());
  } else {
    std::copy(spec.strides.begin(), spec.strides.end(), builder.strides().begin());
  }
  if (indirect) std::copy(spec.suboffsets.begin(), spec.suboffsets.end(), builder.suboffsets().begin());
  check_reach(builder.peek(), spec.memory);
  return std::move(builder).finish();
}

}  // namespace strideport
