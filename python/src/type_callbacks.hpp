/// The slots of the type that deal with a BufferObject's life (buffer_type.cpp), for the tables in type_tables.cpp.
#pragma once

#include <Python.h>

namespace strideport::python {

PyObject* buffer_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept;
void buffer_dealloc(PyObject* object) noexcept;
int buffer_traverse(PyObject* object, visitproc visit, void* arg) noexcept;
int buffer_clear(PyObject* object) noexcept;

}  // namespace strideport::python
