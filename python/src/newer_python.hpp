/// Functions of CPython that this module's Limited API does not name yet, found in the interpreter that runs it.
///
/// All are public by now, and were exported by every CPython that this module loads into before they were.
#pragma once

#include <Python.h>

#include <cstddef>

#include "ref.hpp"

namespace strideport::python {

/// PyObject_VectorcallMethod: `args[0].name(...)` without a bound method, a tuple or a dict. `keywords` names the last
/// values in `args` and may be null; `count` is of the others, `args[0]` included. Null with the error set on failure.
/// Not noexcept: a thread that the interpreter ends unwinds through the foreign code in there.
PyObject* call_method(PyObject* name, PyObject* const* args, size_t count, PyObject* keywords);

/// PyObject_Vectorcall, without keywords. Null with the error set on failure. Not noexcept, either.
PyObject* call(PyObject* callable, PyObject* const* args, size_t count);

/// PyObject_GetOptionalAttr: the attribute, or null with no error set where there is none; no AttributeError is made
/// for that. Throws PythonError for other errors.
Ref optional_attribute(PyObject* object, PyObject* name);

/// Throws PythonError (ImportError) in an interpreter without them.
void require_newer_python();

}  // namespace strideport::python
