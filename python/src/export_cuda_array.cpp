/// The CUDA Array Interface out, version 3: `__cuda_array_interface__`.
#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "streams.hpp"
#include "typestr.hpp"

namespace strideport::python {
namespace {

/// A missing attribute, so that hasattr is False.
[[noreturn]] void refuse(const std::string& reason) {
  raise(PyExc_AttributeError, "Buffer has no __cuda_array_interface__ here: %s", reason.c_str());
}

void check_place(Device device) {
  switch (device.type) {
    case DeviceType::cuda:
    case DeviceType::cuda_managed: return;
    case DeviceType::simulated:
    case DeviceType::simulated_managed:
      return check_not_mistaken_for_cuda(device, PyExc_AttributeError, "__cuda_array_interface__");
    default: refuse("the memory is on " + to_string(device) + ", not on a device");
  }
}

std::string required_typestr(const BufferView& view) {
  const std::optional<std::string> text = view.format() ? typestr_of(view.format().item()) : std::nullopt;
  if (text) return *text;
  refuse("NumPy has no typestr for " +
         (view.format() ? "format '" + view.format().text() + "'" : to_string(view.dtype())));
}

/// The legacy default stream, made to wait for what is pending: any other may be gone when the consumer waits for it.
Ref stream_entry(const Buffer& buffer) {
  const auto is_pending = [&] {
    const GilRelease asking;
    if (buffer.empty() || is_ready(buffer)) return false;
    make_ready(buffer, StreamRef::legacy_default());
    return true;
  };
  if (!is_pending()) return Ref::borrow(Py_None);
  return Ref::steal(checked(PyLong_FromUnsignedLongLong(StreamRef::legacy_default().handle())));
}

Ref strides_entry(const BufferView& view) {
  return view.is_contiguous(Order::C) ? Ref::borrow(Py_None) : tuple_of(view.strides());
}

void set_entry(const Ref& dict, const char* key, const Ref& value) {
  if (PyDict_SetItemString(dict.get(), key, checked(value.get())) != 0) throw PythonError{};
}

}  // namespace

PyObject* get_cuda_array_interface(BufferObject* self) {
  check_place(live_view(self).device());
  const Buffer buffer = share(self);
  const BufferView& view = buffer.view();
  const std::string typestr = required_typestr(view);
  const Ref dict = Ref::steal(checked(PyDict_New()));
  set_entry(dict, "version", Ref::steal(PyLong_FromLong(3)));
  set_entry(dict, "shape", tuple_of(view.shape()));
  set_entry(dict, "typestr", Ref::steal(PyUnicode_FromString(typestr.c_str())));
  if (typestr[1] == 'V') {
    if (Ref descr = descr_of(view.format().item())) set_entry(dict, "descr", descr);
  }
  set_entry(dict, "strides", strides_entry(view));
  void* const address = view.empty() ? nullptr : view.buf();
  set_entry(dict, "data",
            Ref::steal(Py_BuildValue("(NO)", PyLong_FromVoidPtr(address), view.readonly() ? Py_True : Py_False)));
  set_entry(dict, "stream", stream_entry(buffer));
  return Py_NewRef(dict.get());
}

}  // namespace strideport::python
