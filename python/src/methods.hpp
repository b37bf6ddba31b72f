/// Every function that the type's and the module's tables name, one section a source file.
///
/// Unless it says `noexcept`, such a function throws (PythonError where the error indicator is set already) and the
/// tables wrap it in `guarded` (call_adapters.hpp). `args` is a tuple, `kwargs` a dict or null, both borrowed.
#pragma once

#include <Python.h>

#include "object.hpp"

namespace strideport::python {

// attributes.cpp ----------------------------------------------------------------------------------------------
PyObject* get_obj(BufferObject* self);
PyObject* get_nbytes(BufferObject* self);
PyObject* get_readonly(BufferObject* self);
PyObject* get_itemsize(BufferObject* self);
PyObject* get_format(BufferObject* self);
PyObject* get_ndim(BufferObject* self);
PyObject* get_shape(BufferObject* self);
PyObject* get_strides(BufferObject* self);
PyObject* get_suboffsets(BufferObject* self);
PyObject* get_c_contiguous(BufferObject* self);
PyObject* get_f_contiguous(BufferObject* self);
PyObject* get_ptr(BufferObject* self);
PyObject* get_device(BufferObject* self);
PyObject* get_dtype(BufferObject* self);
PyObject* get_stream(BufferObject* self);

// indexing.cpp, assign.cpp ------------------------------------------------------------------------------------
PyObject* subscript(BufferObject* self, PyObject* key);
PyObject* item_at(BufferObject* self, Py_ssize_t index);                    ///< b[index]
void assign_subscript(BufferObject* self, PyObject* key, PyObject* value);  ///< null value: deletion

// views.cpp ---------------------------------------------------------------------------------------------------
PyObject* get_transposed(BufferObject* self);
PyObject* permute(BufferObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* reshape(BufferObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* expand(BufferObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* squeeze(BufferObject* self, PyObject* args, PyObject* kwargs);
PyObject* flip(BufferObject* self, PyObject* axis);
PyObject* toreadonly(BufferObject* self);

// cast.cpp ----------------------------------------------------------------------------------------------------
PyObject* cast(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept;

// contiguous_flag.cpp -----------------------------------------------------------------------------------------
PyTypeObject* make_contiguous_flag_type(PyObject* module);  ///< null with the error set on failure
/// The attribute itself, for the type's dict: memoryview's bool, which is a method too. Throws PythonError.
PyObject* make_contiguous_attribute(PyObject* module);

// transfer.cpp ------------------------------------------------------------------------------------------------
PyObject* contiguous(BufferObject* self, PyObject* args, PyObject* kwargs);
PyObject* contiguous_in(BufferObject* self, PyObject* order);  ///< no stream; `order` may be null
PyObject* to(BufferObject* self, PyObject* args, PyObject* kwargs);
PyObject* explain(BufferObject* self, PyObject* args, PyObject* kwargs);

// bytes.cpp ---------------------------------------------------------------------------------------------------
PyObject* tobytes(BufferObject* self, PyObject* args, PyObject* kwargs);
PyObject* hex(BufferObject* self, PyObject* args, PyObject* kwargs);
PyObject* tolist(BufferObject* self);

// sequence.cpp ------------------------------------------------------------------------------------------------
Py_ssize_t length(BufferObject* self);
Py_hash_t hash(BufferObject* self);
PyObject* count(BufferObject* self, PyObject* value);
PyObject* index(BufferObject* self, PyObject* args);
PyObject* iterate(BufferObject* self);
PyTypeObject* make_iterator_type(PyObject* module);  ///< null with the error set on failure

// compare.cpp -------------------------------------------------------------------------------------------------
PyObject* rich_compare(BufferObject* self, PyObject* other, int op);

// repr.cpp ----------------------------------------------------------------------------------------------------
PyObject* repr(BufferObject* self);

// lease.cpp ---------------------------------------------------------------------------------------------------
PyObject* release_method(BufferObject* self);
PyObject* enter(BufferObject* self);
PyObject* leave(BufferObject* self, PyObject* args);

// =============================================================================================================
// The protocols in and out.

// export_pybuffer.cpp -----------------------------------------------------------------------------------------
int get_buffer(PyObject* self, Py_buffer* out, int flags) noexcept;  ///< bf_getbuffer
void release_buffer(PyObject* self, Py_buffer* out) noexcept;        ///< bf_releasebuffer
PyObject* to_bytes(BufferObject* self);                              ///< __bytes__

// export_dlpack.cpp -------------------------------------------------------------------------------------------
PyObject* dlpack(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept;  ///< __dlpack__
PyObject* dlpack_device(BufferObject* self);  ///< __dlpack_device__
PyObject* make_device_tuple(Device device);   ///< (type, id), a new one

// exchange_api.cpp --------------------------------------------------------------------------------------------
void add_exchange_api(ModuleState* state);  ///< Buffer.__dlpack_c_exchange_api__
/// The module goes: what the table makes from now on belongs to another one.
void leave_exchange_api(const ModuleState* state) noexcept;

// export_array.cpp --------------------------------------------------------------------------------------------
PyObject* array(BufferObject* self, PyObject* args, PyObject* kwargs);  ///< __array__(dtype=None, copy=None)

// export_interface.cpp ----------------------------------------------------------------------------------------
PyObject* get_array_interface(BufferObject* self);  ///< __array_interface__
PyObject* get_array_struct(BufferObject* self);     ///< __array_struct__

// export_cuda_array.cpp ---------------------------------------------------------------------------------------
PyObject* get_cuda_array_interface(BufferObject* self);  ///< __cuda_array_interface__

// pickle.cpp --------------------------------------------------------------------------------------------------
PyObject* reduce_ex(BufferObject* self, PyObject* protocol);  ///< __reduce_ex__
PyObject* copy_method(BufferObject* self);                    ///< __copy__
PyObject* deepcopy(BufferObject* self, PyObject* memo);       ///< __deepcopy__

// functions.cpp -----------------------------------------------------------------------------------------------
PyMethodDef* module_functions() noexcept;  ///< asbuffer, from_dlpack, empty, ... with a sentinel
/// The last step of the import: what the protocols add to the type (the exchange capsule) and to the module.
void init_protocols(ModuleState* state, PyObject* module);

/// An element type as users give it: a DType of ours, a name ("float32", "bfloat16"), a PEP 3118 format ("<i",
/// "T{d:x:}"), a NumPy, ml_dtypes, torch or JAX dtype. At least one member is set. Throws PythonError (TypeError for
/// what is no element type, ValueError for a string that names none).
struct ElementType {
  DType dtype;
  Format format;
  int64_t itemsize() const noexcept { return format ? format.itemsize() : dtype.itemsize(); }
};
ElementType parse_element_type(ModuleState* state, PyObject* object);

}  // namespace strideport::python
