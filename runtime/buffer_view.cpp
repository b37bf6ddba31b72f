#include "strideport/buffer_view.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "runtime/checked.hpp"
#include "runtime/indirection.hpp"

namespace strideport {
BufferView::BufferView() noexcept
    : format_(Format::of(dtype_of<std::byte>())), dtype_(dtype_of<std::byte>()) {  // NOLINT: one extent, one stride
  inline_[0] = 0;
  inline_[kInlineNdim] = 1;
}

// All but the lists of numbers, which a copy duplicates and a move takes over.
BufferView::BufferView(const BufferView& other, Format format) noexcept
    : buf_(other.buf_),
      len_(other.len_),
      itemsize_(other.itemsize_),
      format_(std::move(format)),
      dtype_(other.dtype_),
      device_(other.device_),
      ndim_(other.ndim_),
      readonly_(other.readonly_),
      padded_(other.padded_),
      has_suboffsets_(other.has_suboffsets_),
      on_heap_(other.on_heap_) {
  if (!on_heap_) std::memcpy(inline_, other.inline_, sizeof inline_);
}

BufferView::BufferView(const BufferView& other) : BufferView(other, other.format_) {
  if (!on_heap_) return;
  on_heap_ = false;  // the destructor runs if the allocation fails, and must not free the other's block
  const size_t size = static_cast<size_t>(ndim_) * (has_suboffsets_ ? 3 : 2);
  heap_ = new int64_t[size];
  on_heap_ = true;
  std::copy_n(other.heap_, size, heap_);
}

BufferView::BufferView(BufferView&& other) noexcept : BufferView(other, std::move(other.format_)) {
  if (on_heap_) heap_ = other.heap_;
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

ViewSpec BufferView::spec() const& {
  ViewSpec parts;
  parts.buf = buf_;
  parts.shape = shape();
  parts.strides = strides();
  parts.suboffsets = suboffsets();
  parts.itemsize = itemsize_;
  parts.dtype = dtype_;
  parts.format = format_;
  parts.device = device_;
  parts.readonly = readonly_;
  parts.padded = padded_;
  return parts;
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
  auto address = reinterpret_cast<uintptr_t>(buf_);
  if (!has_suboffsets_) {
    const int64_t* const stride_of = strides_data();
    for (int axis = 0; axis < ndim_; ++axis) {
      const int64_t index = checked_index(*this, axis, indices[static_cast<size_t>(axis)]);
      // Unsigned: where the index of a later axis is refused, this stride may mean nothing, and overflow.
      address += static_cast<uintptr_t>(stride_of[axis]) * static_cast<uintptr_t>(index);
    }
    return reinterpret_cast<void*>(address);
  }
  for (int axis = 0; axis < ndim_; ++axis) (void)checked_index(*this, axis, indices[static_cast<size_t>(axis)]);
  const auto rows = suboffsets();
  for (int axis = 0; axis < ndim_; ++axis) {
    const auto i = static_cast<size_t>(axis);
    const int64_t index = checked_index(*this, axis, indices[i]);
    if (index > 0) address += static_cast<uintptr_t>(strides()[i] * index);
    if (has_suboffsets_ && rows[i] >= 0) {
      address =
          reinterpret_cast<uintptr_t>(follow_row_pointer(reinterpret_cast<const void*>(address), rows[i], device_));
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
