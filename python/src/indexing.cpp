/// b[key]: an element or another view.
#include <array>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "subscript_key.hpp"

namespace strideport::python {
namespace {

PyObject* element(BufferObject* self, std::span<const int64_t> indices) {
  const BufferView& view = live_view(self);
  if (has_driver(view)) return read_element(self, indices);
  const void* item = view.item_pointer(indices);
  if (!makes_containers(view)) return unpack(view, item);
  const LeaseHold hold(self);
  const BufferView kept = view;
  return unpack(kept, item);
}

}  // namespace

PyObject* item_at(BufferObject* self, Py_ssize_t index) {
  const BufferView& view = live_view(self);
  if (view.ndim() == 0) raise(PyExc_TypeError, "invalid indexing of 0-dim memory");
  if (view.ndim() == 1) return element(self, std::array{int64_t{index}});
  return new_view(self, strideport::index(view, 0, index));
}

PyObject* subscript(BufferObject* self, PyObject* key) {
  const int ndim = live_view(self).ndim();
  if (ndim == 0 && key == Py_Ellipsis) return Py_NewRef(as_object(self));
  if (ndim > 0 && PyLong_CheckExact(key)) {
    const Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
    return item_at(self, index);
  }
  if (SubscriptKey::is_full_index(key, ndim)) {
    const SubscriptKey parsed = SubscriptKey::parse(key, ndim);
    return element(self, parsed.indices());  // looks again whether __index__ released it
  }
  // As with memoryview, the result has its own hold on the memory before __index__ can release `self`.
  Ref result = Ref::steal(new_view(self, self->view));
  BufferView& view = as_buffer(result.get())->view;
  view = SubscriptKey::parse(key, ndim).apply(view);
  return result.release();
}

}  // namespace strideport::python
