/// Views of the same memory under another layout.
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// The integers of f(1, 2, 3) or of f((1, 2, 3)). Runs foreign code. Throws PythonError.
std::vector<int64_t> integers(PyObject* args, const char* name) {
  Ref values = Ref::borrow(args);
  if (PyTuple_Size(args) == 1 && PyIndex_Check(PyTuple_GetItem(args, 0)) == 0) {
    PyObject* sequence = PyTuple_GetItem(args, 0);
    values = Ref::steal(PySequence_Tuple(sequence));
    if (!values) {
      if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw PythonError{};
      PyErr_Clear();
      raise(PyExc_TypeError, "%s takes integers or one sequence of them, not %s", name, type_name(sequence).c_str());
    }
  }
  std::vector<int64_t> result;
  for (Py_ssize_t i = 0; i < PyTuple_Size(values.get()); ++i) {
    const Py_ssize_t value = PyNumber_AsSsize_t(PyTuple_GetItem(values.get(), i), PyExc_ValueError);
    if (value == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
    result.push_back(value);
  }
  return result;
}

/// An axis as the C++ functions take it; what no int holds is out of range anyway.
int axis_number(PyObject* object) {
  const Py_ssize_t axis = PyNumber_AsSsize_t(object, PyExc_IndexError);
  if (axis == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
  if (axis < -kMaxNdim || axis > kMaxNdim) raise(PyExc_IndexError, "axis %zd is out of range", axis);
  return static_cast<int>(axis);
}

}  // namespace

PyObject* get_transposed(BufferObject* self) {
  Draft draft(self);
  draft.make_view([&] { return strideport::transpose(self->view); });
  return draft.finish();
}

PyObject* permute(BufferObject* self, PyObject* args) {
  live_view(self);
  const std::vector<int64_t> numbers = integers(args, "permute");
  const BufferView& view = live_view(self);
  std::vector<int> axes;
  for (const int64_t number : numbers) {
    const int64_t axis = number < 0 ? number + view.ndim() : number;
    if (axis < 0 || axis >= view.ndim()) {
      raise(PyExc_ValueError, "axis %lld is out of range for %d dimensions", static_cast<long long>(number),
            view.ndim());
    }
    axes.push_back(static_cast<int>(axis));
  }
  return new_view(self, strideport::permute(view, axes));
}

PyObject* reshape(BufferObject* self, PyObject* args) {
  live_view(self);
  const std::vector<int64_t> shape = integers(args, "reshape");
  return new_view(self, strideport::reshape(live_view(self), shape));
}

PyObject* expand(BufferObject* self, PyObject* args) {
  live_view(self);
  const std::vector<int64_t> shape = integers(args, "expand");
  return new_view(self, strideport::expand(live_view(self), shape));
}

PyObject* squeeze(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"axis", nullptr};
  PyObject* axis = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:squeeze", const_cast<char**>(names), &axis)) throw PythonError{};
  std::optional<int> number;
  if (axis != Py_None) number = axis_number(axis);
  return new_view(self, strideport::squeeze(live_view(self), number));
}

PyObject* flip(BufferObject* self, PyObject* axis) {
  live_view(self);
  const int number = axis_number(axis);
  return new_view(self, strideport::flip(live_view(self), number));
}

PyObject* toreadonly(BufferObject* self) { return new_view(self, strideport::toreadonly(live_view(self))); }

}  // namespace strideport::python
