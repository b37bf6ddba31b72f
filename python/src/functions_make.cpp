/// New buffers: memory of our own, and memory that only an address names.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "functions.hpp"
#include "streams.hpp"

namespace strideport::python {
namespace {

/// The device of new memory: `pinned` is memory of the host that the driver of `near` knows.
Device place_of(PyObject* device_name, bool pinned, Device near) {
  const Device device = parse_device_argument(device_name);
  return pinned ? pinned_memory(device, near) : device;
}

void check_no_references(const Format& format) {
  if (format.has_references()) {
    raise(PyExc_TypeError, "format '%s' holds references to Python objects (O), which new memory cannot",
          format.text().c_str());
  }
}

int64_t bytes_of(std::span<const int64_t> shape, int64_t itemsize) {
  const int64_t count = element_count(shape);
  int64_t bytes = 0;
  if (__builtin_mul_overflow(count, itemsize, &bytes)) {
    raise(PyExc_ValueError, "%lld elements of %lld bytes do not fit 64 bits", static_cast<long long>(count),
          static_cast<long long>(itemsize));
  }
  return bytes;
}

/// Drops the GIL for the first allocation of a driver, which initialises it.
Buffer allocate_bytes(int64_t bytes, Device device, StreamRef stream) {
  const GilRelease initialising(device.has_driver() ? GilRelease::kThresholdBytes : 0);
  return empty(std::span(&bytes, 1), {TypeCode::unsigned_integer, 8, 1}, Order::C, device, stream);
}

Buffer allocate(std::span<const int64_t> shape, const ElementType& type, Order order, Device device, StreamRef stream) {
  const int64_t bytes = bytes_of(shape, type.itemsize());
  std::vector<int64_t> strides(shape.size());
  contiguous_strides(shape, type.itemsize(), order, strides);
  const Buffer storage = allocate_bytes(bytes, device, stream);
  ViewSpec spec;
  spec.buf = storage.buf();
  spec.shape = shape;
  spec.strides = strides;
  spec.itemsize = type.itemsize();
  spec.dtype = type.dtype;
  spec.format = type.format;
  spec.device = device;
  spec.padded = type.dtype.is_subbyte();  // each element gets bytes of its own
  spec.memory = MemoryRange{storage.buf(), bytes};
  return storage.rebind(BufferView::create(spec));
}

PyObject* wrap_pointer(ModuleState* state, const ViewSpec& spec, PyObject* owner, StreamRef stream) {
  if (spec.device.has_driver() && owner != Py_None) {
    return wrap_owned(state, BufferView::create(spec), owner, stream);
  }
  if (spec.device.has_driver()) return wrap(state, Buffer(BufferView::create(spec), nullptr, stream), nullptr);
  return wrap(state, Buffer(BufferView::create(spec), nullptr), owner == Py_None ? nullptr : owner);
}

/// What the driver says of the address: nothing of the memory may lie outside of its allocation.
void set_allocation(ViewSpec& spec) {
  check_no_references(spec.format);
  if (element_count(spec.shape) == 0) return;
  const GilRelease initialising;
  const std::optional<Location> location = check_location(spec.buf, spec.device);
  if (location && location->allocation.size > 0) spec.memory = location->allocation;
}

}  // namespace

PyObject* fn_empty(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"shape", "dtype", "device", "order", "pinned", "stream", nullptr};
  PyObject *shape = nullptr, *dtype = nullptr, *device_name = nullptr, *order_name = nullptr, *stream_object = nullptr;
  int pinned = 0;
  parse_arguments(args, kwargs, "OO|$OOpO:empty", names, &shape, &dtype, &device_name, &order_name, &pinned,
                  &stream_object);
  const std::vector<int64_t> extents = parse_ints(shape, "shape");
  const ElementType type = parse_element_type(state, dtype);
  check_no_references(type.format);
  const Device device = place_of(device_name, pinned != 0, {});
  const Order order = order_name == nullptr ? Order::C : parse_order(order_name, "CFAK");
  const StreamRef stream = parse_stream_for(state, stream_object, device.has_driver());
  return wrap(state, allocate(extents, type, order, device, stream), nullptr);
}

PyObject* fn_empty_like(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "order", "device", "pinned", "stream", nullptr};
  PyObject *like = nullptr, *order_name = nullptr, *device_name = nullptr, *stream_object = nullptr;
  int pinned = 0;
  parse_arguments(args, kwargs, "O|$OOpO:empty_like", names, &like, &order_name, &device_name, &pinned, &stream_object);
  const Order order = order_name == nullptr ? Order::K : parse_order(order_name, "CFAK");
  const Operand operand(state, like);
  const Device device = place_of(device_name, pinned != 0, operand.view().device());
  const StreamRef stream = parse_stream_for(state, stream_object, device.has_driver());
  check_no_references(operand.view().format());
  const auto make = [&] {
    const GilRelease initialising(device.has_driver() ? GilRelease::kThresholdBytes : 0);
    return empty_like(operand.view(), order, device, stream);
  };
  return wrap(state, make(), nullptr);
}

PyObject* fn_from_pointer(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"ptr",      "shape", "dtype",  "strides", "device",
                                      "readonly", "owner", "stream", nullptr};
  PyObject *ptr = nullptr, *shape = nullptr, *dtype = nullptr, *strides = Py_None;
  PyObject *device = nullptr, *owner = Py_None, *stream_object = nullptr;
  int readonly = 0;
  parse_arguments(args, kwargs, "OOO|O$OpOO:from_pointer", names, &ptr, &shape, &dtype, &strides, &device, &readonly,
                  &owner, &stream_object);
  const ElementType type = parse_element_type(state, dtype);
  const std::vector<int64_t> extents = parse_ints(shape, "shape");
  const std::vector<int64_t> steps = strides == Py_None ? std::vector<int64_t>() : parse_ints(strides, "strides");
  if (strides != Py_None && steps.size() != extents.size()) {
    raise(PyExc_ValueError, "strides has %zu entries, but shape has %zu", steps.size(), extents.size());
  }
  ViewSpec spec;
  spec.buf = parse_pointer(ptr, "ptr");
  spec.shape = extents;
  spec.strides = steps;
  spec.itemsize = type.itemsize();
  spec.dtype = type.dtype;
  spec.format = type.format;
  spec.padded = type.dtype.is_subbyte();
  spec.device = parse_device_argument(device);
  spec.readonly = readonly != 0;
  const StreamRef stream = parse_stream_for(state, stream_object, spec.device.has_driver());
  if (spec.device.has_driver()) set_allocation(spec);
  return wrap_pointer(state, spec, owner, stream);
}

PyObject* fn_from_memory(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"ptr", "size", "readonly", "owner", nullptr};
  PyObject *ptr = nullptr, *size = nullptr, *owner = Py_None;
  int readonly = 0;
  parse_arguments(args, kwargs, "OO|$pO:from_memory", names, &ptr, &size, &readonly, &owner);
  const int64_t bytes = parse_int(size, "size");
  ViewSpec spec;
  spec.buf = parse_pointer(ptr, "ptr");
  spec.shape = {&bytes, 1};
  spec.dtype = {TypeCode::unsigned_integer, 8, 1};
  spec.format = Format::of(spec.dtype);
  spec.readonly = readonly != 0;
  return wrap_pointer(state, spec, owner, StreamRef::host());
}

PyObject* fn_trim_host(ModuleState*, PyObject*) {
  {
    const GilRelease unmapping;
    trim_host();
  }
  Py_RETURN_NONE;
}

}  // namespace strideport::python
