/// torch's own answers about its tensors, past whoever may answer in its place: a class's `__torch_function__`, the
/// attributes of a derived class or an instance, a TorchFunctionMode.
#pragma once

#include <Python.h>

#include <memory>

#include "ref.hpp"

namespace strideport::python {

struct ImportNames;

class TorchTensors {
 public:
  /// Null where nobody has imported torch.
  static std::unique_ptr<TorchTensors> find(const ImportNames& names);

  /// Looks at what the type derives from, which no metaclass can gainsay.
  bool derives(PyTypeObject* type) const noexcept;

  // Of an object of a type that derives. Each throws PythonError.
  bool requires_grad(PyObject* tensor) const;
  bool is_conj(PyObject* tensor) const;
  bool is_neg(PyObject* tensor) const;

 private:
  TorchTensors() = default;
  bool is_intercepted(PyObject* tensor) const;
  template <class Answer>
  bool ask(PyObject* tensor, Answer answer) const;

  PyTypeObject* base() const noexcept { return reinterpret_cast<PyTypeObject*>(base_.get()); }

  Ref tensor_;                            ///< torch.Tensor, whose own `__torch_function__` changes nothing
  Ref base_;                              ///< torch._C.TensorBase, whose are the questions
  Ref requires_grad_, is_conj_, is_neg_;  ///< null where this torch has no such question
  Ref mode_enabled_;                      ///< whether a TorchFunctionMode is active; null where it cannot be asked
  Ref disable_;                           ///< the context manager that lets neither modes nor classes answer
};

}  // namespace strideport::python
