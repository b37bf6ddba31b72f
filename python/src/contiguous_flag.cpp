/// The attribute `contiguous`: memoryview's bool and the method that makes it true, under one name.
///
/// memoryview has an attribute `contiguous`, every array library a method `contiguous()`; a Buffer answers to both.
/// Read, the attribute is an object that compares, hashes, counts and prints as the bool and can be called. Called as a
/// method, `b.contiguous("C")`, it makes no such object: what lies in the type is a method descriptor too, which the
/// interpreter calls with the Buffer. That, a vector call and one look at the arguments took a copy of 256 bytes from
/// 520 ns to less than half.
#include <Python.h>
#include <structmember.h>

#include <cstddef>

#include "arguments.hpp"
#include "attribute_docs.hpp"
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
  return stay_if_unwound([&] { return PyObject_RichCompare(as_bool(self), right, op); });
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

PyObject* make_flag(BufferObject* self) {
  const bool value = live_view(self).is_contiguous(Order::A);
  PyTypeObject* type = state_of(self)->contiguous_flag_type;
  PyObject* flag = checked(PyType_GenericAlloc(type, 0));
  Py_INCREF(as_object(self));
  as_flag(flag)->buffer = self;
  as_flag(flag)->value = value;
  return flag;
}

// PEP 590, whose names the Limited API has from 3.12 on. The numbers are the same in every version.
using Vectorcall = PyObject* (*)(PyObject*, PyObject* const*, size_t, PyObject*);
constexpr unsigned long kHasVectorcall = 1UL << 11;
constexpr size_t kArgumentsOffset = size_t{1} << (8 * sizeof(size_t) - 1);

struct ContiguousAttribute {
  PyObject ob_base;
  Vectorcall vectorcall;
};

BufferObject* receiver(PyObject* attribute, PyObject* self) {
  const auto* state = static_cast<ModuleState*>(PyType_GetModuleState(Py_TYPE(attribute)));
  if (self != nullptr && Py_TYPE(self) == state->buffer_type) return as_buffer(self);
  raise(PyExc_TypeError, "descriptor 'contiguous' needs a strideport.Buffer, not '%.200s'",
        self == nullptr ? "nothing" : type_name(self).c_str());
}

PyObject* call_method(PyObject* attribute, PyObject* const* values, size_t flags, PyObject* names) noexcept {
  return guarded(kNoObject, [&] {
    const auto count = static_cast<Py_ssize_t>(flags & ~kArgumentsOffset);
    BufferObject* self = receiver(attribute, count == 0 ? nullptr : values[0]);
    if (names == nullptr && count <= 2) return contiguous_in(self, count == 2 ? values[1] : nullptr);
    const PlainCall call({values + 1, count - 1, names});
    return contiguous(self, call.args.get(), call.kwargs.get());
  });
}

PyObject* call_method_plainly(PyObject* attribute, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] {
    const Py_ssize_t count = PyTuple_Size(args);
    BufferObject* self = receiver(attribute, count == 0 ? nullptr : PyTuple_GetItem(args, 0));
    const Ref rest = Ref::steal(checked(PyTuple_GetSlice(args, 1, count)));
    return contiguous(self, rest.get(), kwargs);
  });
}

PyObject* attribute_get(PyObject* attribute, PyObject* self, PyObject*) noexcept {
  if (self == nullptr || self == Py_None) return Py_NewRef(attribute);  // asked of the type
  return guarded(kNoObject, [&] { return make_flag(receiver(attribute, self)); });
}

PyObject* attribute_repr(PyObject*) noexcept {
  return PyUnicode_FromString("<attribute 'contiguous' of 'strideport.Buffer' objects>");
}

int attribute_traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  return 0;
}

void attribute_dealloc(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

PyMemberDef attribute_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(ContiguousAttribute, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot attribute_slots[] = {
    {Py_tp_doc, const_cast<char*>(doc::contiguous)},
    {Py_tp_dealloc, reinterpret_cast<void*>(&attribute_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(&attribute_traverse)},
    {Py_tp_repr, reinterpret_cast<void*>(&attribute_repr)},
    {Py_tp_call, reinterpret_cast<void*>(&call_method_plainly)},
    {Py_tp_descr_get, reinterpret_cast<void*>(&attribute_get)},
    {Py_tp_members, attribute_members},
    {0, nullptr},
};

PyType_Spec attribute_specification = {
    "strideport._core.ContiguousAttribute",
    static_cast<int>(sizeof(ContiguousAttribute)),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
        Py_TPFLAGS_METHOD_DESCRIPTOR | kHasVectorcall,
    attribute_slots,
};

}  // namespace

PyTypeObject* make_contiguous_flag_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &specification, nullptr));
}

PyObject* make_contiguous_attribute(PyObject* module) {
  const Ref type = Ref::steal(checked(PyType_FromModuleAndSpec(module, &attribute_specification, nullptr)));
  PyObject* attribute = checked(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type.get()), 0));
  reinterpret_cast<ContiguousAttribute*>(attribute)->vectorcall = &call_method;
  return attribute;
}

}  // namespace strideport::python
