/// New buffers: memory of our own, and memory that only an address names.
#include <span>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "functions.hpp"

namespace strideport::python {
namespace {

void check_host(Device device) {
  if (device.host_accessible()) return;
  raise(PyExc_BufferError, "device %s: this build of Strideport has no device side", to_string(device).c_str());
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

Buffer allocate(std::span<const int64_t> shape, const ElementType& type, Order order, Device device) {
  const int64_t bytes = bytes_of(shape, type.itemsize());
  std::vector<int64_t> strides(shape.size());
  contiguous_strides(shape, type.itemsize(), order, strides);
  const Buffer storage = empty(std::span(&bytes, 1), {TypeCode::unsigned_integer, 8, 1}, Order::C, device);
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
  return Buffer(BufferView::create(spec), storage.owner(), storage.stream());
}

PyObject* wrap_pointer(ModuleState* state, const ViewSpec& spec, PyObject* owner) {
  return wrap(state, Buffer(BufferView::create(spec), nullptr), owner == Py_None ? nullptr : owner);
}

}  // namespace

PyObject* fn_empty(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"shape", "dtype", "device", "order", "pinned", nullptr};
  PyObject *shape = nullptr, *dtype = nullptr, *device_name = nullptr, *order_name = nullptr;
  int pinned = 0;
  parse_arguments(args, kwargs, "OO|$OOp:empty", names, &shape, &dtype, &device_name, &order_name, &pinned);
  const std::vector<int64_t> extents = parse_ints(shape, "shape");
  const ElementType type = parse_element_type(state, dtype);
  check_no_references(type.format);
  Device device = parse_device_argument(device_name);
  if (pinned != 0) {
    if (device != Device{})
      raise(PyExc_ValueError, "pinned=True is for memory of the host, not of %s", to_string(device).c_str());
    device = {DeviceType::cuda_host, 0};
  }
  const Order order = order_name == nullptr ? Order::C : parse_order(order_name, "CFAK");
  return wrap(state, allocate(extents, type, order, device), nullptr);
}

PyObject* fn_empty_like(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "order", "device", nullptr};
  PyObject *like = nullptr, *order_name = nullptr, *device_name = nullptr;
  parse_arguments(args, kwargs, "O|$OO:empty_like", names, &like, &order_name, &device_name);
  const Order order = order_name == nullptr ? Order::K : parse_order(order_name, "CFAK");
  const Device device = parse_device_argument(device_name);
  const Operand operand(state, like);
  check_no_references(operand.view().format());
  return wrap(state, empty_like(operand.view(), order, device), nullptr);
}

PyObject* fn_from_pointer(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"ptr", "shape", "dtype", "strides", "device", "readonly", "owner", nullptr};
  PyObject *ptr = nullptr, *shape = nullptr, *dtype = nullptr, *strides = Py_None;
  PyObject *device = nullptr, *owner = Py_None;
  int readonly = 0;
  parse_arguments(args, kwargs, "OOO|O$OpO:from_pointer", names, &ptr, &shape, &dtype, &strides, &device, &readonly,
                  &owner);
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
  check_host(spec.device);
  return wrap_pointer(state, spec, owner);
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
  return wrap_pointer(state, spec, owner);
}

}  // namespace strideport::python
