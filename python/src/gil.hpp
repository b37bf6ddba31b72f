/// Taking the GIL from threads that may still run when the interpreter goes.
///
/// Up to 3.13 CPython ends a thread that asks a finalising interpreter for the GIL by pthread_exit, which unwinds the
/// stack: a noexcept frame makes that std::terminate, and destructors on the way would touch objects without the GIL.
/// So such a thread stays where it is for ever, as 3.14 has it by itself; the end of the process takes it along.
#pragma once

#include <Python.h>

#include <cxxabi.h>

namespace strideport::python {

/// PyEval_RestoreThread.
void restore_thread(PyThreadState* saved);

struct GilState {
  PyGILState_STATE before;
  bool is_new_thread;  ///< Python knows the thread from ensure_gil() to release_gil()
};

/// PyGILState_Ensure.
GilState ensure_gil();

/// PyGILState_Release, once what a new thread kept in threading.local is gone: CPython before 3.12.4 drops that while
/// it takes the thread's state apart, and crashes where a destructor asks for the GIL then
/// (https://github.com/python/cpython/issues/119585).
void release_gil(GilState state);

/// What a thread does that CPython is ending.
[[noreturn]] void stay_for_ever() noexcept;

/// Calls what runs foreign code, or waits for other threads, below frames that are noexcept: where the end of the
/// interpreter ends the thread in there, the unwinding of pthread_exit meets this first and goes no further. An
/// exception of C++ passes, to end the process there with its own words. That unwinding's object has no address, which
/// the sanitizer takes for a null reference, also where a function that says so is inlined into one that does not.
template <class Call>
[[gnu::noinline, gnu::no_sanitize("null")]] auto stay_if_unwound(const Call& call) {
  try {
    return call();
  } catch (const abi::__forced_unwind&) {
    stay_for_ever();
  }
}

/// Py_DECREF: the last one runs finalisers, which are foreign code.
void drop_reference(PyObject* object);

/// PyObject_ClearWeakRefs, which calls who asked for it.
void clear_weak_references(PyObject* object);

/// PyErr_Clear, PyErr_Restore: what was set goes, and its finalisers run.
void clear_error();
void restore_error(PyObject* type, PyObject* value, PyObject* traceback);

/// Called once by the thread that takes the interpreter down, and before a new one starts.
void note_exiting_thread(bool exiting) noexcept;

/// True where another thread takes the interpreter down: this one does not have the GIL, and never will again.
bool is_another_thread_exiting() noexcept;

/// First in every destructor that touches Python objects. Where foreign code that we called ran into the end of the
/// interpreter, pthread_exit unwinds our frames too. While Python lives this costs one call that reads a flag.
inline void stay_if_ended() noexcept {
  if (Py_IsInitialized() == 0 && is_another_thread_exiting()) stay_for_ever();
}

/// Keeps other threads out of what belongs to one Python object: lease, exports, hash, what it lent. With a GIL there
/// are none, and this is nothing. Without one it is CPython's critical section: a thread that blocks or calls what
/// blocks lets the others in meanwhile, as it would drop the GIL, so they nest in any order without a deadlock, and
/// what was read before foreign code ran has to be read again.
class Exclusive {
 public:
#ifdef Py_GIL_DISABLED
  explicit Exclusive(PyObject* object) { begin(object); }
  ~Exclusive() {
    stay_if_ended();
    end();
  }
#else
  explicit Exclusive(PyObject*) noexcept {}
  ~Exclusive() = default;
#endif
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

#ifdef Py_GIL_DISABLED
 private:
  // Both may wait: for who has the object, and for what an outer section has to have again.
  void begin(PyObject* object);
  void end();
  bool is_begun_ = false;
  PyCriticalSection section_;
#endif
};

}  // namespace strideport::python
