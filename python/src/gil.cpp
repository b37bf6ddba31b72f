#include "gil.hpp"

#include <unistd.h>

#include <atomic>

namespace strideport::python {
namespace {

std::atomic<bool> exit_began{false};
thread_local bool exits_here = false;

// Finalisers may keep new things there, for ever: what is left then is CPython's to drop.
constexpr int kMostRounds = 16;

void clear_thread_locals() {
  PyObject* const kept = PyThreadState_GetDict();
  for (int i = 0; kept != nullptr && PyDict_Size(kept) > 0 && i < kMostRounds; ++i) PyDict_Clear(kept);
}

#if defined(Py_GIL_DISABLED)
/// True if the section that this thread is in excludes others from the object already. CPython asks the same from 3.14
/// on; 3.13 waits for itself, forty turns of the scheduler, and then lets go of what it holds: 7 us where 0.1 will do.
bool is_innermost([[maybe_unused]] PyObject* object) noexcept {
#if PY_VERSION_HEX < 0x030E0000
  constexpr uintptr_t tags = 3;  // of sections that are let go for a while, and of those over two objects
  const uintptr_t innermost = PyThreadState_GetUnchecked()->critical_section;
  return innermost != 0 && (innermost & tags) == 0 &&
         reinterpret_cast<const PyCriticalSection*>(innermost)->_cs_mutex == &object->ob_mutex;
#else
  return false;
#endif
}
#endif

}  // namespace

// Not inlined: what they guard is a call anyway, and they are called from many places.
[[gnu::noinline]] void restore_thread(PyThreadState* saved) {
  stay_if_unwound([&] { PyEval_RestoreThread(saved); });
}

[[gnu::noinline]] GilState ensure_gil() {
  const bool is_new_thread = PyGILState_GetThisThreadState() == nullptr;
  return stay_if_unwound([&] { return GilState{PyGILState_Ensure(), is_new_thread}; });
}

[[gnu::noinline]] void release_gil(GilState state) {
  stay_if_unwound([&] {
    if (state.is_new_thread) clear_thread_locals();
    PyGILState_Release(state.before);
  });
}

[[gnu::noinline]] void drop_reference(PyObject* object) {
  stay_if_unwound([&] { Py_DECREF(object); });
}

[[gnu::noinline]] void clear_weak_references(PyObject* object) {
  stay_if_unwound([&] { PyObject_ClearWeakRefs(object); });
}

[[gnu::noinline]] void clear_error() {
  stay_if_unwound([] { PyErr_Clear(); });
}

// The function that replaces it begins with 3.12's Limited API.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
[[gnu::noinline]] void restore_error(PyObject* type, PyObject* value, PyObject* traceback) {
  stay_if_unwound([&] { PyErr_Restore(type, value, traceback); });
}
#pragma GCC diagnostic pop

#ifdef Py_GIL_DISABLED
[[gnu::noinline]] void Exclusive::begin(PyObject* object) {
  if (is_innermost(object)) return;
  is_begun_ = true;
  stay_if_unwound([&] { PyCriticalSection_Begin(&section_, object); });
}

[[gnu::noinline]] void Exclusive::end() {
  if (is_begun_) stay_if_unwound([&] { PyCriticalSection_End(&section_); });
}
#endif

void stay_for_ever() noexcept {
  for (;;) pause();
}

void note_exiting_thread(bool exiting) noexcept {
  exits_here = exiting;
  exit_began.store(exiting, std::memory_order_release);
}

bool is_another_thread_exiting() noexcept { return exit_began.load(std::memory_order_acquire) && !exits_here; }

}  // namespace strideport::python
