/// Element types from text, and as the tuple of which strideport.DType is made.
#pragma once

#include <Python.h>

#include <string_view>

#include "methods.hpp"

namespace strideport::python {

/// A name ("float32") first, a typestr ("<f4") second, a PEP 3118 format ("<f", "T{d:x:}") third.
/// Throws: InvalidArgument.
ElementType element_type_of(std::string_view text);

/// `strideport._dtype.DType`, which knows the dtype objects of other libraries; borrowed. Throws PythonError.
PyObject* dtype_class(ModuleState* state);

/// (text, code or None, bits, lanes, itemsize, format or None) of what a str names; the text is a name, else the
/// canonical format, so that equal types have equal texts.
/// Throws PythonError, InvalidArgument.
PyObject* describe_element_type(ModuleState* state, PyObject* text);

}  // namespace strideport::python
