#include "arguments.hpp"

#include "call_adapters.hpp"
#include "errors.hpp"

namespace strideport::python {

std::string type_name(PyObject* object) {
  const Ref name = Ref::steal(PyType_GetName(Py_TYPE(object)));
  const char* text = name ? PyUnicode_AsUTF8AndSize(name.get(), nullptr) : nullptr;
  if (text != nullptr) return text;
  PyErr_Clear();
  return "?";
}

PlainCall::PlainCall(const VectorCall& call) : args(Ref::steal(checked(PyTuple_New(call.count)))) {
  for (Py_ssize_t i = 0; i < call.count; ++i) PyTuple_SetItem(args.get(), i, Py_NewRef(call.values[i]));
  if (call.names == nullptr) return;
  kwargs = Ref::steal(checked(PyDict_New()));
  for (Py_ssize_t i = 0; i < PyTuple_Size(call.names); ++i) {
    if (PyDict_SetItem(kwargs.get(), PyTuple_GetItem(call.names, i), call.values[call.count + i]) != 0) {
      throw PythonError{};
    }
  }
}

int64_t parse_int(PyObject* object, const char* name) {
  const Ref number = Ref::steal(PyNumber_Index(object));
  if (!number) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError) || PyIndex_Check(object)) throw PythonError{};
    raise(PyExc_TypeError, "%s must be an int, not '%.200s'", name, type_name(object).c_str());
  }
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.get(), &overflow);
  if (overflow != 0) raise(PyExc_ValueError, "%s %R does not fit 64 bits", name, number.get());
  if (value == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
  return value;
}

std::vector<int64_t> parse_ints(PyObject* object, const char* name) {
  if (PyIndex_Check(object)) return {parse_int(object, name)};
  if (PyUnicode_Check(object) || PyBytes_Check(object) || !PySequence_Check(object)) {
    raise(PyExc_TypeError, "%s must be an int or a sequence of ints, not '%.200s'", name, type_name(object).c_str());
  }
  const Ref items = Ref::steal(checked(PySequence_Tuple(object)));
  std::vector<int64_t> result;
  for (Py_ssize_t i = 0; i < PyTuple_Size(items.get()); ++i) {
    const std::string where = std::string(name) + "[" + std::to_string(i) + "]";
    result.push_back(parse_int(PyTuple_GetItem(items.get(), i), where.c_str()));
  }
  return result;
}

void* parse_pointer(PyObject* object, const char* name) {
  const Ref number = Ref::steal(PyNumber_Index(object));
  if (!number) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError) || PyIndex_Check(object)) throw PythonError{};
    raise(PyExc_TypeError, "%s must be an address as an int, not '%.200s'", name, type_name(object).c_str());
  }
  const unsigned long long address = PyLong_AsUnsignedLongLong(number.get());
  if (address == static_cast<unsigned long long>(-1) && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    raise(PyExc_ValueError, "%s %R is no address: it is not in [0, 2**64)", name, number.get());
  }
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}

Order parse_order(PyObject* object, const char* allowed) {
  const std::string_view text = parse_text(object, "order");
  for (const char* letter = allowed; text.size() == 1 && *letter != '\0'; ++letter) {
    if (*letter == text[0]) return static_cast<Order>(text[0]);
  }
  raise(PyExc_ValueError, "order must be one of the letters \"%s\", not %R", allowed, object);
}

Device parse_device_argument(PyObject* object) {
  if (object == nullptr || object == Py_None) return {};
  if (PyUnicode_Check(object)) return parse_device(parse_text(object, "device"));
  if (PyTuple_Check(object) && PyTuple_Size(object) == 2) {
    const int64_t type = parse_int(PyTuple_GetItem(object, 0), "device[0]");
    const int64_t id = parse_int(PyTuple_GetItem(object, 1), "device[1]");
    if (type >= 0 && type <= INT32_MAX && id >= 0 && id <= INT32_MAX) {
      return {static_cast<DeviceType>(type), static_cast<int32_t>(id)};
    }
    raise(PyExc_ValueError, "device %R is none: DLPack's numbers are not negative and have 32 bits", object);
  }
  raise(PyExc_TypeError, "device must be a name such as \"cpu\" or a tuple (type, id), not '%.200s'",
        type_name(object).c_str());
}

std::optional<bool> parse_flag(PyObject* object, const char* name) {
  if (object == nullptr || object == Py_None) return std::nullopt;
  if (object == Py_True) return true;
  if (object == Py_False) return false;
  raise(PyExc_TypeError, "%s must be None, True or False, not '%.200s'", name, type_name(object).c_str());
}

StreamRef parse_host_stream(PyObject* object) {
  if (object == nullptr || object == Py_None) return StreamRef::host();
  const int64_t handle = parse_int(object, "stream");
  raise(PyExc_ValueError, "stream %lld belongs to no memory here: for memory of the host it must be None",
        static_cast<long long>(handle));
}

Device pinned_memory(Device asked, Device near) {
  if (asked.type == DeviceType::cuda_managed || asked.type == DeviceType::simulated_managed) {
    raise(PyExc_ValueError, "pinned=True, but %s is managed memory", to_string(asked).c_str());
  }
  if (asked != Device{}) near = asked;
  const GilRelease initialising;
  const std::string no_cuda = why_no_device(DeviceType::cuda);
  switch (near.type) {
    case DeviceType::simulated:
    case DeviceType::simulated_host:
    case DeviceType::simulated_managed: return {DeviceType::simulated_host, 0};
    case DeviceType::cpu:
      if (no_cuda.empty()) break;
      if (why_no_device(DeviceType::simulated).empty()) return {DeviceType::simulated_host, 0};
      throw DeviceError("pinned memory is for a device, and there is none: " + no_cuda);
    default: break;
  }
  return {DeviceType::cuda_host, 0};
}

std::string_view parse_text(PyObject* object, const char* name) {
  if (!PyUnicode_Check(object)) {
    raise(PyExc_TypeError, "%s must be a str, not '%.200s'", name, type_name(object).c_str());
  }
  Py_ssize_t size = 0;
  const char* text = checked(PyUnicode_AsUTF8AndSize(object, &size));
  return {text, static_cast<size_t>(size)};
}

Ref tuple_of(std::span<const int64_t> values) {
  Ref tuple = Ref::steal(checked(PyTuple_New(static_cast<Py_ssize_t>(values.size()))));
  for (size_t i = 0; i < values.size(); ++i) {
    PyTuple_SetItem(tuple.get(), static_cast<Py_ssize_t>(i), checked(PyLong_FromLongLong(values[i])));
  }
  return tuple;
}

}  // namespace strideport::python
