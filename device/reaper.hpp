/// The thread that lets owners go once the work on their memory is done.
///
/// It starts at first need. An owner is never dropped in a thread of the driver, nor under a lock. At exit the process
/// waits a while for what is pending, so that nothing is lost that would be done in time.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/device_api.hpp"

namespace strideport::device {

class Session;

class Reaper {
 public:
  explicit Reaper(Session& session) noexcept : session_(session) {}

  /// Drops the owner once all of `pending` is reached: here and now if it is already, else in the thread. Where there
  /// can be no thread, waits.
  void add(std::vector<Completion> pending, std::shared_ptr<void> owner) noexcept;

  /// An owner that waits for a call of the driver's, which may do next to nothing.
  struct Parked {
    Reaper* reaper;
    std::shared_ptr<void> owner;
    std::unique_ptr<Parked> next;
  };
  /// Throws: std::bad_alloc; DeviceError where no thread can be started.
  [[nodiscard]] std::unique_ptr<Parked> park(std::shared_ptr<void> owner);
  /// Hands a released Parked to the thread. A CUhostFn.
  static void unpark(void* parked) noexcept;

 private:
  struct Item {
    std::vector<Completion> pending;
    std::shared_ptr<void> owner;
  };

  static void finish_all() noexcept;  // at exit
  // Waits for all that is pending, up to a few seconds; from now on `add` waits by itself, and the thread does nothing
  // more.
  void finish() noexcept;
  void start();  // under the mutex
  void serve() noexcept;
  void wait_here(Item item) noexcept;

  Session& session_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::list<Item> inbox_;
  std::unique_ptr<Parked> parked_;
  bool started_ = false;
  bool busy_ = false;     // the thread has work
  bool looking_ = false;  // and is at it, perhaps in the driver
  bool finishing_ = false;
  bool finished_ = false;
  Reaper* next_ = nullptr;  // of those that have threads
};

}  // namespace strideport::device
