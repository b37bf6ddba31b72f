/// Moving elements: strideport.copy and its relatives among CPython's C functions.
#include <cstddef>
#include <span>
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "functions.hpp"

namespace strideport::python {
namespace {

Order order_or(PyObject* name, Order otherwise, const char* allowed) {
  return name == nullptr ? otherwise : parse_order(name, allowed);
}

/// The bytes of memory without gaps, in the order in which they lie.
std::span<const std::byte> contiguous_bytes(const BufferView& view) {
  if (!view.is_contiguous(Order::A)) {
    raise(PyExc_BufferError, "data is not contiguous: .contiguous() first, or copy(dst, data)");
  }
  return {static_cast<const std::byte*>(view.buf()), static_cast<size_t>(view.len())};
}

}  // namespace

PyObject* fn_copy(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"dst", "src", "stream", nullptr};
  PyObject *dst = nullptr, *src = nullptr, *stream_object = nullptr;
  parse_arguments(args, kwargs, "OO|O:copy", names, &dst, &src, &stream_object);
  const StreamRef stream = parse_host_stream(stream_object);
  const Operand target(state, dst);
  const Operand source(state, src);
  {
    const GilRelease released(source.view().len());
    strideport::copy(target.view(), source.view(), stream);
  }
  Py_RETURN_NONE;
}

PyObject* fn_explain(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"dst", "src", nullptr};
  PyObject *dst = nullptr, *src = nullptr;
  parse_arguments(args, kwargs, "OO:explain", names, &dst, &src);
  const Operand target(state, dst);
  const Operand source(state, src);
  const std::string text = strideport::explain(target.view(), source.view());
  return checked(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

PyObject* fn_to_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "order", nullptr};
  PyObject *object = nullptr, *order_name = nullptr;
  parse_arguments(args, kwargs, "O|O:to_contiguous", names, &object, &order_name);
  const Order order = order_or(order_name, Order::C, "CFA");
  const Operand source(state, object);
  const int64_t bytes = source.view().len();
  Ref result = Ref::steal(checked(PyBytes_FromStringAndSize(nullptr, bytes)));
  auto* out = reinterpret_cast<std::byte*>(PyBytes_AsString(result.get()));
  {
    const GilRelease released(bytes);
    strideport::to_contiguous(std::span(out, static_cast<size_t>(bytes)), source.view(), order, StreamRef::host());
  }
  return result.release();
}

PyObject* fn_from_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"dst", "data", "order", nullptr};
  PyObject *dst = nullptr, *data = nullptr, *order_name = nullptr;
  parse_arguments(args, kwargs, "OO|O:from_contiguous", names, &dst, &data, &order_name);
  const Order order = order_or(order_name, Order::C, "CFA");
  const Operand target(state, dst);
  const Operand source(state, data);
  const std::span<const std::byte> bytes = contiguous_bytes(source.view());
  {
    const GilRelease released(source.view().len());
    strideport::from_contiguous(target.view(), bytes, order, StreamRef::host());
  }
  Py_RETURN_NONE;
}

PyObject* fn_get_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "order", nullptr};
  PyObject *object = nullptr, *order_name = nullptr;
  parse_arguments(args, kwargs, "O|O:get_contiguous", names, &object, &order_name);
  const Order order = order_or(order_name, Order::C, "CFA");
  const Operand source(state, object);
  if (source.view().is_contiguous(order)) return new_view(source.buffer(), source.view());
  Buffer copied;
  {
    const GilRelease released(source.view().len());
    copied = strideport::to_contiguous(source.view(), order, StreamRef::host());
  }
  return wrap(state, std::move(copied), nullptr);
}

}  // namespace strideport::python
