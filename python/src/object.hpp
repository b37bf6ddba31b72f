/// The Python object behind `strideport.Buffer`, and the lease that keeps foreign memory alive.
///
/// An import makes a root: a BufferObject that holds the lease itself (one allocation). Views of it (slices,
/// permutations, casts) are BufferObjects that hold a reference to the root. The lease ends, exactly once, when
/// its last user goes: each unreleased BufferObject on it is one user, each DLPack export another. So
/// `root.release()` with slices alive ends nothing but the root, as with memoryview.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "gil.hpp"
#include "strideport/strideport.hpp"

namespace strideport::python {

#ifdef Py_GIL_DISABLED
inline constexpr bool kHasGil = false;
#else
inline constexpr bool kHasGil = true;
#endif

/// A count that the GIL guards, where there is one: an atomic addition costs 5 ns.
using UserCount = std::conditional_t<kHasGil, Py_ssize_t, std::atomic<Py_ssize_t>>;

/// An owner that is let go once, and that nobody counts.
struct SoleOwner {
  void* owner = nullptr;
  void (*let_go)(void*) noexcept = nullptr;  ///< null where there is no owner

  SoleOwner() = default;
  SoleOwner(const SoleOwner&) = delete;
  SoleOwner& operator=(const SoleOwner&) = delete;
  ~SoleOwner() { reset(); }
  void reset() noexcept {
    if (let_go != nullptr) std::exchange(let_go, nullptr)(owner);
  }
};

/// What keeps a root's memory alive. At most one of `master.obj`, `sole`, `owner` and `tracked` is set; `keepalive` may
/// join the others but `tracked`.
struct Lease {
  Py_buffer master;  ///< buffer protocol: released by PyBuffer_Release; has no value without `has_master`
  bool has_master = false;
  bool master_is_private = false;      ///< master.obj is a memoryview that only this lease knows (import_pybuffer.cpp)
  SoleOwner sole;                      ///< DLPack imports until `share` makes them an `owner`; with a GIL
  std::shared_ptr<void> owner;         ///< C++: memory of our own, and DLPack imports that C++ shares
  std::unique_ptr<Buffer> tracked;     ///< memory that a driver knows: it knows the work pending on it, and its owner
  PyObject* tracked_object = nullptr;  ///< the Python object that owns what `tracked` knows; its reference is in there
  PyObject* keepalive = nullptr;       ///< any other object: array interface, from_pointer(owner=)
  PyObject* obj = nullptr;             ///< what `Buffer.obj` shows; strong; may be null (None)
  UserCount users{0};
};

/// Never copied or assigned: a `Draft` makes it, in memory that Buffers before it may have used.
struct BufferObject {
  PyObject ob_base;
  BufferObject* root;  ///< strong reference; null in a root itself and in a released view
  Lease* lease_ptr;    ///< the root's `lease`, or null once released
  PyObject* weakrefs;
  Py_hash_t hash;                  ///< -1 until computed
  Py_ssize_t exports;              ///< Py_buffers handed out by this very object
  DLManagedTensorVersioned* lent;  ///< what DLTensors of the exchange API point into; made at first use, ours
  StreamRef stream;
  bool is_root;  ///< `lease` is alive
  BufferView view;
  union {
    Lease lease;  ///< of roots only
  };
};

class ProducerTypes;

/// What one imported module needs; reached from any BufferObject through its type.
struct ModuleState {
  PyTypeObject* buffer_type;
  PyTypeObject* stream_type;
  PyTypeObject* event_type;
  PyTypeObject* iterator_type;
  PyTypeObject* contiguous_flag_type;
  PyObject* device_error;
  PyObject* device_memory_error;
  PyObject* host_device;     ///< the tuple (1, 0), which `__dlpack_device__` hands out
  PyObject* dtype_class;     ///< strideport._dtype.DType, imported at first use
  ProducerTypes* producers;  ///< what imports know of producers' types; owned
};

inline ModuleState* state_of_module(PyObject* module) noexcept {
  return static_cast<ModuleState*>(PyModule_GetState(module));
}
ModuleState* state_of(const BufferObject* self) noexcept;

inline BufferObject* as_buffer(PyObject* object) noexcept { return reinterpret_cast<BufferObject*>(object); }
inline PyObject* as_object(BufferObject* object) noexcept { return reinterpret_cast<PyObject*>(object); }

// buffer_type.cpp ---------------------------------------------------------------------------------------------

/// Makes the type. Returns null with the error set on failure.
PyTypeObject* make_buffer_type(PyObject* module);

/// A Buffer in the making: nobody else can find it, the garbage collector included, until it is finished. Given up, it
/// gives back what was filled in.
class Draft {
 public:
  /// A root, the only user of an empty lease that the caller fills. Throws PythonError.
  explicit Draft(ModuleState* state);
  /// One more user of the lease of `self`, with its stream. Throws PythonError.
  explicit Draft(BufferObject* self);
  ~Draft() {
    if (object_ != nullptr) give_up();
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  BufferObject* operator->() const noexcept { return object_; }
  /// Makes the view where it stays, of what `make` returns. Once.
  template <class Make>
  void make_view(Make&& make) {
    static_assert(std::is_same_v<decltype(make()), BufferView>);
    new (&object_->view) BufferView(std::forward<Make>(make)());
    has_view_ = true;
  }
  /// The object, which must have its view by now.
  PyObject* finish() noexcept {
    PyObject* const object = as_object(std::exchange(object_, nullptr));
    PyObject_GC_Track(object);
    return object;
  }

 private:
  void give_up() noexcept;
  BufferObject* object_;
  bool has_view_ = false;
};

/// A finished root with an empty lease and the default view, for callers who fill it in place. Giving it up half-filled
/// (Py_DECREF) gives back what was filled in. Throws PythonError.
BufferObject* new_root(ModuleState* state);

/// A root over C++ memory. `obj` (borrowed, may be null) is what `.obj` shows. Throws PythonError.
PyObject* wrap(ModuleState* state, Buffer buffer, PyObject* obj);

/// The same for memory of a driver that belongs to a Python object: `view` and `stream` as for C++'s Buffer. The object
/// is let go once the work queued on the memory is done, from any thread. Throws PythonError and what Buffer throws.
PyObject* wrap_owned(ModuleState* state, BufferView view, PyObject* owner, StreamRef stream);

/// Another view on the lease of `self`. Throws PythonError.
PyObject* new_view(BufferObject* self, BufferView view);

/// Keeps memory of Buffers of this type that are gone for the next ones, and drops what was kept of another. Null:
/// keeps none from then on. The type has to live until then, or until it is forgotten.
void keep_memory_of_buffers(PyTypeObject* type) noexcept;
/// Drops what is kept of this type, which is about to go.
void forget_memory_of_buffers(const PyTypeObject* type) noexcept;

/// Gives everything back. What runs in here is foreign, so every member is empty before its owner is called. The error
/// indicator stays as it is.
void end_lease(Lease& lease) noexcept;

inline void drop_user(Lease& lease) noexcept {
  if (--lease.users == 0) end_lease(lease);
}

/// Notes that `lease.master` is filled. A memoryview made for this lease alone becomes a part of it, out of the
/// garbage collector's sight: CPython crashes when it clears a memoryview whose export lives on in the same garbage.
void own_master(Lease& lease, bool is_private) noexcept;

/// A C++ Buffer over the same memory that keeps the lease: from any thread, with or without the GIL, and leaking
/// rather than crashing once the interpreter finalises.
Buffer share(BufferObject* self);

/// A DLPack tensor over the same memory that keeps the lease in the same way, in one allocation.
DLPackTensor share_tensor(BufferObject* self);
/// The same in a capsule, for `__dlpack__`; legacy where not `versioned`.
PyObject* share_in_capsule(BufferObject* self, bool versioned);

[[noreturn]] void raise_released();

/// Throws PythonError with memoryview's ValueError where `self` is released.
inline const BufferView& live_view(BufferObject* self) {
  if (self->lease_ptr == nullptr) raise_released();
  return self->view;
}

/// Ends this object's use of its lease. Throws BufferError while buffer exports of it live.
void release(BufferObject* self);

/// One more user of a lease, for as long as foreign code (__index__, __eq__, another thread) could release `self`
/// while its memory is touched. Needs the GIL on both ends.
class LeaseHold {
 public:
  explicit LeaseHold(BufferObject* self);  ///< throws PythonError where `self` is released
  ~LeaseHold();
  LeaseHold(const LeaseHold&) = delete;
  LeaseHold& operator=(const LeaseHold&) = delete;

 private:
  BufferObject* root_;
};

/// Drops the GIL while it lives, where `bytes` are enough to be worth it. Hold the leases first.
class GilRelease {
 public:
  static constexpr int64_t kThresholdBytes = 256 * 1024;
  explicit GilRelease(int64_t bytes) noexcept : saved_(bytes >= kThresholdBytes ? PyEval_SaveThread() : nullptr) {}
  /// Always: for what may wait for a device.
  GilRelease() noexcept : saved_(PyEval_SaveThread()) {}
  ~GilRelease() {
    if (saved_ != nullptr) restore_thread(saved_);
  }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  PyThreadState* saved_;
};

/// True where a copy of so many bytes between memory of the host keeps the GIL from beginning to end: nobody can
/// release a Buffer meanwhile, and no lease needs to be held.
constexpr bool keeps_gil(int64_t bytes) noexcept { return kHasGil && bytes < GilRelease::kThresholdBytes; }

// asbuffer.cpp ------------------------------------------------------------------------------------------------

enum class Writable { any, required, refused };  // writable=None, True, False

/// Imports any object through the first protocol that works. A BufferObject gives a new view
/// on its lease. Throws PythonError.
PyObject* import_object(ModuleState* state, PyObject* object, Writable writable);
/// The same with no word on `writable`. Null with the error set on failure.
PyObject* import_or_null(ModuleState* state, PyObject* object) noexcept;

// elements.cpp ------------------------------------------------------------------------------------------------

/// One element at host address `item` as a Python value: a number, bytes, a tuple for a struct, a list for a
/// sub-array, a float for bfloat16 and float8. Throws PythonError.
PyObject* unpack(const BufferView& view, const void* item);

/// Writes a Python value to the host address `item`, which may be a scratch of itemsize bytes: foreign code runs in
/// here, so whoever packs into foreign memory holds the lease. Padding is left as it is. Throws PythonError with
/// memoryview's exception types; what it wrote is undefined then.
void pack(const BufferView& view, void* item, PyObject* value);

}  // namespace strideport::python
