/// A Buffer as a sequence along its first dimension, and its hash.
#include <algorithm>
#include <new>
#include <type_traits>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

struct IteratorObject {
  PyObject ob_base;
  BufferObject* buffer;  ///< null once exhausted
  Py_ssize_t position;
  Py_ssize_t length;
  bool direct;  ///< entries are scalars at buf + position * stride: `read` is alive
  union {
    ElementReader read;
  };
};

static_assert(std::is_trivially_destructible_v<ElementReader>);

IteratorObject* as_iterator(PyObject* object) noexcept { return reinterpret_cast<IteratorObject*>(object); }

int iterator_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_iterator(self)->buffer);
  return 0;
}

int iterator_clear(PyObject* self) noexcept {
  Py_CLEAR(as_iterator(self)->buffer);
  return 0;
}

void iterator_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  iterator_clear(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

PyObject* iterator_next(PyObject* object) noexcept {
  return guarded(kNoObject, [&]() -> PyObject* {
    const Exclusive only(object);
    IteratorObject* self = as_iterator(object);
    BufferObject* const buffer = self->buffer;
    if (buffer == nullptr) return nullptr;
    if (self->position < self->length) {
      const Py_ssize_t position = self->position++;
      // Code that a collection runs may exhaust us, and so may another thread where there is no GIL.
      const Ref kept = Ref::borrow(kHasGil && self->direct ? nullptr : as_object(buffer));
      const Exclusive memory(as_object(buffer));
      if (!self->direct) return item_at(buffer, position);
      const BufferView& view = live_view(buffer);
      return self->read(static_cast<const std::byte*>(view.buf()) + position * view.strides()[0]);
    }
    Py_CLEAR(self->buffer);
    return nullptr;
  });
}

PyObject* length_hint(PyObject* object, PyObject*) noexcept {
  const IteratorObject* self = as_iterator(object);
  return PyLong_FromSsize_t(self->buffer != nullptr ? self->length - self->position : 0);
}

PyMethodDef iterator_methods[] = {
    {"__length_hint__", &length_hint, METH_NOARGS, "__length_hint__($self, /)\n--\n\nHow many entries are left.\n"},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(&iterator_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(&iterator_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(&iterator_clear)},
    {Py_tp_iter, reinterpret_cast<void*>(&PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(&iterator_next)},
    {Py_tp_methods, iterator_methods},
    {0, nullptr},
};

PyType_Spec specification = {
    "strideport._core.BufferIterator",
    static_cast<int>(sizeof(IteratorObject)),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

/// Identity first, then ==, as list.count and list.index do.
bool equal(PyObject* item, PyObject* value) {
  const int result = PyObject_RichCompareBool(item, value, Py_EQ);
  if (result < 0) throw PythonError{};
  return result != 0;
}

/// A bound of `index`: clipped to what Py_ssize_t holds. Runs foreign code.
Py_ssize_t bound(PyObject* object) {
  const Py_ssize_t value = PyNumber_AsSsize_t(object, nullptr);
  if (value == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
  return value;
}

bool is_byte_format(const Format& format) noexcept {
  if (!format || format.itemsize() != 1) return false;
  const std::string& text = format.text();
  const char* letter = text.c_str() + (text[0] == '@' ? 1 : 0);
  return (*letter == 'B' || *letter == 'b' || *letter == 'c') && letter[1] == '\0';
}

}  // namespace

PyTypeObject* make_iterator_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &specification, nullptr));
}

Py_ssize_t length(BufferObject* self) {
  const BufferView& view = live_view(self);
  if (view.ndim() > 0) return static_cast<Py_ssize_t>(view.shape()[0]);
  // As the memoryview of the Python that runs: a scalar had length 1 there before 3.12.
  if (Py_Version < 0x030C0000) return 1;
  raise(PyExc_TypeError, "0-dim memory has no length");
}

PyObject* iterate(BufferObject* self) {
  const BufferView& view = live_view(self);
  if (view.ndim() == 0) raise(PyExc_TypeError, "0-dim memory cannot be iterated over");
  if (!view.device().host_accessible()) {
    raise(PyExc_TypeError, "iterating over memory on %s reads it element by element: .to(\"cpu\") first",
          to_string(view.device()).c_str());
  }
  wait_for_host(self);
  PyObject* iterator = checked(PyType_GenericAlloc(state_of(self)->iterator_type, 0));
  Py_INCREF(as_object(self));
  as_iterator(iterator)->buffer = self;
  as_iterator(iterator)->length = length(self);
  if (view.ndim() == 1 && !view.has_suboffsets() && !makes_containers(view) && !has_driver(view)) {
    new (&as_iterator(iterator)->read) ElementReader(view);
    as_iterator(iterator)->direct = true;
  }
  return iterator;
}

PyObject* count(BufferObject* self, PyObject* value) {
  const Ref host = readable(self);
  const Ref iterator = Ref::steal(iterate(as_buffer(host.get())));
  Py_ssize_t result = 0;
  while (const Ref item = Ref::steal(PyIter_Next(iterator.get()))) result += equal(item.get(), value) ? 1 : 0;
  if (PyErr_Occurred() != nullptr) throw PythonError{};
  return PyLong_FromSsize_t(result);
}

PyObject* index(BufferObject* self, PyObject* args) {
  live_view(self);
  PyObject* value = nullptr;
  PyObject* start_argument = nullptr;
  PyObject* stop_argument = nullptr;
  if (!PyArg_ParseTuple(args, "O|OO:index", &value, &start_argument, &stop_argument)) throw PythonError{};
  Py_ssize_t start = start_argument != nullptr ? bound(start_argument) : 0;
  Py_ssize_t stop = stop_argument != nullptr ? bound(stop_argument) : PY_SSIZE_T_MAX;
  const Py_ssize_t extent = length(self);
  if (start < 0) start = std::max<Py_ssize_t>(start + extent, 0);
  if (stop < 0) stop = std::max<Py_ssize_t>(stop + extent, 0);
  stop = std::min(stop, extent);
  const Ref host = readable(self);
  for (Py_ssize_t i = start; i < stop; ++i) {
    const Ref item = Ref::steal(item_at(as_buffer(host.get()), i));
    if (equal(item.get(), value)) return PyLong_FromSsize_t(i);
  }
  raise(PyExc_ValueError, "the value is not in the buffer");
}

Py_hash_t hash(BufferObject* self) {
  if (self->hash != -1) return self->hash;
  const BufferView& view = live_view(self);
  if (!view.device().host_accessible()) {
    raise(PyExc_TypeError, "memory on %s has no hash: .to(\"cpu\") first", to_string(view.device()).c_str());
  }
  if (!view.readonly())
    raise(PyExc_ValueError, "cannot hash a writable buffer; .toreadonly() makes a view that can be");
  if (!is_byte_format(view.format())) {
    raise(PyExc_ValueError, "hashing is restricted to formats 'B', 'b' and 'c'; .cast('B') makes a view of bytes");
  }
  const Ref obj = Ref::borrow(self->lease_ptr->obj);  // first: without a GIL the next line lets others release us
  const LeaseHold hold(self);                         // and so may the owner's __hash__
  if (obj) {
    if (PyObject_Hash(obj.get()) == -1) throw PythonError{};
    live_view(self);
  }
  const Ref no_arguments = Ref::steal(checked(PyTuple_New(0)));
  const Ref bytes = Ref::steal(checked(tobytes(self, no_arguments.get(), nullptr)));
  self->hash = PyObject_Hash(bytes.get());
  return self->hash;
}

}  // namespace strideport::python
