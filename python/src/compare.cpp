/// == and !=: by value, for every pair of formats.
#include <cstring>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "scalars.hpp"

namespace strideport::python {
namespace {

using Equal = bool (*)(const std::byte*, const std::byte*);

template <class T>
bool same(const std::byte* p, const std::byte* q) noexcept {
  T x;
  T y;
  std::memcpy(&x, p, sizeof(T));
  std::memcpy(&y, q, sizeof(T));
  return x == y;
}

template <>
bool same<bool>(const std::byte* p, const std::byte* q) noexcept {
  return (*p != std::byte{0}) == (*q != std::byte{0});
}

/// The comparison in C of two native scalars of one type; null where Python values have to be made.
Equal equal_native(const BufferView& a, const BufferView& b) {
  if (!a.format() || !b.format() || !(a.format() == b.format())) return nullptr;
  const FormatItem& item = a.format().item();
  if (!item.shape.empty()) return nullptr;
  const bool native = item.order == kNativeOrder;
  switch (item.kind) {
    case ItemKind::integer:
    case ItemKind::unsigned_integer:
    case ItemKind::pointer:
    case ItemKind::character:  // equal bytes, whatever their order
      switch (item.size) {
        case 1: return &same<uint8_t>;
        case 2: return &same<uint16_t>;
        case 4: return &same<uint32_t>;
        case 8: return &same<uint64_t>;
        default: return nullptr;
      }
    case ItemKind::boolean: return item.size == 1 ? &same<bool> : nullptr;
    case ItemKind::floating:
      if (native && item.size == sizeof(float)) return &same<float>;
      return native && item.size == sizeof(double) ? &same<double> : nullptr;
    default: return nullptr;
  }
}

class Comparison {
 public:
  Comparison(const BufferView& a, const BufferView& b)
      : a_(a), b_(b), native_(equal_native(a, b)), read_a_(a), read_b_(b) {}

  bool run() const {
    return equal(0, static_cast<const std::byte*>(a_.buf()), static_cast<const std::byte*>(b_.buf()));
  }

 private:
  static const std::byte* follow(const BufferView& view, size_t axis, const std::byte* memory) noexcept {
    if (!view.has_suboffsets() || view.suboffsets()[axis] < 0) return memory;
    return *reinterpret_cast<const std::byte* const*>(memory) + view.suboffsets()[axis];
  }

  bool equal(size_t axis, const std::byte* p, const std::byte* q) const {
    if (axis == a_.shape().size()) return native_ != nullptr ? native_(p, q) : equal_values(p, q);
    for (int64_t i = 0; i < a_.shape()[axis]; ++i) {
      const std::byte* next_p = follow(a_, axis, p + i * a_.strides()[axis]);
      const std::byte* next_q = follow(b_, axis, q + i * b_.strides()[axis]);
      if (!equal(axis + 1, next_p, next_q)) return false;
    }
    return true;
  }

  /// By ==, without the shortcut for identical objects: NaN is unequal.
  bool equal_values(const std::byte* p, const std::byte* q) const {
    const Ref x = Ref::steal(read_a_(p));
    const Ref y = Ref::steal(read_b_(q));
    const Ref result = Ref::steal(checked(PyObject_RichCompare(x.get(), y.get(), Py_EQ)));
    const int truth = PyObject_IsTrue(result.get());
    if (truth < 0) throw PythonError{};
    return truth != 0;
  }

  const BufferView& a_;
  const BufferView& b_;
  Equal native_;
  ElementReader read_a_;
  ElementReader read_b_;
};

/// memoryview's rule: equal up to and including the first extent of 0.
bool same_shape(const BufferView& a, const BufferView& b) noexcept {
  if (a.ndim() != b.ndim()) return false;
  for (size_t i = 0; i < a.shape().size(); ++i) {
    if (a.shape()[i] != b.shape()[i]) return false;
    if (a.shape()[i] == 0) break;
  }
  return true;
}

/// `other` as a buffer, or null where it exports none.
Ref as_operand(ModuleState* state, PyObject* other) {
  if (Py_TYPE(other) == state->buffer_type) return Ref::borrow(other);
  if (PyObject_CheckBuffer(other) == 0) return {};
  try {
    return Ref::steal(import_object(state, other, Writable::any));
  } catch (...) {
    PyErr_Clear();
    return {};
  }
}

}  // namespace

PyObject* rich_compare(BufferObject* self, PyObject* other, int op) {
  if (op != Py_EQ && op != Py_NE) Py_RETURN_NOTIMPLEMENTED;
  const auto answer = [op](bool equal) { return PyBool_FromLong(equal == (op == Py_EQ) ? 1 : 0); };
  if (self->lease_ptr == nullptr) return answer(as_object(self) == other);
  const Ref right = as_operand(state_of(self), other);
  if (!right) Py_RETURN_NOTIMPLEMENTED;
  BufferObject* operand = as_buffer(right.get());
  if (self->lease_ptr == nullptr || operand->lease_ptr == nullptr) return answer(as_object(self) == other);
  const BufferView a = host_view(self);
  const BufferView b = host_view(operand);
  if (!same_shape(a, b)) return answer(false);
  const LeaseHold hold_a(self);
  const LeaseHold hold_b(operand);
  return answer(Comparison(a, b).run());
}

}  // namespace strideport::python
