/// b[key] = value: an element from a Python value, a view from another buffer.
#include <array>
#include <memory>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "subscript_key.hpp"

namespace strideport::python {
namespace {

/// Memory for one element, on the stack where it fits.
class Scratch {
 public:
  explicit Scratch(int64_t size)
      : heap_(size > static_cast<int64_t>(small_.size()) ? new std::byte[static_cast<size_t>(size)]() : nullptr) {}
  std::byte* data() noexcept { return heap_ ? heap_.get() : small_.data(); }

 private:
  std::array<std::byte, 64> small_{};
  std::unique_ptr<std::byte[]> heap_;
};

/// Converts first, since that runs foreign code, and writes when nothing can fail or be released any more.
void assign_element(BufferObject* self, std::span<const int64_t> indices, PyObject* value) {
  const BufferView described = live_view(self);
  described.item_pointer(indices);  // IndexError comes before any error of the value
  Scratch scratch(described.itemsize());
  pack(described, scratch.data(), value);
  const BufferView& view = live_view(self);
  if (has_driver(view)) return write_element(self, indices, scratch.data());
  commit_value(view, view.item_pointer(indices), scratch.data());
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

/// memoryview's rule: equal up to and including the first extent of 0.
bool same_shape(std::span<const int64_t> a, std::span<const int64_t> b) noexcept {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
    if (a[i] == 0) break;
  }
  return true;
}

std::string element_text(const BufferView& view) {
  return view.format() ? "format '" + view.format().text() + "'" : to_string(view.dtype());
}

bool same_elements(const BufferView& a, const BufferView& b) {
  if (a.itemsize() != b.itemsize() || static_cast<bool>(a.format()) != static_cast<bool>(b.format())) return false;
  return a.format() ? a.format() == b.format() : a.dtype() == b.dtype();
}

void move_elements(BufferObject* self, const BufferView& dst, BufferObject* source, const BufferView& src) {
  if (has_driver(dst) || has_driver(src)) {
    const Buffer target = share(self).rebind(dst);
    const Buffer origin = share(source);
    const GilRelease waiting;
    return strideport::copy(target, origin, StreamRef::host());
  }
  const LeaseHold hold_dst(self);
  const LeaseHold hold_src(source);
  const GilRelease no_gil(dst.len());
  strideport::copy(dst, src, StreamRef::host());
}

void assign_view(BufferObject* self, const SubscriptKey& key, PyObject* value) {
  const Ref source = Ref::steal(checked(import_object(state_of(self), value, Writable::any)));
  const BufferView dst = key.apply(live_view(self));
  const BufferView src = live_view(as_buffer(source.get()));
  if (!same_shape(dst.shape(), src.shape())) {
    throw InvalidArgument("the value's shape " + shape_text(src.shape()) + " differs from the slice's " +
                          shape_text(dst.shape()));
  }
  if (!same_elements(dst, src)) {
    throw InvalidArgument("the value's elements (" + element_text(src) + ") differ from the buffer's (" +
                          element_text(dst) + "): cast one of them");
  }
  if (dst.empty()) return;
  move_elements(self, dst, as_buffer(source.get()), src);
}

}  // namespace

void assign_subscript(BufferObject* self, PyObject* key, PyObject* value) {
  const BufferView& view = live_view(self);
  if (view.readonly()) raise(PyExc_TypeError, "cannot modify read-only memory");
  if (value == nullptr) raise(PyExc_TypeError, "cannot delete memory");
  if (view.ndim() == 1 && PyLong_CheckExact(key)) {
    const Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred() != nullptr) throw PythonError{};
    return assign_element(self, std::array{int64_t{index}}, value);
  }
  SubscriptKey parsed = SubscriptKey::parse(key, view.ndim());
  if (live_view(self).ndim() == 0 && parsed.parts.size() == 1 && key == Py_Ellipsis) {
    parsed.parts.clear();
    parsed.full_index = true;
  }
  if (parsed.full_index) return assign_element(self, parsed.indices(), value);
  assign_view(self, parsed, value);
}

}  // namespace strideport::python
