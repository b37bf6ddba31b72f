/// Turns the throwing functions of methods.hpp into the C callbacks that CPython's tables want.
#pragma once

#include <Python.h>

#include "errors.hpp"
#include "gil.hpp"
#include "object.hpp"

namespace strideport::python {

inline constexpr PyObject* kNoObject = nullptr;

template <PyObject* (*F)(BufferObject*)>
PyObject* no_arguments(PyObject* self, PyObject*) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return F(as_buffer(self));
  });
}

/// METH_O and METH_VARARGS.
template <PyObject* (*F)(BufferObject*, PyObject*)>
PyObject* one_argument(PyObject* self, PyObject* argument) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return F(as_buffer(self), argument);
  });
}

/// METH_FASTCALL.
template <PyObject* (*F)(BufferObject*, PyObject* const*, Py_ssize_t)>
PyObject* positional(PyObject* self, PyObject* const* args, Py_ssize_t count) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return F(as_buffer(self), args, count);
  });
}

template <PyObject* (*F)(BufferObject*, PyObject*, PyObject*)>
PyObject* keywords(PyObject* self, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return F(as_buffer(self), args, kwargs);
  });
}

/// A function of the module: METH_O and METH_VARARGS.
template <PyObject* (*F)(ModuleState*, PyObject*)>
PyObject* module_one_argument(PyObject* module, PyObject* argument) noexcept {
  return guarded(kNoObject, [&] { return F(state_of_module(module), argument); });
}

template <PyObject* (*F)(ModuleState*, PyObject*, PyObject*)>
PyObject* module_keywords(PyObject* module, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] { return F(state_of_module(module), args, kwargs); });
}

template <PyObject* (*F)(BufferObject*)>
PyObject* getter(PyObject* self, void*) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return F(as_buffer(self));
  });
}

/// For the tables: every calling convention is stored as a PyCFunction. The detour through a function without
/// parameters is what compilers accept as meant.
template <class F>
PyCFunction as_method(F* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

/// Formats an exception's message as PyErr_Format does and throws.
template <class... Args>
[[noreturn]] void raise(PyObject* type, const char* format, Args... args) {
  PyErr_Format(type, format, args...);
  throw PythonError{};
}

}  // namespace strideport::python
