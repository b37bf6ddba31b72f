/// Whose context is current. All work is done in the primary context of a device, so that pointers and streams are
/// those of the CUDA runtime and of the frameworks; it is retained at a device's first use and never released, not even
/// at exit.
#pragma once

#include <atomic>
#include <mutex>

#include "device/driver/driver.hpp"

namespace strideport::device {

class DeviceState;

/// This thread may make any call although streams capture, its own or others': what we do beside somebody's capture, on
/// streams of ours, does not belong to it.
class Relaxed {
 public:
  explicit Relaxed(const driver::Driver& driver);
  ~Relaxed();
  Relaxed(const Relaxed&) = delete;
  Relaxed& operator=(const Relaxed&) = delete;

 private:
  const driver::Driver& driver_;
  CUstreamCaptureMode before_ = CU_STREAM_CAPTURE_MODE_RELAXED;
};

/// Makes a context current, and the caller's again.
class Pushed {
 public:
  Pushed(DeviceState& state, CUcontext context);
  ~Pushed();
  Pushed(const Pushed&) = delete;
  Pushed& operator=(const Pushed&) = delete;

 private:
  const driver::Driver& driver_;
  bool pushed_ = false;
};

/// The primary context of one device.
class PrimaryContext {
 public:
  /// Retained at the first call. Throws: DeviceError, also where somebody has reset it since.
  CUcontext get(DeviceState& state);
  /// Null where it is not retained yet. Nothing is checked.
  CUcontext known() const noexcept { return context_.load(std::memory_order_acquire); }

 private:
  void retain(DeviceState& state);
  void check_not_reset(DeviceState& state, CUcontext context);

  std::mutex mutex_;
  std::atomic<CUcontext> context_{nullptr};
  unsigned long long id_ = 0;  // written before context_
};

/// What every call into a device begins with: it is alive, its primary context is current, captures do not matter.
class Entry {
 public:
  /// Throws: DeviceError in a forked child, for a device that failed earlier, or whose context was reset.
  explicit Entry(DeviceState& state);

 private:
  Relaxed relaxed_;
  Pushed pushed_;
};

}  // namespace strideport::device
