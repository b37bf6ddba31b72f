/// Who keeps foreign memory alive, for how long, and how it ends exactly once.
///
/// A lease counts its users: every unreleased BufferObject on it, every C++ Buffer that `share` made, every DLPack
/// tensor that `share_tensor` or `share_in_capsule` made, every LeaseHold. The last one to go ends it. Users that
/// outlive their BufferObject hold a reference to the root, so the Lease itself, a member of the root, is there for as
/// long as anyone counts on it.
#include <dlpack/dlpack.h>

#include <atomic>
#include <memory>
#include <utility>

#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "gil.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "runtime/toolchain.hpp"

namespace strideport::python {

void watch_for_exit(ModuleState* state);

namespace {

// Set when the interpreter begins to exit. From then on a thread that asks for the GIL may be killed inside the
// call, through our noexcept frames; Py_IsInitialized stays true for a while after that begins.
std::atomic<bool> exiting{false};

BufferObject* root_of(BufferObject* self) noexcept { return self->root != nullptr ? self->root : self; }

/// Set by the destructor of a capsule, which has the GIL, right before it calls the deleter of a tensor that one user
/// of a lease owns: the first thing that does is to call `drop_shared`, which takes the word and need not ask for it.
/// Foreign code, which may drop the GIL, runs only after that.
constinit thread_local bool has_gil STRIDEPORT_NEAR_TLS = false;

void drop_root(BufferObject* root) noexcept {
  drop_user(root->lease);  // the error indicator stays as it is, as in every deallocation
  drop_reference(as_object(root));
}

/// Deleter of a shared Buffer and of an exported tensor: any thread, with or without the GIL.
void drop_shared(void* pointer) noexcept {
  const bool with_gil = std::exchange(has_gil, false);
  if (exiting.load(std::memory_order_acquire) || Py_IsInitialized() == 0) return;  // leak: there is nobody to tell
  auto* root = static_cast<BufferObject*>(pointer);
  if (with_gil) return drop_root(root);
  const GilState gil = ensure_gil();
  drop_root(root);
  release_gil(gil);
}

/// Deleter of memory that a Python object owns: the same, and from the threads that wait for devices, too.
void drop_object(void* pointer) noexcept {
  if (exiting.load(std::memory_order_acquire) || Py_IsInitialized() == 0) return;
  const GilState gil = ensure_gil();
  {
    const SavedError error;
    drop_reference(static_cast<PyObject*>(pointer));
  }
  release_gil(gil);
}

PyObject* note_exit(PyObject*, PyObject*) noexcept {
  exiting.store(true, std::memory_order_release);
  note_exiting_thread(true);
  keep_memory_of_buffers(nullptr);
  Py_RETURN_NONE;
}

PyMethodDef note_exit_definition = {"_note_exit", &note_exit, METH_NOARGS, nullptr};

[[gnu::noinline]] void give_everything_back(Lease& lease) {
  stay_if_unwound([&] {
    if (std::exchange(lease.has_master, false)) {
      // As its dealloc wants it.
      if (std::exchange(lease.master_is_private, false)) PyObject_GC_Track(lease.master.obj);
      PyBuffer_Release(&lease.master);
    }
    lease.sole.reset();
    if (lease.owner) std::exchange(lease.owner, nullptr).reset();
    lease.tracked_object = nullptr;
    if (lease.tracked) std::exchange(lease.tracked, nullptr).reset();
    Py_CLEAR(lease.keepalive);
    Py_CLEAR(lease.obj);
  });
}

}  // namespace

void watch_for_exit(ModuleState* state) {
  exiting.store(false, std::memory_order_release);  // an embedder may start the interpreter again
  note_exiting_thread(false);
  keep_memory_of_buffers(state->buffer_type);
  const Ref atexit = Ref::steal(checked(PyImport_ImportModule("atexit")));
  const Ref callback = Ref::steal(checked(PyCFunction_NewEx(&note_exit_definition, nullptr, nullptr)));
  Ref::steal(checked(PyObject_CallMethod(atexit.get(), "register", "O", callback.get())));
}

// To ask whether an error is set is cheaper than to save none.
void end_lease(Lease& lease) noexcept {
  if (PyErr_Occurred() != nullptr) {
    const SavedError error;
    return give_everything_back(lease);
  }
  give_everything_back(lease);
  if (PyErr_Occurred() != nullptr) clear_error();
}

void own_master(Lease& lease, bool is_private) noexcept {
  lease.has_master = true;
  lease.master_is_private = is_private && lease.master.obj != nullptr;
  if (lease.master_is_private) PyObject_GC_UnTrack(lease.master.obj);
}

namespace {

/// C++ counts the owner from now on. Throws std::bad_alloc: the lease is as it was then.
void make_shared_owner(Lease& lease) {
  auto counted = std::make_shared<SoleOwner>();
  counted->owner = lease.sole.owner;
  counted->let_go = std::exchange(lease.sole.let_go, nullptr);
  lease.owner = std::move(counted);
}

}  // namespace

Buffer share(BufferObject* self) {
  const Exclusive only(as_object(self));
  const BufferView& view = live_view(self);
  Lease& lease = *self->lease_ptr;
  if (lease.tracked) return lease.tracked->rebind(view);
  if (lease.sole.let_go != nullptr) make_shared_owner(lease);
  // Memory that Python does not own needs neither the GIL nor this object to stay.
  if (lease.owner && !lease.has_master && lease.keepalive == nullptr) return Buffer(view, lease.owner, self->stream);
  BufferObject* root = root_of(self);
  Py_INCREF(as_object(root));
  ++lease.users;
  return Buffer(view, std::shared_ptr<void>(root, &drop_shared), self->stream);  // calls drop_shared if it throws
}

namespace {

/// Calls `of_single` with the view and a new user of the lease, which `drop_shared` ends; where C++ owns the memory
/// `of_shared` with a Buffer, which needs no Python to end.
template <class Single, class Shared>
auto export_with(BufferObject* self, const Single& of_single, const Shared& of_shared) {
  const Exclusive only(as_object(self));
  const BufferView& view = live_view(self);
  Lease& lease = *self->lease_ptr;
  if (lease.tracked || lease.owner || lease.sole.let_go != nullptr) return of_shared(share(self));
  BufferObject* const root = root_of(self);
  Py_INCREF(as_object(root));
  ++lease.users;
  return of_single(view, root);
}

}  // namespace

DLPackTensor share_tensor(BufferObject* self) {
  return export_with(
      self, [](const BufferView& view, void* root) { return export_dlpack(view, root, &drop_shared); },
      [](const Buffer& buffer) { return export_dlpack(buffer); });
}

namespace {

/// The deleter of tensors with one owner: a consumer may have put another one into a tensor that it did not take.
template <class Tensor>
std::atomic<void (*)(Tensor*)> single_deleter{nullptr};

/// The destructor of a capsule whose tensor `drop_shared` ends.
template <class Tensor>
void destroy_own_capsule(PyObject* capsule) noexcept {
  Tensor* const tensor = fresh_tensor<Tensor>(capsule);
  if (tensor == nullptr) return;
  has_gil = tensor->deleter == single_deleter<Tensor>.load(std::memory_order_relaxed);
  delete_tensor(tensor);
  has_gil = false;  // where the deleter put it off
}

template <class Tensor>
PyObject* to_own_capsule(std::unique_ptr<Tensor, DLPackDeleter> tensor) {
  single_deleter<Tensor>.store(tensor->deleter, std::memory_order_relaxed);
  return to_capsule(std::move(tensor), &destroy_own_capsule<Tensor>);
}

}  // namespace

PyObject* share_in_capsule(BufferObject* self, bool versioned) {
  if (versioned) {
    return export_with(
        self,
        [](const BufferView& view, void* root) { return to_own_capsule(export_dlpack(view, root, &drop_shared)); },
        [](const Buffer& buffer) { return to_capsule(export_dlpack(buffer)); });
  }
  return export_with(
      self,
      [](const BufferView& view, void* root) { return to_own_capsule(export_dlpack_legacy(view, root, &drop_shared)); },
      [](const Buffer& buffer) { return to_capsule(export_dlpack_legacy(buffer)); });
}

void raise_released() { raise(PyExc_ValueError, "operation forbidden on released memoryview object"); }

PyObject* wrap_owned(ModuleState* state, BufferView view, PyObject* owner, StreamRef stream) {
  Py_INCREF(owner);
  std::shared_ptr<void> handle(owner, &drop_object);  // calls drop_object if it throws
  Ref root = Ref::steal(wrap(state, Buffer(std::move(view), std::move(handle), stream), owner));
  as_buffer(root.get())->lease.tracked_object = owner;
  return root.release();
}

void release(BufferObject* self) {
  const Exclusive only(as_object(self));
  if (self->lease_ptr == nullptr) return;
  if (self->exports > 0) {
    raise(PyExc_BufferError, "Buffer has %zd exported buffer%s: release those first", self->exports,
          self->exports == 1 ? "" : "s");
  }
  Lease* lease = std::exchange(self->lease_ptr, nullptr);
  const Ref root = Ref::steal(reinterpret_cast<PyObject*>(std::exchange(self->root, nullptr)));
  drop_user(*lease);
}

LeaseHold::LeaseHold(BufferObject* self) {
  const Exclusive only(as_object(self));
  live_view(self);
  root_ = root_of(self);
  Py_INCREF(as_object(root_));
  ++root_->lease.users;
}

LeaseHold::~LeaseHold() {
  stay_if_ended();
  drop_user(root_->lease);
  drop_reference(as_object(root_));
}

PyObject* release_method(BufferObject* self) {
  release(self);
  Py_RETURN_NONE;
}

PyObject* enter(BufferObject* self) {
  live_view(self);
  return Py_NewRef(as_object(self));
}

PyObject* leave(BufferObject* self, PyObject*) { return release_method(self); }

}  // namespace strideport::python
