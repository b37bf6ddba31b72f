/// b[key]: an element or another view.
#include <array>
#include <cstring>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "plain_key.hpp"
#include "ref.hpp"
#include "subscript_key.hpp"

namespace strideport::python {
namespace {

constexpr int kind(TypeCode code, int bits) noexcept { return (static_cast<int>(code) << 8) | bits; }

template <class T>
T load(const void* item) noexcept {
  T value;
  std::memcpy(&value, item, sizeof(T));
  return value;
}

/// One native number, for which the element type decides alone; everything else by `unpack`.
PyObject* read(const BufferView& view, const void* item) {
  const DType dtype = view.dtype();
  if (dtype.lanes == 1) {
    switch (kind(dtype.code, dtype.bits)) {
      case kind(TypeCode::unsigned_integer, 8): return PyLong_FromLong(load<uint8_t>(item));
      case kind(TypeCode::unsigned_integer, 16): return PyLong_FromLong(load<uint16_t>(item));
      case kind(TypeCode::integer, 8): return PyLong_FromLong(load<int8_t>(item));
      case kind(TypeCode::integer, 16): return PyLong_FromLong(load<int16_t>(item));
      case kind(TypeCode::integer, 32): return PyLong_FromLong(load<int32_t>(item));
      case kind(TypeCode::integer, 64): return PyLong_FromLongLong(load<int64_t>(item));
      case kind(TypeCode::floating, 32): return PyFloat_FromDouble(static_cast<double>(load<float>(item)));
      case kind(TypeCode::floating, 64): return PyFloat_FromDouble(load<double>(item));
      default: break;
    }
  }
  return unpack(view, item);
}

PyObject* element(BufferObject* self, std::span<const int64_t> indices) {
  const BufferView& view = live_view(self);
  if (has_driver(view)) return read_element(self, indices);
  const void* item = view.item_pointer(indices);
  if (!makes_containers(view)) return read(view, item);
  const LeaseHold hold(self);
  const BufferView kept = view;
  return unpack(kept, item);
}

/// Entry `index` of a view of one dimension.
PyObject* entry(BufferObject* self, int64_t index) {
  const BufferView& view = live_view(self);
  const int64_t extent = view.shape()[0];
  const int64_t at = index < 0 ? index + extent : index;
  const bool plain = view.dtype() && !has_driver(view) && !view.has_suboffsets();
  if (!plain || at < 0 || at >= extent || view.dtype().lanes != 1) return element(self, std::array{index});
  const auto address = reinterpret_cast<uintptr_t>(view.buf()) + static_cast<uintptr_t>(at * view.strides()[0]);
  return read(view, reinterpret_cast<const void*>(address));
}

/// b[start:stop:step]. As with memoryview, the result has its own hold on the memory before __index__ of a bound can
/// release `self`, whose view stays where it is.
PyObject* sliced(BufferObject* self, PyObject* key) {
  Draft draft(self);
  Py_ssize_t start = 0;
  Py_ssize_t stop = 0;
  Py_ssize_t step = 1;
  if (PySlice_Unpack(key, &start, &stop, &step) < 0) throw PythonError{};
  draft.make_view([&] { return strideport::slice(self->view, 0, Slice{start, stop, step}); });
  return draft.finish();
}

/// The same of several axes.
PyObject* cut(BufferObject* self, PlainKey& key) {
  Draft draft(self);
  key.read();
  draft.make_view([&] { return key.apply(self->view); });
  return draft.finish();
}

}  // namespace

PyObject* item_at(BufferObject* self, Py_ssize_t index) {
  const BufferView& view = live_view(self);
  if (view.ndim() == 0) raise(PyExc_TypeError, "invalid indexing of 0-dim memory");
  if (view.ndim() == 1) return entry(self, index);
  Draft draft(self);
  draft.make_view([&] { return strideport::index(self->view, 0, index); });
  return draft.finish();
}

PyObject* subscript(BufferObject* self, PyObject* key) {
  const int ndim = live_view(self).ndim();
  if (ndim == 0 && key == Py_Ellipsis) return Py_NewRef(as_object(self));
  if (ndim > 0 && PyLong_CheckExact(key)) {
    const Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
    return item_at(self, index);
  }
  if (ndim > 0 && PySlice_Check(key)) return sliced(self, key);
  if (PlainKey plain; ndim > 0 && plain.holds(key, ndim)) {
    return plain.is_full_index() ? element(self, plain.indices()) : cut(self, plain);
  }
  if (SubscriptKey::is_full_index(key, ndim)) {
    const SubscriptKey parsed = SubscriptKey::parse(key, ndim);
    return element(self, parsed.indices());  // looks again whether __index__ released it
  }
  Draft draft(self);  // before __index__ runs, as in `sliced`
  const SubscriptKey parsed = SubscriptKey::parse(key, ndim);
  draft.make_view([&] { return parsed.apply(self->view); });
  return draft.finish();
}

}  // namespace strideport::python
