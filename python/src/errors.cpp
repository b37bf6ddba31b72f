#include "errors.hpp"

#include <cxxabi.h>

#include <exception>
#include <new>

#include "error_value.hpp"
#include "gil.hpp"
#include "ref.hpp"
#include "strideport/error.hpp"

namespace strideport::python {
namespace {

void set_message(PyObject* type, const char* message) noexcept {
  const auto length = static_cast<Py_ssize_t>(std::char_traits<char>::length(message));
  const Ref text = Ref::steal(PyUnicode_DecodeUTF8(message, length, "replace"));
  if (text) PyErr_SetObject(type, text.get());
}

// Found by name, so that no static holds an object of one interpreter: this path is cold.
Ref device_error_class(const char* name) noexcept {
  const Ref module = Ref::steal(PyImport_ImportModule("strideport._core"));
  Ref result = module ? Ref::steal(PyObject_GetAttrString(module.get(), name)) : Ref();
  if (!result) {
    clear_error();
    return Ref::borrow(PyExc_RuntimeError);
  }
  return result;
}

void set_device_error(const char* name, const DeviceError& error) noexcept {
  const Ref type = device_error_class(name);
  set_message(type.get(), error.what());
  if (type.get() == PyExc_RuntimeError) return;
  const Ref raised = take_error();
  const Ref code = Ref::steal(PyLong_FromLong(error.code()));
  if (!raised || !code || PyObject_SetAttrString(raised.get(), "code", code.get()) != 0) clear_error();
  if (raised) set_error(raised);
}

}  // namespace

// The function that replaces this one begins with 3.12's Limited API.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
SavedError::SavedError() noexcept { PyErr_Fetch(&type_, &value_, &traceback_); }
#pragma GCC diagnostic pop

SavedError::~SavedError() {
  stay_if_ended();
  restore_error(type_, value_, traceback_);
}

namespace {

// CPython's threads end by an unwinding whose object has no address, which the sanitizer takes for a null reference.
[[gnu::noinline, gnu::no_sanitize("null")]] void translate_exception() {
  try {
    throw;
  } catch (const PythonError&) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_SystemError, "strideport: an error without an exception");
  } catch (const InvalidArgument& error) {
    set_message(PyExc_ValueError, error.what());
  } catch (const TypeMismatch& error) {
    set_message(PyExc_TypeError, error.what());
  } catch (const OutOfRange& error) {
    set_message(PyExc_IndexError, error.what());
  } catch (const BufferError& error) {
    set_message(PyExc_BufferError, error.what());
  } catch (const DeviceOutOfMemory& error) {
    set_device_error("DeviceMemoryError", error);
  } catch (const DeviceError& error) {
    set_device_error("DeviceError", error);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    set_message(PyExc_RuntimeError, error.what());
  } catch (const abi::__forced_unwind&) {
    stay_for_ever();  // foreign code that we called met the end of the interpreter
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "strideport: unknown C++ exception");
  }
}

}  // namespace

// An error that was set before goes with the new one, and finding a class imports.
void set_error_from_exception() noexcept { stay_if_unwound(translate_exception); }

}  // namespace strideport::python
