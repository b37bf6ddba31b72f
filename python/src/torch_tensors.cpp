#include "torch_tensors.hpp"

#include "call_adapters.hpp"
#include "errors.hpp"
#include "newer_python.hpp"
#include "producer_types.hpp"

namespace strideport::python {
namespace {

/// The attribute, or null where there is none.
Ref attribute(const Ref& object, const char* name) {
  return optional_attribute(object.get(), Ref::steal(checked(PyUnicode_InternFromString(name))).get());
}

bool is_true(const Ref& answer) {
  const int truth = PyObject_IsTrue(answer.get());
  if (truth < 0) throw PythonError{};
  return truth > 0;
}

/// While it lives torch itself answers.
class Undisturbed {
 public:
  explicit Undisturbed(const Ref& disable) : guard_(Ref::steal(checked(PyObject_CallNoArgs(disable.get())))) {
    Ref::steal(checked(PyObject_CallMethod(guard_.get(), "__enter__", nullptr)));
  }
  ~Undisturbed() {
    stay_if_ended();
    const SavedError error;
    stay_if_unwound([&] {
      if (!Ref::steal(PyObject_CallMethod(guard_.get(), "__exit__", "OOO", Py_None, Py_None, Py_None))) PyErr_Clear();
    });
  }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  Ref guard_;
};

}  // namespace

std::unique_ptr<TorchTensors> TorchTensors::find(const ImportNames& names) {
  const Ref torch = loaded_module("torch");
  const Ref core = loaded_module("torch._C");
  if (!torch || !core) return nullptr;
  std::unique_ptr<TorchTensors> found(new TorchTensors);
  found->tensor_ = attribute(torch, "Tensor");
  if (!found->tensor_) return nullptr;                      // torch is still being imported
  for (const char* name : {"TensorBase", "_TensorBase"}) {  // before torch 2.2
    if (!found->base_) found->base_ = attribute(core, name);
  }
  if (!found->base_) found->base_ = Ref::borrow(found->tensor_.get());
  if (!PyType_Check(found->base_.get())) return nullptr;
  found->mode_enabled_ = attribute(core, "_is_torch_function_mode_enabled");
  found->disable_ = attribute(core, "DisableTorchFunction");
  found->requires_grad_ = optional_attribute(found->base_.get(), names.requires_grad.get());
  found->is_conj_ = optional_attribute(found->base_.get(), names.is_conj.get());
  found->is_neg_ = optional_attribute(found->base_.get(), names.is_neg.get());
  return found;
}

bool TorchTensors::derives(PyTypeObject* type) const noexcept { return PyType_IsSubtype(type, base()) != 0; }

bool TorchTensors::is_intercepted(PyObject* tensor) const {
  if (!disable_) return false;
  if (reinterpret_cast<PyObject*>(Py_TYPE(tensor)) != tensor_.get() || !mode_enabled_) return true;
  return is_true(Ref::steal(checked(call(mode_enabled_.get(), nullptr, 0))));
}

template <class Answer>
bool TorchTensors::ask(PyObject* tensor, Answer answer) const {
  if (!is_intercepted(tensor)) return is_true(Ref::steal(checked(answer())));
  const Undisturbed undisturbed(disable_);
  return is_true(Ref::steal(checked(answer())));
}

bool TorchTensors::requires_grad(PyObject* tensor) const {
  return requires_grad_ && ask(tensor, [&] { return get_through(requires_grad_.get(), tensor); });
}

bool TorchTensors::is_conj(PyObject* tensor) const {
  return is_conj_ && ask(tensor, [&] { return call(is_conj_.get(), &tensor, 1); });
}

bool TorchTensors::is_neg(PyObject* tensor) const {
  return is_neg_ && ask(tensor, [&] { return call(is_neg_.get(), &tensor, 1); });
}

}  // namespace strideport::python
