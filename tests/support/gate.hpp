/// Streams that stand still until a test lets them go on, and the context that calls of the driver want.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "device/driver/driver.hpp"
#include "strideport/stream.hpp"

namespace strideport::testing {

/// A call of a test's own, made again where an injected fault struck it.
template <class Call>
bool steadily(Call call) {
  return call() == CUDA_SUCCESS || call() == CUDA_SUCCESS;
}

/// Makes the primary context of a device current while it lives: drivers want one for most calls.
class ContextOf {
 public:
  ContextOf(const driver::Driver& driver, int device) : driver_(driver) {
    CUcontext context = nullptr;
    pushed_ = steadily([&] { return driver_.DeviceGet(&device_, device); }) &&
              steadily([&] { return driver_.DevicePrimaryCtxRetain(&context, device_); }) &&
              steadily([&] { return driver_.CtxPushCurrent(context); });
  }
  ~ContextOf() {
    if (!pushed_) return;
    CUcontext context = nullptr;
    driver_.CtxPopCurrent(&context);
    driver_.DevicePrimaryCtxRelease(device_);
  }
  ContextOf(const ContextOf&) = delete;
  ContextOf& operator=(const ContextOf&) = delete;

 private:
  const driver::Driver& driver_;
  CUdevice device_ = 0;
  bool pushed_ = false;
};

inline CUstream handle_of(StreamRef stream) { return reinterpret_cast<CUstream>(stream.handle()); }

/// Holds a stream up until it is opened, at the latest by its end: work queued behind it is pending for as long as the
/// test likes.
class Gate {
 public:
  Gate() = default;
  /// Closed before a stream of the current context.
  Gate(const driver::Driver& driver, CUstream stream) { EXPECT_TRUE(close(driver, stream)); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { open(); }

  /// False where the driver refused.
  bool close(const driver::Driver& driver, CUstream stream) {
    return steadily([&] { return driver.LaunchHostFunc(stream, &wait, state_); });
  }
  bool close(const driver::Driver& driver, StreamRef stream, int device = 0) {
    const ContextOf context(driver, device);
    return close(driver, handle_of(stream));
  }
  /// Until the stream has come to it.
  void await_stream() {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->reached; });
  }
  void open() {
    const std::lock_guard lock(state_->mutex);
    state_->open = true;
    state_->changed.notify_all();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool reached = false;
    bool open = false;
  };
  // Kept for good: the stream may come to it after the gate has gone, or never.
  static State* make_state() {
    static auto* const all = new std::deque<State>;
    static auto* const guard = new std::mutex;
    const std::lock_guard lock(*guard);
    return &all->emplace_back();
  }
  static void CUDA_CB wait(void* data) {
    State& state = *static_cast<State*>(data);
    std::unique_lock lock(state.mutex);
    state.reached = true;
    state.changed.notify_all();
    state.changed.wait(lock, [&state] { return state.open; });
  }
  State* state_ = make_state();
};

}  // namespace strideport::testing
