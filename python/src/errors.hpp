/// Between C++ exceptions and Python's error indicator. No exception leaves a C callback.
#pragma once

#include <Python.h>

#include <utility>

namespace strideport::python {

/// Thrown where the error indicator is already set: unwinds to the nearest `guarded`.
struct PythonError {};

/// Sets the error indicator from the exception in flight: InvalidArgument -> ValueError, TypeMismatch and
/// ReadOnly -> TypeError, OutOfRange -> IndexError, BufferError -> BufferError, DeviceError -> strideport.DeviceError
/// and DeviceOutOfMemory -> strideport.DeviceMemoryError (both with the driver's `code`), std::bad_alloc ->
/// MemoryError, PythonError -> as it is, others -> RuntimeError.
void set_error_from_exception() noexcept;

/// Calls `f`; on an exception sets the error indicator and returns `failure` (nullptr, -1).
template <class F, class R>
R guarded(R failure, F&& f) noexcept {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    set_error_from_exception();
    return failure;
  }
}

/// Keeps the caller's error indicator across code that may set or clear it, such as releasing foreign memory.
class SavedError {
 public:
  SavedError() noexcept;
  ~SavedError();
  SavedError(const SavedError&) = delete;
  SavedError& operator=(const SavedError&) = delete;

 private:
  PyObject* type_ = nullptr;
  PyObject* value_ = nullptr;
  PyObject* traceback_ = nullptr;
};

/// Throws PythonError if `object` is null, else passes it on.
template <class T>
T* checked(T* object) {
  if (object == nullptr) throw PythonError{};
  return object;
}

}  // namespace strideport::python
