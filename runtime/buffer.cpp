#include "strideport/buffer.hpp"

#include <new>
#include <string>

#include "runtime/checked.hpp"
#include "runtime/element_type.hpp"
#include "runtime/view_builder.hpp"

namespace strideport {
namespace {

constexpr std::align_val_t kAlignment{64};

// Memory of our own on the host; at least a byte, so that an empty Buffer has an address that consumers accept.
std::shared_ptr<void> allocate(int64_t size) {
  void* const memory = ::operator new(static_cast<size_t>(size > 0 ? size : 1), kAlignment);
  return {memory, [](void* block) noexcept { ::operator delete(block, kAlignment); }};
}

void check_device(Device device) {
  if (device.type == DeviceType::cpu) return;
  throw BufferError("no memory of " + to_string(device) + " can be made: this build has no device side");
}

Buffer take(ViewBuilder builder, int64_t len) {
  auto memory = allocate(len);
  builder.set_buf(memory.get());
  return {std::move(builder).finish(), std::move(memory)};
}

}  // namespace

Buffer Buffer::rebind(BufferView view) const {
  if (readonly() && !view.readonly()) view = strideport::toreadonly(view);
  return {std::move(view), owner_, stream_};
}

void Buffer::track() {}

Buffer empty(std::span<const int64_t> shape, DType dtype, Order order, Device device, StreamRef) {
  check_device(device);
  if (!dtype) throw InvalidArgument("empty needs a dtype; for an element type that only a format names use empty_like");
  check_ndim(shape.size());
  check_element_type({}, dtype);
  if (leaves_bits(dtype)) {
    throw InvalidArgument("packed elements of dtype " + to_string(dtype) +
                          " do not fill bytes; fold them into lanes that do");
  }
  const int64_t len = checked_mul(element_count(shape), dtype.itemsize(), "product(shape) * itemsize");
  ViewBuilder builder(static_cast<int>(shape.size()));
  builder.set_element(dtype.itemsize(), Format::of(dtype), dtype);
  std::copy(shape.begin(), shape.end(), builder.shape().begin());
  contiguous_strides(shape, dtype.itemsize(), order, builder.strides());
  return take(std::move(builder), len);
}

Buffer empty_like(const BufferView& like, Order order, Device device, StreamRef) {
  check_device(device);
  if (like.format().has_references()) {
    throw TypeMismatch("format '" + like.format().text() +
                       "' holds references to Python objects, which uninitialised memory cannot");
  }
  ViewBuilder builder(like, like.ndim());
  builder.set_device(device).set_readonly(false);
  std::copy(like.shape().begin(), like.shape().end(), builder.shape().begin());
  if (order == Order::K && !like.has_suboffsets()) {
    kept_strides(like.shape(), like.strides(), like.itemsize(), builder.strides());
  } else {
    const bool fortran = order == Order::A && like.is_contiguous(Order::F) && !like.is_contiguous(Order::C);
    contiguous_strides(like.shape(), like.itemsize(), fortran ? Order::F : order, builder.strides());
  }
  return take(std::move(builder), like.len());
}

}  // namespace strideport
