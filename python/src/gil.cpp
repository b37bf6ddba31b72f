#include "gil.hpp"

#include <unistd.h>

#include <atomic>

namespace strideport::python {
namespace {

std::atomic<bool> exit_began{false};
thread_local bool exits_here = false;

/// Its destructor is the first thing on the stack that pthread_exit meets.
class StayIfUnwound {
 public:
  StayIfUnwound() = default;
  ~StayIfUnwound() {
    if (!returned_) stay_for_ever();
  }
  StayIfUnwound(const StayIfUnwound&) = delete;
  StayIfUnwound& operator=(const StayIfUnwound&) = delete;
  void returned() noexcept { returned_ = true; }

 private:
  bool returned_ = false;
};

}  // namespace

// Not inlined: inside a noexcept caller the unwinder would find that frame's std::terminate in place of the destructor.
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

void stay_for_ever() noexcept {
  for (;;) pause();
}

void note_exiting_thread(bool exiting) noexcept {
  exits_here = exiting;
  exit_began.store(exiting, std::memory_order_release);
}

bool is_another_thread_exiting() noexcept { return exit_began.load(std::memory_order_acquire) && !exits_here; }

}  // namespace strideport::python
