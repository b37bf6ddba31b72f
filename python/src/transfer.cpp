/// Copies into other layouts and onto other devices, and what they would cost.
#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// The elements in new memory. C++ owns it, so `.obj` is None.
PyObject* copied(BufferObject* self, Order order) {
  const BufferView source = host_view(self);
  const LeaseHold hold(self);
  ModuleState* state = state_of(self);
  Buffer result;
  {
    const GilRelease no_gil(source.len());
    result = to_contiguous(source, order, self->stream);
  }
  return wrap(state, std::move(result), nullptr);
}

Order order_or(PyObject* order, Order otherwise) {
  return order == nullptr || order == Py_None ? otherwise : parse_order(order, "CFAK");
}

/// Strides of order K: the source's dimensions in the order of their strides, without gaps.
std::vector<int64_t> kept_order_strides(const BufferView& source) {
  const std::span<const int64_t> shape = source.shape();
  const auto magnitude = [&](size_t axis) { return std::abs(source.strides()[axis]); };
  std::vector<size_t> axes(shape.size());
  std::iota(axes.rbegin(), axes.rend(), size_t{0});
  std::stable_sort(axes.begin(), axes.end(), [&](size_t a, size_t b) { return magnitude(a) < magnitude(b); });
  std::vector<int64_t> strides(shape.size());
  int64_t stride = source.itemsize();
  for (const size_t axis : axes) {
    strides[axis] = stride;
    stride *= std::max<int64_t>(shape[axis], 1);
  }
  return strides;
}

std::vector<int64_t> strides_in(const BufferView& source, Order order) {
  if (order == Order::K && !source.has_suboffsets()) return kept_order_strides(source);
  if (order == Order::A)
    order = !source.is_contiguous(Order::C) && source.is_contiguous(Order::F) ? Order::F : Order::C;
  std::vector<int64_t> strides(source.shape().size());
  contiguous_strides(source.shape(), source.itemsize(), order == Order::F ? Order::F : Order::C, strides);
  return strides;
}

/// The view as a destination in `order` would be, beside the source in an address space that nobody reads.
BufferView imagined_destination(const BufferView& source, Order order) {
  const std::vector<int64_t> strides = strides_in(source, order);
  const OffsetBounds bounds = offset_bounds(source.shape(), source.strides(), source.itemsize());
  constexpr uintptr_t kAlignment = 64;
  const uintptr_t end = reinterpret_cast<uintptr_t>(source.buf()) + static_cast<uintptr_t>(bounds.upper);
  ViewSpec spec;
  spec.buf = reinterpret_cast<void*>((end + kAlignment) / kAlignment * kAlignment);
  spec.shape = source.shape();
  spec.strides = strides;
  spec.itemsize = source.itemsize();
  spec.dtype = source.dtype();
  spec.format = source.format();
  spec.padded = source.padded();
  return BufferView::create(spec);
}

}  // namespace

PyObject* contiguous(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"order", nullptr};
  PyObject* order = nullptr;
  parse_arguments(args, kwargs, "|O:contiguous", names, &order);
  const Order wanted = order_or(order, Order::C);
  const BufferView& view = live_view(self);
  return view.is_contiguous(wanted) ? new_view(self, view) : copied(self, wanted);
}

PyObject* to(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"device", "order", "stream", "copy", nullptr};
  PyObject* device_argument = Py_None;
  PyObject* order_argument = nullptr;
  PyObject* stream = Py_None;
  PyObject* copy_argument = Py_None;
  parse_arguments(args, kwargs, "|O$OOO:to", names, &device_argument, &order_argument, &stream, &copy_argument);
  const Device device = parse_device_argument(device_argument);
  const Order order = order_or(order_argument, Order::K);
  const std::optional<bool> copy = parse_flag(copy_argument, "copy");
  parse_host_stream(stream);
  const BufferView& view = live_view(self);
  if (device.type != DeviceType::cpu && device != view.device()) {
    throw DeviceError("cannot move a buffer to " + to_string(device) + ": this build of strideport has no device side");
  }
  const bool fits = device == view.device() && (order == Order::K || view.is_contiguous(order));
  if (fits && !copy.value_or(false)) return new_view(self, view);
  if (!copy.value_or(true)) {
    throw BufferError("copy=False, and the layout differs from order '" + std::string(1, static_cast<char>(order)) +
                      "': leave copy out, or use order='K'");
  }
  return copied(self, order);
}

PyObject* explain(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"order", nullptr};
  PyObject* order = nullptr;
  parse_arguments(args, kwargs, "|O:explain", names, &order);
  const Order wanted = order_or(order, Order::C);
  const BufferView& view = live_view(self);
  const std::string text = strideport::explain(imagined_destination(view, wanted), view);
  return checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

}  // namespace strideport::python
