/// DLPack in: capsules and `__dlpack__`.
#include <dlpack/dlpack.h>

#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "error_value.hpp"
#include "import_dlpack.hpp"
#include "imports.hpp"
#include "newer_python.hpp"
#include "object.hpp"
#include "producer_types.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

/// Not inlined, for the sake of the guard.
template <class Tensor>
[[gnu::noinline]] void call_deleter(Tensor* tensor) {
  if (tensor->deleter == nullptr) return;
  stay_if_unwound([&] { tensor->deleter(tensor); });
}

/// Takes the tensor out of a capsule of this kind; null where it is of another. Between the look and the renaming no
/// foreign code runs, so of two importers one finds a used capsule.
template <class Tensor>
std::unique_ptr<Tensor, ForeignDeleter> claim(PyObject* capsule) {
  const Exclusive only(capsule);
  using Name = CapsuleName<Tensor>;
  if (PyCapsule_IsValid(capsule, Name::kFresh) == 0) return nullptr;
  auto* tensor = static_cast<Tensor*>(PyCapsule_GetPointer(capsule, Name::kFresh));
  if (PyCapsule_SetName(capsule, Name::kUsed) != 0) throw PythonError{};
  return std::unique_ptr<Tensor, ForeignDeleter>(tensor);
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

bool says_copied(const DLManagedTensorVersioned& tensor) noexcept {
  return tensor.version.major == kDLPackMajor && (tensor.flags & DLPACK_FLAG_BITMASK_IS_COPIED) != 0;
}

/// A driver, which this may initialise, is asked for the address.
template <class Tensor>
Ref to_device_root(ModuleState* state, Tensor tensor, DeviceType type, StreamRef stream, PyObject* producer) {
  std::optional<GilRelease> initialising;
  if (has_stream(type)) initialising.emplace();
  BufferView view = view_dlpack(*tensor);
  if (has_stream(type)) {
    const std::string reason = why_no_device(type == DeviceType::cuda_managed ? DeviceType::cuda : type);
    if (!reason.empty()) throw BufferError("device " + to_string(view.device()) + " is not there: " + reason);
  }
  Buffer buffer(std::move(view), std::shared_ptr<void>(std::move(tensor)), stream);
  initialising.reset();
  try {
    return Ref::steal(wrap(state, buffer, producer));
  } catch (const PythonError&) {
    const SavedError error;
    buffer = Buffer();  // as in give_up
    throw;
  }
}

/// Where the GIL keeps others out the lease alone has the tensor, until `share` is called.
template <class Tensor>
void own(Lease& lease, std::unique_ptr<Tensor, ForeignDeleter> tensor) {
  if constexpr (kHasGil) {
    lease.sole.owner = tensor.release();
    lease.sole.let_go = [](void* owner) noexcept { ForeignDeleter()(static_cast<Tensor*>(owner)); };
  } else {
    lease.owner = std::shared_ptr<void>(std::move(tensor));
  }
}

/// Memory of the host goes straight into the root.
template <class Tensor>
Ref to_root(ModuleState* state, Tensor tensor, DeviceType type, StreamRef stream, PyObject* producer) {
  if (type != DeviceType::cpu) return to_device_root(state, std::move(tensor), type, stream, producer);
  try {
    Draft draft(state);
    draft.make_view([&] { return view_dlpack(*tensor); });
    own(draft->lease, std::move(tensor));
    draft->lease.obj = Py_XNewRef(producer);
    return Ref::steal(draft.finish());
  } catch (const PythonError&) {
    give_up(std::move(tensor));
  }
}

Ref to_root(ModuleState* state, ForeignLegacyTensor tensor, PyObject* producer) {
  const auto type = static_cast<DeviceType>(tensor->dl_tensor.device.device_type);
  return to_root(state, std::move(tensor), type, has_stream(type) ? kAgreedStream : StreamRef::host(), producer);
}

/// `producer` may be null.
Imported import_capsule(ModuleState* state, PyObject* capsule, PyObject* producer) {
  if (ForeignTensor tensor = claim<DLManagedTensorVersioned>(capsule)) {
    const StreamRef stream = has_stream(type_of(*tensor)) ? kAgreedStream : StreamRef::host();
    return adopt(state, std::move(tensor), stream, producer);
  }
  if (ForeignLegacyTensor tensor = claim<DLManagedTensor>(capsule)) {
    return {to_root(state, std::move(tensor), producer)};
  }
  raise_wrong_capsule(capsule);
}

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

/// `__dlpack__` with these keywords; null, with no error set, where the producer does not know one of them.
Ref try_call(const ImportNames& names, PyObject* const* args, PyObject* keywords) {
  Ref capsule = Ref::steal(call_method(names.dlpack.get(), args, 1, keywords));
  if (!capsule) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw PythonError{};
    PyErr_Clear();
  }
  return capsule;
}

/// DLPack 1.0's keywords. Memory of the host has no stream, so none is passed: the keyword's default means the same,
/// and older producers refuse others. For a device it is never left to the default.
Ref try_version(const ImportNames& names, PyObject* producer, bool with_stream) {
  PyObject* const args[] = {producer, names.version.get(), names.agreed_stream.get()};
  return try_call(names, args, with_stream ? names.both_keywords.get() : names.version_keyword.get());
}

/// As producers before DLPack 1.0 want it.
Ref try_stream(const ImportNames& names, PyObject* producer) {
  PyObject* const args[] = {producer, names.agreed_stream.get()};
  return try_call(names, args, names.stream_keyword.get());
}

/// With what only some imports ask for.
Ref try_all(const ImportNames& names, PyObject* producer, const DLPackRequest& request) {
  PyObject* values[] = {producer, names.version.get(), nullptr, nullptr, nullptr};
  PyObject* keys[] = {names.max_version.get(), nullptr, nullptr, nullptr};
  Py_ssize_t count = 1;
  const auto add = [&](const Ref& key, PyObject* value) {
    if (value == nullptr) return;
    keys[count] = key.get();
    values[++count] = value;
  };
  add(names.stream, request.with_stream ? names.agreed_stream.get() : nullptr);
  add(names.dl_device, request.dl_device);
  add(names.copy, request.copy);
  const Ref keywords = Ref::steal(checked(PyTuple_New(count)));
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SetItem(keywords.get(), i, Py_NewRef(keys[i]));
  return try_call(names, values, keywords.get());
}

/// Calls `__dlpack__`: with all keywords, with DLPack 1.0's, with the stream alone, with none.
Ref ask_for_capsule(const ImportNames& names, PyObject* producer, const DLPackRequest& request) {
  if (request.dl_device != nullptr || request.copy != nullptr) {
    if (Ref capsule = try_all(names, producer, request)) return capsule;
  }
  if (Ref capsule = try_version(names, producer, request.with_stream)) return capsule;
  if (request.with_stream) {
    if (Ref capsule = try_stream(names, producer)) return capsule;
  }
  return Ref::steal(checked(call_method(names.dlpack.get(), &producer, 1, nullptr)));
}

/// Lets the capsule go, whose destructor must not see the error that is set, and throws PythonError for that.
[[noreturn]] void give_up_capsule(Ref capsule) {
  {
    const SavedError error;
    capsule = Ref();
  }
  throw PythonError{};
}

int64_t device_number(PyObject* number, const char* name) {
  int64_t value = 0;
  return is_plain_int(number, value) ? value : parse_int(number, name);
}

Device parse_device(PyObject* producer, PyObject* pair) {
  if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
    raise(PyExc_TypeError, "__dlpack_device__() of '%.200s' returned %R, not a tuple (type, id)",
          type_name(producer).c_str(), pair);
  }
  const int64_t type = device_number(PyTuple_GetItem(pair, 0), "__dlpack_device__()[0]");
  const int64_t id = device_number(PyTuple_GetItem(pair, 1), "__dlpack_device__()[1]");
  if (type < INT32_MIN || type > INT32_MAX || id < INT32_MIN || id > INT32_MAX) {
    raise(PyExc_ValueError, "__dlpack_device__() of '%.200s' returned %R, which has over 32 bits",
          type_name(producer).c_str(), pair);
  }
  return {static_cast<DeviceType>(type), static_cast<int32_t>(id)};
}

/// device_of where the type has the method, which needs no bound method then.
std::optional<Device> device_by_method(const ImportNames& names, PyObject* producer) {
  const Ref pair = Ref::steal(call_method(names.dlpack_device.get(), &producer, 1, nullptr));
  if (pair) return parse_device(producer, pair.get());
  if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw PythonError{};
  const Ref error = take_error();
  if (!optional_attribute(producer, names.dlpack_device.get())) return std::nullopt;  // the class has lost it
  set_error(error);
  throw PythonError{};
}

/// Where the producer's memory is. Of objects that it refuses a producer may be unable to say it (torch asks sparse
/// tensors for a storage): then the error is in `failure`, and `__dlpack__` has the words.
std::optional<Device> device_or_failure(const ImportNames& names, const ProducerType& type, PyObject* object,
                                        Ref& failure) {
  try {
    return type.has_device ? device_by_method(names, object) : device_of(names, object);
  } catch (const PythonError&) {
    if (!is_plain_failure()) throw;
    failure = take_error();
    return std::nullopt;
  }
}

/// What `__dlpack__` gives. It is asked before torch's bits are, since it may refuse what has none.
Imported import_from_method(ModuleState* state, const ProducerType& type, PyObject* object, DLPackRequest request,
                            std::optional<Device> target) {
  const ImportNames& names = state->producers->names;
  Ref failure;
  const std::optional<Device> device = type.is_host_only ? Device{} : device_or_failure(names, type, object, failure);
  check_device(object, device, request);
  if (target || device) request.with_stream = has_stream(target ? target->type : device->type);
  Ref capsule = ask_for_capsule(names, object, request);
  if (failure) {  // memory of a device would not be ready
    capsule = Ref();
    set_error(failure);
    throw PythonError{};
  }
  try {
    check_sign(type, object);
    check_conjugate(type, object);
  } catch (const PythonError&) {
    give_up_capsule(std::move(capsule));
  }
  if (PyCapsule_CheckExact(capsule.get())) return import_capsule(state, capsule.get(), object);
  raise(PyExc_TypeError, "__dlpack__() of '%.200s' returned '%.200s', not a capsule", type_name(object).c_str(),
        type_name(capsule.get()).c_str());
}

/// True if `earlier` is the error, or among the contexts that it came up in, so that as a context of `earlier` it would
/// close a circle; and where they are too many to tell, since they may run in a circle already.
bool comes_after(PyObject* error, PyObject* earlier) {
  constexpr int kMost = 1000;
  Ref at = Ref::borrow(error);
  for (int i = 0; at && i < kMost; ++i) {
    if (at.get() == earlier) return true;
    at = Ref::steal(PyException_GetContext(at.get()));
  }
  return static_cast<bool>(at);
}

/// A class is no producer by what is meant for its instances.
bool has_method(const ImportNames& names, PyObject* object) {
  return !PyType_Check(object) && optional_attribute(object, names.dlpack.get());
}

}  // namespace

void ForeignDeleter::operator()(DLManagedTensorVersioned* tensor) const noexcept { call_deleter(tensor); }
void ForeignDeleter::operator()(DLManagedTensor* tensor) const noexcept { call_deleter(tensor); }

DeviceType type_of(const DLManagedTensorVersioned& tensor) noexcept {
  if (tensor.version.major != kDLPackMajor) return DeviceType::cpu;
  return static_cast<DeviceType>(tensor.dl_tensor.device.device_type);
}

Imported adopt(ModuleState* state, ForeignTensor tensor, StreamRef stream, PyObject* producer) {
  const bool is_copied = says_copied(*tensor);
  const DeviceType type = type_of(*tensor);
  return {to_root(state, std::move(tensor), type, stream, producer), is_copied};
}

void raise_after(Ref refusal) {
  if (refusal && PyErr_Occurred() != nullptr) {
    const Ref error = take_error();
    const Ref context = Ref::steal(PyException_GetContext(error.get()));
    const Ref handled = Ref::steal(PyException_GetContext(refusal.get()));  // by the caller, as both came up
    if (!comes_after(refusal.get(), error.get()) && (!context || context.get() == handled.get())) {
      PyException_SetContext(error.get(), refusal.release());
    }
    set_error(error);
  }
  throw PythonError{};
}

std::optional<Device> device_of(const ImportNames& names, PyObject* producer) {
  const Ref method = optional_attribute(producer, names.dlpack_device.get());
  if (!method) return std::nullopt;
  const Ref pair = Ref::steal(checked(PyObject_CallNoArgs(method.get())));
  return parse_device(producer, pair.get());
}

std::optional<Imported> import_from(ModuleState* state, PyObject* object, const DLPackRequest& request,
                                    std::optional<Device> target) {
  if (PyCapsule_CheckExact(object)) return import_capsule(state, object, nullptr);
  const ImportNames& names = state->producers->names;
  const ProducerType type = state->producers->of(Py_TYPE(object));
  Ref refusal;
  if (type.table != nullptr && request.dl_device == nullptr && request.copy == nullptr) {
    if (std::optional<Imported> imported = import_through_table(state, type, object, refusal)) return imported;
  }
  if (!type.has_dlpack && !has_method(names, object)) return std::nullopt;
  try {
    return import_from_method(state, type, object, request, target);
  } catch (const PythonError&) {
    if (type.has_dlpack && PyErr_ExceptionMatches(PyExc_AttributeError)) {
      const Ref error = take_error();
      state->producers->forget(Py_TYPE(object));  // the class may have lost its __dlpack__
      if (has_method(names, object)) {
        set_error(error);
      } else if (refusal) {
        set_error(refusal);
        throw PythonError{};
      } else {
        return std::nullopt;
      }
    }
  } catch (const std::exception&) {
    if (!refusal) throw;
    set_error_from_exception();
  }
  raise_after(std::move(refusal));
}

PyObject* import_dlpack_object(ModuleState* state, PyObject* object, Writable writable) {
  std::optional<Imported> imported = import_from(state, object, {});
  if (!imported) return nullptr;
  if (writable == Writable::any) return imported->root.release();
  BufferView view = as_buffer(imported->root.get())->view;
  return finish_import(std::move(imported->root), std::move(view), writable);
}

}  // namespace strideport::python
