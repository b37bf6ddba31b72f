/// The devices that there are, what their drivers say of them, and why there are none.
#include <unistd.h>

#include <string>
#include <vector>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "functions.hpp"

namespace strideport::python {
namespace {

std::vector<DeviceInfo> all_devices() {
  const GilRelease initialising;
  return devices();
}

Ref text(const std::string& value) {
  return Ref::steal(checked(PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "replace")));
}

int64_t pages(int name) noexcept {
  const long count = sysconf(name);
  return count < 0 ? 0 : static_cast<int64_t>(count) * static_cast<int64_t>(sysconf(_SC_PAGESIZE));
}

PyObject* host_info() {
  return checked(Py_BuildValue("{s:s,s:s,s:O,s:L,s:L,s:O,s:O,s:O,s:O,s:O}", "device", "cpu", "name", "host",
                               "simulated", Py_False, "total_bytes", static_cast<long long>(pages(_SC_PHYS_PAGES)),
                               "free_bytes", static_cast<long long>(pages(_SC_AVPHYS_PAGES)), "compute_capability",
                               Py_None, "multiprocessors", Py_None, "driver_version", Py_None, "pools", Py_None,
                               "batch_copies", Py_None));
}

/// Asking a device that nobody has a context on would make one.
Ref free_bytes(const DeviceInfo& info) {
  if (info.free_bytes < 0) return Ref::borrow(Py_None);
  return Ref::steal(checked(PyLong_FromLongLong(info.free_bytes)));
}

PyObject* info_of(const DeviceInfo& info) {
  const std::string version =
      std::to_string(info.driver_version / 1000) + "." + std::to_string(info.driver_version % 1000 / 10);
  const bool simulated = info.device.type == DeviceType::simulated;
  return checked(Py_BuildValue("{s:N,s:N,s:O,s:L,s:N,s:(ii),s:i,s:N,s:O,s:O}", "device",
                               text(to_string(info.device)).release(), "name", text(info.name).release(), "simulated",
                               simulated ? Py_True : Py_False, "total_bytes", static_cast<long long>(info.total_bytes),
                               "free_bytes", free_bytes(info).release(), "compute_capability", info.compute_major,
                               info.compute_minor, "multiprocessors", info.multiprocessors, "driver_version",
                               text(version).release(), "pools", info.pools ? Py_True : Py_False, "batch_copies",
                               info.batch_copies ? Py_True : Py_False));
}

std::string reason_for(DeviceType type) {
  const GilRelease initialising;
  return why_no_device(type);
}

}  // namespace

PyObject* fn_devices(ModuleState*, PyObject*) {
  Ref list = Ref::steal(checked(PyList_New(0)));
  const auto append = [&](Device device) {
    if (PyList_Append(list.get(), text(to_string(device)).get()) != 0) throw PythonError{};
  };
  append(Device{});
  for (const DeviceInfo& info : all_devices()) append(info.device);
  return list.release();
}

PyObject* fn_device_info(ModuleState*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"device", nullptr};
  PyObject* argument = nullptr;
  parse_arguments(args, kwargs, "O:device_info", names, &argument);
  const Device device = parse_device_argument(argument);
  if (device == Device{}) return host_info();
  if (device.type != DeviceType::cuda && device.type != DeviceType::simulated) {
    raise(PyExc_ValueError, "%s is memory of the host: ask for the device", to_string(device).c_str());
  }
  const std::vector<DeviceInfo> found = all_devices();
  for (const DeviceInfo& info : found) {
    if (info.device == device) return info_of(info);
  }
  const std::string reason = reason_for(device.type);
  throw DeviceError("there is no " + to_string(device) + (reason.empty() ? "" : ": " + reason));
}

PyObject* fn_why_no_device(ModuleState*, PyObject* args, PyObject* kwargs) {
  static const char* const names[] = {"device", nullptr};
  PyObject* argument = nullptr;
  parse_arguments(args, kwargs, "|O:why_no_device", names, &argument);
  const Device device = argument == nullptr ? Device{DeviceType::cuda, 0} : parse_device_argument(argument);
  const std::string reason = device == Device{} ? "" : reason_for(device.type);
  if (reason.empty()) Py_RETURN_NONE;
  return text(reason).release();
}

}  // namespace strideport::python
