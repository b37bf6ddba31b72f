// The one driver of the process, loaded at the first call and never unloaded.
//
// A forked child has nothing of its parent's driver: it starts from an empty slot, and loads again at its own first
// call. That works where the fork came before anything initialised the driver, and is a clear problem where it came
// after. The parent's slot is left alone by the child, since another thread may have been inside it at the fork.

#include <pthread.h>
#include <stdlib.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "device/driver/driver.hpp"

namespace strideport::driver {
namespace {

struct Slot {
  std::once_flag once;
  Loaded loaded;
};

constinit std::atomic<Slot*> current_slot{nullptr};

// When the library is loaded, not at the first call: a fork must not find another thread halfway through it. A failure
// (no memory for the handler) leaves a child with its parent's table, whose functions fail there.
const bool forgets_at_fork = pthread_atfork(nullptr, nullptr, [] { current_slot.store(nullptr); }) == 0;

Slot& slot() {
  Slot* found = current_slot.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  auto fresh = std::make_unique<Slot>();
  if (current_slot.compare_exchange_strong(found, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *found;
}

Loaded load() {
  // Not for programs with more rights than their caller: the variable is the caller's.
  const char* given = secure_getenv("STRIDEPORT_LIBCUDA");
  if (given == nullptr || *given == '\0') return load_driver("libcuda.so.1");
  Loaded loaded = load_driver(given);
  if (!loaded.usable) loaded.problem += " (STRIDEPORT_LIBCUDA names this library)";
  return loaded;
}

}  // namespace

const Loaded& libcuda() {
  static_cast<void>(forgets_at_fork);
  Slot& mine = slot();
  std::call_once(mine.once, [&] { mine.loaded = load(); });
  return mine.loaded;
}

}  // namespace strideport::driver
