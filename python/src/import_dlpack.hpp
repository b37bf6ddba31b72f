/// DLPack in, for the two functions that ask for it: asbuffer (import_dlpack.cpp) and from_dlpack (from_dlpack.cpp).
#pragma once

#include <Python.h>

#include <memory>
#include <optional>

#include "errors.hpp"
#include "object.hpp"
#include "ref.hpp"

namespace strideport::python {

struct ImportNames;
struct ProducerType;

/// The keywords of the array API standard; null members were not given.
struct DLPackRequest {
  bool with_stream = false;  // the result is on a device
  PyObject* dl_device = nullptr;
  PyObject* copy = nullptr;
};

/// Calls the deleter of a tensor that was taken over, from any thread. It is foreign code, in which the end of the
/// interpreter may end the thread, with noexcept frames of ours above.
struct ForeignDeleter {
  void operator()(DLManagedTensorVersioned* tensor) const noexcept;
  void operator()(DLManagedTensor* tensor) const noexcept;
};
using ForeignTensor = std::unique_ptr<DLManagedTensorVersioned, ForeignDeleter>;
using ForeignLegacyTensor = std::unique_ptr<DLManagedTensor, ForeignDeleter>;

/// Lets the tensor go and throws PythonError for the error that is set, which is about the tensor and which its deleter
/// must not see.
template <class Tensor>
[[noreturn]] void give_up(Tensor tensor) {
  {
    const SavedError error;
    tensor.reset();
  }
  throw PythonError{};
}

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
Imported adopt(ModuleState* state, ForeignTensor tensor, StreamRef stream, PyObject* producer);

/// Throws PythonError for the error that is set; `refusal`, which may be null and came before it, is its context.
[[noreturn]] void raise_after(Ref refusal);

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

/// Through the table of the object's type; nothing, and the error in `refusal`, where `__dlpack__` has to be asked: the
/// table fails, or the object is one of torch's that `__dlpack__` refuses. Where the type has no `__dlpack__` the error
/// is thrown instead.
std::optional<Imported> import_through_table(ModuleState* state, const ProducerType& type, PyObject* object,
                                             Ref& refusal);

/// torch may keep the sign and the conjugation of a tensor beside its memory; its table gives out the memory of both,
/// and its `__dlpack__` that without the sign. Each throws PythonError (BufferError) for such a tensor.
void check_sign(const ProducerType& type, PyObject* object);
void check_conjugate(const ProducerType& type, PyObject* object);

}  // namespace strideport::python
