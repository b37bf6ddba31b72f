/// The CUDA Array Interface in, versions 2 and 3: `__cuda_array_interface__`.
///
/// The dict names an address and no device, so the driver is asked where it is, and how far the allocation reaches.
#include <optional>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "imports.hpp"
#include "interface_dict.hpp"
#include "object.hpp"
#include "producer_types.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

constexpr const char* kName = "__cuda_array_interface__";
constexpr int64_t kOldest = 2;
constexpr int64_t kFirstWithStream = 3;

int64_t version_of(const InterfaceDict& interface) {
  const Ref version = interface.required(interface.names().version_key);
  const int64_t number = interface.number(version.get(), "version");
  if (number < kOldest) raise(PyExc_ValueError, "%s: version %R is older than 2", kName, version.get());
  return number;
}

/// None: nothing is pending. The numbers are those of the protocol, which says that 0 is an error.
StreamRef stream_of(const InterfaceDict& interface) {
  const Ref entry = interface.entry(interface.names().stream);
  if (!entry) return StreamRef::host();
  if (!PyIndex_Check(entry.get()) || PyBool_Check(entry.get())) {
    raise(PyExc_TypeError, "%s: stream must be None or a handle as an int, not '%.200s'", kName,
          type_name(entry.get()).c_str());
  }
  const auto handle = reinterpret_cast<uintptr_t>(parse_pointer(entry.get(), "__cuda_array_interface__: stream"));
  if (handle == 0) {
    raise(PyExc_ValueError,
          "%s: stream 0 is forbidden by the protocol, since it means one default stream or the other: "
          "1 is the legacy one, 2 the per-thread one",
          kName);
  }
  return StreamRef::from_handle(handle);
}

/// An empty array may have any address: it is on the first device that there is.
Device place_of_nothing() {
  for (const DeviceType type : {DeviceType::cuda, DeviceType::simulated}) {
    if (why_no_device(type).empty()) return {type, 0};
  }
  throw BufferError(std::string(kName) + ": there is no device: " + why_no_device(DeviceType::cuda));
}

/// Where the driver says that the memory is; without the GIL, since that may initialise it.
void set_place(ViewSpec& spec, const char* address) {
  const bool empty = element_count(spec.shape) == 0;
  const GilRelease initialising;
  const std::optional<Location> location = spec.buf != nullptr ? locate(spec.buf) : std::nullopt;
  if (location) {
    spec.device = location->device;
    if (location->allocation.size > 0 && !empty) spec.memory = location->allocation;
  } else if (empty) {
    spec.device = place_of_nothing();
  } else {
    const std::string reason = why_no_device(DeviceType::cuda);
    throw BufferError(std::string(kName) + ": no driver knows the address " + address +
                      (reason.empty() ? ": it was freed, or is plain host memory" : ": " + reason));
  }
}

/// The object is kept, and the dict too: a getter may have made its data for this dict alone.
Ref owner_of(PyObject* object, InterfaceDict& interface) {
  return Ref::steal(checked(PyTuple_Pack(2, object, interface.take().get())));
}

}  // namespace

PyObject* import_cuda_array_interface(ModuleState* state, PyObject* object, Writable writable) {
  const ImportNames& names = state->producers->names;
  Ref attribute = find_attribute(object, names.cuda_array_interface);
  if (!attribute) return nullptr;
  InterfaceDict interface(names, kName, std::move(attribute));
  const int64_t version = version_of(interface);
  interface.check_mask();
  ViewSpec spec;
  interface.describe(spec, object);
  if (spec.format.has_references()) {
    throw BufferError(std::string(kName) + ": elements that hold references (O) mean nothing on a device");
  }
  const Ref data = interface.required(names.data);
  interface.set_address(spec, data.get());
  const StreamRef stream = version >= kFirstWithStream ? stream_of(interface) : StreamRef::host();
  const Ref address = Ref::steal(checked(PyObject_Repr(PyTuple_GetItem(data.get(), 0))));
  set_place(spec, checked(PyUnicode_AsUTF8AndSize(address.get(), nullptr)));

  BufferView view = BufferView::create(spec);
  const Ref owner = owner_of(object, interface);
  Ref root = Ref::steal(wrap_owned(state, view, owner.get(), stream));
  Py_INCREF(object);
  Ref::steal(std::exchange(as_buffer(root.get())->lease.obj, object));
  return finish_import(std::move(root), std::move(view), writable);
}

}  // namespace strideport::python
