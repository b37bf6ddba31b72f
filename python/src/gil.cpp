#include "gil.hpp"

#include <unistd.h>

#include <atomic>

namespace strideport::python {
namespace {

std::atomic<bool> exit_began{false};
thread_local bool exits_here = false;

}  // namespace

[[gnu::noinline]] void restore_thread(PyThreadState* saved) {
  StayIfUnwound guard;
  PyEval_RestoreThread(saved);
  guard.returned();
}

[[gnu::noinline]] PyGILState_STATE ensure_gil() {
  StayIfUnwound guard;
  const PyGILState_STATE state = PyGILState_Ensure();
  guard.returned();
  return state;
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
