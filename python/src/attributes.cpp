/// Attributes: those of memoryview, then those that memoryview lacks.
#include "arguments.hpp"
#include "call_adapters.hpp"
#include "element_type.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

PyObject* to_text(const std::string& text) {
  return checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "surrogateescape"));
}

}  // namespace

PyObject* get_obj(BufferObject* self) {
  live_view(self);
  PyObject* obj = self->lease_ptr->obj;
  return Py_NewRef(obj != nullptr ? obj : Py_None);
}

PyObject* get_nbytes(BufferObject* self) { return PyLong_FromLongLong(live_view(self).len()); }
PyObject* get_readonly(BufferObject* self) { return PyBool_FromLong(live_view(self).readonly()); }
PyObject* get_itemsize(BufferObject* self) { return PyLong_FromLongLong(live_view(self).itemsize()); }
PyObject* get_ndim(BufferObject* self) { return PyLong_FromLong(live_view(self).ndim()); }
PyObject* get_shape(BufferObject* self) { return tuple_of(live_view(self).shape()).release(); }
PyObject* get_strides(BufferObject* self) { return tuple_of(live_view(self).strides()).release(); }
PyObject* get_suboffsets(BufferObject* self) { return tuple_of(live_view(self).suboffsets()).release(); }
PyObject* get_c_contiguous(BufferObject* self) { return PyBool_FromLong(live_view(self).is_contiguous(Order::C)); }
PyObject* get_f_contiguous(BufferObject* self) { return PyBool_FromLong(live_view(self).is_contiguous(Order::F)); }
PyObject* get_ptr(BufferObject* self) { return PyLong_FromVoidPtr(live_view(self).buf()); }
PyObject* get_device(BufferObject* self) { return to_text(to_string(live_view(self).device())); }

PyObject* get_format(BufferObject* self) {
  const Format& format = live_view(self).format();
  if (!format) Py_RETURN_NONE;
  return to_text(format.text());
}

PyObject* get_stream(BufferObject* self) {
  live_view(self);
  if (self->stream.is_host()) Py_RETURN_NONE;
  return PyLong_FromUnsignedLongLong(self->stream.handle());
}

PyObject* get_dtype(BufferObject* self) {
  const BufferView& view = live_view(self);
  const bool opaque = view.format() && view.format().item().kind == ItemKind::opaque;  // its text is no type's
  const Ref name = Ref::steal(to_text(view.dtype() ? to_string(view.dtype())
                                      : opaque     ? std::to_string(view.itemsize()) + "x"
                                                   : view.format().text()));
  return checked(PyObject_CallFunctionObjArgs(dtype_class(state_of(self)), name.get(), nullptr));
}

}  // namespace strideport::python
