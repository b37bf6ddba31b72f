/// From Python numbers to C numbers, with memoryview's exception types and messages that name the value.
#include "arguments.hpp"
#include "call_adapters.hpp"
#include "elements.hpp"

namespace strideport::python {

void fail_conversion(PyObject* value, const char* what, const char* wanted) {
  if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
    PyErr_Clear();
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "%s takes %s, not %s", what, wanted, name.c_str());
  }
  if (PyErr_ExceptionMatches(PyExc_OverflowError) != 0 || PyErr_ExceptionMatches(PyExc_ValueError) != 0) {
    PyErr_Clear();
    raise(PyExc_ValueError, "value out of range: %s takes %s", what, wanted);
  }
  throw PythonError{};
}

int64_t to_signed(PyObject* value, int bits, const char* what) {
  const Ref number = Ref::steal(PyNumber_Index(value));
  if (!number) fail_conversion(value, what, "an integer");
  const long long result = PyLong_AsLongLong(number.get());
  const int64_t most = bits >= 64 ? INT64_MAX : (int64_t{1} << (bits - 1)) - 1;
  const bool overflow = result == -1 && PyErr_Occurred() != nullptr;
  if (overflow) PyErr_Clear();
  if (overflow || result > most || result < -most - 1) {
    raise(PyExc_ValueError, "value out of range: %s takes %lld to %lld", what, static_cast<long long>(-most - 1),
          static_cast<long long>(most));
  }
  return result;
}

uint64_t to_unsigned(PyObject* value, int bits, const char* what) {
  const Ref number = Ref::steal(PyNumber_Index(value));
  if (!number) fail_conversion(value, what, "an integer");
  const unsigned long long result = PyLong_AsUnsignedLongLong(number.get());
  const uint64_t most = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  const bool overflow = result == static_cast<unsigned long long>(-1) && PyErr_Occurred() != nullptr;
  if (overflow) PyErr_Clear();
  if (overflow || result > most) {
    raise(PyExc_ValueError, "value out of range: %s takes 0 to %llu", what, static_cast<unsigned long long>(most));
  }
  return result;
}

double to_double(PyObject* value, const char* what) {
  const double result = PyFloat_AsDouble(value);
  if (result == -1.0 && PyErr_Occurred() != nullptr) fail_conversion(value, what, "a number");
  return result;
}

}  // namespace strideport::python
