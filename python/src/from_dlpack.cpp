/// The array API's from_dlpack: DLPack in, with a device and a word on copies.
#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "error_value.hpp"
#include "errors.hpp"
#include "functions.hpp"
#include "import_dlpack.hpp"
#include "imports.hpp"
#include "object.hpp"
#include "producer_types.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

Imported import_offered(ModuleState* state, PyObject* object, const DLPackRequest& request,
                        std::optional<Device> target = std::nullopt) {
  if (std::optional<Imported> imported = import_from(state, object, request, target)) return std::move(*imported);
  raise(PyExc_TypeError, "'%.200s' has no __dlpack__: asbuffer(x) takes the other protocols, too",
        type_name(object).c_str());
}

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
bool may_bring(ModuleState* state, PyObject* producer, Device device) {
  if (is_host(device)) return true;
  if (PyCapsule_CheckExact(producer)) return false;
  const std::optional<Device> from = device_of(state->producers->names, producer);
  return from && from->type == device.type;
}

/// A producer that cannot bring its memory to our device leaves that to us.
bool is_refusal() noexcept {
  return PyErr_ExceptionMatches(PyExc_BufferError) != 0 || PyErr_ExceptionMatches(PyExc_ValueError) != 0 ||
         PyErr_ExceptionMatches(PyExc_NotImplementedError) != 0;
}

/// Where it is. `refusal`, which may be null, says why the producer could not bring or copy it: the context of what fails
/// now.
Imported import_unmoved(ModuleState* state, PyObject* object, Ref refusal) {
  try {
    return import_offered(state, object, {});
  } catch (...) {
    set_error_from_exception();
    raise_after(std::move(refusal));
  }
}

Imported import_onto(ModuleState* state, PyObject* object, Device device, std::optional<bool> copy,
                     PyObject* copy_object) {
  Ref refusal;
  if (may_bring(state, object, device)) {
    const Ref dl_device =
        Ref::steal(checked(Py_BuildValue("(ii)", static_cast<int>(device.type), static_cast<int>(device.id))));
    try {
      return import_offered(state, object, {.dl_device = dl_device.get(), .copy = copy ? copy_object : nullptr},
                            device);
    } catch (const PythonError&) {
      const bool can_copy = copy.value_or(!is_host(device));
      if (!can_copy || !is_refusal()) throw;
      refusal = take_error();
    }
  }
  return import_unmoved(state, object, std::move(refusal));
}

/// A producer that cannot copy leaves that to us, too.
Imported import_in_place(ModuleState* state, PyObject* object, std::optional<bool> copy, PyObject* copy_object) {
  Ref refusal;
  try {
    return import_offered(state, object, {.copy = copy ? copy_object : nullptr});
  } catch (const PythonError&) {
    if (!copy.value_or(false) || !is_refusal()) throw;
    refusal = take_error();
  }
  return import_unmoved(state, object, std::move(refusal));
}

/// A device that is not there is an error before the producer does any work.
void check_target(Device device) {
  if (is_host(device)) return;
  const bool cuda = device.type == DeviceType::cuda || device.type == DeviceType::cuda_managed;
  const GilRelease initialising;
  const std::string reason = why_no_device(cuda ? DeviceType::cuda : DeviceType::simulated);
  if (!reason.empty()) throw BufferError("device " + to_string(device) + " is not there: " + reason);
}

bool is_at(Device place, Device device) noexcept {
  return place == device || (is_host(place) && device.type == DeviceType::cpu);
}

}  // namespace

PyObject* fn_from_dlpack(ModuleState* state, PyObject* object) {
  return import_offered(state, object, {}).root.release();
}

PyObject* fn_from_dlpack(ModuleState* state, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"", "device", "copy", nullptr};
  PyObject *object = nullptr, *device_object = Py_None, *copy_object = Py_None;
  parse_arguments(args, kwargs, "O|$OO:from_dlpack", names, &object, &device_object, &copy_object);
  const std::optional<bool> copy = parse_flag(copy_object, "copy");
  const Device device = parse_device_argument(device_object);
  const bool has_device = device_object != Py_None;
  check_target(device);
  Imported imported = has_device ? import_onto(state, object, device, copy, copy_object)
                                 : import_in_place(state, object, copy, copy_object);
  BufferObject* const root = as_buffer(imported.root.get());
  const Device place = root->view.device();
  const bool moves = has_device && !is_at(place, device);
  if (moves && !copy.value_or(true)) {
    throw BufferError("copy=False, and the memory of '" + type_name(object) + "' is on " + to_string(place) +
                      ", not on " + to_string(device));
  }
  if (moves) return wrap(state, copy_of(share(root), device), nullptr);
  if (!copy.value_or(true) && imported.copied) {
    throw BufferError("copy=False, but __dlpack__() of '" + type_name(object) + "' made a copy");
  }
  if (copy.value_or(false) && !imported.copied) return wrap(state, copy_of(share(root), place), nullptr);
  return imported.root.release();
}

}  // namespace strideport::python
