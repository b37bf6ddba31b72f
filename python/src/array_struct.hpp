/// NumPy's PyArrayInterface, what a capsule of `__array_struct__` points at: the layout is part of the protocol's text.
#pragma once

#include <Python.h>

namespace strideport::python {

struct ArrayStruct {
  int two;  ///< 2, by which the struct is known
  int nd;
  char typekind;
  int itemsize;
  int flags;
  Py_ssize_t* shape;
  Py_ssize_t* strides;  ///< bytes
  void* data;
  PyObject* descr;  ///< as in `__array_interface__`; read only with kHasDescr
};

// NumPy's numbers for its flags; kHasDescr is the protocol's own.
inline constexpr int kCContiguous = 0x1;
inline constexpr int kFContiguous = 0x2;
inline constexpr int kAligned = 0x100;
inline constexpr int kNotSwapped = 0x200;
inline constexpr int kWriteable = 0x400;
inline constexpr int kHasDescr = 0x800;

}  // namespace strideport::python
