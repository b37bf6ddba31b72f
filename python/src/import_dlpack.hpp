/// DLPack in, for the two functions that ask for it: asbuffer (import_dlpack.cpp) and from_dlpack (from_dlpack.cpp).
#pragma once

#include <Python.h>

#include <optional>

#include "object.hpp"
#include "ref.hpp"

struct DLManagedTensorVersioned;

namespace strideport::python {

struct ImportNames;
struct ProducerType;

/// The keywords of the array API standard; null members were not given.
struct DLPackRequest {
  bool with_stream = false;  // the result is on a device
  PyObject* dl_device = nullptr;
  PyObject* copy = nullptr;
};

struct Imported {
  Ref root;
  bool copied = false;  // the producer says that nobody else has this memory
};

/// A capsule's tensor, or what an object gives through its type's C exchange API or its `__dlpack__`; nothing where it
/// offers neither. `target`: where the request asks the memory to be; nothing for where it is. Throws PythonError,
/// BufferError, InvalidArgument.
std::optional<Imported> import_from(ModuleState* state, PyObject* object, const DLPackRequest& request,
                                    std::optional<Device> target = std::nullopt);

/// A root over the tensor, which is let go with it, or at once where this throws: PythonError and what
/// `strideport::import_dlpack` throws. `producer` (borrowed, may be null) is what `.obj` shows.
Imported adopt(ModuleState* state, DLPackTensor tensor, StreamRef stream, PyObject* producer);

/// A producer's word on where its memory is; nothing where it has none. Throws PythonError.
std::optional<Device> device_of(const ImportNames& names, PyObject* producer);

inline bool is_host(Device device) noexcept {
  return device.type == DeviceType::cpu || device.type == DeviceType::cuda_host;
}

inline bool has_stream(DeviceType type) noexcept {
  return type == DeviceType::cuda || type == DeviceType::cuda_managed || type == DeviceType::simulated;
}

/// Of a version that we do not know nothing may be read but the version: cpu then.
DeviceType type_of(const DLManagedTensorVersioned& tensor) noexcept;

// import_exchange.cpp -----------------------------------------------------------------------------------------

/// Through the table of the object's type; nothing where `__dlpack__` has to be asked: the table fails, or the object
/// is one of torch's that `__dlpack__` refuses. Where the type has no `__dlpack__` that is an error instead.
std::optional<Imported> import_through_table(ModuleState* state, const ProducerType& type, PyObject* object);

/// torch may keep the sign of a tensor beside its memory, as it may conjugation; its `__dlpack__` refuses the one and
/// hands out memory without the other. Throws PythonError (BufferError) for such a tensor.
void check_sign(const ProducerType& type, const ImportNames& names, PyObject* object);

}  // namespace strideport::python
