/// DLPack out: `__dlpack__` and `__dlpack_device__`, by the rules of the array API standard.
#include <optional>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "methods.hpp"
#include "object.hpp"

namespace strideport::python {
namespace {

/// True for the struct with flags. None, and versions before 1.0, mean the legacy one.
bool asks_versioned(PyObject* max_version) {
  if (max_version == nullptr || max_version == Py_None) return false;
  if (!PyTuple_Check(max_version) || PyTuple_Size(max_version) != 2) {
    raise(PyExc_TypeError, "max_version must be None or a tuple (major, minor), not %R", max_version);
  }
  const int64_t major = parse_int(PyTuple_GetItem(max_version, 0), "max_version[0]");
  const int64_t minor = parse_int(PyTuple_GetItem(max_version, 1), "max_version[1]");
  if (major < 0 || minor < 0) raise(PyExc_ValueError, "max_version %R is negative", max_version);
  return major >= 1;
}

void check_dl_device(PyObject* dl_device, Device own) {
  if (dl_device == nullptr || dl_device == Py_None) return;
  if (!PyTuple_Check(dl_device) || PyTuple_Size(dl_device) != 2) {
    raise(PyExc_TypeError, "dl_device must be None or a tuple (type, id), not %R", dl_device);
  }
  const int64_t type = parse_int(PyTuple_GetItem(dl_device, 0), "dl_device[0]");
  const int64_t id = parse_int(PyTuple_GetItem(dl_device, 1), "dl_device[1]");
  if (type == static_cast<int64_t>(own.type) && id == own.id) return;
  if (type == static_cast<int64_t>(DeviceType::cpu) && id == 0 && own.host_accessible()) return;
  raise(PyExc_BufferError, "dl_device %R: the memory is on %s, and this build of Strideport has no device side",
        dl_device, to_string(own).c_str());
}

/// The elements in C order in memory of their own, writable whatever the source was.
Buffer copied(BufferObject* self) {
  const Buffer source = share(self);
  const GilRelease released(source.len());
  return to_contiguous(source.view(), Order::C, StreamRef::host());
}

/// On the CPU rather than in pinned memory, where a consumer asked for that: the same bytes, another name.
Buffer on_cpu(const Buffer& buffer) {
  ViewSpec spec = buffer.view().spec();
  spec.device = {};
  return Buffer(BufferView::create(spec), buffer.owner(), buffer.stream());
}

}  // namespace

PyObject* dlpack(BufferObject* self, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
  PyObject *stream = nullptr, *max_version = nullptr, *dl_device = nullptr, *copy_object = nullptr;
  parse_arguments(args, kwargs, "|$OOOO:__dlpack__", names, &stream, &max_version, &dl_device, &copy_object);
  parse_host_stream(stream);
  const bool versioned = asks_versioned(max_version);
  const bool copy = parse_flag(copy_object, "copy").value_or(false);
  check_dl_device(dl_device, live_view(self).device());
  check_dlpack_elements(live_view(self));

  Buffer buffer = copy ? copied(self) : share(self);
  const bool asked_cpu = dl_device != nullptr && dl_device != Py_None;
  if (asked_cpu && buffer.device().type != DeviceType::cpu &&
      parse_int(PyTuple_GetItem(dl_device, 0), "dl_device[0]") == static_cast<int64_t>(DeviceType::cpu)) {
    buffer = on_cpu(buffer);
  }
  return versioned ? to_capsule(export_dlpack(buffer, copy)) : to_capsule(export_dlpack_legacy(buffer));
}

PyObject* dlpack_device(BufferObject* self) {
  const Device device = live_view(self).device();
  return checked(Py_BuildValue("(ii)", static_cast<int>(device.type), static_cast<int>(device.id)));
}

}  // namespace strideport::python
