/// DLPack out: `__dlpack__` and `__dlpack_device__`, by the rules of the array API standard.
#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "host_access.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "producer_types.hpp"

namespace strideport::python {
namespace {

/// Host memory has no stream, pinned memory included: what is pending on that is waited for.
bool is_host_result(Device device) noexcept {
  switch (device.type) {
    case DeviceType::cuda:
    case DeviceType::simulated:
    case DeviceType::cuda_managed: return false;
    default: return true;
  }
}

/// Nearly always a small int, of which no other need be made.
int64_t parse_version(PyObject* number, const char* name) {
  int overflow = 0;
  const long value = PyLong_CheckExact(number) != 0 ? PyLong_AsLongAndOverflow(number, &overflow) : -1;
  return value >= 0 ? value : parse_int(number, name);
}

/// True for the struct with flags. None, and versions before 1.0, mean the legacy one.
bool asks_versioned(PyObject* max_version) {
  if (max_version == nullptr || max_version == Py_None) return false;
  if ((!PyTuple_CheckExact(max_version) && !PyTuple_Check(max_version)) || Py_SIZE(max_version) != 2) {
    raise(PyExc_TypeError, "max_version must be None or a tuple (major, minor), not %R", max_version);
  }
  const int64_t major = parse_version(PyTuple_GetItem(max_version, 0), "max_version[0]");
  const int64_t minor = parse_version(PyTuple_GetItem(max_version, 1), "max_version[1]");
  if (major < 0 || minor < 0) raise(PyExc_ValueError, "max_version %R is negative", max_version);
  return major >= 1;
}

/// As a consumer sees it: the simulated driver's pinned and managed memory is the host's.
Device shown_device(Device device) noexcept {
  switch (device.type) {
    case DeviceType::cpu:
    case DeviceType::simulated_host:
    case DeviceType::simulated_managed: return {};
    default: return device;
  }
}

bool is_there(Device device) {
  if (device == Device{}) return true;
  const GilRelease initialising;
  if (device.type == DeviceType::cuda_host) return why_no_device(DeviceType::cuda).empty() && device.id == 0;
  const DeviceType type = device.type == DeviceType::cuda_managed ? DeviceType::cuda : device.type;
  if (type != DeviceType::cuda && type != DeviceType::simulated) return false;
  for (const DeviceInfo& info : devices()) {
    if (info.device == Device{type, device.id}) return true;
  }
  return false;
}

/// Where the consumer wants it; nothing where it does not say, or says where it is.
std::optional<Device> parse_target(PyObject* dl_device, Device own) {
  if (dl_device == nullptr || dl_device == Py_None) return std::nullopt;
  if (!PyTuple_Check(dl_device) || PyTuple_Size(dl_device) != 2) {
    raise(PyExc_TypeError, "dl_device must be None or a tuple (type, id), not %R", dl_device);
  }
  const int64_t type = parse_int(PyTuple_GetItem(dl_device, 0), "dl_device[0]");
  const int64_t id = parse_int(PyTuple_GetItem(dl_device, 1), "dl_device[1]");
  const Device shown = shown_device(own);
  if (type == static_cast<int64_t>(shown.type) && id == shown.id) return std::nullopt;
  const bool fits = type >= 0 && type <= INT32_MAX && id >= 0 && id <= INT32_MAX;
  const Device target{static_cast<DeviceType>(type), static_cast<int32_t>(id)};
  if (fits && shown_device(target) == target && is_there(target)) return target;
  raise(PyExc_BufferError, "dl_device %R: the memory is on %s, and there is no such device to bring it to", dl_device,
        to_string(own).c_str());
}

/// What the consumer will do with the result: work on a stream, work on the host, or see to the order itself.
struct Consumer {
  bool sees_to_order = false;
  StreamRef stream = StreamRef::host();
};

/// DLPack's numbers for streams of a device.
Consumer parse_handle(PyObject* object) {
  if (!PyIndex_Check(object) || PyBool_Check(object)) {
    raise(PyExc_TypeError, "stream must be None or an int, not '%.200s'", type_name(object).c_str());
  }
  const Ref number = Ref::steal(checked(PyNumber_Index(object)));
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number.get(), &overflow);
  if (value == -1 && overflow == 0) {
    if (PyErr_Occurred() != nullptr) throw PythonError{};
    return {.sees_to_order = true};
  }
  if (overflow < 0 || (overflow == 0 && value < -1)) {
    raise(PyExc_ValueError, "stream %R: below -1 (no synchronisation) there is no stream", number.get());
  }
  if (overflow == 0 && value == 0) {
    raise(PyExc_ValueError, "stream 0 is ambiguous: 1 is the legacy default stream, 2 the per-thread one");
  }
  return {.stream = StreamRef::from_handle(reinterpret_cast<uintptr_t>(parse_pointer(number.get(), "stream")))};
}

/// Managed memory is the host's and a device's: a consumer that names no stream may be NumPy.
Consumer parse_consumer(PyObject* stream, Device result) {
  const bool none = stream == nullptr || stream == Py_None;
  if (is_host_result(result)) return {.stream = parse_host_stream(stream)};
  if (!none) return parse_handle(stream);
  return {.stream = result.type == DeviceType::cuda_managed ? StreamRef::host() : StreamRef::legacy_default()};
}

/// The elements in C order in memory of their own, writable whatever the source was; ready for the consumer.
Buffer copied(BufferObject* self, Device target, const Consumer& consumer) {
  const Device own = live_view(self).device();
  if (own.has_driver() || target.has_driver()) return copied_to(self, target, Order::C, consumer.stream);
  const Buffer source = share(self);
  const GilRelease released(source.len());
  return to_contiguous(source.view(), Order::C, StreamRef::host());
}

/// The memory itself, ready for the consumer.
Buffer shared(BufferObject* self, const Consumer& consumer) {
  Buffer buffer = share(self);
  if (consumer.sees_to_order || !buffer.device().has_driver() || is_ready(buffer)) return buffer;
  const GilRelease waiting;
  make_ready(buffer, consumer.stream);
  return buffer;
}

/// On the CPU rather than in pinned or managed memory, where a consumer asked for that: the same bytes, another name.
Buffer on_cpu(const Buffer& buffer) {
  ViewSpec spec = buffer.view().spec();
  spec.device = {};
  return Buffer(BufferView::create(spec), buffer.owner());
}

/// The keywords of the array API standard; null members were not given.
struct Arguments {
  PyObject* stream = nullptr;
  PyObject* max_version = nullptr;
  PyObject* dl_device = nullptr;
  PyObject* copy = nullptr;
};

/// Consumers written in Python pass the interned names: most are found by their address.
Arguments parse(const ImportNames& names, const VectorCall& call) {
  Arguments given;
  if (call.count != 0) {
    raise(PyExc_TypeError, "__dlpack__() takes keyword arguments alone, but %zd positional were given", call.count);
  }
  const Py_ssize_t count = call.names == nullptr ? 0 : Py_SIZE(call.names);
  const std::pair<PyObject*, PyObject**> known[] = {{names.max_version.get(), &given.max_version},
                                                    {names.stream.get(), &given.stream},
                                                    {names.dl_device.get(), &given.dl_device},
                                                    {names.copy.get(), &given.copy}};
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const name = PyTuple_GetItem(call.names, i);
    const auto same = [&](const auto& entry) { return entry.first == name; };
    const auto equal = [&](const auto& entry) { return PyUnicode_Compare(entry.first, name) == 0; };
    auto entry = std::find_if(std::begin(known), std::end(known), same);
    if (entry == std::end(known)) entry = std::find_if(std::begin(known), std::end(known), equal);
    if (entry == std::end(known)) raise(PyExc_TypeError, "__dlpack__() has no keyword argument %R", name);
    *entry->second = call.values[i];
  }
  return given;
}

bool is_none(PyObject* object) noexcept { return object == nullptr || object == Py_None; }

PyObject* to_capsule_of(const Buffer& buffer, bool versioned, bool copied) {
  return versioned ? to_capsule(export_dlpack(buffer, copied)) : to_capsule(export_dlpack_legacy(buffer));
}

PyObject* export_capsule(BufferObject* self, const VectorCall& call) {
  Arguments given;
  if (call.count != 0 || call.names != nullptr) given = parse(state_of(self)->producers->names, call);
  const Device own = live_view(self).device();
  const bool versioned = asks_versioned(given.max_version);
  if (own == Device{} && is_none(given.stream) && is_none(given.dl_device) && is_none(given.copy)) {
    // What nearly every consumer asks.
    return share_in_capsule(self, versioned);
  }
  const std::optional<bool> copy = parse_flag(given.copy, "copy");
  const std::optional<Device> target = parse_target(given.dl_device, own);
  const Consumer consumer = parse_consumer(given.stream, target.value_or(own));
  check_dlpack_elements(live_view(self));

  const bool renamed = target == Device{} && own.host_accessible();
  const bool moved = target && !renamed;
  if (moved && !copy.value_or(true)) {
    raise(PyExc_BufferError, "copy=False, and the memory is on %s, not on %s", to_string(own).c_str(),
          to_string(*target).c_str());
  }
  const bool copying = moved || copy.value_or(false);
  Buffer buffer = copying ? copied(self, moved ? *target : own, consumer) : shared(self, consumer);
  if (renamed && buffer.device().type != DeviceType::cpu) buffer = on_cpu(buffer);
  return to_capsule_of(buffer, versioned, copying);
}

}  // namespace

PyObject* dlpack(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) noexcept {
  return guarded(kNoObject, [&] {
    const Exclusive only(self);
    return export_capsule(as_buffer(self), {args, count, names});
  });
}

PyObject* make_device_tuple(Device device) {
  return checked(Py_BuildValue("(ii)", static_cast<int>(device.type), static_cast<int>(device.id)));
}

PyObject* dlpack_device(BufferObject* self) {
  const Device device = shown_device(live_view(self).device());
  PyObject* const host = state_of(self)->host_device;  // null once the module was cleared
  return device == Device{} && host != nullptr ? Py_NewRef(host) : make_device_tuple(device);
}

}  // namespace strideport::python
