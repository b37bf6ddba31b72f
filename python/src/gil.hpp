/// Taking the GIL from threads that may still run when the interpreter goes.
///
/// Up to 3.13 CPython ends a thread that asks a finalising interpreter for the GIL by pthread_exit, which unwinds the
/// stack: a noexcept frame makes that std::terminate, and destructors on the way would touch objects without the GIL.
/// So such a thread stays where it is for ever, as 3.14 has it by itself; the end of the process takes it along.
#pragma once

#include <Python.h>

#include <exception>

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

/// In a frame that runs foreign code below others that are noexcept: where the end of the interpreter ends the thread
/// in there, its destructor is the first thing that pthread_exit meets. The functions that have one are not inlined:
/// inside of a noexcept caller the unwinder would find that frame's std::terminate instead. An exception of C++ passes,
/// to end the process there with its own words.
class StayIfUnwound {
 public:
  StayIfUnwound() = default;
  ~StayIfUnwound() {
    if (!returned_ && std::uncaught_exceptions() == exceptions_) stay_for_ever();
  }
  StayIfUnwound(const StayIfUnwound&) = delete;
  StayIfUnwound& operator=(const StayIfUnwound&) = delete;
  void returned() noexcept { returned_ = true; }

 private:
  bool returned_ = false;
  const int exceptions_ = std::uncaught_exceptions();
};

/// Py_DECREF: the last one runs finalisers, which are foreign code.
void drop_reference(PyObject* object);

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
/// blocks lets the others in meanwhile, as it would drop the GIL, so they nest in any order without a deadlock, and what
/// was read before foreign code ran has to be read again.
class Exclusive {
 public:
#ifdef Py_GIL_DISABLED
  explicit Exclusive(PyObject* object) noexcept { PyCriticalSection_Begin(&section_, object); }
  ~Exclusive() {
    stay_if_ended();
    PyCriticalSection_End(&section_);
  }
#else
  explicit Exclusive(PyObject*) noexcept {}
  ~Exclusive() = default;
#endif
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

#ifdef Py_GIL_DISABLED
 private:
  PyCriticalSection section_;
#endif
};

}  // namespace strideport::python
