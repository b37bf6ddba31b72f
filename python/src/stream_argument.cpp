/// What users pass as a stream.
#include <optional>
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "imports.hpp"
#include "streams.hpp"

namespace strideport::python {
namespace {

bool is_simulated(DeviceType type) noexcept {
  return type == DeviceType::simulated || type == DeviceType::simulated_host || type == DeviceType::simulated_managed;
}

/// A handle as an int that a foreign object gave: 0 is the legacy default stream there.
StreamRef foreign_handle(PyObject* number, const char* what) {
  if (!PyIndex_Check(number) || PyBool_Check(number)) {
    raise(PyExc_TypeError, "%s must be a stream's handle as an int, not '%.200s'", what, type_name(number).c_str());
  }
  const auto handle = reinterpret_cast<uintptr_t>(parse_pointer(number, what));
  return handle == 0 ? StreamRef::legacy_default() : StreamRef::from_handle(handle);
}

/// `__cuda_stream__`: a method, or in older libraries an attribute; (version, handle), of which version 0 is known.
StreamRef from_protocol(PyObject* attribute) {
  const bool is_method = PyCallable_Check(attribute) != 0;
  const Ref pair = is_method ? Ref::steal(checked(PyObject_CallNoArgs(attribute))) : Ref::borrow(attribute);
  if (!PyTuple_Check(pair.get()) || PyTuple_Size(pair.get()) != 2) {
    raise(PyExc_TypeError, "__cuda_stream__ must give a tuple (version, handle), not %R", pair.get());
  }
  const int64_t version = parse_int(PyTuple_GetItem(pair.get(), 0), "__cuda_stream__: version");
  if (version != 0) {
    raise(PyExc_ValueError, "__cuda_stream__ is of version %lld; 0 is known here", static_cast<long long>(version));
  }
  return foreign_handle(PyTuple_GetItem(pair.get(), 1), "__cuda_stream__: handle");
}

StreamRef from_int(PyObject* number, const char* name) {
  const auto handle = reinterpret_cast<uintptr_t>(parse_pointer(number, name));
  if (handle != 0) return StreamRef::from_handle(handle);
  raise(PyExc_ValueError,
        "%s 0 is ambiguous: it means one default stream or the other, depending on how code was compiled; say 1 for "
        "the legacy default stream, 2 for the per-thread one, None for no stream",
        name);
}

/// Other things have a `ptr` too (CuPy's events and memory, our Buffers); only a stream waits for events.
bool is_cupy_stream(PyObject* object) { return static_cast<bool>(find_attribute(object, "wait_event")); }

}  // namespace

StreamRef parse_stream(ModuleState* state, PyObject* object, const char* name) {
  if (object == nullptr || object == Py_None) return StreamRef::host();
  if (Py_TYPE(object) == state->stream_type) return stream_in(object).ref();
  if (PyLong_Check(object) && !PyBool_Check(object)) return from_int(object, name);
  if (!PyBool_Check(object)) {
    if (const Ref protocol = find_attribute(object, "__cuda_stream__")) return from_protocol(protocol.get());
    if (const Ref handle = find_attribute(object, "cuda_stream")) return foreign_handle(handle.get(), "cuda_stream");
    if (const Ref handle = find_attribute(object, "ptr"); handle && is_cupy_stream(object)) {
      return foreign_handle(handle.get(), "ptr");
    }
  }
  raise(PyExc_TypeError,
        "%s must be None, a strideport.Stream, a handle as an int, or an object with __cuda_stream__ (or torch's or "
        "CuPy's stream), not '%.200s'",
        name, type_name(object).c_str());
}

StreamRef parse_stream_for(ModuleState* state, PyObject* object, bool has_driver) {
  return checked_stream(parse_stream(state, object), has_driver);
}

StreamRef checked_stream(StreamRef stream, bool has_driver) {
  if (has_driver || stream.is_host()) return stream;
  raise(PyExc_ValueError, "stream %llu belongs to no memory here: for plain memory of the host it must be None",
        static_cast<unsigned long long>(stream.handle()));
}

std::optional<Device> device_of_stream(ModuleState* state, PyObject* object) noexcept {
  if (object == nullptr || Py_TYPE(object) != state->stream_type) return std::nullopt;
  return stream_in(object).device();
}

void check_not_mistaken_for_cuda(Device device, PyObject* type, const char* what) {
  if (!is_simulated(device.type)) return;
  std::string absent;
  {
    const GilRelease initialising;
    absent = why_no_device(DeviceType::cuda);
  }
  if (!absent.empty()) return;
  raise(type, "%s: this is simulated (%s), and CUDA libraries on this machine would take it for CUDA's", what,
        to_string(device).c_str());
}

}  // namespace strideport::python
