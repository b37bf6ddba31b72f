#include "producer_types.hpp"

#include <dlpack/dlpack.h>

#include <optional>
#include <utility>

#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "error_value.hpp"
#include "newer_python.hpp"

namespace strideport::python {
namespace {

constexpr const char* kTableName = "dlpack_exchange_api";
constexpr int kMaxOlderTables = 64;  // a chain that is longer goes round in circles

Ref interned(const char* text) { return Ref::steal(checked(PyUnicode_InternFromString(text))); }

/// The table of the major version that we know, from the chain that a producer gives; null where there is none. Only
/// the members that are called here have to be there: producers are known that leave others out.
const DLPackExchangeAPI* checked_table(PyObject* capsule) {
  if (capsule == nullptr || PyCapsule_IsValid(capsule, kTableName) == 0) return nullptr;
  auto* header = static_cast<const DLPackExchangeAPIHeader*>(PyCapsule_GetPointer(capsule, kTableName));
  for (int i = 0; header != nullptr && header->version.major > kDLPackMajor && i < kMaxOlderTables; ++i) {
    header = header->prev_api;
  }
  if (header == nullptr || header->version.major != kDLPackMajor) return nullptr;
  const auto* table = reinterpret_cast<const DLPackExchangeAPI*>(header);
  const bool whole = table->managed_tensor_from_py_object_no_sync != nullptr && table->current_work_stream != nullptr;
  return whole ? table : nullptr;
}

/// The classes in which instances of a type find their attributes, in order.
class Bases {
 public:
  explicit Bases(PyTypeObject* type)
      : mro_(Ref::steal(checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__mro__")))) {
    if (!PyTuple_Check(mro_.get())) raise(PyExc_TypeError, "__mro__ is no tuple");
  }

  /// Which class has it; `none()` where no class has.
  Py_ssize_t where(PyObject* name) const {
    for (Py_ssize_t i = 0; i < none(); ++i) {
      const Ref dict = Ref::steal(checked(PyObject_GetAttrString(PyTuple_GetItem(mro_.get(), i), "__dict__")));
      const int has = PySequence_Contains(dict.get(), name);
      if (has < 0) throw PythonError{};
      if (has > 0) return i;
    }
    return none();
  }
  bool have(PyObject* name) const { return where(name) < none(); }
  Py_ssize_t none() const noexcept { return PyTuple_Size(mro_.get()); }

 private:
  Ref mro_;
};

/// A module that somebody has imported; null, with no error set, where nobody has.
Ref loaded_module(const char* name) {
  Ref module = Ref::steal(PyImport_GetModule(interned(name).get()));
  if (!module) PyErr_Clear();
  return module;
}

/// True for NumPy's arrays, whose memory is the host's: no need to ask each of them.
bool has_numpys_device(PyObject* type, const ImportNames& names) {
  const Ref numpy = loaded_module("numpy");
  if (!numpy) return false;
  const Ref ndarray = Ref::steal(PyObject_GetAttrString(numpy.get(), "ndarray"));
  if (!ndarray) {
    PyErr_Clear();
    return false;
  }
  const Ref theirs = optional_attribute(ndarray.get(), names.dlpack_device.get());
  const Ref its = optional_attribute(type, names.dlpack_device.get());
  return theirs && theirs.get() == its.get();
}

/// True for torch.Tensor itself, whose attributes `__torch_function__` does not see while no mode of torch is active.
bool is_torchs_own(PyTypeObject* type) {
  const Ref torch = loaded_module("torch");
  if (!torch) return true;
  const Ref tensor = Ref::steal(PyObject_GetAttrString(torch.get(), "Tensor"));
  if (!tensor) PyErr_Clear();
  return tensor.get() == reinterpret_cast<PyObject*>(type);
}

/// A table speaks for the class that has it, and for derived ones as long as they change nothing that it cannot know
/// of: their own `__dlpack__`, or torch's hooks.
const DLPackExchangeAPI* table_of(PyTypeObject* type, const Bases& bases, const ImportNames& names) {
  const Py_ssize_t owner = bases.where(names.exchange_api.get());
  if (owner == bases.none()) return nullptr;
  for (PyObject* hook : {names.dlpack.get(), names.torch_function.get(), names.torch_dispatch.get()}) {
    if (bases.where(hook) < owner) return nullptr;
  }
  const Ref capsule = optional_attribute(reinterpret_cast<PyObject*>(type), names.exchange_api.get());
  return checked_table(capsule.get());
}

ProducerType inspect(PyTypeObject* type, const ImportNames& names) {
  const Bases bases(type);
  ProducerType answer;
  answer.has_dlpack = bases.have(names.dlpack.get());
  answer.table = table_of(type, bases, names);
  if (!answer.has_dlpack && answer.table == nullptr) return answer;
  answer.is_host_only = has_numpys_device(reinterpret_cast<PyObject*>(type), names);
  answer.may_require_grad = bases.have(names.requires_grad.get());
  answer.may_be_conj = bases.have(names.is_conj.get());
  answer.may_be_neg = bases.have(names.is_neg.get());
  answer.intercepts = bases.have(names.torch_function.get()) && !is_torchs_own(type);
  return answer;
}

}  // namespace

ImportNames::ImportNames()
    : dlpack(interned("__dlpack__")),
      dlpack_device(interned("__dlpack_device__")),
      exchange_api(interned("__dlpack_c_exchange_api__")),
      torch_function(interned("__torch_function__")),
      torch_dispatch(interned("__torch_dispatch__")),
      requires_grad(interned("requires_grad")),
      is_conj(interned("is_conj")),
      is_neg(interned("is_neg")),
      stream(interned("stream")),
      max_version(interned("max_version")),
      dl_device(interned("dl_device")),
      copy(interned("copy")),
      version(Ref::steal(checked(Py_BuildValue("(ii)", kDLPackMajor, kDLPackMinor)))),
      agreed_stream(Ref::steal(checked(PyLong_FromUnsignedLongLong(StreamRef::legacy_default().handle())))),
      version_keyword(Ref::steal(checked(PyTuple_Pack(1, max_version.get())))),
      both_keywords(Ref::steal(checked(PyTuple_Pack(2, max_version.get(), stream.get())))),
      stream_keyword(Ref::steal(checked(PyTuple_Pack(1, stream.get())))) {}

PyMethodDef ProducerTypes::death_definition_ = {"_forget_type", &ProducerTypes::on_death, METH_O, nullptr};

ProducerTypes::ProducerTypes() {
  const Ref self = Ref::steal(checked(PyCapsule_New(this, nullptr, nullptr)));
  if (PyCapsule_SetContext(self.get(), this) != 0) throw PythonError{};
  callback_ = Ref::steal(checked(PyCFunction_NewEx(&death_definition_, self.get(), nullptr)));
}

ProducerTypes::~ProducerTypes() {
  // A weak reference of ours may be in other hands, and outlive this.
  if (PyCapsule_SetContext(PyCFunction_GetSelf(callback_.get()), nullptr) != 0) PyErr_Clear();
}

PyObject* ProducerTypes::on_death(PyObject* self, PyObject* weak) noexcept {
  auto* types = static_cast<ProducerTypes*>(PyCapsule_GetContext(self));
  if (types != nullptr) types->drop(weak);
  Py_RETURN_NONE;
}

ProducerType ProducerTypes::of(PyTypeObject* type) {
  ProducerType answer;
  if (find(type, answer)) return answer;
  const Ref kept = Ref::borrow(reinterpret_cast<PyObject*>(type));
  answer = inspect(type, names);
  Entry entry{answer, Ref::steal(checked(PyWeakref_NewRef(kept.get(), callback_.get())))};
  const std::lock_guard guard(mutex_);
  entries_.try_emplace(type, std::move(entry));
  return answer;
}

bool ProducerTypes::find(PyTypeObject* type, ProducerType& answer) noexcept {
  std::unique_lock guard(mutex_, std::defer_lock);
  if constexpr (!kHasGil) guard.lock();
  const auto entry = entries_.find(type);
  if (entry == entries_.end()) return false;
  answer = entry->second.answer;
  return true;
}

void ProducerTypes::forget(PyTypeObject* type) noexcept {
  Entries::node_type gone;  // goes after the lock
  const std::lock_guard guard(mutex_);
  gone = entries_.extract(type);
}

void ProducerTypes::drop(PyObject* weak) noexcept {
  Entries::node_type gone;
  const std::lock_guard guard(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->second.weak.get() != weak) continue;
    gone = entries_.extract(entry);
    return;
  }
}

namespace {

bool is_true(const Ref& answer) {
  const int truth = PyObject_IsTrue(answer.get());
  if (truth < 0) throw PythonError{};
  return truth > 0;
}

bool says_yes(PyObject* object, PyObject* method) {
  return is_true(Ref::steal(checked(call_method(method, &object, 1, nullptr))));
}

bool has_true(PyObject* object, PyObject* attribute) {
  return is_true(Ref::steal(checked(PyObject_GetAttr(object, attribute))));
}

/// While it lives torch's own answers are given, whatever a subclass makes of questions.
class WithoutTorchFunction {
 public:
  WithoutTorchFunction() {
    const Ref core = Ref::steal(checked(PyImport_ImportModule("torch._C")));
    guard_ = Ref::steal(checked(PyObject_CallMethod(core.get(), "DisableTorchFunctionSubclass", nullptr)));
    Ref::steal(checked(PyObject_CallMethod(guard_.get(), "__enter__", nullptr)));
  }
  ~WithoutTorchFunction() {
    stay_if_ended();
    const SavedError error;
    if (!Ref::steal(PyObject_CallMethod(guard_.get(), "__exit__", "OOO", Py_None, Py_None, Py_None))) PyErr_Clear();
  }
  WithoutTorchFunction(const WithoutTorchFunction&) = delete;
  WithoutTorchFunction& operator=(const WithoutTorchFunction&) = delete;

 private:
  Ref guard_;
};

}  // namespace

bool requires_grad(const ProducerType& type, const ImportNames& names, PyObject* object) {
  if (!type.may_require_grad) return false;
  std::optional<WithoutTorchFunction> own_answer;
  if (type.intercepts) own_answer.emplace();
  return has_true(object, names.requires_grad.get());
}

bool is_conj(const ProducerType& type, const ImportNames& names, PyObject* object) {
  if (!type.may_be_conj) return false;
  std::optional<WithoutTorchFunction> own_answer;
  if (type.intercepts) own_answer.emplace();
  return says_yes(object, names.is_conj.get());
}

bool is_neg(const ProducerType& type, const ImportNames& names, PyObject* object) {
  if (!type.may_be_neg) return false;
  std::optional<WithoutTorchFunction> own_answer;
  if (type.intercepts) own_answer.emplace();
  return says_yes(object, names.is_neg.get());
}

}  // namespace strideport::python
