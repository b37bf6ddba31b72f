/// The driver of this run's device, and streams that stand still until a test lets them go on.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "device/driver/driver.hpp"
#include "device/simulated/table.hpp"
#include "strideport/stream.hpp"
#include "tests/support/device_places.hpp"

namespace strideport::testing {

inline const driver::Driver& driver_here() {
  return on_simulated_device() ? simulated::table().driver : driver::libcuda().driver;
}

inline CUstream as_stream(StreamRef stream) { return reinterpret_cast<CUstream>(stream.handle()); }

/// Makes the primary context of a stream's device current for as long as it lives.
class StreamContext {
 public:
  explicit StreamContext(const Stream& stream) {
    EXPECT_EQ(driver_here().DeviceGet(&device_, stream.device().id), CUDA_SUCCESS);
    CUcontext context = nullptr;
    EXPECT_EQ(driver_here().DevicePrimaryCtxRetain(&context, device_), CUDA_SUCCESS);
    EXPECT_EQ(driver_here().CtxPushCurrent(context), CUDA_SUCCESS);
  }
  StreamContext(const StreamContext&) = delete;
  StreamContext& operator=(const StreamContext&) = delete;
  ~StreamContext() {
    CUcontext popped = nullptr;
    EXPECT_EQ(driver_here().CtxPopCurrent(&popped), CUDA_SUCCESS);
    EXPECT_EQ(driver_here().DevicePrimaryCtxRelease(device_), CUDA_SUCCESS);
  }

 private:
  CUdevice device_ = 0;
};

/// What is queued on a stream after `hold` begins once the gate is opened, at the latest by its end.
class Gate {
 public:
  explicit Gate(const Stream& stream) {
    const StreamContext context(stream);
    auto* const data = new std::shared_ptr<State>(state_);
    EXPECT_EQ(driver_here().LaunchHostFunc(as_stream(stream.ref()), &wait, data), CUDA_SUCCESS);
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() { open(); }

  void open() {
    const std::lock_guard lock(state_->mutex);
    state_->open = true;
    state_->opened.notify_all();
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };

  static void CUDA_CB wait(void* data) {
    const std::unique_ptr<std::shared_ptr<State>> held(static_cast<std::shared_ptr<State>*>(data));
    State& state = **held;
    std::unique_lock lock(state.mutex);
    state.opened.wait(lock, [&state] { return state.open; });
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace strideport::testing
