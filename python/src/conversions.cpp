/// From Python numbers to C numbers, with memoryview's exception types and messages that name the value.
#include "arguments.hpp"
#include "call_adapters.hpp"
#include "elements.hpp"

namespace strideport::python {

std::string ElementName::text() const {
  if (item == nullptr) return to_string(dtype);
  const bool with_z = item->kind == ItemKind::complex && item->code >= 'a';
  return std::string("format '") + (with_z ? "Z" : "") + item->code + "'";
}

void fail_conversion(PyObject* value, const ElementName& element, const char* wanted) {
  if (PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
    PyErr_Clear();
    const std::string name = type_name(value);
    raise(PyExc_TypeError, "%s takes %s, not %s", element.text().c_str(), wanted, name.c_str());
  }
  if (PyErr_ExceptionMatches(PyExc_OverflowError) != 0 || PyErr_ExceptionMatches(PyExc_ValueError) != 0) {
    PyErr_Clear();
    raise(PyExc_ValueError, "value out of range: %s takes %s", element.text().c_str(), wanted);
  }
  throw PythonError{};
}

int64_t to_signed(PyObject* value, int bits, const ElementName& element) {
  const Ref number = Ref::steal(PyNumber_Index(value));
  if (!number) fail_conversion(value, element, "an integer");
  const long long result = PyLong_AsLongLong(number.get());
  const int64_t most = bits >= 64 ? INT64_MAX : (int64_t{1} << (bits - 1)) - 1;
  const bool overflow = result == -1 && PyErr_Occurred() != nullptr;
  if (overflow) PyErr_Clear();
  if (overflow || result > most || result < -most - 1) {
    raise(PyExc_ValueError, "value out of range: %s takes %lld to %lld", element.text().c_str(),
          static_cast<long long>(-most - 1), static_cast<long long>(most));
  }
  return result;
}

uint64_t to_unsigned(PyObject* value, int bits, const ElementName& element) {
  const Ref number = Ref::steal(PyNumber_Index(value));
  if (!number) fail_conversion(value, element, "an integer");
  const unsigned long long result = PyLong_AsUnsignedLongLong(number.get());
  const uint64_t most = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  const bool overflow = result == static_cast<unsigned long long>(-1) && PyErr_Occurred() != nullptr;
  if (overflow) PyErr_Clear();
  if (overflow || result > most) {
    raise(PyExc_ValueError, "value out of range: %s takes 0 to %llu", element.text().c_str(),
          static_cast<unsigned long long>(most));
  }
  return result;
}

double to_double(PyObject* value, const ElementName& element) {
  const double result = PyFloat_AsDouble(value);
  if (result == -1.0 && PyErr_Occurred() != nullptr) fail_conversion(value, element, "a number");
  return result;
}

}  // namespace strideport::python
