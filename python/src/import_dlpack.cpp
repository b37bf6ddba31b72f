/// DLPack in: capsules, `__dlpack__`, and the array API's from_dlpack.
#include <dlpack/dlpack.h>

#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "functions.hpp"
#include "imports.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// The keywords of the array API standard; null members were not given.
struct DLPackRequest {
  bool with_stream = false;  // the result is on a device
  PyObject* dl_device = nullptr;
  PyObject* copy = nullptr;
};

/// Takes the tensor out of a capsule of this kind; null where it is of another. Between the look and the renaming no
/// foreign code runs, so of two importers one finds a used capsule.
template <class Tensor>
std::unique_ptr<Tensor, DLPackDeleter> claim(PyObject* capsule) {
  using Name = CapsuleName<Tensor>;
  if (PyCapsule_IsValid(capsule, Name::kFresh) == 0) return nullptr;
  auto* tensor = static_cast<Tensor*>(PyCapsule_GetPointer(capsule, Name::kFresh));
  if (PyCapsule_SetName(capsule, Name::kUsed) != 0) throw PythonError{};
  return std::unique_ptr<Tensor, DLPackDeleter>(tensor);
}

[[noreturn]] void raise_wrong_capsule(PyObject* capsule) {
  const char* name = PyCapsule_GetName(capsule);
  PyErr_Clear();
  const std::string text = name == nullptr ? "" : name;
  if (text == CapsuleName<DLManagedTensorVersioned>::kUsed || text == CapsuleName<DLManagedTensor>::kUsed) {
    raise(PyExc_ValueError, "this DLPack capsule ('%s') was consumed before: a capsule is imported once", text.c_str());
  }
  raise(PyExc_ValueError, "a capsule named '%.200s' holds no DLPack tensor ('dltensor_versioned' or 'dltensor')",
        text.c_str());
}

/// What producers are asked to make memory of a device ready on. It outlives every import.
constexpr StreamRef kAgreedStream = StreamRef::legacy_default();

bool has_stream(DeviceType type) noexcept {
  return type == DeviceType::cuda || type == DeviceType::cuda_managed || type == DeviceType::simulated;
}

struct Imported {
  Buffer buffer;
  bool copied = false;  // the producer says that nobody else has this memory
};

bool says_copied(const DLManagedTensorVersioned& tensor) noexcept {
  return tensor.version.major == kDLPackMajor && (tensor.flags & DLPACK_FLAG_BITMASK_IS_COPIED) != 0;
}

/// May initialise a driver, which is asked for the address.
template <class Tensor>
Buffer take(Tensor tensor, DeviceType type) {
  const GilRelease initialising(has_stream(type) ? GilRelease::kThresholdBytes : 0);
  return import_dlpack(std::move(tensor), has_stream(type) ? kAgreedStream : StreamRef::host());
}

/// Of a version that we do not know nothing may be read but the version.
DeviceType type_of(const DLManagedTensorVersioned& tensor) noexcept {
  if (tensor.version.major != kDLPackMajor) return DeviceType::cpu;
  return static_cast<DeviceType>(tensor.dl_tensor.device.device_type);
}

Imported import_capsule(PyObject* capsule) {
  if (DLPackTensor tensor = claim<DLManagedTensorVersioned>(capsule)) {
    const bool is_copied = says_copied(*tensor);
    const DeviceType type = type_of(*tensor);
    return {take(std::move(tensor), type), is_copied};
  }
  if (DLPackLegacyTensor tensor = claim<DLManagedTensor>(capsule)) {
    const auto type = static_cast<DeviceType>(tensor->dl_tensor.device.device_type);
    return {take(std::move(tensor), type), false};
  }
  raise_wrong_capsule(capsule);
}

/// A producer's word on where its memory is; nothing where it has none.
std::optional<Device> device_of(PyObject* producer) {
  const Ref method = find_attribute(producer, "__dlpack_device__");
  if (!method) return std::nullopt;
  const Ref pair = Ref::steal(checked(PyObject_CallNoArgs(method.get())));
  if (!PyTuple_Check(pair.get()) || PyTuple_Size(pair.get()) != 2) {
    raise(PyExc_TypeError, "__dlpack_device__() of '%.200s' returned %R, not a tuple (type, id)",
          type_name(producer).c_str(), pair.get());
  }
  const int64_t type = parse_int(PyTuple_GetItem(pair.get(), 0), "__dlpack_device__()[0]");
  const int64_t id = parse_int(PyTuple_GetItem(pair.get(), 1), "__dlpack_device__()[1]");
  if (type < INT32_MIN || type > INT32_MAX || id < INT32_MIN || id > INT32_MAX) {
    raise(PyExc_ValueError, "__dlpack_device__() of '%.200s' returned %R, which has over 32 bits",
          type_name(producer).c_str(), pair.get());
  }
  return Device{static_cast<DeviceType>(type), static_cast<int32_t>(id)};
}

bool is_host(Device device) noexcept { return device.type == DeviceType::cpu || device.type == DeviceType::cuda_host; }

/// Also for the numbers of devices that we have no name for.
std::string device_text(Device device) {
  return std::string("(")
      .append(std::to_string(static_cast<int32_t>(device.type)))
      .append(", ")
      .append(std::to_string(device.id))
      .append(")");
}

std::string why_not(Device device) {
  if (!has_stream(device.type)) return "Strideport does not reach it";
  const GilRelease initialising;
  return why_no_device(device.type == DeviceType::cuda_managed ? DeviceType::cuda : device.type);
}

/// Memory that cannot be reached is refused before the producer does any work, unless it was asked to bring it
/// elsewhere.
void check_device(PyObject* producer, const std::optional<Device>& device, const DLPackRequest& request) {
  if (!device || is_host(*device) || request.dl_device != nullptr) return;
  const std::string reason = why_not(*device);
  if (reason.empty()) return;
  raise(PyExc_BufferError,
        "'%.200s' has its memory on DLPack device %s: %s; from_dlpack(x, device=\"cpu\") asks the producer for a copy",
        type_name(producer).c_str(), device_text(*device).c_str(), reason.c_str());
}

/// torch may keep the sign of a tensor beside its memory, as it may conjugation; its __dlpack__ refuses the one and
/// hands out memory without the other.
void check_sign(PyObject* producer) {
  const Ref is_neg = find_attribute(producer, "is_neg");
  if (!is_neg) return;
  const Ref answer = Ref::steal(checked(PyObject_CallNoArgs(is_neg.get())));
  const int negated = PyObject_IsTrue(answer.get());
  if (negated < 0) throw PythonError{};
  if (negated == 0) return;
  raise(PyExc_BufferError,
        "'%.200s' has its negative bit set: its memory holds other signs than it shows; "
        "call .resolve_neg() first",
        type_name(producer).c_str());
}

/// Memory of the host has no stream, so none is passed: the keyword's default means the same, and older producers
/// refuse others. For a device it is never left to the default.
Ref keywords_of(const DLPackRequest& request) {
  Ref kwargs = Ref::steal(checked(Py_BuildValue("{s(ii)}", "max_version", kDLPackMajor, kDLPackMinor)));
  const auto add = [&](const char* name, PyObject* value) {
    if (value != nullptr && PyDict_SetItemString(kwargs.get(), name, value) != 0) throw PythonError{};
  };
  if (request.with_stream) {
    add("stream", Ref::steal(checked(PyLong_FromUnsignedLongLong(kAgreedStream.handle()))).get());
  }
  add("dl_device", request.dl_device);
  add("copy", request.copy);
  return kwargs;
}

/// Null, with no error set, where the producer does not know a keyword.
Ref try_call(PyObject* method, const Ref& kwargs) {
  const Ref no_args = Ref::steal(checked(PyTuple_New(0)));
  Ref capsule = Ref::steal(PyObject_Call(method, no_args.get(), kwargs.get()));
  if (!capsule) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw PythonError{};
    PyErr_Clear();
  }
  return capsule;
}

Ref try_keywords(PyObject* method, const DLPackRequest& request) { return try_call(method, keywords_of(request)); }

/// As producers before DLPack 1.0 want it.
Ref try_stream(PyObject* method) {
  const auto handle = static_cast<unsigned long long>(kAgreedStream.handle());
  return try_call(method, Ref::steal(checked(Py_BuildValue("{s:K}", "stream", handle))));
}

/// Calls `__dlpack__`: with all keywords, with DLPack 1.0's, with the stream alone, with none.
Ref ask_for_capsule(PyObject* method, const DLPackRequest& request) {
  if (Ref capsule = try_keywords(method, request)) return capsule;
  if (request.dl_device != nullptr || request.copy != nullptr) {
    if (Ref capsule = try_keywords(method, {.with_stream = request.with_stream})) return capsule;
  }
  if (request.with_stream) {
    if (Ref capsule = try_stream(method)) return capsule;
  }
  return Ref::steal(checked(PyObject_CallNoArgs(method)));
}

/// `target`: where the request asks the memory to be; nothing for where it is.
Imported import_from(PyObject* object, DLPackRequest request, std::optional<Device> target = std::nullopt) {
  if (PyCapsule_CheckExact(object)) return import_capsule(object);
  const Ref method = find_attribute(object, "__dlpack__");
  if (!method) raise(PyExc_TypeError, "'%.200s' has no __dlpack__", type_name(object).c_str());
  const std::optional<Device> device = device_of(object);
  check_device(object, device, request);
  if (target || device) request.with_stream = has_stream(target ? target->type : device->type);
  check_sign(object);
  const Ref capsule = ask_for_capsule(method.get(), request);
  if (PyCapsule_CheckExact(capsule.get())) return import_capsule(capsule.get());
  raise(PyExc_TypeError, "__dlpack__() of '%.200s' returned '%.200s', not a capsule", type_name(object).c_str(),
        type_name(capsule.get()).c_str());
}

/// What `.obj` shows: the producer; a capsule is nobody any more.
PyObject* producer_of(PyObject* object) noexcept { return PyCapsule_CheckExact(object) ? nullptr : object; }

/// The elements in new memory of a device, done on return.
Buffer copy_of(const Buffer& source, Device device) {
  const bool on_host = !source.device().has_driver() && !device.has_driver();
  const GilRelease released(on_host ? source.len() : GilRelease::kThresholdBytes);
  if (on_host) return to_contiguous(source.view(), Order::C, StreamRef::host());
  Buffer result = empty_like(source.view(), Order::C, device);
  copy(result, source, StreamRef::host());
  return result;
}

/// True where a producer can be asked to bring its memory to our `device`: to the host, or between devices of its own
/// kind. Of another kind it knows none (torch takes a stream for an error then), and kDLExtDev may be another one to
/// it.
bool may_bring(PyObject* producer, Device device) {
  if (is_host(device)) return true;
  if (PyCapsule_CheckExact(producer)) return false;
  const std::optional<Device> from = device_of(producer);
  return from && from->type == device.type;
}

/// A producer that cannot bring its memory to our device leaves that to us.
bool is_refusal() noexcept {
  return PyErr_ExceptionMatches(PyExc_BufferError) != 0 || PyErr_ExceptionMatches(PyExc_ValueError) != 0 ||
         PyErr_ExceptionMatches(PyExc_NotImplementedError) != 0;
}

Imported import_onto(PyObject* object, Device device, std::optional<bool> copy, PyObject* copy_object) {
  if (may_bring(object, device)) {
    const Ref dl_device =
        Ref::steal(checked(Py_BuildValue("(ii)", static_cast<int>(device.type), static_cast<int>(device.id))));
    try {
      return import_from(object, {.dl_device = dl_device.get(), .copy = copy ? copy_object : nullptr}, device);
    } catch (const PythonError&) {
      if (!copy.value_or(true) || !is_refusal() || is_host(device)) throw;
      PyErr_Clear();
    }
  }
  return import_from(object, {});
}

/// A device that is not there is an error before the producer does any work.
void check_target(Device device) {
  if (is_host(device)) return;
  const bool cuda = device.type == DeviceType::cuda || device.type == DeviceType::cuda_managed;
  const GilRelease initialising;
  const std::string reason = why_no_device(cuda ? DeviceType::cuda : DeviceType::simulated);
  if (!reason.empty()) throw BufferError("device " + to_string(device) + " is not there: " + reason);
}

bool is_at(const Buffer& buffer, Device device) noexcept {
  return buffer.device() == device || (is_host(buffer.device()) && device.type == DeviceType::cpu);
}

}  // namespace

PyObject* import_dlpack_object(ModuleState* state, PyObject* object, Writable writable) {
  if (!PyCapsule_CheckExact(object) && !find_attribute(object, "__dlpack__")) return nullptr;
  Imported imported = import_from(object, {});
  const BufferView view = imported.buffer.view();
  return finish_import(Ref::steal(wrap(state, std::move(imported.buffer), producer_of(object))), view, writable);
}

PyObject* fn_from_dlpack(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "device", "copy", nullptr};
  PyObject *object = nullptr, *device_object = Py_None, *copy_object = Py_None;
  parse_arguments(args, kwargs, "O|$OO:from_dlpack", names, &object, &device_object, &copy_object);
  const std::optional<bool> copy = parse_flag(copy_object, "copy");
  const Device device = parse_device_argument(device_object);
  const bool has_device = device_object != Py_None;
  check_target(device);
  Imported imported = has_device ? import_onto(object, device, copy, copy_object)
                                 : import_from(object, {.copy = copy ? copy_object : nullptr});
  const bool moves = has_device && !is_at(imported.buffer, device);
  if (moves && !copy.value_or(true)) {
    throw BufferError("copy=False, and the memory of '" + type_name(object) + "' is on " +
                      to_string(imported.buffer.device()) + ", not on " + to_string(device));
  }
  if (moves) return wrap(state, copy_of(imported.buffer, device), nullptr);
  if (!copy.value_or(true) && imported.copied) {
    throw BufferError("copy=False, but __dlpack__() of '" + type_name(object) + "' made a copy");
  }
  if (copy.value_or(false) && !imported.copied) {
    const Device place = imported.buffer.device();
    return wrap(state, copy_of(imported.buffer, place), nullptr);
  }
  return wrap(state, std::move(imported.buffer), producer_of(object));
}

}  // namespace strideport::python
