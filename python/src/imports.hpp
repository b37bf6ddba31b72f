/// The protocols by which memory comes in, each as one function that `import_object` tries in turn.
///
/// Each gives a new reference to a root; null, with no error set, where the object does not offer the protocol; or
/// it throws: BufferError and ValueError (and their C++ counterparts) send the caller to the next protocol,
/// `ReadOnlyMemory` and everything else end the search.
#pragma once

#include <Python.h>

#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {

/// Thrown where writable memory was asked for and the producer has said that it is read-only: no other protocol may
/// then be asked for the same memory with another answer.
struct ReadOnlyMemory {};

// import_pybuffer.cpp -----------------------------------------------------------------------------------------

/// The buffer protocol, by the requests that carry a format.
PyObject* import_pybuffer(ModuleState* state, PyObject* object, Writable writable);
/// The requests without a format, for exporters that refuse it: the last resort, since they lose the type.
PyObject* import_pybuffer_untyped(ModuleState* state, PyObject* object, Writable writable);

/// Checks everything that an exporter says before believing any of it. The memory behind the structure's pointers
/// must outlive nothing but the call. Throws: InvalidArgument naming the field.
BufferView view_of_pybuffer(const Py_buffer& buffer);

// import_dlpack.cpp -------------------------------------------------------------------------------------------

/// A capsule itself, or `__dlpack__`.
PyObject* import_dlpack_object(ModuleState* state, PyObject* object, Writable writable);

// import_cuda_array.cpp ---------------------------------------------------------------------------------------

PyObject* import_cuda_array_interface(ModuleState* state, PyObject* object, Writable writable);

// import_array.cpp --------------------------------------------------------------------------------------------

PyObject* import_array_struct(ModuleState* state, PyObject* object, Writable writable);
PyObject* import_array_interface(ModuleState* state, PyObject* object, Writable writable);

// asbuffer.cpp ------------------------------------------------------------------------------------------------

/// The attribute, or null with no error set where the object has none. A class offers nothing by the attributes that
/// are meant for its instances. Throws PythonError for any error but AttributeError.
Ref find_attribute(PyObject* object, const char* name);
Ref find_attribute(PyObject* object, const Ref& name);

/// Gives the root its view, honouring `writable`. Throws ReadOnlyMemory where that cannot be.
PyObject* finish_import(Ref root, BufferView view, Writable writable);

}  // namespace strideport::python
