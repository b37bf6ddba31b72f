#include "interface_dict.hpp"

#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"

namespace strideport::python {

InterfaceDict::InterfaceDict(const char* name, Ref dict) : name_(name), dict_(std::move(dict)) {
  if (PyDict_Check(dict_.get())) return;
  raise(PyExc_TypeError, "%s must be a dict, not '%.200s'", name_, type_name(dict_.get()).c_str());
}

Ref InterfaceDict::entry(const char* key) const {
#ifdef Py_GIL_DISABLED  // where another thread may take what was borrowed
  PyObject* found = nullptr;
  if (PyDict_GetItemStringRef(dict_.get(), key, &found) < 0) throw PythonError{};
  Ref value = Ref::steal(found);
#else
  Ref value = Ref::borrow(PyDict_GetItemString(dict_.get(), key));
#endif
  return value.get() == Py_None ? Ref() : std::move(value);
}

Ref InterfaceDict::required(const char* key) const {
  Ref value = entry(key);
  if (!value) raise(PyExc_ValueError, "%s has no '%s'", name_, key);
  return value;
}

int64_t InterfaceDict::number(PyObject* value, const char* key) const { return parse_int(value, where(key).c_str()); }

void InterfaceDict::check_mask() const {
  if (entry("mask")) throw BufferError(where("a mask has no counterpart in a buffer"));
}

std::vector<int64_t> InterfaceDict::ints(PyObject* tuple, const char* key) const {
  if (!PyTuple_Check(tuple) && !PyList_Check(tuple)) {
    raise(PyExc_TypeError, "%s: %s must be a tuple of ints, not '%.200s'", name_, key, type_name(tuple).c_str());
  }
  return parse_ints(tuple, key);
}

void InterfaceDict::describe(ViewSpec& spec, PyObject* producer) {
  shape_ = ints(required("shape").get(), "shape");
  const Ref strides = entry("strides");
  if (strides) strides_ = ints(strides.get(), "strides");
  if (strides && strides_.size() != shape_.size()) {
    raise(PyExc_ValueError, "%s: strides has %zu entries, but shape has %zu", name_, strides_.size(), shape_.size());
  }
  spec.shape = shape_;
  spec.strides = strides_;
  const Ref typestr = required("typestr");
  const std::string text(parse_text(typestr.get(), where("typestr").c_str()));
  set_element(spec, producer, entry("descr").get(), text);
}

void InterfaceDict::set_address(ViewSpec& spec, PyObject* data) const {
  if (!PyTuple_Check(data) || PyTuple_Size(data) != 2) {
    raise(PyExc_ValueError, "%s: data must be (address, read-only), an object or None, not %R", name_, data);
  }
  spec.buf = parse_pointer(PyTuple_GetItem(data, 0), where("data[0]").c_str());
  const int readonly = PyObject_IsTrue(PyTuple_GetItem(data, 1));
  if (readonly < 0) throw PythonError{};
  spec.readonly = readonly != 0;
}

}  // namespace strideport::python
