/// The rest of CPython's C buffer functions as functions of the module. docs/c_api.md is the table of them all.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "functions.hpp"
#include "imports.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

constexpr const char* kOffers[] = {"__dlpack__", "__cuda_array_interface__", "__array_struct__", "__array_interface__"};

void give_back(Py_buffer* buffer) noexcept { PyBuffer_Release(buffer); }

/// Asks the exporter in us whether it could meet a request: the flags mean the same wherever the memory came from.
void check_request(PyObject* buffer, int flags) {
  Py_buffer answer;
  if (get_buffer(buffer, &answer, flags) != 0) throw PythonError{};
  give_back(&answer);
}

}  // namespace

PyObject* fn_check_buffer(ModuleState*, PyObject* object) {
  if (PyObject_CheckBuffer(object)) Py_RETURN_TRUE;
  for (const char* name : kOffers) {
    if (find_attribute(object, name)) Py_RETURN_TRUE;
  }
  Py_RETURN_FALSE;
}

PyObject* fn_get_buffer(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "flags", nullptr};
  PyObject *object = nullptr, *flags_object = nullptr;
  parse_arguments(args, kwargs, "O|O:get_buffer", names, &object, &flags_object);
  const int64_t flags = flags_object == nullptr ? PyBUF_FULL_RO : parse_int(flags_object, "flags");
  if (flags < 0 || flags > INT32_MAX) {
    raise(PyExc_ValueError, "flags %R are not those of a buffer request", flags_object);
  }
  const Writable writable = (flags & PyBUF_WRITABLE) != 0 ? Writable::required : Writable::any;
  Ref buffer = Ref::steal(import_object(state, object, writable));
  check_request(buffer.get(), static_cast<int>(flags));
  return buffer.release();
}

PyObject* fn_size_from_format(ModuleState*, PyObject* text) {
  return checked(PyLong_FromLongLong(size_from_format(parse_text(text, "format"))));
}

PyObject* fn_is_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "order", nullptr};
  PyObject *object = nullptr, *order_name = nullptr;
  parse_arguments(args, kwargs, "O|O:is_contiguous", names, &object, &order_name);
  const Order order = order_name == nullptr ? Order::C : parse_order(order_name, "CFAK");
  return PyBool_FromLong(Operand(state, object).view().is_contiguous(order) ? 1 : 0);
}

PyObject* fn_item_pointer(ModuleState* state, PyObject* args) {
  PyObject *object = nullptr, *indices_object = nullptr;
  if (PyArg_ParseTuple(args, "OO:item_pointer", &object, &indices_object) == 0) throw PythonError{};
  const std::vector<int64_t> indices = parse_ints(indices_object, "indices");
  return checked(PyLong_FromVoidPtr(Operand(state, object).view().item_pointer(indices)));
}

PyObject* fn_contiguous_strides(ModuleState*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"shape", "itemsize", "order", nullptr};
  PyObject *shape = nullptr, *itemsize = nullptr, *order_name = nullptr;
  parse_arguments(args, kwargs, "OO|O:contiguous_strides", names, &shape, &itemsize, &order_name);
  const std::vector<int64_t> extents = parse_ints(shape, "shape");
  const int64_t bytes = parse_int(itemsize, "itemsize");
  if (bytes < 0) raise(PyExc_ValueError, "itemsize %lld is negative", static_cast<long long>(bytes));
  std::vector<int64_t> strides(extents.size());
  contiguous_strides(extents, bytes, order_name == nullptr ? Order::C : parse_order(order_name, "CF"), strides);
  return tuple_of(strides).release();
}

PyObject* fn_byte_range(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "offset", "size", nullptr};
  PyObject *object = nullptr, *offset_object = nullptr, *size_object = nullptr;
  parse_arguments(args, kwargs, "O|OO:byte_range", names, &object, &offset_object, &size_object);
  const int64_t offset = offset_object == nullptr ? 0 : parse_int(offset_object, "offset");
  const int64_t size = size_object == nullptr ? -1 : parse_int(size_object, "size");
  if (offset < 0) raise(PyExc_ValueError, "offset %lld is negative", static_cast<long long>(offset));
  if (size < -1) {
    raise(PyExc_ValueError, "size %lld is neither a length nor -1 (to the end)", static_cast<long long>(size));
  }
  const Operand operand(state, object);
  const BufferView& view = operand.view();
  if (!view.is_contiguous(Order::A)) raise(PyExc_BufferError, "the layout is not contiguous: .contiguous() first");
  const int64_t start = std::min(offset, view.len());
  const int64_t extent = size < 0 ? view.len() - start : std::min(size, view.len() - start);
  ViewSpec spec;
  spec.buf = static_cast<char*>(view.buf()) + start;
  spec.shape = {&extent, 1};
  spec.dtype = {TypeCode::unsigned_integer, 8, 1};
  spec.format = Format::of(spec.dtype);
  spec.device = view.device();
  spec.readonly = view.readonly() || view.format().has_references();
  return new_view(operand.buffer(), BufferView::create(spec));
}

}  // namespace strideport::python
