/// DLPack's C exchange API on the type: what consumers in C call in place of `__dlpack__`.
///
/// The table is one for the process and for ever. "No sync" means: ready on the stream that `current_stream` names,
/// which is the legacy default stream of the device, made to wait for what is pending. Memory of the host has no
/// stream; what is pending on pinned memory is waited for.
#include <dlpack/dlpack.h>

#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "import_dlpack.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

using ErrorSetter = void (*)(void* context, const char* kind, const char* message);

/// An object of ours, whichever interpreter made its type. Throws PythonError.
BufferObject* checked_buffer(void* object) {
  auto* candidate = static_cast<PyObject*>(object);
  if (candidate == nullptr) raise(PyExc_TypeError, "a strideport.Buffer is needed, not NULL");
  if (PyType_GetSlot(Py_TYPE(candidate), Py_bf_getbuffer) != reinterpret_cast<void*>(&get_buffer)) {
    raise(PyExc_TypeError, "a strideport.Buffer is needed, not '%.200s'", type_name(candidate).c_str());
  }
  return as_buffer(candidate);
}

/// Nothing for memory of the host.
std::optional<StreamRef> work_stream(DeviceType type) noexcept {
  switch (type) {
    case DeviceType::cuda:
    case DeviceType::cuda_managed:
    case DeviceType::simulated: return StreamRef::legacy_default();
    default: return std::nullopt;
  }
}

/// As consumers of this table expect it.
Buffer ready(BufferObject* self) {
  Buffer buffer = share(self);
  if (!buffer.device().has_driver() || is_ready(buffer)) return buffer;
  const GilRelease waiting;
  make_ready(buffer, work_stream(buffer.device().type).value_or(StreamRef::host()));
  return buffer;
}

DLPackTensor allocate_like(const DLTensor* prototype) {
  if (prototype == nullptr) throw InvalidArgument("the prototype is NULL");
  if (prototype->ndim < 0 || prototype->ndim > kMaxNdim) {
    throw InvalidArgument("the prototype's ndim " + std::to_string(prototype->ndim) + " is not in 0..64");
  }
  if (prototype->ndim > 0 && prototype->shape == nullptr) throw InvalidArgument("the prototype's shape is NULL");
  const DType dtype{static_cast<TypeCode>(prototype->dtype.code), prototype->dtype.bits, prototype->dtype.lanes};
  if (!is_known(dtype)) {
    throw BufferError("the prototype's dtype (" + std::to_string(prototype->dtype.code) + ", " +
                      std::to_string(prototype->dtype.bits) + ") is none that DLPack 1.3 knows");
  }
  const Device device{static_cast<DeviceType>(prototype->device.device_type), prototype->device.device_id};
  const std::span shape(prototype->shape, static_cast<size_t>(prototype->ndim));
  return export_dlpack(empty(shape, dtype, Order::C, device, work_stream(device.type).value_or(StreamRef::host())));
}

/// Without the GIL: errors go to the callback, in words alone; it may ask for the GIL.
int allocate(DLTensor* prototype, DLManagedTensorVersioned** out, void* context, ErrorSetter set_error) noexcept {
  const auto tell = [&](const char* kind, const char* words) {
    stay_if_unwound([&] { set_error(context, kind, words); });
  };
  try {
    *out = allocate_like(prototype).release();
    return 0;
  } catch (const InvalidArgument& error) {
    tell("ValueError", error.what());
  } catch (const DeviceOutOfMemory& error) {
    tell("MemoryError", error.what());
  } catch (const DeviceError& error) {
    tell("RuntimeError", error.what());
  } catch (const std::bad_alloc&) {
    tell("MemoryError", "no memory for the tensor");
  } catch (const std::exception& error) {
    tell("BufferError", error.what());
  }
  return -1;
}

int from_object(void* object, DLManagedTensorVersioned** out) noexcept {
  return guarded(-1, [&] {
    BufferObject* self = checked_buffer(object);
    const bool on_host = self->view.device() == Device{};  // which never changes, released or not
    *out = (on_host ? share_tensor(self) : export_dlpack(ready(self))).release();
    return 0;
  });
}

/// The module that was imported last, for as long as it lives, and its interpreter. The GIL guards it.
struct Home {
  ModuleState* state;
  PyInterpreterState* interpreter;
};
constinit Home home{};

/// What keeps the state of the module that new Buffers belong to: its type of them, or itself where it has to be
/// imported, which another interpreter refuses. Throws PythonError.
Ref find_home(ModuleState*& state) {
  if (kHasGil && home.state != nullptr && home.interpreter == PyInterpreterState_Get()) {
    state = home.state;
    return Ref::borrow(reinterpret_cast<PyObject*>(state->buffer_type));
  }
  Ref module = Ref::steal(checked(PyImport_ImportModule("strideport._core")));
  state = PyModule_Check(module.get()) != 0 ? state_of_module(module.get()) : nullptr;
  if (state == nullptr) {
    raise(PyExc_ImportError, "sys.modules[\"strideport._core\"] is not strideport's own: %R", module.get());
  }
  return module;
}

int to_object(DLManagedTensorVersioned* given, void** out) noexcept {
  return guarded(-1, [&] {
    ForeignTensor tensor(given);  // stolen, also where this fails
    if (!tensor) throw InvalidArgument("DLPack: the tensor is NULL");
    ModuleState* state = nullptr;
    Ref keeper;
    try {
      keeper = find_home(state);
    } catch (const PythonError&) {
      give_up(std::move(tensor));
    }
    const StreamRef stream = work_stream(type_of(*tensor)).value_or(StreamRef::host());
    *out = adopt(state, std::move(tensor), stream, nullptr).root.release();
    return 0;
  });
}

/// Lends shape and strides for as long as the Buffer lives; they are made once, since a view never changes.
int fill(void* object, DLTensor* out) noexcept {
  return guarded(-1, [&] {
    BufferObject* self = checked_buffer(object);
    const Exclusive only(as_object(self));
    const BufferView& view = live_view(self);
    if (view.readonly()) {
      raise(PyExc_BufferError,
            "a bare DLTensor cannot say that memory is read-only: ask for a managed tensor, or copy");
    }
    if (view.device().has_driver()) ready(self);
    if (self->lent == nullptr) self->lent = export_dlpack(Buffer(live_view(self), nullptr)).release();
    *out = self->lent->dl_tensor;
    return 0;
  });
}

int current_stream(DLDeviceType device_type, int32_t, void** out) noexcept {
  const std::optional<StreamRef> stream = work_stream(static_cast<DeviceType>(device_type));
  if (stream || device_type == kDLCPU || device_type == kDLCUDAHost) {
    *out = stream ? reinterpret_cast<void*>(stream->handle()) : nullptr;
    return 0;
  }
  const GilState gil = ensure_gil();
  stay_if_unwound([&] {  // an error that was set before goes
    PyErr_Format(PyExc_BufferError, "DLPack device type %d: Strideport does not reach it",
                 static_cast<int>(device_type));
  });
  release_gil(gil);
  return -1;
}

DLPackExchangeAPI table = {
    {{kDLPackMajor, kDLPackMinor}, nullptr}, &allocate, &from_object, &to_object, &fill, &current_stream};

}  // namespace

void add_exchange_api(ModuleState* state) {
  const Ref capsule = Ref::steal(checked(PyCapsule_New(&table, "dlpack_exchange_api", nullptr)));
  PyObject* type = reinterpret_cast<PyObject*>(state->buffer_type);
  if (PyObject_SetAttrString(type, "__dlpack_c_exchange_api__", capsule.get()) != 0) throw PythonError{};
  home = {state, PyInterpreterState_Get()};
}

void leave_exchange_api(const ModuleState* state) noexcept {
  if (home.state == state) home = {};
}

}  // namespace strideport::python
