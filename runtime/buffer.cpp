#include "strideport/buffer.hpp"

#include <string>

#include "runtime/checked.hpp"
#include "runtime/element_type.hpp"
#include "runtime/host_memory.hpp"
#include "runtime/memory_use.hpp"
#include "runtime/view_builder.hpp"

namespace strideport {
namespace {

// Pinned and managed memory go back through their deleters, once nothing is pending on them; device memory is freed on
// a stream, which needs no thread that waits.
std::shared_ptr<void> allocate_pinned(DeviceApi& api, int64_t size) {
  const PinnedBlock block = api.allocate_pinned(size);
  return {block.memory, [&api, block](void*) noexcept { api.free_pinned(block); }};
}

std::shared_ptr<void> allocate_managed(DeviceApi& api, int device, int64_t size) {
  return {api.allocate_managed(device, size),
          [&api, device](void* block) noexcept { api.free_managed(device, block); }};
}

void check_index(DeviceApi& api, Device device) {
  const int count = api.count();
  if (device.id >= 0 && device.id < count) return;
  throw InvalidArgument("there is no device " + to_string(device) + ": " + std::to_string(count) +
                        (count == 1 ? " device of this type was found" : " devices of this type were found"));
}

// Where device memory is usable at once: on `stream`, or everywhere where that is none or one of another device.
StreamRef stream_to_allocate_on(Device device, StreamRef stream) {
  if (stream.is_host()) return stream;
  const WorkStream work = inspect_stream(device, stream);
  if (work.captures) {
    throw InvalidArgument(
        "the stream captures: memory that outlives the capture cannot be allocated on it; allocate it "
        "before, or without a stream");
  }
  return work.device == device.id ? stream : StreamRef::host();
}

struct Memory {
  void* address;
  std::shared_ptr<void> owner;
  StreamRef stream;  // where it may be used at once
};

// Memory that a driver knows.
Memory allocate(Device device, int64_t size, StreamRef stream) {
  if (!is_known(device.type)) {
    throw InvalidArgument("no memory of " + to_string(device) + " can be made: Strideport does not know that kind");
  }
  DeviceApi& api = *device_api(device.type);
  check_index(api, device);
  if (is_device_memory(device.type)) {
    const StreamRef on = stream_to_allocate_on(device, stream);
    void* const address = api.allocate(device.id, size, on);
    return {address, MemoryUse::own(api, device.id, address), on};
  }
  auto owner = is_pinned(device.type) ? allocate_pinned(api, size) : allocate_managed(api, device.id, size);
  void* const address = owner.get();
  return {address, std::move(owner), StreamRef::host()};
}

Buffer take(ViewBuilder&& builder, int64_t len, Device device, StreamRef stream) {
  builder.set_device(device);
  if (device.type == DeviceType::cpu) {
    std::shared_ptr<void> owner = allocate_host(len);
    builder.set_buf(owner.get());
    return {std::move(builder).finish(), std::move(owner)};
  }
  Memory memory = allocate(device, len, stream);
  builder.set_buf(memory.address);
  try {
    return {std::move(builder).finish(), memory.owner, memory.stream};
  } catch (...) {
    // The stream could not say when the memory is there, and it is freed on another one: not before.
    const bool there = memory.stream.is_host() || device_api(device.type)->drain(device.id, memory.stream);
    if (!there) MemoryUse::find(memory.owner)->keep_for_good();
    throw;
  }
}

// `contiguous_strides` of a valid view: nothing to check, and nothing overflows where there are elements.
void dense_strides(const BufferView& like, Order order, std::span<int64_t> strides) {
  if (like.empty()) return contiguous_strides(like.shape(), like.itemsize(), order, strides);
  const int64_t* const shape = like.shape().data();
  const int ndim = like.ndim();
  int64_t stride = like.itemsize();
  for (int k = 0; k < ndim; ++k) {
    const int axis = order == Order::F ? k : ndim - 1 - k;
    strides[static_cast<size_t>(axis)] = stride;
    stride *= shape[axis];
  }
}

}  // namespace

Buffer Buffer::rebind(BufferView view) const {
  if (readonly() && !view.readonly()) view = strideport::toreadonly(view);
  return Buffer(std::move(view), *this);
}

void Buffer::track() {
  use_ = MemoryUse::find(owner_);
  if (use_ == nullptr) {
    owner_ = MemoryUse::adopt(view_.device(), std::move(owner_));
    use_ = MemoryUse::find(owner_);
  }
  if (!stream_.is_host()) use_->ready_on(stream_);
}

void make_ready(const Buffer& buffer, StreamRef stream) {
  MemoryUse* const use = buffer.use();
  if (use == nullptr) return;
  if (stream.is_host()) return use->wait(Access::write);
  use->order(inspect_stream(buffer.device(), stream), Access::write);
}

bool is_ready(const Buffer& buffer) { return buffer.use() == nullptr || buffer.use()->done(); }

Buffer empty(std::span<const int64_t> shape, DType dtype, Order order, Device device, StreamRef stream) {
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
  return take(std::move(builder), len, device, stream);
}

Buffer empty_like(const BufferView& like, Order order, Device device, StreamRef stream) {
  if (like.format().has_references()) {
    throw TypeMismatch("format '" + like.format().text() +
                       "' holds references to Python objects, which uninitialised memory cannot");
  }
  ViewBuilder builder(like, like.ndim());
  builder.set_readonly(false);
  std::copy(like.shape().begin(), like.shape().end(), builder.shape().begin());
  if (order == Order::K && !like.has_suboffsets()) {
    kept_strides(like.shape(), like.strides(), like.itemsize(), builder.strides());
  } else {
    const bool fortran = order == Order::A && like.is_contiguous(Order::F) && !like.is_contiguous(Order::C);
    dense_strides(like, fortran ? Order::F : order, builder.strides());
  }
  return take(std::move(builder), like.len(), device, stream);
}

}  // namespace strideport
