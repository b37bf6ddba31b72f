/// == and !=: by value, for every pair of formats.
#include <cstring>
#include <type_traits>

#include "call_adapters.hpp"
#include "elements.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "scalars.hpp"

namespace strideport::python {
namespace {

/// One dimension of native scalars; strides in bytes.
using RowEqual = bool (*)(const std::byte*, int64_t, const std::byte*, int64_t, int64_t count);

template <class T>
T value_at(const std::byte* memory) noexcept {
  if constexpr (std::is_same_v<T, bool>) {
    return *memory != std::byte{0};
  } else {
    T value;
    std::memcpy(&value, memory, sizeof(T));
    return value;
  }
}

template <class T>
bool equal_row(const std::byte* p, int64_t p_stride, const std::byte* q, int64_t q_stride, int64_t count) noexcept {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (p_stride == kSize && q_stride == kSize) return std::memcmp(p, q, static_cast<size_t>(count * kSize)) == 0;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (value_at<T>(p + i * p_stride) != value_at<T>(q + i * q_stride)) return false;
  }
  return true;
}

/// The comparison in C of two native scalars of one type; null where Python values have to be made.
RowEqual native_row(const BufferView& a, const BufferView& b) {
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
        case 1: return &equal_row<uint8_t>;
        case 2: return &equal_row<uint16_t>;
        case 4: return &equal_row<uint32_t>;
        case 8: return &equal_row<uint64_t>;
        default: return nullptr;
      }
    case ItemKind::boolean: return item.size == 1 ? &equal_row<bool> : nullptr;
    case ItemKind::floating:
      if (native && item.size == sizeof(float)) return &equal_row<float>;
      return native && item.size == sizeof(double) ? &equal_row<double> : nullptr;
    default: return nullptr;
  }
}

class Comparison {
 public:
  Comparison(const BufferView& a, const BufferView& b)
      : a_(a), b_(b), native_(native_row(a, b)), read_a_(a), read_b_(b) {}

  bool run() const {
    return equal(0, static_cast<const std::byte*>(a_.buf()), static_cast<const std::byte*>(b_.buf()));
  }

 private:
  static const std::byte* follow(const BufferView& view, size_t axis, const std::byte* memory) noexcept {
    if (!view.has_suboffsets() || view.suboffsets()[axis] < 0) return memory;
    return *reinterpret_cast<const std::byte* const*>(memory) + view.suboffsets()[axis];
  }

  bool equal(size_t axis, const std::byte* p, const std::byte* q) const {
    const size_t ndim = a_.shape().size();
    if (axis == ndim) return native_ != nullptr ? native_(p, 0, q, 0, 1) : equal_values(p, q);
    const bool direct = !a_.has_suboffsets() && !b_.has_suboffsets();
    if (axis + 1 == ndim && native_ != nullptr && direct) {
      return native_(p, a_.strides()[axis], q, b_.strides()[axis], a_.shape()[axis]);
    }
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
  RowEqual native_;
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
  if (!same_shape(live_view(self), live_view(operand))) return answer(false);
  const Ref host_a = readable(self);
  const Ref host_b = readable(operand);
  const LeaseHold hold_a(as_buffer(host_a.get()));
  const LeaseHold hold_b(as_buffer(host_b.get()));
  const BufferView a = live_view(as_buffer(host_a.get()));
  const BufferView b = live_view(as_buffer(host_b.get()));
  return answer(Comparison(a, b).run());
}

}  // namespace strideport::python
