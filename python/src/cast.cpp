/// b.cast(format[, shape]): memoryview's rules, for any two element types.
#include <array>
#include <span>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

void check_rank(Py_ssize_t ndim) {
  if (ndim <= kMaxNdim) return;
  raise(PyExc_ValueError, "cast: shape has %zd dimensions, and %d are the most", ndim, kMaxNdim);
}

using Extents = std::array<int64_t, kMaxNdim>;

/// Extents as memoryview takes them: ints and nothing that could run code. Throws PythonError.
std::span<const int64_t> parse_shape(PyObject* shape, bool zeros_allowed, Extents& result) {
  // Of a list another thread may take what it holds, where there is no GIL.
  const Ref extents = PyList_Check(shape) != 0 ? Ref::steal(checked(PyList_AsTuple(shape))) : Ref::borrow(shape);
  const Py_ssize_t ndim = PyTuple_Size(extents.get());
  check_rank(ndim);  // a list may have grown meanwhile, where there is no GIL
  for (Py_ssize_t i = 0; i < ndim; ++i) {
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
    result[static_cast<size_t>(i)] = value;
  }
  return {result.data(), static_cast<size_t>(ndim)};
}

void check_shape_argument(const BufferView& view, PyObject* shape) {
  if (PyList_Check(shape) == 0 && PyTuple_Check(shape) == 0) {
    raise(PyExc_TypeError, "cast: shape must be a list or a tuple, not %s", type_name(shape).c_str());
  }
  const Py_ssize_t ndim = PyList_Check(shape) != 0 ? PyList_Size(shape) : PyTuple_Size(shape);
  check_rank(ndim);
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

struct Arguments {
  PyObject* format = nullptr;
  PyObject* shape = nullptr;  // null: none was given
};

/// Of a call by position, which needs no tuple and no dict, and of any other.
Arguments parse(const VectorCall& call) {
  if (call.names == nullptr && call.count == 1) return {call.values[0]};
  if (call.names == nullptr && call.count == 2) return {call.values[0], call.values[1]};
  static const char* const names[] = {"format", "shape", nullptr};
  const PlainCall plain(call);
  Arguments given;  // borrowed from the caller's stack, which outlives `plain`
  parse_arguments(plain.args.get(), plain.kwargs.get(), "O|O:cast", names, &given.format, &given.shape);
  return given;
}

/// One dimension, elements side by side.
bool is_plain(const BufferView& view) noexcept {
  return view.ndim() == 1 && !view.empty() && !view.has_suboffsets() && view.strides()[0] == view.itemsize();
}

PyObject* cast(BufferObject* self, const VectorCall& call) {
  live_view(self);
  const auto [format, shape] = parse(call);
  if (!is_plain(live_view(self)) && !self->view.is_contiguous(Order::C)) {
    raise(PyExc_TypeError, "cast: the buffer must be C-contiguous; .contiguous() copies it");
  }
  if (shape != nullptr) check_shape_argument(self->view, shape);
  const ElementType type = parse_element_type(state_of(self), format);
  const BufferView& view = live_view(self);  // parsing a foreign dtype runs its code
  check_element_type(view, type);
  if (shape == nullptr && is_plain(view) && !type.dtype.is_subbyte()) {
    Draft draft(self);
    draft.make_view([&] { return strideport::cast(self->view, type.format, type.dtype); });
    return draft.finish();
  }
  Extents numbers;
  numbers[0] = view.len() / type.itemsize();
  std::span<const int64_t> extents(numbers.data(), 1);
  if (shape != nullptr) extents = parse_shape(shape, view.empty(), numbers);
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
  Draft draft(self);
  draft.make_view([&] { return BufferView::create(spec); });
  return draft.finish();
}

}  // namespace

PyObject* cast(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return cast(as_buffer(self), VectorCall{args, count, names});
  });
}

}  // namespace strideport::python
