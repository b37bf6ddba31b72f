/// The error indicator as an object, for code that keeps or compares exceptions. Needs the GIL.
#pragma once

#include <Python.h>

#include "gil.hpp"
#include "ref.hpp"

namespace strideport::python {

// The functions of 3.12 that do this are not in 3.11's Limited API.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// The exception that is set, leaving the indicator clear; null where none is set.
inline Ref take_error() noexcept {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  if (type == nullptr) return {};
  stay_if_unwound([&] {  // before 3.12 the class is called here
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != nullptr) PyException_SetTraceback(value, traceback);
    Py_XDECREF(traceback);
    Py_XDECREF(type);
  });
  return Ref::steal(value);
}

/// Sets the indicator to an exception that `take_error` gave.
inline void set_error(const Ref& exception) noexcept {
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(exception.get()));
  restore_error(Py_NewRef(type), Py_NewRef(exception.get()), PyException_GetTraceback(exception.get()));
}

#pragma GCC diagnostic pop

}  // namespace strideport::python
