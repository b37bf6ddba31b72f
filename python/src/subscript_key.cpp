#include "subscript_key.hpp"

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

SubscriptKey SubscriptKey::parse(PyObject* key, int ndim) {
  SubscriptKey result;
  if (PyTuple_Check(key) == 0) {
    result.parts.push_back(parse_part(key));
  } else {
    for (Py_ssize_t i = 0; i < PyTuple_Size(key); ++i) result.parts.push_back(parse_part(PyTuple_GetItem(key, i)));
  }
  int consumed = 0;
  int ellipses = 0;
  bool only_indices = true;
  for (const KeyPart& part : result.parts) {
    consumed += part.kind == Kind::index || part.kind == Kind::slice ? 1 : 0;
    ellipses += part.kind == Kind::ellipsis ? 1 : 0;
    only_indices = only_indices && part.kind == Kind::index;
  }
  if (ndim == 0 && consumed > 0) raise(PyExc_TypeError, "invalid indexing of 0-dim memory");
  if (consumed > ndim) raise(PyExc_TypeError, "cannot index a buffer of %d dimensions with %d indices", ndim, consumed);
  if (ellipses > 1) raise(PyExc_TypeError, "a key holds at most one Ellipsis, not %d", ellipses);
  result.full_index = only_indices && consumed == ndim;
  return result;
}

std::vector<int64_t> SubscriptKey::indices() const {
  std::vector<int64_t> result;
  for (const KeyPart& part : parts) result.push_back(part.position);
  return result;
}

BufferView SubscriptKey::apply(const BufferView& view) const {
  int consumed = 0;
  for (const KeyPart& part : parts) consumed += part.kind == Kind::index || part.kind == Kind::slice ? 1 : 0;
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
