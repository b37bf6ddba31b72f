/// The tables that make the type strideport.Buffer.
#include <Python.h>
#include <structmember.h>

#include <cstddef>

#include "attribute_docs.hpp"
#include "call_adapters.hpp"
#include "docstrings.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "protocol_docs.hpp"
#include "type_callbacks.hpp"

namespace strideport::python {
namespace {

constexpr int kKeywords = METH_VARARGS | METH_KEYWORDS;

PyMethodDef methods[] = {
    {"tobytes", as_method(&keywords<&tobytes>), kKeywords, doc::tobytes},
    {"tolist", as_method(&no_arguments<&tolist>), METH_NOARGS, doc::tolist},
    {"hex", as_method(&keywords<&hex>), kKeywords, doc::hex},
    {"cast", as_method(&cast), METH_FASTCALL | METH_KEYWORDS, doc::cast},
    {"toreadonly", as_method(&no_arguments<&toreadonly>), METH_NOARGS, doc::toreadonly},
    {"release", as_method(&no_arguments<&release_method>), METH_NOARGS, doc::release},
    {"count", as_method(&one_argument<&count>), METH_O, doc::count},
    {"index", as_method(&one_argument<&index>), METH_VARARGS, doc::index},
    {"permute", as_method(&positional<&permute>), METH_FASTCALL, doc::permute},
    {"reshape", as_method(&positional<&reshape>), METH_FASTCALL, doc::reshape},
    {"expand", as_method(&positional<&expand>), METH_FASTCALL, doc::expand},
    {"squeeze", as_method(&keywords<&squeeze>), kKeywords, doc::squeeze},
    {"flip", as_method(&one_argument<&flip>), METH_O, doc::flip},
    {"to", as_method(&keywords<&to>), kKeywords, doc::to},
    {"explain", as_method(&keywords<&explain>), kKeywords, doc::explain},
    {"__enter__", as_method(&no_arguments<&enter>), METH_NOARGS, doc::enter},
    {"__exit__", as_method(&one_argument<&leave>), METH_VARARGS, doc::leave},
    {"__bytes__", as_method(&no_arguments<&to_bytes>), METH_NOARGS, doc::to_bytes},
    {"__dlpack__", as_method(&dlpack), METH_FASTCALL | METH_KEYWORDS, doc::dlpack},
    {"__dlpack_device__", as_method(&no_arguments<&dlpack_device>), METH_NOARGS, doc::dlpack_device},
    {"__array__", as_method(&keywords<&array>), kKeywords, doc::array},
    {"__reduce_ex__", as_method(&one_argument<&reduce_ex>), METH_O, doc::reduce_ex},
    {"__copy__", as_method(&no_arguments<&copy_method>), METH_NOARGS, doc::copy},
    {"__deepcopy__", as_method(&one_argument<&deepcopy>), METH_O, doc::deepcopy},
    {"__class_getitem__", &Py_GenericAlias, METH_O | METH_CLASS, doc::class_getitem},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"obj", &getter<&get_obj>, nullptr, doc::obj, nullptr},
    {"nbytes", &getter<&get_nbytes>, nullptr, doc::nbytes, nullptr},
    {"readonly", &getter<&get_readonly>, nullptr, doc::readonly, nullptr},
    {"itemsize", &getter<&get_itemsize>, nullptr, doc::itemsize, nullptr},
    {"format", &getter<&get_format>, nullptr, doc::format, nullptr},
    {"ndim", &getter<&get_ndim>, nullptr, doc::ndim, nullptr},
    {"shape", &getter<&get_shape>, nullptr, doc::shape, nullptr},
    {"strides", &getter<&get_strides>, nullptr, doc::strides, nullptr},
    {"suboffsets", &getter<&get_suboffsets>, nullptr, doc::suboffsets, nullptr},
    {"c_contiguous", &getter<&get_c_contiguous>, nullptr, doc::c_contiguous, nullptr},
    {"f_contiguous", &getter<&get_f_contiguous>, nullptr, doc::f_contiguous, nullptr},
    {"ptr", &getter<&get_ptr>, nullptr, doc::ptr, nullptr},
    {"device", &getter<&get_device>, nullptr, doc::device, nullptr},
    {"dtype", &getter<&get_dtype>, nullptr, doc::dtype, nullptr},
    {"stream", &getter<&get_stream>, nullptr, doc::stream, nullptr},
    {"T", &getter<&get_transposed>, nullptr, doc::transposed, nullptr},
    {"__array_interface__", &getter<&get_array_interface>, nullptr, doc::array_interface, nullptr},
    {"__array_struct__", &getter<&get_array_struct>, nullptr, doc::array_struct, nullptr},
    {"__cuda_array_interface__", &getter<&get_cuda_array_interface>, nullptr, doc::cuda_array_interface, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(BufferObject, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

Py_ssize_t slot_length(PyObject* self) noexcept {
  return guarded(Py_ssize_t{-1}, [&] {
    const Exclusive only(self);
    return length(as_buffer(self));
  });
}

PyObject* slot_item(PyObject* self, Py_ssize_t index) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return item_at(as_buffer(self), index);
  });
}

PyObject* slot_subscript(PyObject* self, PyObject* key) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return subscript(as_buffer(self), key);
  });
}

int slot_assign_subscript(PyObject* self, PyObject* key, PyObject* value) noexcept {
  return guarded(-1, [&] {
    const Exclusive only(self);
    assign_subscript(as_buffer(self), key, value);
    return 0;
  });
}

Py_hash_t slot_hash(PyObject* self) noexcept {
  return guarded(Py_hash_t{-1}, [&] {
    const Exclusive only(self);
    return hash(as_buffer(self));
  });
}

PyObject* slot_rich_compare(PyObject* self, PyObject* other, int op) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return rich_compare(as_buffer(self), other, op);
  });
}

PyObject* slot_iterate(PyObject* self) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return iterate(as_buffer(self));
  });
}

PyObject* slot_repr(PyObject* self) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return repr(as_buffer(self));
  });
}

template <class F>
void* slot(F* function) noexcept {
  return reinterpret_cast<void*>(function);
}

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(doc::type)},
    {Py_tp_new, slot(&buffer_new)},
    {Py_tp_dealloc, slot(&buffer_dealloc)},
    {Py_tp_traverse, slot(&buffer_traverse)},
    {Py_tp_clear, slot(&buffer_clear)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_tp_hash, slot(&slot_hash)},
    {Py_tp_richcompare, slot(&slot_rich_compare)},
    {Py_tp_iter, slot(&slot_iterate)},
    {Py_tp_repr, slot(&slot_repr)},
    {Py_mp_length, slot(&slot_length)},
    {Py_mp_subscript, slot(&slot_subscript)},
    {Py_mp_ass_subscript, slot(&slot_assign_subscript)},
    {Py_sq_length, slot(&slot_length)},
    {Py_sq_item, slot(&slot_item)},
    {Py_bf_getbuffer, slot(&get_buffer)},
    {Py_bf_releasebuffer, slot(&release_buffer)},
    {0, nullptr},
};

// No BASETYPE: a subclass could break what the views share. Mutable, since DLPack's exchange capsule is set on it.
PyType_Spec specification = {
    "strideport.Buffer", static_cast<int>(sizeof(BufferObject)), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};

}  // namespace

PyTypeObject* make_buffer_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &specification, nullptr));
}

}  // namespace strideport::python
