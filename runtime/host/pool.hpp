/// The threads of the host copies: started at first use, kept, and shared by all callers.
#pragma once

#include <type_traits>

namespace strideport::host {

class Pool {
 public:
  /// Calls `task(part)` once for every part in [0, parts), on this thread and others, and returns when all are done.
  /// Where the threads are busy with another caller's copy, or cannot be started, this thread does all parts itself.
  /// Throws: the first exception of a task, after all parts were done; nothing of its own.
  template <class Task>
  static void run(int parts, Task&& task) {
    using Plain = std::remove_reference_t<Task>;
    run_erased(
        parts, [](void* context, int part) { (*static_cast<Plain*>(context))(part); },
        const_cast<std::remove_const_t<Plain>*>(&task));
  }

 private:
  using Call = void (*)(void* context, int part);
  static void run_erased(int parts, Call call, void* context);
};

}  // namespace strideport::host
