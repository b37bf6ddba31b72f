// One pool a process. It is leaked on purpose: at exit its threads wait on a condition variable, and destroying that
// under them would hang or crash. After a fork the child has none of the threads, so it forgets the pool, with the
// mutex in whatever state the fork found it, and makes its own when it needs one.

#include "runtime/host/pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

namespace strideport::host {
namespace {

using Call = void (*)(void* context, int part);

// One caller's work. It lives on the caller's stack: nobody looks at it after `left` became 0.
struct Job {
  Call call;
  void* context;
  int parts;
  std::exception_ptr error;  // the first

  std::exception_ptr do_part(int part) const noexcept {
    try {
      call(context, part);
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }
};

// A thread of the pool, which is woken by itself: who is not needed sleeps on.
struct Helper {
  std::condition_variable wake;
  pid_t id = 0;      // 0 until it runs
  cpu_set_t cpus{};  // where it may run; none: as it was started
};

using Helpers = std::vector<std::unique_ptr<Helper>>;

// Lets the first `count` run on the CPUs of the caller but the one that it is on. Left to itself, the kernel of a
// virtual machine of two CPUs woke them on the caller's after every pause of a millisecond: the caller waited for its
// own helper, the other CPU slept, and two threads took as long as one. Returns how many CPUs there are for them, 0 if
// that is unknown.
int keep_off_this_cpu(Helpers& helpers, int count) noexcept {
  const int cpu = sched_getcpu();
  cpu_set_t others;
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof others, &others) != 0) return 0;
  CPU_CLR(cpu, &others);
  const int cpus = CPU_COUNT(&others);
  for (const std::unique_ptr<Helper>& helper : helpers) {
    if (count-- <= 0 || cpus == 0) break;
    if (helper->id == 0 || CPU_EQUAL(&helper->cpus, &others)) continue;
    if (sched_setaffinity(helper->id, sizeof others, &others) == 0) helper->cpus = others;
  }
  return cpus;
}

// One copy often follows another at once, and to sleep and be woken takes 60 us: both sides look on for some time. What
// OpenMP's threads do for 15 ms; these leave their CPU to whoever wants it.
template <class Condition>
void look_out_for(Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(200);
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

// The mutex is held for some tens of nanoseconds, by several who come at the same moment: who slept for it would be woken
// 30 to 60 us later. That made every other copy of 4 MiB on two threads take 1.3 times as long.
std::unique_lock<std::mutex> lock_awake(std::mutex& mutex) {
  std::unique_lock lock(mutex, std::defer_lock);
  for (int tries = 0; tries < 100; ++tries) {
    if (lock.try_lock()) return lock;
    std::this_thread::yield();
  }
  lock.lock();
  return lock;
}

class Workers {
 public:
  // False where another caller has the threads.
  bool try_run(Job& job) {
    std::unique_lock busy(busy_, std::try_to_lock);
    if (!busy) return false;
    const int wanted = job.parts - 1;
    start(wanted);
    {
      const auto lock = lock_awake(mutex_);
      looks_out_ = keep_off_this_cpu(helpers_, wanted) >= wanted;
      job_ = &job;
      next_part_ = 0;
      left_ = job.parts;
      parts_are_left_ = true;  // who looks out comes now
    }
    const size_t woken = std::min(static_cast<size_t>(wanted), helpers_.size());
    for (size_t i = 0; i < woken; ++i) helpers_[i]->wake.notify_one();
    work();
    if (looks_out_) look_out_for([this] { return left_ == 0; });
    auto lock = lock_awake(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    job_ = nullptr;
    return true;
  }

 private:
  // Fewer threads than asked for are enough: the caller does what they do not.
  void start(int wanted) noexcept {
    try {
      for (auto number = static_cast<int>(helpers_.size()); number < wanted; ++number) {
        auto made = std::make_unique<Helper>();
        const auto lock = lock_awake(mutex_);
        helpers_.push_back(std::move(made));
        try {
          std::thread([this, number, helper = helpers_.back().get()] { serve(number, *helper); }).detach();
        } catch (...) {
          helpers_.pop_back();
          throw;
        }
      }
    } catch (...) {  // no thread to be had, or no memory for one
    }
  }

  void serve(int number, Helper& helper) {
    {
      const auto lock = lock_awake(mutex_);
      helper.id = gettid();
    }
    const auto is_wanted = [&] { return has_part() && number < job_->parts - 1; };
    while (true) {
      if (looks_out_) look_out_for([this] { return parts_are_left_.load(); });
      {
        auto lock = lock_awake(mutex_);
        helper.wake.wait(lock, is_wanted);
      }
      work();
    }
  }

  bool has_part() const noexcept { return job_ != nullptr && next_part_ < job_->parts; }

  // Takes parts until there are none.
  void work() {
    auto lock = lock_awake(mutex_);
    while (has_part()) {
      Job& job = *job_;
      const int part = next_part_++;
      if (next_part_ == job.parts) parts_are_left_ = false;
      lock.unlock();
      std::exception_ptr error = job.do_part(part);
      lock = lock_awake(mutex_);
      if (error && !job.error) job.error = error;
      if (--left_ == 0) done_.notify_one();
    }
  }

  std::mutex busy_;  // held by the caller whose job is running
  // Written under the mutex; read without it by who only looks out.
  std::atomic<int> left_{0};
  std::atomic<bool> parts_are_left_{false};
  std::atomic<bool> looks_out_{false};  // there is a CPU for each thread
  std::mutex mutex_;                    // guards what follows
  std::condition_variable done_;
  Job* job_ = nullptr;
  int next_part_ = 0;
  Helpers helpers_;  // grows under busy_ as well
};

std::atomic<Workers*> the_workers{nullptr};

void forget_workers() noexcept { the_workers.store(nullptr, std::memory_order_relaxed); }

// Null where there is no memory for them.
Workers* workers() noexcept {
  static const int registered = pthread_atfork(nullptr, nullptr, forget_workers);
  static_cast<void>(registered);
  Workers* current = the_workers.load(std::memory_order_acquire);
  if (current != nullptr) return current;
  auto* made = new (std::nothrow) Workers;
  if (made == nullptr) return nullptr;
  if (the_workers.compare_exchange_strong(current, made, std::memory_order_acq_rel)) return made;
  delete made;
  return current;
}

bool run_on_threads(Job& job) {
  Workers* const threads = job.parts > 1 ? workers() : nullptr;
  return threads != nullptr && threads->try_run(job);
}

}  // namespace

void Pool::run_erased(int parts, Call call, void* context) {
  Job job{call, context, parts, nullptr};
  if (!run_on_threads(job)) {
    for (int part = 0; part < parts; ++part) {
      const std::exception_ptr error = job.do_part(part);
      if (error && !job.error) job.error = error;
    }
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace strideport::host
