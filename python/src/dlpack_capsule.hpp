/// DLPack tensors in Python capsules: the names that say what is inside, and who owns it.
#pragma once

#include <Python.h>

#include <cstdint>

#include "call_adapters.hpp"
#include "errors.hpp"
#include "strideport/dlpack.hpp"

namespace strideport::python {

/// The version that we ask producers for, and that our own versioned tensors have.
inline constexpr int kDLPackMajor = 1;
inline constexpr int kDLPackMinor = 3;

/// The two kinds of capsule. A consumer renames a capsule when it takes the tensor over.
template <class Tensor>
struct CapsuleName;
template <>
struct CapsuleName<DLManagedTensorVersioned> {
  static constexpr const char* kFresh = "dltensor_versioned";
  static constexpr const char* kUsed = "used_dltensor_versioned";
};
template <>
struct CapsuleName<DLManagedTensor> {
  static constexpr const char* kFresh = "dltensor";
  static constexpr const char* kUsed = "used_dltensor";
};

/// The destructor of a capsule: deletes a tensor that nobody took.
template <class Tensor>
void destroy_capsule(PyObject* capsule) noexcept {
  if (PyCapsule_IsValid(capsule, CapsuleName<Tensor>::kFresh) == 0) return;
  auto* const tensor = static_cast<Tensor*>(PyCapsule_GetPointer(capsule, CapsuleName<Tensor>::kFresh));
  if (PyErr_Occurred() != nullptr) {  // to ask is cheaper than to save none
    const SavedError error;
    return DLPackDeleter()(tensor);
  }
  DLPackDeleter()(tensor);
  if (PyErr_Occurred() != nullptr) PyErr_Clear();
}

/// Hands the tensor to a new capsule.
template <class Tensor>
PyObject* to_capsule(std::unique_ptr<Tensor, DLPackDeleter> tensor) {
  PyObject* capsule = PyCapsule_New(tensor.get(), CapsuleName<Tensor>::kFresh, &destroy_capsule<Tensor>);
  checked(capsule);
  tensor.release();
  return capsule;
}

}  // namespace strideport::python
