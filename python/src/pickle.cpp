/// Pickle and copy. From protocol 5 on the memory goes out of band, so that what carries pickles between processes
/// carries it without copying; below, its bytes go into the pickle.
///
/// A pickle says: rebuild(data, shape, order, element, itemsize, padded, readonly), where `data` are the bytes without
/// gaps and `element` is a format, or a name behind "dtype:" where PEP 3118 has no spelling.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "functions.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

constexpr int64_t kFirstOutOfBand = 5;
constexpr std::string_view kNamed = "dtype:";

void check_elements(const BufferView& view) {
  if (!view.device().host_accessible()) {
    raise(PyExc_TypeError, "the memory is on %s, where pickle cannot read it: .to(\"cpu\") first",
          to_string(view.device()).c_str());
  }
  if (view.format().has_references()) {
    raise(PyExc_TypeError, "format '%s' holds references to Python objects (O), which mean nothing elsewhere",
          view.format().text().c_str());
  }
}

Buffer copied(BufferObject* self, Order order) {
  if (has_driver(live_view(self))) return copied_to(self, live_view(self).device(), order, StreamRef::host());
  const Buffer source = share(self);
  const GilRelease released(source.len());
  return to_contiguous(source.view(), order, StreamRef::host());
}

Order order_of(const BufferView& view) noexcept {
  return !view.is_contiguous(Order::C) && view.is_contiguous(Order::F) ? Order::F : Order::C;
}

/// Memory without gaps as bytes in the order in which they lie.
BufferView bytes_of(const BufferView& view, bool readonly) {
  const int64_t extent = view.len();
  ViewSpec spec;
  spec.buf = view.buf();
  spec.shape = {&extent, 1};
  spec.dtype = {TypeCode::unsigned_integer, 8, 1};
  spec.format = Format::of(spec.dtype);
  spec.device = view.device();
  spec.readonly = readonly;
  return BufferView::create(spec);
}

/// A one-dimensional Buffer of all bytes: over the same memory where it has no gaps, else over a copy in C order.
Ref flat(BufferObject* self) {
  const BufferView& view = live_view(self);
  if (view.is_contiguous(Order::A)) return Ref::steal(new_view(self, bytes_of(view, view.readonly())));
  Buffer copy = copied(self, Order::C);
  BufferView bytes = bytes_of(copy.view(), view.readonly());
  return Ref::steal(wrap(state_of(self), copy.rebind(std::move(bytes)), nullptr));
}

Ref out_of_band(const Ref& bytes) {
  const Ref pickle = Ref::steal(checked(PyImport_ImportModule("pickle")));
  return Ref::steal(checked(PyObject_CallMethod(pickle.get(), "PickleBuffer", "O", bytes.get())));
}

/// bytes for read-only memory, a bytearray else, so that what was writable comes back writable.
Ref in_band(const Ref& bytes, bool readonly) {
  return Ref::steal(checked(readonly ? PyBytes_FromObject(bytes.get()) : PyByteArray_FromObject(bytes.get())));
}

Ref element_text(const BufferView& view) {
  const std::string text = view.format() ? view.format().text() : std::string(kNamed) + to_string(view.dtype());
  return Ref::steal(
      checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape")));
}

Ref rebuild_function() {
  const Ref module = Ref::steal(checked(PyImport_ImportModule("strideport._core")));
  return Ref::steal(checked(PyObject_GetAttrString(module.get(), "_rebuild")));
}

/// The element types of a pickle; a text that does not fit itemsize was opaque before, and is again.
void set_element(ViewSpec& spec, const std::string& text) {
  if (text.starts_with(kNamed)) {
    spec.dtype = parse_dtype(std::string_view(text).substr(kNamed.size()));
    return;
  }
  try {
    spec.format = Format::parse(text);
  } catch (const InvalidArgument&) {
    spec.format = Format::opaque(text, spec.itemsize);
  }
  if (spec.format.itemsize() != spec.itemsize) spec.format = Format::opaque(text, spec.itemsize);
  spec.dtype = spec.format.dtype();
}

/// The UTF-8 of a text that may hold bytes which are none.
std::string bytes_of_text(PyObject* text) {
  const Ref bytes = Ref::steal(checked(PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape")));
  return {PyBytes_AsString(bytes.get()), static_cast<size_t>(PyBytes_Size(bytes.get()))};
}

PyObject* copy_of(BufferObject* self) {
  check_elements(live_view(self));
  const bool readonly = live_view(self).readonly();
  Buffer copy = copied(self, order_of(live_view(self)));
  return wrap(state_of(self), readonly ? copy.toreadonly() : std::move(copy), nullptr);
}

}  // namespace

PyObject* reduce_ex(BufferObject* self, PyObject* protocol_object) {
  const int64_t protocol = parse_int(protocol_object, "protocol");
  const LeaseHold hold(self);
  const BufferView& view = live_view(self);
  check_elements(view);
  const Ref bytes = flat(self);
  const Ref data = protocol >= kFirstOutOfBand ? out_of_band(bytes) : in_band(bytes, view.readonly());
  const char order[] = {static_cast<char>(order_of(view)), '\0'};
  const Ref rebuild = rebuild_function();
  return checked(Py_BuildValue("(O(OOsOLOO))", rebuild.get(), data.get(), tuple_of(view.shape()).get(), order,
                               element_text(view).get(), static_cast<long long>(view.itemsize()),
                               view.padded() ? Py_True : Py_False, view.readonly() ? Py_True : Py_False));
}

PyObject* fn_rebuild(ModuleState* state, PyObject* args) {
  PyObject *data = nullptr, *shape_object = nullptr, *order_object = nullptr, *element = nullptr, *itemsize = nullptr;
  int padded = 0, readonly = 0;
  if (PyArg_ParseTuple(args, "OO!OUOpp:_rebuild", &data, &PyTuple_Type, &shape_object, &order_object, &element,
                       &itemsize, &padded, &readonly) == 0) {
    throw PythonError{};
  }
  const std::vector<int64_t> shape = parse_ints(shape_object, "shape");
  std::vector<int64_t> strides(shape.size());
  ViewSpec spec;
  spec.itemsize = parse_int(itemsize, "itemsize");
  if (spec.itemsize < 0) raise(PyExc_ValueError, "itemsize %R is negative", itemsize);
  set_element(spec, bytes_of_text(element));
  contiguous_strides(shape, spec.itemsize, parse_order(order_object, "CF"), strides);

  const Ref memory = Ref::steal(import_object(state, data, Writable::any));
  const BufferView& bytes = as_buffer(memory.get())->view;
  if (!bytes.is_contiguous(Order::A)) raise(PyExc_ValueError, "the data of a pickled Buffer must be contiguous");
  spec.buf = bytes.buf();
  spec.shape = shape;
  spec.strides = strides;
  spec.padded = padded != 0;
  spec.readonly = readonly != 0 || bytes.readonly();
  spec.memory = MemoryRange{bytes.buf(), bytes.len()};
  BufferView view = BufferView::create(spec);
  if (view.len() != bytes.len()) {
    raise(PyExc_ValueError, "the data of a pickled Buffer has %lld bytes, but its shape asks for %lld",
          static_cast<long long>(bytes.len()), static_cast<long long>(view.len()));
  }
  return new_view(as_buffer(memory.get()), std::move(view));
}

PyObject* copy_method(BufferObject* self) { return copy_of(self); }

PyObject* deepcopy(BufferObject* self, PyObject*) { return copy_of(self); }

}  // namespace strideport::python
