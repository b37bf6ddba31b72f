/// Streams as threads: what is queued, what it waits for, and who runs when.
///
/// A stream is a queue with a thread of its own, begun with the first work. Work runs when it is at the head of its
/// queue and all that it depends on elsewhere is done. All of this is guarded by the driver's one mutex and hidden from
/// ThreadSanitizer; the work itself is not, and the orders that hold are published (quiet.hpp): from whoever queues to
/// the work, from the work to what depends on it, and to whoever waited for it.
///
/// With a seed, one piece of work runs at a time, drawn among those that could, and nothing runs of its own accord:
/// each call that queues lets none to two pieces go first, and a host that waits lets all go. So one host thread meets
/// the same order with the same seed. Only where nobody waits in the driver for a while does the work go on by itself.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <vector>

namespace strideport::simulated {

struct Queue;

struct Op {
  std::function<void()> work;  ///< may be empty: a mark
  bool callback = false;       ///< the user's own code, which may block
  Queue* queue = nullptr;      ///< null once done
  std::vector<std::shared_ptr<Op>> depends_on;
  std::vector<std::weak_ptr<Op>> dependents;
  std::vector<std::function<void()>> then;  ///< under the lock, once it is done; must not throw
  int waits_for = 0;
  bool chosen = false;
  bool started = false;
  bool done = false;
  uint64_t place = 0;                          ///< in its queue, from 1
  std::shared_ptr<uint64_t> seen;              ///< its queue's
  std::chrono::steady_clock::time_point when;  ///< it was done
  char queued_key = 0;
  char done_key = 0;
};
using OpPtr = std::shared_ptr<Op>;

/// Kept alive by its thread.
struct Queue : std::enable_shared_from_this<Queue> {
  uint64_t number = 0;
  std::deque<OpPtr> ops;  ///< the first may be running
  OpPtr last;             ///< the last queued, done or not: its order is still to be had; null if none was
  uint64_t pushed = 0;
  std::shared_ptr<uint64_t> seen = std::make_shared<uint64_t>(0);  ///< the last place that a host knows to be done
  std::condition_variable wake;
  bool has_thread = false;
  bool closed = false;  ///< the thread ends once nothing is left
  char ran_key = 0;     ///< all that has run
};
using QueuePtr = std::shared_ptr<Queue>;

using Lock = std::unique_lock<std::mutex>;

class Engine {
 public:
  std::mutex mutex;  ///< the driver's one

  QueuePtr make_queue();
  /// What is queued is still done.
  void close(Queue& queue);
  /// Forgets what has not begun: it counts as done and never runs.
  void abandon(Queue& queue);

  /// Throws: std::bad_alloc or std::system_error, where nothing was queued.
  OpPtr push(Queue& queue, std::function<void()> work, const std::vector<OpPtr>& depends_on, bool callback = false);
  /// After a push, by the caller whose call pushed: the seed's chance to let work run first.
  void let_some_run(Lock& lock);
  [[nodiscard]] static bool is_done(const Queue& queue) noexcept { return queue.last == nullptr || queue.last->done; }

  /// Blocks the host, not at all where the work is done; either way its order is the caller's from then on. Null is
  /// fine.
  void wait(Lock& lock, const OpPtr& op);
  /// After `op->done` was seen and is answered to the caller.
  static void take_order(const OpPtr& op) noexcept;
  /// True if a host waited for the op, or for a later one of its stream, or was answered that it is done.
  [[nodiscard]] static bool is_seen(const Op& op) noexcept {
    return op.done && (op.seen == nullptr || op.place <= *op.seen);
  }

  void set_seed(uint64_t seed);
  uint64_t draw() { return random_(); }
  /// Waits until every thread has left; all that they did is before what the caller does then. All queues must be
  /// closed and abandoned.
  void wait_for_threads(Lock& lock);
  void wait_while_running(Lock& lock, const Queue& queue);
  /// The same, but for the user's own code, which may block; all that the queue ran is before what the caller does
  /// then.
  void wait_for_device(Lock& lock, const Queue& queue);

 private:
  void start_thread(const QueuePtr& queue);
  static void serve(Engine* engine, QueuePtr queue);
  void finish(Queue& queue, const OpPtr& op);
  void mark_done(const OpPtr& op);
  bool may_start(const Queue& queue) const noexcept;
  OpPtr choose();
  void keep_going();

  std::condition_variable changed_;    // something is done, or a thread has left
  std::map<uint64_t, QueuePtr> busy_;  // queues with work, in the order in which they were made
  std::mt19937_64 random_;
  uint64_t next_number_ = 1;
  bool seeded_ = false;
  bool running_chosen_ = false;
  int hosts_waiting_ = 0;
  int threads_ = 0;
};

/// True in a thread of the driver's own: what it calls back must not call the driver.
[[nodiscard]] bool in_callback() noexcept;
void set_in_callback(bool inside) noexcept;

}  // namespace strideport::simulated
