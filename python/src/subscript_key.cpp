#include "subscript_key.hpp"

#include <algorithm>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"

namespace strideport::python {
namespace {

using Kind = KeyPart::Kind;

KeyPart parse_part(PyObject* object) {
  KeyPart part;
  if (PyIndex_Check(object) != 0) {
    part.position = PyNumber_AsSsize_t(object, PyExc_IndexError);
    if (part.position == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
  } else if (PySlice_Check(object)) {
    Py_ssize_t start = 0;
    Py_ssize_t stop = 0;
    Py_ssize_t step = 1;
    if (PySlice_Unpack(object, &start, &stop, &step) < 0) throw PythonError{};
    part.kind = Kind::slice;
    part.range = Slice{start, stop, step};
  } else if (object == Py_None) {
    part.kind = Kind::new_axis;
  } else if (object == Py_Ellipsis) {
    part.kind = Kind::ellipsis;
  } else {
    const std::string name = type_name(object);
    raise(PyExc_TypeError, "invalid key: an integer, slice, None, Ellipsis or a tuple of these, not %s",
          name.c_str());
  }
  return part;
}

}  // namespace

bool SubscriptKey::is_full_index(PyObject* key, int ndim) {
  if (PyTuple_Check(key) == 0) return ndim == 1 && PyIndex_Check(key) != 0;
  for (Py_ssize_t i = 0; i < PyTuple_Size(key); ++i) {
    if (PyIndex_Check(PyTuple_GetItem(key, i)) == 0) return false;
  }
  return PyTuple_Size(key) == ndim;
}

SubscriptKey SubscriptKey::parse(PyObject* key, int ndim) {
  SubscriptKey result;
  if (PyTuple_Check(key) == 0) {
    result.parts.push_back(parse_part(key));
  } else {
    for (Py_ssize_t i = 0; i < PyTuple_Size(key); ++i) result.parts.push_back(parse_part(PyTuple_GetItem(key, i)));
  }
  const int indices = result.count(Kind::index);
  const int slices = result.count(Kind::slice);
  const int ellipses = result.count(Kind::ellipsis);
  if (ndim == 0 && indices + slices > 0) raise(PyExc_TypeError, "invalid indexing of 0-dim memory");
  if (indices + slices > ndim) {
    // memoryview's types: several slices are what it does not implement, for any number of dimensions.
    PyObject* type = slices == static_cast<int>(result.parts.size()) ? PyExc_NotImplementedError : PyExc_TypeError;
    raise(type, "cannot index a buffer of %d dimension%s with %d indices", ndim, ndim == 1 ? "" : "s",
          indices + slices);
  }
  if (ellipses > 1) raise(PyExc_TypeError, "a key holds at most one Ellipsis, not %d", ellipses);
  result.full_index = indices == static_cast<int>(result.parts.size()) && indices == ndim;
  return result;
}

int SubscriptKey::count(KeyPart::Kind kind) const noexcept {
  return static_cast<int>(std::count_if(parts.begin(), parts.end(), [&](const KeyPart& p) { return p.kind == kind; }));
}

std::vector<int64_t> SubscriptKey::indices() const {
  std::vector<int64_t> result;
  for (const KeyPart& part : parts) result.push_back(part.position);
  return result;
}

BufferView SubscriptKey::apply(const BufferView& view) const {
  const int consumed = count(Kind::index) + count(Kind::slice);
  BufferView result = view;
  int axis = 0;
  for (const KeyPart& part : parts) {
    switch (part.kind) {
      case Kind::index: result = strideport::index(result, axis, part.position); break;
      case Kind::slice: result = strideport::slice(result, axis++, part.range); break;
      case Kind::new_axis: result = strideport::unsqueeze(result, axis++); break;
      case Kind::ellipsis: axis += view.ndim() - consumed; break;
    }
  }
  return result;
}

}  // namespace strideport::python
