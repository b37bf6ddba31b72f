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

}  // namespace

[[gnu::noinline]] void restore_thread(PyThreadState* saved) {
  StayIfUnwound guard;
  PyEval_RestoreThread(saved);
  guard.returned();
}

[[gnu::noinline]] GilState ensure_gil() {
  StayIfUnwound guard;
  const bool is_new_thread = PyGILState_GetThisThreadState() == nullptr;
  const GilState state{PyGILState_Ensure(), is_new_thread};
  guard.returned();
  return state;
}

[[gnu::noinline]] void release_gil(GilState state) {
  StayIfUnwound guard;
  if (state.is_new_thread) clear_thread_locals();
  PyGILState_Release(state.before);
  guard.returned();
}

[[gnu::noinline]] void drop_reference(PyObject* object) {
  StayIfUnwound guard;
  Py_DECREF(object);
  guard.returned();
}

void stay_for_ever() noexcept {
  for (;;) pause();
}

void note_exiting_thread(bool exiting) noexcept {
  exits_here = exiting;
  exit_began.store(exiting, std::memory_order_release);
}

bool is_another_thread_exiting() noexcept { return exit_began.load(std::memory_order_acquire) && !exits_here; }

}  // namespace strideport::python
