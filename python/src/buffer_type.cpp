/// The life of a BufferObject: how one is made, what the garbage collector sees, and how it goes.
#include <new>
#include <type_traits>

#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "type_callbacks.hpp"

namespace strideport::python {
namespace {

/// An object whose C++ members are alive; neither root nor view yet. The type is final, and its slots for memory are
/// those that every type has. Throws PythonError.
template <class View>
BufferObject* allocate(PyTypeObject* type, View&& view) {
  Ref object = Ref::steal(checked(PyType_GenericAlloc(type, 0)));
  BufferObject* self = as_buffer(object.get());
  new (&self->view) BufferView(std::forward<View>(view));
  new (&self->stream) StreamRef(StreamRef::host());
  new (&self->lease) Lease();
  self->hash = -1;
  self->constructed = true;
  return as_buffer(object.release());
}

template <class View>
BufferObject* allocate_root(ModuleState* state, View&& view) {
  BufferObject* self = allocate(state->buffer_type, std::forward<View>(view));
  self->lease_ptr = &self->lease;
  self->lease.users.store(1, std::memory_order_relaxed);
  return self;
}

/// True if the lease alone keeps the Python object that owns device memory: no C++ Buffer and no queued work does.
bool is_sole_keeper(const Lease& lease) noexcept {
  if (lease.tracked_object == nullptr || lease.tracked->owner().use_count() != 1) return false;
  try {
    return is_ready(*lease.tracked);
  } catch (...) {  // the device failed, and the work with it
    return false;
  }
}

traverseproc traverse_of(PyObject* object) noexcept {
  return reinterpret_cast<traverseproc>(PyType_GetSlot(Py_TYPE(object), Py_tp_traverse));
}

}  // namespace

BufferObject* new_root(ModuleState* state) { return allocate_root(state, BufferView()); }

PyObject* wrap(ModuleState* state, Buffer buffer, PyObject* obj) {
  BufferObject* self = allocate_root(state, buffer.view());
  Ref root = Ref::steal(as_object(self));
  self->stream = buffer.stream();
  if (buffer.device().has_driver()) {
    self->lease.tracked = std::make_unique<Buffer>(std::move(buffer));
  } else {
    self->lease.owner = std::move(buffer).owner();
  }
  self->lease.obj = Py_XNewRef(obj);
  return root.release();
}

PyObject* new_view(BufferObject* self, BufferView view) {
  // 3.11 may collect garbage inside of `allocate`, and a finaliser release `self`.
  const LeaseHold hold(self);
  BufferObject* root = self->root != nullptr ? self->root : self;
  const StreamRef stream = self->stream;
  BufferObject* result = allocate(Py_TYPE(as_object(self)), std::move(view));
  Py_INCREF(as_object(root));
  result->root = root;
  result->lease_ptr = &root->lease;
  result->lease_ptr->users.fetch_add(1, std::memory_order_relaxed);
  result->stream = stream;
  return as_object(result);
}

PyObject* buffer_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) noexcept {
  return guarded(kNoObject, [&] {
    static const char* const names[] = {"object", nullptr};
    PyObject* object = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Buffer", const_cast<char**>(names), &object)) throw PythonError{};
    auto* state = static_cast<ModuleState*>(PyType_GetModuleState(type));
    return import_object(state, object, Writable::any);
  });
}

void buffer_dealloc(PyObject* object) noexcept {
  BufferObject* self = as_buffer(object);
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (self->weakrefs != nullptr) PyObject_ClearWeakRefs(object);
  if (self->constructed) {
    self->exports = 0;  // a consumer holds a reference, so there is none
    release(self);
    self->lease.~Lease();
    self->view.~BufferView();
    if (self->lent != nullptr) DLPackDeleter()(self->lent);
    self->constructed = false;
  }
  PyObject_GC_Del(object);
  Py_DECREF(type);
}

int buffer_traverse(PyObject* object, visitproc visit, void* arg) noexcept {
  BufferObject* self = as_buffer(object);
  Py_VISIT(Py_TYPE(object));
  if (!self->constructed) return 0;  // the collector may look before `allocate` is done
  Py_VISIT(self->root);
  const Lease& lease = self->lease;
  if (lease.has_master && lease.master_is_private) {  // its references are ours
    const int result = traverse_of(lease.master.obj)(lease.master.obj, visit, arg);
    if (result != 0) return result;
  } else if (lease.has_master) {
    Py_VISIT(lease.master.obj);
  }
  if (is_sole_keeper(lease)) Py_VISIT(lease.tracked_object);
  Py_VISIT(self->lease.keepalive);
  Py_VISIT(self->lease.obj);
  return 0;
}

int buffer_clear(PyObject* object) noexcept {
  BufferObject* self = as_buffer(object);
  // While a Py_buffer is out its consumer, garbage too, still points into the memory. Clearing the consumer gives
  // that Py_buffer back and drops the reference that keeps us.
  if (self->constructed && self->exports == 0) release(self);
  return 0;
}

}  // namespace strideport::python
