#include "subscript_key.hpp"

#include <algorithm>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"

namespace strideport::python {
namespace {

using Kind = KeyPart::Kind;

Kind kind_of(PyObject* object) {
  if (PyIndex_Check(object) != 0) return Kind::index;
  if (PySlice_Check(object)) return Kind::slice;
  if (object == Py_None) return Kind::new_axis;
  if (object == Py_Ellipsis) return Kind::ellipsis;
  raise(PyExc_TypeError, "invalid key: an integer, slice, None, Ellipsis or a tuple of these, not %s",
        type_name(object).c_str());
}

void convert(PyObject* object, KeyPart& part) {
  if (part.kind == Kind::index) {
    part.position = PyNumber_AsSsize_t(object, PyExc_IndexError);
    if (part.position == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
  } else if (part.kind == Kind::slice) {
    Py_ssize_t start = 0;
    Py_ssize_t stop = 0;
    Py_ssize_t step = 1;
    if (PySlice_Unpack(object, &start, &stop, &step) < 0) throw PythonError{};
    part.range = Slice{start, stop, step};
  }
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
  if (key == Py_None) raise(PyExc_TypeError, "None alone is no key: b[None, ...] adds a dimension in front");
  const bool tuple = PyTuple_Check(key) != 0;
  const Py_ssize_t size = tuple ? PyTuple_Size(key) : 1;
  const auto part_of = [&](Py_ssize_t i) { return tuple ? PyTuple_GetItem(key, i) : key; };
  SubscriptKey result;
  result.parts.resize(static_cast<size_t>(size));
  for (Py_ssize_t i = 0; i < size; ++i) result.parts[static_cast<size_t>(i)].kind = kind_of(part_of(i));
  result.check_kinds(ndim);  // before __index__ runs, as in memoryview
  for (Py_ssize_t i = 0; i < size; ++i) convert(part_of(i), result.parts[static_cast<size_t>(i)]);
  return result;
}

void SubscriptKey::check_kinds(int ndim) {
  const int indices = count(Kind::index);
  const int slices = count(Kind::slice);
  const int ellipses = count(Kind::ellipsis);
  if (ndim == 0 && indices + slices > 0) raise(PyExc_TypeError, "invalid indexing of 0-dim memory");
  if (indices + slices > ndim) {
    // memoryview's types: several slices are what it does not implement, for any number of dimensions.
    PyObject* type = slices == static_cast<int>(parts.size()) ? PyExc_NotImplementedError : PyExc_TypeError;
    raise(type, "cannot index a buffer of %d dimension%s with %d indices", ndim, ndim == 1 ? "" : "s",
          indices + slices);
  }
  if (ellipses > 1) raise(PyExc_TypeError, "a key holds at most one Ellipsis, not %d", ellipses);
  full_index = indices == static_cast<int>(parts.size()) && indices == ndim;
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
      case Kind::slice:
        if (!part.takes_all()) result = strideport::slice(result, axis, part.range);
        ++axis;
        break;
      case Kind::new_axis: result = strideport::unsqueeze(result, axis++); break;
      case Kind::ellipsis: axis += view.ndim() - consumed; break;
    }
  }
  return result;
}

}  // namespace strideport::python
