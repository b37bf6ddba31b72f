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

struct Imported {
  Buffer buffer;
  bool copied = false;  // the producer says that nobody else has this memory
};

bool says_copied(const DLManagedTensorVersioned& tensor) noexcept {
  return tensor.version.major == kDLPackMajor && (tensor.flags & DLPACK_FLAG_BITMASK_IS_COPIED) != 0;
}

Imported import_capsule(PyObject* capsule) {
  if (DLPackTensor tensor = claim<DLManagedTensorVersioned>(capsule)) {
    const bool is_copied = says_copied(*tensor);
    return {import_dlpack(std::move(tensor), StreamRef::host()), is_copied};
  }
  if (DLPackLegacyTensor tensor = claim<DLManagedTensor>(capsule)) {
    return {import_dlpack(std::move(tensor), StreamRef::host()), false};
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

/// Memory elsewhere is refused before the producer does any work, unless it was asked to bring it here.
void check_device(PyObject* producer, const DLPackRequest& request) {
  const std::optional<Device> device = device_of(producer);
  if (!device || is_host(*device) || request.dl_device != nullptr) return;
  raise(PyExc_BufferError,
        "'%.200s' has its memory on DLPack device %s; this build of Strideport has no device side: "
        "from_dlpack(x, device=\"cpu\") asks the producer for a copy",
        type_name(producer).c_str(), device_text(*device).c_str());
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
/// refuse others.
Ref keywords_of(const DLPackRequest& request) {
  Ref kwargs = Ref::steal(checked(Py_BuildValue("{s(ii)}", "max_version", kDLPackMajor, kDLPackMinor)));
  const auto add = [&](const char* name, PyObject* value) {
    if (value != nullptr && PyDict_SetItemString(kwargs.get(), name, value) != 0) throw PythonError{};
  };
  add("dl_device", request.dl_device);
  add("copy", request.copy);
  return kwargs;
}

/// Null, with no error set, where the producer does not know a keyword.
Ref try_keywords(PyObject* method, const DLPackRequest& request) {
  const Ref no_args = Ref::steal(checked(PyTuple_New(0)));
  Ref capsule = Ref::steal(PyObject_Call(method, no_args.get(), keywords_of(request).get()));
  if (!capsule) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw PythonError{};
    PyErr_Clear();
  }
  return capsule;
}

/// Calls `__dlpack__`: with all keywords, with DLPack 1.0's, with none.
Ref ask_for_capsule(PyObject* method, const DLPackRequest& request) {
  if (Ref capsule = try_keywords(method, request)) return capsule;
  if (request.dl_device != nullptr || request.copy != nullptr) {
    if (Ref capsule = try_keywords(method, {})) return capsule;
  }
  return Ref::steal(checked(PyObject_CallNoArgs(method)));
}

/// Throws in C++: unwinding calls a deleter, which must not find an error set that is not its own.
void check_host(const Buffer& buffer) {
  if (is_host(buffer.device())) return;
  throw BufferError("the DLPack tensor is on " + to_string(buffer.device()) +
                    "; this build of Strideport has no device side");
}

Imported import_from(PyObject* object, const DLPackRequest& request) {
  if (PyCapsule_CheckExact(object)) return import_capsule(object);
  const Ref method = find_attribute(object, "__dlpack__");
  if (!method) raise(PyExc_TypeError, "'%.200s' has no __dlpack__", type_name(object).c_str());
  check_device(object, request);
  check_sign(object);
  const Ref capsule = ask_for_capsule(method.get(), request);
  if (PyCapsule_CheckExact(capsule.get())) return import_capsule(capsule.get());
  raise(PyExc_TypeError, "__dlpack__() of '%.200s' returned '%.200s', not a capsule", type_name(object).c_str(),
        type_name(capsule.get()).c_str());
}

/// What `.obj` shows: the producer; a capsule is nobody any more.
PyObject* producer_of(PyObject* object) noexcept { return PyCapsule_CheckExact(object) ? nullptr : object; }

/// The elements in C order in new memory.
Buffer copy_of(const Buffer& source) {
  const GilRelease released(source.len());
  return to_contiguous(source.view(), Order::C, StreamRef::host());
}

}  // namespace

PyObject* import_dlpack_object(ModuleState* state, PyObject* object, Writable writable) {
  if (!PyCapsule_CheckExact(object) && !find_attribute(object, "__dlpack__")) return nullptr;
  Imported imported = import_from(object, {});
  check_host(imported.buffer);
  const BufferView view = imported.buffer.view();
  return finish_import(Ref::steal(wrap(state, std::move(imported.buffer), producer_of(object))), view, writable);
}

PyObject* fn_from_dlpack(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "device", "copy", nullptr};
  PyObject *object = nullptr, *device_object = Py_None, *copy_object = Py_None;
  parse_arguments(args, kwargs, "O|$OO:from_dlpack", names, &object, &device_object, &copy_object);
  const std::optional<bool> copy = parse_flag(copy_object, "copy");
  const Device device = parse_device_argument(device_object);
  if (!is_host(device)) {
    raise(PyExc_BufferError, "device %s: this build of Strideport has no device side", to_string(device).c_str());
  }
  const bool has_device = device_object != Py_None;
  const Ref dl_device =
      has_device
          ? Ref::steal(checked(Py_BuildValue("(ii)", static_cast<int>(device.type), static_cast<int>(device.id))))
          : Ref();
  Imported imported = import_from(object, {dl_device.get(), copy ? copy_object : nullptr});
  check_host(imported.buffer);
  if (!copy.value_or(true) && imported.copied) {
    throw BufferError("copy=False, but __dlpack__() of '" + type_name(object) + "' made a copy");
  }
  if (copy.value_or(false) && !imported.copied) return wrap(state, copy_of(imported.buffer), nullptr);
  return wrap(state, std::move(imported.buffer), producer_of(object));
}

}  // namespace strideport::python
