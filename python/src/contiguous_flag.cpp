/// The attribute `contiguous`: memoryview's bool and the method that makes it true, under one name.
///
/// memoryview has an attribute `contiguous`, every array library a method `contiguous()`; a Buffer answers to both.
/// The attribute is an object that compares, hashes, counts and prints as the bool and can be called.
#include <Python.h>

#include "call_adapters.hpp"
#include "docstrings.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

struct ContiguousFlag {
  PyObject ob_base;
  BufferObject* buffer;
  bool value;
};

ContiguousFlag* as_flag(PyObject* object) noexcept { return reinterpret_cast<ContiguousFlag*>(object); }
PyObject* as_bool(PyObject* object) noexcept { return as_flag(object)->value ? Py_True : Py_False; }

int truth(PyObject* self) noexcept { return as_flag(self)->value ? 1 : 0; }
PyObject* integer(PyObject* self) noexcept { return PyLong_FromLong(truth(self)); }
PyObject* flag_repr(PyObject* self) noexcept { return PyObject_Repr(as_bool(self)); }
Py_hash_t flag_hash(PyObject* self) noexcept { return PyObject_Hash(as_bool(self)); }

PyObject* flag_compare(PyObject* self, PyObject* other, int op) noexcept {
  PyObject* right = Py_TYPE(other) == Py_TYPE(self) ? as_bool(other) : other;
  return PyObject_RichCompare(as_bool(self), right, op);
}

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] { return contiguous(as_flag(self)->buffer, args, kwargs); });
}

int flag_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_flag(self)->buffer);
  return 0;
}

int flag_clear(PyObject* self) noexcept {
  Py_CLEAR(as_flag(self)->buffer);
  return 0;
}

void flag_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  flag_clear(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(doc::contiguous_type)},
    {Py_tp_dealloc, reinterpret_cast<void*>(&flag_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(&flag_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(&flag_clear)},
    {Py_tp_repr, reinterpret_cast<void*>(&flag_repr)},
    {Py_tp_hash, reinterpret_cast<void*>(&flag_hash)},
    {Py_tp_richcompare, reinterpret_cast<void*>(&flag_compare)},
    {Py_tp_call, reinterpret_cast<void*>(&call)},
    {Py_nb_bool, reinterpret_cast<void*>(&truth)},
    {Py_nb_int, reinterpret_cast<void*>(&integer)},
    {Py_nb_index, reinterpret_cast<void*>(&integer)},
    {0, nullptr},
};

PyType_Spec specification = {
    "strideport._core.ContiguousFlag",
    static_cast<int>(sizeof(ContiguousFlag)),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    slots,
};

}  // namespace

PyTypeObject* make_contiguous_flag_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &specification, nullptr));
}

PyObject* get_contiguous(BufferObject* self) {
  const bool value = live_view(self).is_contiguous(Order::A);
  PyTypeObject* type = state_of(self)->contiguous_flag_type;
  PyObject* flag = checked(PyType_GenericAlloc(type, 0));
  Py_INCREF(as_object(self));
  as_flag(flag)->buffer = self;
  as_flag(flag)->value = value;
  return flag;
}

}  // namespace strideport::python
