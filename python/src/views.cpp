/// Views of the same memory under another layout.
#include <array>
#include <span>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// The integers of f(1, 2, 3) or of f((1, 2, 3)). Few need no memory of their own.
class Integers {
 public:
  /// Runs foreign code. Throws PythonError.
  Integers(PyObject* const* args, Py_ssize_t count, const char* name) {
    if (count == 1 && PyLong_CheckExact(args[0]) == 0 && PyIndex_Check(args[0]) == 0) {
      read_sequence(args[0], name);
    } else {
      read(count, [&](Py_ssize_t i) { return args[i]; });
    }
  }
  std::span<const int64_t> values() const noexcept { return {many_.empty() ? few_ : many_.data(), count_}; }

 private:
  static int64_t integer(PyObject* object) {
    if (int64_t plain = 0; is_plain_int(object, plain)) return plain;
    const Py_ssize_t value = PyNumber_AsSsize_t(object, PyExc_ValueError);
    if (value == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
    return value;
  }

  template <class At>
  void read(Py_ssize_t count, const At& at) {
    count_ = static_cast<size_t>(count);
    if (count_ > kFew) many_.resize(count_);
    int64_t* const to = many_.empty() ? few_ : many_.data();
    for (Py_ssize_t i = 0; i < count; ++i) to[i] = integer(at(i));
  }

  void read_sequence(PyObject* sequence, const char* name) {
    const Ref values = Ref::steal(PySequence_Tuple(sequence));
    if (!values) {
      if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw PythonError{};
      PyErr_Clear();
      raise(PyExc_TypeError, "%s takes integers or one sequence of them, not %s", name, type_name(sequence).c_str());
    }
    read(PyTuple_Size(values.get()), [&](Py_ssize_t i) { return PyTuple_GetItem(values.get(), i); });
  }

  static constexpr size_t kFew = 8;
  int64_t few_[kFew];  // left uninitialised past `count_`
  std::vector<int64_t> many_;
  size_t count_ = 0;
};

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

PyObject* permute(BufferObject* self, PyObject* const* args, Py_ssize_t count) {
  live_view(self);
  const Integers numbers(args, count, "permute");
  const BufferView& view = live_view(self);
  std::array<int, kMaxNdim> axes;
  size_t known = 0;
  for (const int64_t number : numbers.values()) {
    const int64_t axis = number < 0 ? number + view.ndim() : number;
    if (axis < 0 || axis >= view.ndim()) {
      raise(PyExc_ValueError, "axis %lld is out of range for %d dimensions", static_cast<long long>(number),
            view.ndim());
    }
    if (known == axes.size()) {
      raise(PyExc_ValueError, "permute: %zu axes for %d dimensions; name each of them once", numbers.values().size(),
            view.ndim());
    }
    axes[known++] = static_cast<int>(axis);
  }
  Draft draft(self);
  draft.make_view([&] { return strideport::permute(self->view, std::span(axes).first(known)); });
  return draft.finish();
}

PyObject* reshape(BufferObject* self, PyObject* const* args, Py_ssize_t count) {
  live_view(self);
  const Integers shape(args, count, "reshape");
  Draft draft(self);
  draft.make_view([&] { return strideport::reshape(self->view, shape.values()); });
  return draft.finish();
}

PyObject* expand(BufferObject* self, PyObject* const* args, Py_ssize_t count) {
  live_view(self);
  const Integers shape(args, count, "expand");
  Draft draft(self);
  draft.make_view([&] { return strideport::expand(self->view, shape.values()); });
  return draft.finish();
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

PyObject* toreadonly(BufferObject* self) {
  Draft draft(self);
  draft.make_view([&] { return strideport::toreadonly(self->view); });
  return draft.finish();
}

}  // namespace strideport::python
