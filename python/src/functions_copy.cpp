/// Moving elements: strideport.copy and its relatives among CPython's C functions.
#include <cstddef>
#include <span>
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "error_value.hpp"
#include "functions.hpp"
#include "host_access.hpp"
#include "streams.hpp"

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

/// The same bytes in the same order, where the host can read them.
Ref as_they_lie(ModuleState* state, const Operand& source) {
  contiguous_bytes(source.view());  // an error before any copy
  if (source.view().device().host_accessible()) return readable(source.buffer());
  return Ref::steal(wrap(state, copied_to(source.buffer(), Device{}, Order::K, StreamRef::host()), nullptr));
}

bool has_driver(const Operand& operand) noexcept { return operand.view().device().has_driver(); }

/// A Python callable as the copy's progress. It is called without the GIL by this copy, in this thread or another one;
/// what it raises is carried to the end of the copy.
class Report {
 public:
  explicit Report(PyObject* callable) : callable_(callable) {
    if (callable_ != nullptr && PyCallable_Check(callable_) == 0) {
      raise(PyExc_TypeError, "progress must be None or callable, not '%.200s'", type_name(callable_).c_str());
    }
  }

  /// For the engine; empty where nobody asked.
  Progress progress() {
    if (callable_ == nullptr) return nullptr;
    return [this](int64_t done, int64_t total) { call(done, total); };
  }

  /// Sets the error that `callable` raised, where it did.
  void restore() noexcept {
    if (error_) set_error(error_);
  }

 private:
  void call(int64_t done, int64_t total) {
    const GilState gil = ensure_gil();
    const Ref answer =
        Ref::steal(PyObject_CallFunction(callable_, "LL", static_cast<long long>(done), static_cast<long long>(total)));
    if (!answer) error_ = take_error();
    const bool failed = !answer;
    release_gil(gil);
    if (failed) throw PythonError{};
  }

  PyObject* callable_;
  Ref error_;
};

void copy_with_progress(const Operand& target, const Operand& source, StreamRef stream, Report& report) {
  if (has_driver(target) || has_driver(source)) {
    const Buffer dst = share(target.buffer());
    const Buffer src = share(source.buffer());
    const GilRelease waiting;
    return strideport::copy(dst, src, stream, report.progress());
  }
  const GilRelease released(source.view().len());
  strideport::copy(target.view(), source.view(), StreamRef::host(), report.progress());
}

}  // namespace

bool copy_at_once(ModuleState* state, PyObject* dst, PyObject* src) {
  if (Py_TYPE(dst) != state->buffer_type || Py_TYPE(src) != state->buffer_type) return false;
  const BufferView& target = live_view(as_buffer(dst));
  const BufferView& source = live_view(as_buffer(src));
  if (has_driver(target) || has_driver(source) || !keeps_gil(source.len())) return false;
  strideport::copy(target, source, StreamRef::host());
  return true;
}

PyObject* fn_copy(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"dst", "src", "stream", "progress", nullptr};
  PyObject *dst = nullptr, *src = nullptr, *stream_object = nullptr, *progress = Py_None;
  parse_arguments(args, kwargs, "OO|O$O:copy", names, &dst, &src, &stream_object, &progress);
  Report report(progress == Py_None ? nullptr : progress);
  const StreamRef any_stream = parse_stream(state, stream_object);
  const Operand target(state, dst);
  const Operand source(state, src);
  const StreamRef stream = checked_stream(any_stream, has_driver(target) || has_driver(source));
  try {
    copy_with_progress(target, source, stream, report);
  } catch (const PythonError&) {
    report.restore();
    throw;
  }
  Py_RETURN_NONE;
}

PyObject* fn_explain(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"dst", "src", nullptr};
  PyObject *dst = nullptr, *src = nullptr;
  parse_arguments(args, kwargs, "OO:explain", names, &dst, &src);
  const Operand target(state, dst);
  const Operand source(state, src);
  const auto describe = [&] {
    const GilRelease probing(has_driver(target) || has_driver(source) ? GilRelease::kThresholdBytes : 0);
    return strideport::explain(target.view(), source.view());
  };
  const std::string text = describe();
  return checked(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

PyObject* fn_to_contiguous(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "order", nullptr};
  PyObject *object = nullptr, *order_name = nullptr;
  parse_arguments(args, kwargs, "O|O:to_contiguous", names, &object, &order_name);
  const Order order = order_or(order_name, Order::C, "CFA");
  const Operand source(state, object);
  wait_for_host(source.buffer());
  const int64_t bytes = source.view().len();
  Ref result = Ref::steal(checked(PyBytes_FromStringAndSize(nullptr, bytes)));
  auto* out = reinterpret_cast<std::byte*>(PyBytes_AsString(result.get()));
  {
    const GilRelease released(has_driver(source) ? GilRelease::kThresholdBytes : bytes);
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
  const Ref kept = as_they_lie(state, source);
  const std::span<const std::byte> bytes = contiguous_bytes(as_buffer(kept.get())->view);
  wait_for_host(target.buffer());
  {
    const GilRelease released(has_driver(target) ? GilRelease::kThresholdBytes : source.view().len());
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
  if (has_driver(source)) {
    return wrap(state, copied_to(source.buffer(), source.view().device(), order, StreamRef::host()), nullptr);
  }
  Buffer copied;
  {
    const GilRelease released(source.view().len());
    copied = strideport::to_contiguous(source.view(), order, StreamRef::host());
  }
  return wrap(state, std::move(copied), nullptr);
}

}  // namespace strideport::python
