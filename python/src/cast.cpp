/// b.cast(format[, shape]): memoryview's rules, for any two element types.
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// Extents as memoryview takes them: ints and nothing that could run code. Throws PythonError.
std::vector<int64_t> parse_shape(PyObject* shape, bool zeros_allowed) {
  // Of a list another thread may take what it holds, where there is no GIL.
  const Ref extents = PyList_Check(shape) != 0 ? Ref::steal(checked(PyList_AsTuple(shape))) : Ref::borrow(shape);
  std::vector<int64_t> result;
  for (Py_ssize_t i = 0; i < PyTuple_Size(extents.get()); ++i) {
    PyObject* extent = PyTuple_GetItem(extents.get(), i);
    if (PyLong_Check(extent) == 0) {
      raise(PyExc_TypeError, "cast: extents of shape are int, not %s", type_name(extent).c_str());
    }
    const Py_ssize_t value = PyLong_AsSsize_t(extent);
    if (value == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
    if (value < 0 || (value == 0 && !zeros_allowed)) {
      raise(PyExc_ValueError, "cast: extents of shape must be %s, not %zd",
            zeros_allowed ? "0 or more" : "more than 0, since there are elements", value);
    }
    result.push_back(value);
  }
  return result;
}

void check_shape_argument(const BufferView& view, PyObject* shape) {
  if (PyList_Check(shape) == 0 && PyTuple_Check(shape) == 0) {
    raise(PyExc_TypeError, "cast: shape must be a list or a tuple, not %s", type_name(shape).c_str());
  }
  const Py_ssize_t ndim = PyList_Check(shape) != 0 ? PyList_Size(shape) : PyTuple_Size(shape);
  if (ndim > kMaxNdim) {
    raise(PyExc_ValueError, "cast: shape has %zd dimensions, and %d are the most", ndim, kMaxNdim);
  }
  if (view.ndim() != 1 && ndim != 1) {
    raise(PyExc_TypeError, "cast: from %d to %zd dimensions; only from or to 1: cast to 1 dimension first", view.ndim(),
          ndim);
  }
}

void check_element_type(const BufferView& view, const ElementType& type) {
  if (view.format().has_references() || type.format.has_references()) {
    raise(PyExc_TypeError, "cast: format 'O' holds references, which bytes are not");
  }
  const int64_t itemsize = type.itemsize();
  if (itemsize == 0) raise(PyExc_ValueError, "cast: the element type has a size of 0");
  if (view.len() % itemsize != 0) {
    raise(PyExc_TypeError, "cast: %lld bytes are no multiple of the itemsize %lld", static_cast<long long>(view.len()),
          static_cast<long long>(itemsize));
  }
}

}  // namespace

PyObject* cast(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"format", "shape", nullptr};
  PyObject* format = nullptr;
  PyObject* shape = nullptr;
  parse_arguments(args, kwargs, "O|O:cast", names, &format, &shape);
  if (!live_view(self).is_contiguous(Order::C)) {
    raise(PyExc_TypeError, "cast: the buffer must be C-contiguous; .contiguous() copies it");
  }
  if (shape != nullptr) check_shape_argument(self->view, shape);
  const ElementType type = parse_element_type(state_of(self), format);
  const BufferView& view = live_view(self);  // parsing a foreign dtype runs its code
  check_element_type(view, type);
  std::vector<int64_t> extents{view.len() / type.itemsize()};
  if (shape != nullptr) extents = parse_shape(shape, view.empty());
  const int64_t elements = element_count(extents);
  if (elements > INT64_MAX / type.itemsize()) raise(PyExc_ValueError, "cast: product(shape) * itemsize overflows");
  if (elements * type.itemsize() != view.len()) {
    raise(PyExc_TypeError, "cast: product(shape) * itemsize is %lld, and the buffer has %lld bytes",
          static_cast<long long>(elements * type.itemsize()), static_cast<long long>(view.len()));
  }
  ViewSpec spec;
  spec.buf = view.buf();
  spec.shape = extents;
  spec.itemsize = type.itemsize();
  spec.dtype = type.dtype;
  spec.format = type.format;
  spec.device = view.device();
  spec.readonly = view.readonly();
  return new_view(self, BufferView::create(spec));
}

}  // namespace strideport::python
