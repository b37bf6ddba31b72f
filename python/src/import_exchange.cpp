/// DLPack in through a producer type's C exchange API: one call in C in place of `__dlpack__`, its keywords and its
/// capsule.
///
/// The table is only a quicker `__dlpack__`. What it refuses, and what comes out malformed, is left to `__dlpack__`
/// where the type has one, whose words are those that help. torch's table gives out the memory of tensors that its
/// `__dlpack__` refuses (requires_grad, the conjugate bit), and both that of tensors with the negative bit: they are
/// asked first, complex ones for the conjugate bit once the tensor is there.
///
/// "No sync": memory of a device is ready on the producer's current stream, which is asked for at once, before other
/// code can change it, and noted by an event. Nothing is enqueued on it.
#include <dlpack/dlpack.h>

#include <new>
#include <utility>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "error_value.hpp"
#include "import_dlpack.hpp"
#include "producer_types.hpp"
#include "ref.hpp"
#include "torch_tensors.hpp"

namespace strideport::python {
namespace {

ForeignTensor tensor_from(const DLPackExchangeAPI& table, PyObject* object) {
  DLManagedTensorVersioned* given = nullptr;
  const int status = table.managed_tensor_from_py_object_no_sync(object, &given);
  if (status != 0) {  // what `given` is now means nothing
    if (PyErr_Occurred() != nullptr) throw PythonError{};
    raise(PyExc_BufferError, "the C exchange API of '%.200s' failed with status %d and gave no reason",
          type_name(object).c_str(), status);
  }
  ForeignTensor tensor(given);
  if (PyErr_Occurred() != nullptr) give_up(std::move(tensor));
  if (!tensor) raise(PyExc_BufferError, "the C exchange API of '%.200s' gave no tensor", type_name(object).c_str());
  return tensor;
}

/// Where the contents are ready. CUDA's NULL is the legacy default stream.
StreamRef work_stream(const DLPackExchangeAPI& table, PyObject* object, DLDevice device) {
  void* handle = nullptr;
  const int status = table.current_work_stream(device.device_type, device.device_id, &handle);
  if (status == 0 && PyErr_Occurred() == nullptr) {
    return handle == nullptr ? StreamRef::legacy_default()
                             : StreamRef::from_handle(reinterpret_cast<uintptr_t>(handle));
  }
  if (PyErr_Occurred() != nullptr) throw PythonError{};
  raise(PyExc_BufferError, "the C exchange API of '%.200s' has no stream for DLPack device (%d, %d)",
        type_name(object).c_str(), static_cast<int>(device.device_type), static_cast<int>(device.device_id));
}

void check_gradient(const ProducerType& type, PyObject* object) {
  if (type.torch == nullptr || !type.torch->requires_grad(object)) return;
  raise(PyExc_BufferError, "'%.200s' requires a gradient: call .detach() first", type_name(object).c_str());
}

/// Numbers that are not complex are their own conjugates.
bool may_be_complex(const DLManagedTensorVersioned& tensor) noexcept {
  return tensor.version.major == kDLPackMajor && tensor.dl_tensor.dtype.code == kDLComplex;
}

Imported import_tensor(ModuleState* state, const ProducerType& type, PyObject* object) {
  check_gradient(type, object);
  check_sign(type, object);
  ForeignTensor tensor = tensor_from(*type.table, object);
  const DeviceType device = type_of(*tensor);
  StreamRef stream = StreamRef::host();
  if (type.torch != nullptr || has_stream(device)) {
    const Ref producer = Ref::borrow(object);  // stays, before the deleter runs, where the interpreter ends in here
    try {
      if (has_stream(device)) stream = work_stream(*type.table, object, tensor->dl_tensor.device);
      if (may_be_complex(*tensor)) check_conjugate(type, object);
    } catch (const PythonError&) {
      give_up(std::move(tensor));
    }
  }
  return adopt(state, std::move(tensor), stream, object);
}

}  // namespace

void check_sign(const ProducerType& type, PyObject* object) {
  if (type.torch == nullptr || !type.torch->is_neg(object)) return;
  raise(PyExc_BufferError,
        "'%.200s' has its negative bit set: its memory holds other signs than it shows; "
        "call .resolve_neg() first",
        type_name(object).c_str());
}

void check_conjugate(const ProducerType& type, PyObject* object) {
  if (type.torch == nullptr || !type.torch->is_conj(object)) return;
  raise(PyExc_BufferError,
        "'%.200s' has its conjugate bit set: its memory holds other values than it shows; call .resolve_conj() first",
        type_name(object).c_str());
}

std::optional<Imported> import_through_table(ModuleState* state, const ProducerType& type, PyObject* object,
                                             Ref& refusal) {
  if (!type.has_dlpack) return import_tensor(state, type, object);
  try {
    return import_tensor(state, type, object);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    set_error_from_exception();
  } catch (const PythonError&) {
    if (!is_plain_failure()) throw;
  }
  refusal = take_error();
  return std::nullopt;
}

}  // namespace strideport::python
