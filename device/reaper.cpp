#include "device/reaper.hpp"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

// How long the thread sleeps between two looks: work is rarely shorter, and nobody misses memory for longer.
constexpr std::chrono::microseconds kShortest{50};
constexpr std::chrono::microseconds kLongest{2000};
constexpr std::chrono::seconds kAtExit{5};
constexpr std::chrono::seconds kAtExitForALook{1};
constexpr int kFailuresBeforeLeak = 8;

constinit std::atomic<Reaper*> with_threads{nullptr};

bool all_reached(std::vector<Completion>& pending) noexcept {
  std::erase_if(pending, [](const Completion& completion) {
    return completion == nullptr || look(*static_cast<Recorded*>(completion.get())) != Reached::no;
  });
  return pending.empty();
}

// Signals are for the program's own threads. Not so a thread's own faults: blocked, they would end the process past
// whatever handles them, without a word, and owners that go here are foreign code.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

void Reaper::finish_all() noexcept {
  for (Reaper* one = with_threads.load(); one != nullptr; one = one->next_) one->finish();
}

void Reaper::start() {
  if (started_) return;
  static const int registered = std::atexit(finish_all);
  static_cast<void>(registered);
  const SignalsBlocked blocked;
  std::thread([this] { serve(); }).detach();
  started_ = true;
  next_ = with_threads.load();
  while (!with_threads.compare_exchange_weak(next_, this)) {
  }
}

void Reaper::add(std::vector<Completion> pending, std::shared_ptr<void> owner) noexcept {
  // A forked child has neither the thread nor the work.
  if (session_.forked() || all_reached(pending)) return;
  Item item{std::move(pending), std::move(owner)};
  std::list<Item> one;
  try {
    one.emplace_back();
    const std::lock_guard lock(mutex_);
    if (!finishing_) {
      start();
      one.front() = std::move(item);
      inbox_.splice(inbox_.end(), one);
      wake_.notify_one();
      return;
    }
  } catch (...) {  // no memory, or no thread
  }
  wait_here(std::move(item));
}

void Reaper::wait_here(Item item) noexcept {
  int failures = 0;
  for (const Completion& completion : item.pending) {
    auto& point = *static_cast<Recorded*>(completion.get());
    while (look(point) == Reached::no) {
      try {
        synchronize(point);
      } catch (...) {
        if (++failures >= kFailuresBeforeLeak) return static_cast<void>(new (std::nothrow) Item(std::move(item)));
      }
    }
  }
}

void Reaper::serve() noexcept {
  std::list<Item> waiting;
  auto pause = kShortest;
  while (true) {
    std::unique_ptr<Parked> parked;
    {
      std::unique_lock lock(mutex_);
      looking_ = false;
      busy_ = !waiting.empty();
      idle_.notify_all();
      // The driver may end now: what is left belongs to the end of the process.
      while (finished_) wake_.wait(lock);
      const auto has_work = [this] { return !inbox_.empty() || parked_ != nullptr; };
      if (waiting.empty()) {
        wake_.wait(lock, has_work);
      } else {
        wake_.wait_for(lock, pause, has_work);
      }
      if (!inbox_.empty()) pause = kShortest;
      waiting.splice(waiting.end(), inbox_);
      parked = std::move(parked_);
      busy_ = true;
      looking_ = true;
    }
    while (parked != nullptr) parked = std::move(parked->next);
    const size_t dropped = std::erase_if(waiting, [](Item& item) { return all_reached(item.pending); });
    pause = dropped != 0 ? kShortest : std::min(pause * 2, kLongest);
  }
}

std::unique_ptr<Reaper::Parked> Reaper::park(std::shared_ptr<void> owner) {
  auto parked = std::make_unique<Parked>(Parked{this, std::move(owner), nullptr});
  const std::lock_guard lock(mutex_);
  try {
    start();
  } catch (const std::system_error& error) {
    throw DeviceError(std::string("no thread can be started that lets go of what a graph kept: ") + error.what());
  }
  return parked;
}

void Reaper::unpark(void* parked) noexcept {
  std::unique_ptr<Parked> mine(static_cast<Parked*>(parked));
  Reaper& reaper = *mine->reaper;
  if (reaper.session_.forked()) return static_cast<void>(mine.release());
  const std::lock_guard lock(reaper.mutex_);  // past the end of the thread it stays in the list
  mine->next = std::move(reaper.parked_);
  reaper.parked_ = std::move(mine);
  reaper.wake_.notify_one();
}

void Reaper::finish() noexcept {
  if (session_.forked()) return;
  std::unique_lock lock(mutex_);
  finishing_ = true;
  if (!started_) return;
  idle_.wait_for(lock, kAtExit, [this] { return !busy_ && inbox_.empty() && parked_ == nullptr; });
  finished_ = true;
  idle_.wait_for(lock, kAtExitForALook, [this] { return !looking_; });
}

}  // namespace strideport::device
