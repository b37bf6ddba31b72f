/// The life of a BufferObject: how one is made, what the garbage collector sees, and how it goes.
#include <memory>
#include <new>
#include <utility>

#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"
#include "ref.hpp"
#include "runtime/toolchain.hpp"
#include "type_callbacks.hpp"

namespace strideport::python {
namespace {

// AddressSanitizer finds uses of a Buffer that is gone only if its memory is, too.
constexpr bool kKeepsMemory = kHasGil && STRIDEPORT_ADDRESS_SANITIZER == 0;

/// Memory of Buffers that are gone, for the next ones: 14 KB at most. Strideport works in one interpreter, whose GIL
/// guards this. All were of one type, which has to live as long as they are kept: CPython reads it when it frees them.
struct KeptMemory {
  static constexpr int kMost = 32;
  PyTypeObject* type = nullptr;  // the module's state has the reference; null where none are kept
  int count = 0;
  PyObject* objects[kMost]{};
};
constinit KeptMemory kept{};

/// An object of which the base alone is made, and which the collector does not know. Null with the error set on
/// failure.
PyObject* take_memory(PyTypeObject* type) {
  if (type == kept.type && kept.count > 0) return PyObject_Init(kept.objects[--kept.count], type);
  return as_object(PyObject_GC_New(BufferObject, type));
}

void give_memory_back(PyObject* object) noexcept {
  if (Py_TYPE(object) == kept.type && kept.count < KeptMemory::kMost) {
    kept.objects[kept.count++] = object;
  } else {
    PyObject_GC_Del(object);
  }
}

BufferObject* begin(PyObject* object, BufferObject* root, StreamRef stream) noexcept {
  BufferObject* self = as_buffer(object);
  self->root = root;
  self->lease_ptr = &(root != nullptr ? root : self)->lease;
  self->weakrefs = nullptr;
  self->hash = -1;
  self->exports = 0;
  self->lent = nullptr;
  self->stream = stream;
  self->is_root = root == nullptr;
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

Draft::Draft(ModuleState* state)
    : object_(begin(checked(take_memory(state->buffer_type)), nullptr, StreamRef::host())) {
  new (&object_->lease) Lease;  // without (), which would clear all of it first, by an instruction that takes 15 ns
  object_->lease.users = 1;
}

Draft::Draft(BufferObject* self) {
  const Exclusive only(as_object(self));
  live_view(self);
  BufferObject* root = self->root != nullptr ? self->root : self;
  const StreamRef stream = self->stream;
  // First: 3.11 may collect garbage where memory is taken, and a finaliser release `self`.
  Py_INCREF(as_object(root));
  ++root->lease.users;
  PyObject* memory = take_memory(Py_TYPE(as_object(self)));
  if (memory == nullptr) {
    drop_user(root->lease);
    Py_DECREF(as_object(root));
    throw PythonError{};
  }
  object_ = begin(memory, root, stream);
}

void Draft::give_up() noexcept {
  stay_if_ended();
  if (!has_view_) new (&object_->view) BufferView();
  Py_DECREF(as_object(object_));
}

BufferObject* new_root(ModuleState* state) {
  Draft draft(state);
  draft.make_view([] { return BufferView(); });
  return as_buffer(draft.finish());
}

PyObject* wrap(ModuleState* state, Buffer buffer, PyObject* obj) {
  Draft draft(state);
  draft.make_view([&] { return BufferView(buffer.view()); });
  draft->stream = buffer.stream();
  if (buffer.device().has_driver()) {
    draft->lease.tracked = std::make_unique<Buffer>(std::move(buffer));
  } else {
    draft->lease.owner = std::move(buffer).owner();
  }
  draft->lease.obj = Py_XNewRef(obj);
  return draft.finish();
}

PyObject* new_view(BufferObject* self, BufferView view) {
  Draft draft(self);
  draft.make_view([&] { return BufferView(std::move(view)); });
  return draft.finish();
}

void keep_memory_of_buffers(PyTypeObject* type) noexcept {
  while (kept.count > 0) PyObject_GC_Del(kept.objects[--kept.count]);
  kept.type = kKeepsMemory ? type : nullptr;
}

void forget_memory_of_buffers(const PyTypeObject* type) noexcept {
  if (type != nullptr && type == kept.type) keep_memory_of_buffers(nullptr);
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

namespace {

/// Deallocations within deallocations on this thread: of an owner by its Buffer, of that one's owner, and so on. Past
/// some depth they wait for the outermost one, since a chain of owners can be longer than the stack is deep. CPython's
/// macros for that (Py_TRASHCAN_BEGIN) are not in the Limited API.
struct Nesting {
  int depth;
  PyObject* waiting;  // linked by `weakrefs`
};
constexpr int kMaxNesting = 50;
constinit thread_local Nesting nesting STRIDEPORT_NEAR_TLS{};

void destroy(BufferObject* self) {
  PyTypeObject* const type = Py_TYPE(as_object(self));
  // A consumer of an export holds a reference, so there is none.
  Lease* const lease = std::exchange(self->lease_ptr, nullptr);
  BufferObject* const root = std::exchange(self->root, nullptr);
  if (lease != nullptr) drop_user(*lease);
  if (root != nullptr) Py_DECREF(as_object(root));
  if (self->is_root) self->lease.~Lease();
  self->view.~BufferView();
  if (self->lent != nullptr) DLPackDeleter()(self->lent);
  give_memory_back(as_object(self));
  Py_DECREF(type);
}

}  // namespace

void buffer_dealloc(PyObject* object) noexcept {
  BufferObject* self = as_buffer(object);
  PyObject_GC_UnTrack(object);
  if (self->weakrefs != nullptr) clear_weak_references(object);
  if (nesting.depth == kMaxNesting) {
    self->weakrefs = std::exchange(nesting.waiting, object);
    return;
  }
  ++nesting.depth;
  stay_if_unwound([&] {
    destroy(self);
    while (nesting.waiting != nullptr && nesting.depth == 1) {
      BufferObject* next = as_buffer(nesting.waiting);
      nesting.waiting = next->weakrefs;
      destroy(next);
    }
  });
  --nesting.depth;
}

int buffer_traverse(PyObject* object, visitproc visit, void* arg) noexcept {
  BufferObject* self = as_buffer(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->root);
  if (!self->is_root) return 0;
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
  if (self->exports == 0) release(self);
  return 0;
}

}  // namespace strideport::python
