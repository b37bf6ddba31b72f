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

/// The tensor of a capsule that nobody took; null of another.
template <class Tensor>
Tensor* fresh_tensor(PyObject* capsule) noexcept {
  if (PyCapsule_IsValid(capsule, CapsuleName<Tensor>::kFresh) == 0) return nullptr;
  return static_cast<Tensor*>(PyCapsule_GetPointer(capsule, CapsuleName<Tensor>::kFresh));
}

/// Calls its deleter with the GIL. The error indicator stays as it is.
template <class Tensor>
void delete_tensor(Tensor* tensor) noexcept {
  if (PyErr_Occurred() != nullptr) {  // to ask is cheaper than to save none
    const SavedError error;
    return DLPackDeleter()(tensor);
  }
  DLPackDeleter()(tensor);
  if (PyErr_Occurred() != nullptr) clear_error();
}

/// The destructor of a capsule: deletes a tensor that nobody took.
template <class Tensor>
void destroy_capsule(PyObject* capsule) noexcept {
  if (Tensor* const tensor = fresh_tensor<Tensor>(capsule)) delete_tensor(tensor);
}

/// Hands the tensor to a new capsule.
template <class Tensor>
PyObject* to_capsule(std::unique_ptr<Tensor, DLPackDeleter> tensor,
                     PyCapsule_Destructor destructor = &destroy_capsule<Tensor>) {
  PyObject* capsule = PyCapsule_New(tensor.get(), CapsuleName<Tensor>::kFresh, destructor);
  checked(capsule);
  tensor.release();
  return capsule;
}

}  // namespace strideport::python
