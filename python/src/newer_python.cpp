#include "newer_python.hpp"

#include <dlfcn.h>

#include "call_adapters.hpp"

namespace strideport::python {
namespace {

using CallMethod = PyObject* (*)(PyObject* name, PyObject* const* args, size_t count, PyObject* keywords);
using Call = PyObject* (*)(PyObject* callable, PyObject* const* args, size_t count, PyObject* keywords);
using OptionalAttribute = int (*)(PyObject* object, PyObject* name, PyObject** result);

template <class F>
F find(const char* name) noexcept {
  return reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
}

// In the Limited API since 3.12.
const auto found_call_method = find<CallMethod>("PyObject_VectorcallMethod");
const auto found_call = find<Call>("PyObject_Vectorcall");

// Public since 3.13. What it was before is closed: 3.11 and 3.12 will not change it any more.
OptionalAttribute find_optional_attribute() noexcept {
  const auto found = find<OptionalAttribute>("PyObject_GetOptionalAttr");
  return found != nullptr ? found : find<OptionalAttribute>("_PyObject_LookupAttr");
}
const OptionalAttribute found_optional_attribute = find_optional_attribute();

}  // namespace

PyObject* call_method(PyObject* name, PyObject* const* args, size_t count, PyObject* keywords) {
  return found_call_method(name, args, count, keywords);
}

PyObject* call(PyObject* callable, PyObject* const* args, size_t count) {
  return found_call(callable, args, count, nullptr);
}

Ref optional_attribute(PyObject* object, PyObject* name) {
  PyObject* result = nullptr;
  if (found_optional_attribute(object, name, &result) < 0) throw PythonError{};
  return Ref::steal(result);
}

void require_newer_python() {
  if (found_call_method != nullptr && found_call != nullptr && found_optional_attribute != nullptr) return;
  raise(PyExc_ImportError,
        "strideport needs CPython: this interpreter has no PyObject_VectorcallMethod, no PyObject_Vectorcall or no "
        "PyObject_GetOptionalAttr");
}

}  // namespace strideport::python
