#include "producer_types.hpp"

#include <dlpack/dlpack.h>

#include <utility>

#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "error_value.hpp"
#include "newer_python.hpp"
#include "torch_tensors.hpp"

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

/// The classes in which instances of a type find their attributes, in order. A metaclass may say otherwise, or raise,
/// where it is asked for `__mro__` and `__dict__`: it is not asked.
class Bases {
 public:
  Bases(PyTypeObject* type, const ImportNames& names)
      : names_(names), mro_(Ref::steal(checked(get_through(names.type_mro.get(), reinterpret_cast<PyObject*>(type))))) {
    if (PyTuple_Check(mro_.get())) count_ = PyTuple_Size(mro_.get());
  }

  /// Which class has it; `none()` where no class has.
  Py_ssize_t where(PyObject* name) const {
    for (Py_ssize_t i = 0; i < count_; ++i) {
      const int has = PySequence_Contains(dict(i).get(), name);
      if (has < 0) throw PythonError{};
      if (has > 0) return i;
    }
    return none();
  }
  bool have(PyObject* name) const { return where(name) < none(); }
  Py_ssize_t none() const noexcept { return count_; }

  /// As it lies in the class; null where no class has it.
  Ref find(PyObject* name) const {
    const Py_ssize_t place = where(name);
    return place == none() ? Ref() : Ref::steal(checked(PyObject_GetItem(dict(place).get(), name)));
  }

 private:
  Ref dict(Py_ssize_t place) const {
    return Ref::steal(checked(get_through(names_.type_dict.get(), PyTuple_GetItem(mro_.get(), place))));
  }

  const ImportNames& names_;
  Ref mro_;
  Py_ssize_t count_ = 0;
};

/// True for NumPy's arrays, whose memory is the host's: no need to ask each of them.
bool has_numpys_device(const Bases& bases, const ImportNames& names) {
  const Ref numpy = loaded_module("numpy");
  if (!numpy) return false;
  const Ref ndarray = Ref::steal(PyObject_GetAttrString(numpy.get(), "ndarray"));
  if (!ndarray) {
    PyErr_Clear();
    return false;
  }
  const Ref theirs = optional_attribute(ndarray.get(), names.dlpack_device.get());
  return theirs && theirs.get() == bases.find(names.dlpack_device.get()).get();
}

/// What the attribute is for the type: the capsule itself, or what a descriptor gives. A failing one gives no table.
Ref exchange_capsule(PyTypeObject* type, const Bases& bases, const ImportNames& names) {
  Ref stored = bases.find(names.exchange_api.get());
  if (!stored || PyCapsule_CheckExact(stored.get())) return stored;
  try {
    return optional_attribute(reinterpret_cast<PyObject*>(type), names.exchange_api.get());
  } catch (const PythonError&) {
    if (!is_plain_failure()) throw;
    PyErr_Clear();
    return {};
  }
}

/// A table speaks for the class that has it, and for derived ones as long as they change nothing that it cannot know
/// of: their own `__dlpack__`, or torch's hooks.
const DLPackExchangeAPI* table_of(PyTypeObject* type, const Bases& bases, const ImportNames& names) {
  const Py_ssize_t owner = bases.where(names.exchange_api.get());
  if (owner == bases.none()) return nullptr;
  for (PyObject* hook : {names.dlpack.get(), names.torch_function.get(), names.torch_dispatch.get()}) {
    if (bases.where(hook) < owner) return nullptr;
  }
  return checked_table(exchange_capsule(type, bases, names).get());
}

ProducerType inspect(PyTypeObject* type, const ImportNames& names) {
  const Bases bases(type, names);
  ProducerType answer;
  answer.has_dlpack = bases.have(names.dlpack.get());
  answer.has_device = bases.have(names.dlpack_device.get());
  answer.table = table_of(type, bases, names);
  if (!answer.has_dlpack && answer.table == nullptr) return answer;
  answer.is_host_only = has_numpys_device(bases, names);
  return answer;
}

/// type's own descriptor.
Ref own_descriptor(const char* name) {
  const Ref dict = Ref::steal(checked(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyType_Type), "__dict__")));
  return Ref::steal(checked(PyMapping_GetItemString(dict.get(), name)));
}

/// False once the type is gone, whatever is at its address now. The reference's callback may come late then, or, in
/// some collectors, never.
bool refers_to(const Ref& weak, PyTypeObject* type) noexcept {
#ifdef Py_GIL_DISABLED
  PyObject* found = nullptr;
  if (PyWeakref_GetRef(weak.get(), &found) < 0) PyErr_Clear();
  return Ref::steal(found).get() == reinterpret_cast<PyObject*>(type);
#else
  return PyWeakref_GetObject(weak.get()) == reinterpret_cast<PyObject*>(type);
#endif
}

}  // namespace

PyObject* get_through(PyObject* descriptor, PyObject* object) {
  const auto get = reinterpret_cast<descrgetfunc>(PyType_GetSlot(Py_TYPE(descriptor), Py_tp_descr_get));
  if (get == nullptr) return Py_NewRef(descriptor);
  return get(descriptor, object, reinterpret_cast<PyObject*>(Py_TYPE(object)));
}

bool is_plain_failure() noexcept {
  return PyErr_ExceptionMatches(PyExc_Exception) != 0 && PyErr_ExceptionMatches(PyExc_MemoryError) == 0 &&
         PyErr_ExceptionMatches(PyExc_RecursionError) == 0;
}

// Not PyImport_GetModule, which waits for a thread that is importing the module: that one may wait for us.
Ref loaded_module(const char* name) {
  PyObject* const modules = PyImport_GetModuleDict();
#ifdef Py_GIL_DISABLED
  PyObject* module = nullptr;
  if (PyDict_GetItemRef(modules, interned(name).get(), &module) < 0) PyErr_Clear();
  return Ref::steal(module);
#else
  PyObject* const module = PyDict_GetItemWithError(modules, interned(name).get());
  if (module == nullptr) PyErr_Clear();
  return module == nullptr ? Ref() : Ref::borrow(module);
#endif
}

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
      obj(interned("obj")),
      cuda_array_interface(interned("__cuda_array_interface__")),
      array_struct(interned("__array_struct__")),
      array_interface(interned("__array_interface__")),
      version_key(interned("version")),
      mask(interned("mask")),
      shape(interned("shape")),
      strides(interned("strides")),
      typestr(interned("typestr")),
      descr(interned("descr")),
      data(interned("data")),
      offset(interned("offset")),
      version(Ref::steal(checked(Py_BuildValue("(ii)", kDLPackMajor, kDLPackMinor)))),
      agreed_stream(Ref::steal(checked(PyLong_FromUnsignedLongLong(StreamRef::legacy_default().handle())))),
      version_keyword(Ref::steal(checked(PyTuple_Pack(1, max_version.get())))),
      both_keywords(Ref::steal(checked(PyTuple_Pack(2, max_version.get(), stream.get())))),
      stream_keyword(Ref::steal(checked(PyTuple_Pack(1, stream.get())))),
      type_mro(own_descriptor("__mro__")),
      type_dict(own_descriptor("__dict__")) {}

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
  if (answer.has_dlpack || answer.table != nullptr) {
    if (const TorchTensors* tensors = torch(); tensors != nullptr && tensors->derives(type)) answer.torch = tensors;
  }
  Entry entry{answer, Ref::steal(checked(PyWeakref_NewRef(kept.get(), callback_.get())))};
  Entries::node_type gone;  // of a type that was here before, or what foreign code in there made; goes after the lock
  const std::lock_guard guard(mutex_);
  gone = extract(type);
  entries_.try_emplace(type, std::move(entry));
  return answer;
}

const TorchTensors* ProducerTypes::torch() {
  {
    const std::lock_guard guard(mutex_);
    if (torch_ != nullptr) return torch_.get();
  }
  std::unique_ptr<TorchTensors> found = TorchTensors::find(names);  // goes after the lock, where another was quicker
  const std::lock_guard guard(mutex_);
  if (torch_ == nullptr) torch_ = std::move(found);
  return torch_.get();
}

bool ProducerTypes::find(PyTypeObject* type, ProducerType& answer) noexcept {
  std::unique_lock guard(mutex_, std::defer_lock);
  if constexpr (!kHasGil) guard.lock();
  if (type != latest_type_) {
    const auto entry = entries_.find(type);
    if (entry == entries_.end()) return false;
    latest_type_ = type;
    latest_ = &entry->second;
  }
  if (!refers_to(latest_->weak, type)) return false;
  answer = latest_->answer;
  return true;
}

/// Takes it out, the lock held by the caller.
ProducerTypes::Entries::node_type ProducerTypes::extract(PyTypeObject* type) noexcept {
  if (type == latest_type_) latest_type_ = nullptr;
  return entries_.extract(type);
}

void ProducerTypes::forget(PyTypeObject* type) noexcept {
  Entries::node_type gone;  // goes after the lock
  const std::lock_guard guard(mutex_);
  gone = extract(type);
}

void ProducerTypes::drop(PyObject* weak) noexcept {
  Entries::node_type gone;
  const std::lock_guard guard(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->second.weak.get() != weak) continue;
    gone = extract(entry->first);
    return;
  }
}

}  // namespace strideport::python
