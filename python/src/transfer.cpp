/// Copies into other layouts and onto other devices, and what they would cost.
#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "streams.hpp"

namespace strideport::python {
namespace {

/// The elements in new memory. C++ owns it, so `.obj` is None.
PyObject* copied(BufferObject* self, Device device, Order order, StreamRef stream) {
  const BufferView& source = live_view(self);
  ModuleState* state = state_of(self);
  if (has_driver(source) || device.has_driver()) {
    return wrap(state, copied_to(self, device, order, stream), nullptr);
  }
  if (keeps_gil(source.len())) return wrap(state, to_contiguous(source, order, StreamRef::host()), nullptr);
  const LeaseHold hold(self);
  Buffer result;
  {
    const GilRelease no_gil(source.len());
    result = to_contiguous(source, order, StreamRef::host());
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
BufferView imagined_destination(const BufferView& source, Device device, Order order) {
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
  spec.device = device;
  return BufferView::create(spec);
}

}  // namespace

PyObject* contiguous_in(BufferObject* self, PyObject* order) {
  const Order wanted = order_or(order, Order::C);
  const BufferView& view = live_view(self);
  return view.is_contiguous(wanted) ? new_view(self, view) : copied(self, view.device(), wanted, StreamRef::host());
}

PyObject* contiguous(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"order", "stream", nullptr};
  PyObject *order = nullptr, *stream_argument = nullptr;
  parse_arguments(args, kwargs, "|O$O:contiguous", names, &order, &stream_argument);
  const Order wanted = order_or(order, Order::C);
  const StreamRef stream = parse_stream_for(state_of(self), stream_argument, has_driver(live_view(self)));
  const BufferView& view = live_view(self);
  return view.is_contiguous(wanted) ? new_view(self, view) : copied(self, view.device(), wanted, stream);
}

PyObject* to(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"device", "order", "stream", "copy", "pinned", nullptr};
  PyObject *device_argument = nullptr, *order_argument = nullptr, *stream_argument = nullptr, *copy_argument = nullptr;
  int pinned = 0;
  parse_arguments(args, kwargs, "|O$OOOp:to", names, &device_argument, &order_argument, &stream_argument,
                  &copy_argument, &pinned);
  Device device = parse_device_argument(device_argument);
  if (pinned != 0) device = pinned_memory(device, live_view(self).device());
  const Order order = order_or(order_argument, Order::K);
  const std::optional<bool> copy = parse_flag(copy_argument, "copy");
  const StreamRef stream =
      parse_stream_for(state_of(self), stream_argument, has_driver(live_view(self)) || device.has_driver());
  const BufferView& view = live_view(self);
  const bool fits = device == view.device() && (order == Order::K || view.is_contiguous(order));
  if (fits && !copy.value_or(false)) return new_view(self, view);
  if (!copy.value_or(true)) {
    if (device != view.device()) {
      throw BufferError("copy=False, and the memory is on " + to_string(view.device()) + ", not on " +
                        to_string(device) + ": leave copy out");
    }
    throw BufferError("copy=False, and the layout differs from order '" + std::string(1, static_cast<char>(order)) +
                      "': leave copy out, or use order='K'");
  }
  return copied(self, device, order, stream);
}

PyObject* explain(BufferObject* self, PyObject* args, PyObject* kwargs) {
  live_view(self);
  static const char* const names[] = {"order", "device", nullptr};
  PyObject *order = nullptr, *device_argument = nullptr;
  parse_arguments(args, kwargs, "|O$O:explain", names, &order, &device_argument);
  const Order wanted = order_or(order, Order::C);
  const Device device = device_argument == nullptr || device_argument == Py_None
                            ? live_view(self).device()
                            : parse_device_argument(device_argument);
  const BufferView view = live_view(self);
  const auto describe = [&] {
    const GilRelease probing(has_driver(view) || device.has_driver() ? GilRelease::kThresholdBytes : 0);
    return strideport::explain(imagined_destination(view, device, wanted), view);
  };
  const std::string text = describe();
  return checked(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace"));
}

}  // namespace strideport::python
