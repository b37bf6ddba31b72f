#include "gil.hpp"

#include <unistd.h>

namespace strideport::python {
namespace {

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

}  // namespace strideport::python
