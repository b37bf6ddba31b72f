#include "host_access.hpp"

#include <span>
#include <utility>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "errors.hpp"

namespace strideport::python {
namespace {

/// The C++ Buffer of memory that a driver knows, with the view of this object.
Buffer tracked(BufferObject* self) {
  const BufferView& view = live_view(self);
  return self->lease_ptr->tracked->rebind(view);
}

void wait_for(const Buffer& buffer) {
  if (is_ready(buffer)) return;
  const GilRelease waiting;
  make_ready(buffer, StreamRef::host());
}

BufferView item_view(const BufferView& view, std::span<const int64_t> indices) {
  ViewSpec spec = view.spec();
  spec.buf = view.item_pointer(indices);
  spec.shape = {};
  spec.strides = {};
  spec.suboffsets = {};
  return BufferView::create(spec);
}

Buffer on_host(const Buffer& source) {
  const GilRelease waiting;
  Buffer result = empty_like(source.view(), Order::C);
  copy(result, source, StreamRef::host());
  return result;
}

/// True where an element has bytes that are no value: they have to stay.
bool has_padding(const BufferView& view) noexcept {
  return view.format() && view.format().item().kind == ItemKind::structure;
}

}  // namespace

void wait_for_host(BufferObject* self) {
  if (has_driver(live_view(self))) wait_for(tracked(self));
}

Ref readable(BufferObject* self) {
  const BufferView& view = live_view(self);
  if (!has_driver(view)) return Ref::borrow(as_object(self));
  const Ref kept = Ref::borrow(as_object(self));
  const Buffer buffer = tracked(self);
  if (!buffer.device().host_accessible()) return Ref::steal(wrap(state_of(self), on_host(buffer), nullptr));
  wait_for(buffer);
  return Ref::borrow(as_object(self));
}

PyObject* read_element(BufferObject* self, std::span<const int64_t> indices) {
  const Buffer buffer = tracked(self);
  const Buffer item = buffer.rebind(item_view(buffer.view(), indices));
  if (!item.device().host_accessible()) {
    const Buffer copy = on_host(item);
    return unpack(copy.view(), copy.buf());
  }
  wait_for(item);
  return unpack(item.view(), item.buf());
}

void write_element(BufferObject* self, std::span<const int64_t> indices, const void* packed) {
  const Buffer buffer = tracked(self);
  const Buffer item = buffer.rebind(item_view(buffer.view(), indices));
  if (item.device().host_accessible()) {
    wait_for(item);
    return commit_value(item.view(), item.buf(), packed);
  }
  const Buffer staging = has_padding(item.view()) ? on_host(item) : empty_like(item.view(), Order::C);
  commit_value(staging.view(), staging.buf(), packed);
  const GilRelease waiting;
  copy(item, staging, StreamRef::host());
}

Buffer copied_to(BufferObject* self, Device device, Order order, StreamRef stream) {
  const Buffer source = share(self);
  const GilRelease waiting;
  Buffer result = empty_like(source.view(), order, device, stream);
  copy(result, source, stream);
  return result;
}

}  // namespace strideport::python
