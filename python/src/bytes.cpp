/// The elements as bytes, hexadecimal digits and lists.
#include <span>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "elements.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// The view with elements that are bytes: reading references as bytes is harmless, which `copy` cannot know.
BufferView as_opaque(const BufferView& view) {
  ViewSpec spec = view.spec();
  spec.dtype = {};
  spec.format = {};
  spec.readonly = true;
  return BufferView::create(spec);
}

PyObject* bytes_of(BufferObject* self, Order order) {
  wait_for_host(self);
  const BufferView& view = live_view(self);
  Ref bytes = Ref::steal(checked(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(view.len()))));
  if (view.empty()) return bytes.release();
  const LeaseHold hold(self);
  const BufferView source = view.format().has_references() ? as_opaque(view) : view;
  auto* data = reinterpret_cast<std::byte*>(PyBytes_AsString(bytes.get()));
  {
    const GilRelease no_gil(has_driver(source) ? GilRelease::kThresholdBytes : source.len());
    to_contiguous(std::span(data, static_cast<size_t>(source.len())), source, order, StreamRef::host());
  }
  return bytes.release();
}

/// One dimension after another; `axis` is the next.
PyObject* list_of(const BufferView& view, const ElementReader& read, size_t axis, const std::byte* memory) {
  if (axis == view.shape().size()) return read(memory);
  const int64_t extent = view.shape()[axis];
  const int64_t stride = view.strides()[axis];
  const int64_t suboffset = view.has_suboffsets() ? view.suboffsets()[axis] : -1;
  Ref list = Ref::steal(checked(PyList_New(static_cast<Py_ssize_t>(extent))));
  const bool last = axis + 1 == view.shape().size();
  for (int64_t i = 0; i < extent; ++i) {
    const std::byte* item = memory + i * stride;
    if (suboffset >= 0) item = *reinterpret_cast<const std::byte* const*>(item) + suboffset;
    PyObject* value = last ? read(item) : list_of(view, read, axis + 1, item);
    if (PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), value) < 0) throw PythonError{};
  }
  return list.release();
}

}  // namespace

PyObject* tobytes(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"order", nullptr};
  PyObject* order = Py_None;
  parse_arguments(args, kwargs, "|O:tobytes", names, &order);
  return bytes_of(self, order == Py_None ? Order::C : parse_order(order, "CFA"));
}

PyObject* hex(BufferObject* self, PyObject* args, PyObject* kwargs) {
  const Ref bytes = Ref::steal(bytes_of(self, Order::C));
  const Ref method = Ref::steal(checked(PyObject_GetAttrString(bytes.get(), "hex")));
  return checked(PyObject_Call(method.get(), args, kwargs));
}

PyObject* tolist(BufferObject* self) {
  const Ref host = readable(self);
  const LeaseHold hold(as_buffer(host.get()));  // a collection that the lists start may release `self`
  const BufferView view = live_view(as_buffer(host.get()));
  return list_of(view, ElementReader(view), 0, static_cast<const std::byte*>(view.buf()));
}

}  // namespace strideport::python
