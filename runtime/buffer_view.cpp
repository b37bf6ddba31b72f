#include "strideport/buffer_view.hpp"

#include <algorithm>
#include <string>

#include "runtime/checked.hpp"
#include "runtime/indirection.hpp"
#include "runtime/tuple_text.hpp"
#include "runtime/view_builder.hpp"

namespace strideport {
namespace {

constexpr int64_t kPointerSize = sizeof(void*);

void check_ranks(const ViewSpec& spec) {
  const size_t ndim = spec.shape.size();
  if (ndim > kMaxNdim) throw InvalidArgument("ndim is " + std::to_string(ndim) + "; at most 64 dimensions are supported");
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
  if (spec.dtype.itemsize() != spec.itemsize) differs("dtype " + to_string(spec.dtype), spec.dtype.itemsize());
  if (spec.padded || spec.dtype.bits * spec.dtype.lanes % 8 == 0) return;
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
                        " reaches bytes " + std::to_string(from) + " to " +
                        std::to_string(to) + " of a memory of " + std::to_string(memory.size) + " bytes");
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

}  // namespace

BufferView::BufferView() noexcept
    : format_(Format::of(dtype_of<std::byte>())), dtype_(dtype_of<std::byte>()), inline_{} {
  inline_[kInlineNdim] = 1;
}

BufferView BufferView::create(const ViewSpec& spec) {
  check_ranks(spec);
  check_element(spec);
  const bool indirect =
      std::any_of(spec.suboffsets.begin(), spec.suboffsets.end(), [](int64_t offset) { return offset >= 0; });
  ViewBuilder builder(static_cast<int>(spec.shape.size()), indirect);
  builder.set_buf(spec.buf).set_device(spec.device).set_readonly(spec.readonly);
  builder.set_element(spec.itemsize, spec.format ? spec.format : Format::of(spec.dtype),
                      spec.dtype ? spec.dtype : spec.format.dtype(), spec.padded);
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

BufferView::BufferView(const BufferView& other)
    : buf_(other.buf_),
      len_(other.len_),
      itemsize_(other.itemsize_),
      format_(other.format_),
      dtype_(other.dtype_),
      device_(other.device_),
      ndim_(other.ndim_),
      readonly_(other.readonly_),
      padded_(other.padded_),
      has_suboffsets_(other.has_suboffsets_),
      on_heap_(other.on_heap_) {
  if (on_heap_) {
    const size_t size = static_cast<size_t>(ndim_) * (has_suboffsets_ ? 3 : 2);
    heap_ = new int64_t[size];
    std::copy_n(other.heap_, size, heap_);
  } else {
    std::memcpy(inline_, other.inline_, sizeof inline_);
  }
}

BufferView::BufferView(BufferView&& other) noexcept
    : buf_(other.buf_),
      len_(other.len_),
      itemsize_(other.itemsize_),
      format_(std::move(other.format_)),
      dtype_(other.dtype_),
      device_(other.device_),
      ndim_(other.ndim_),
      readonly_(other.readonly_),
      padded_(other.padded_),
      has_suboffsets_(other.has_suboffsets_),
      on_heap_(other.on_heap_) {
  if (on_heap_) {
    heap_ = other.heap_;
  } else {
    std::memcpy(inline_, other.inline_, sizeof inline_);
  }
  other.become_empty();
}

BufferView& BufferView::operator=(const BufferView& other) {
  if (this != &other) *this = BufferView(other);
  return *this;
}

BufferView& BufferView::operator=(BufferView&& other) noexcept {
  if (this != &other) {
    this->~BufferView();
    new (this) BufferView(std::move(other));
  }
  return *this;
}

BufferView::~BufferView() {
  if (on_heap_) delete[] heap_;
}

// Leaves what the default constructor makes, but for a format that has been moved from; frees nothing.
void BufferView::become_empty() noexcept {
  buf_ = nullptr;
  len_ = 0;
  itemsize_ = 1;
  dtype_ = dtype_of<std::byte>();
  device_ = Device{};
  ndim_ = 1;
  readonly_ = padded_ = has_suboffsets_ = on_heap_ = false;
  inline_[0] = 0;
  inline_[kInlineNdim] = 1;
}

int64_t BufferView::element_count() const noexcept {
  if (itemsize_ > 0) return len_ / itemsize_;
  int64_t count = 1;
  for (const int64_t extent : shape()) {
    if (extent == 0) return 0;
    [[maybe_unused]] const bool fits = try_mul(count, extent, count);
  }
  return count;
}

bool BufferView::is_contiguous(Order order) const noexcept {
  if (has_suboffsets_) return false;
  return strideport::is_contiguous(shape(), strides(), itemsize_, order);
}

void* BufferView::item_pointer(std::span<const int64_t> indices) const {
  if (indices.size() != static_cast<size_t>(ndim_)) {
    throw InvalidArgument(std::to_string(indices.size()) + " indices for a view of " + std::to_string(ndim_) +
                          " dimensions; give one a dimension");
  }
  for (int axis = 0; axis < ndim_; ++axis) (void)checked_index(*this, axis, indices[static_cast<size_t>(axis)]);
  auto address = reinterpret_cast<uintptr_t>(buf_);
  const auto rows = suboffsets();
  for (int axis = 0; axis < ndim_; ++axis) {
    const auto i = static_cast<size_t>(axis);
    const int64_t index = checked_index(*this, axis, indices[i]);
    if (index > 0) address += static_cast<uintptr_t>(strides()[i] * index);
    if (has_suboffsets_ && rows[i] >= 0) {
      address = reinterpret_cast<uintptr_t>(
          follow_row_pointer(reinterpret_cast<const void*>(address), rows[i], device_));
    }
  }
  return reinterpret_cast<void*>(address);
}

int64_t checked_index(const BufferView& view, int axis, int64_t position) {
  const int64_t extent = view.shape()[static_cast<size_t>(axis)];
  if (position >= -extent && position < extent) return position < 0 ? position + extent : position;
  throw OutOfRange("index " + std::to_string(position) + " is out of range for axis " + std::to_string(axis) +
                   " of extent " + std::to_string(extent));
}

void* follow_row_pointer(const void* address, int64_t suboffset, Device device) {
  if (!device.host_accessible()) {
    throw BufferError("row pointers in memory of " + to_string(device) + " cannot be read by the host");
  }
  uintptr_t row = 0;
  std::memcpy(&row, address, sizeof row);
  if (row == 0) throw BufferError("a row pointer is null, though its row has elements");
  return reinterpret_cast<void*>(row + static_cast<uintptr_t>(suboffset));
}

}  // namespace strideport
