/// A driver in use: its table, its devices, and what we hold on each. Made at the first call that needs the driver, and
/// never destroyed: completions, memory and graphs may outlive everything else of the process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/calls.hpp"
#include "device/contexts.hpp"
#include "device/driver/driver.hpp"
#include "device/events.hpp"
#include "device/library.hpp"
#include "device/memory.hpp"
#include "device/peers.hpp"
#include "device/pinned.hpp"
#include "device/rates.hpp"
#include "device/reaper.hpp"
#include "device/streams.hpp"
#include "strideport/device.hpp"

namespace strideport::device {

class Session;

/// One device of a driver.
class DeviceState {
 public:
  DeviceState(Session& owner, int number, CUdevice of_driver);

  /// Throws: DeviceError for anything but success, and remembers sticky errors. `doing`: "copying", for the message.
  void check(CUresult error, const char* function, const char* doing) {
    if (error != CUDA_SUCCESS) fail(error, function, doing);
  }
  [[noreturn]] void fail(CUresult error, const char* function, const std::string& doing);
  /// Where an error is no exception, it is at least remembered if it is sticky.
  void note(CUresult error, const char* function) noexcept;

  /// "cuda:0"
  std::string name() const;
  int attribute(CUdevice_attribute which);

  Session& session;
  const driver::Driver& driver;
  const int index;
  const CUdevice handle;
  Health health;
  PrimaryContext context;
  Streams streams;
  Events events;
  Memory memory;
  Kernels kernels;
  Rates rates;
};

class Session {
 public:
  /// Throws: DeviceError.
  Session(DeviceType type, const driver::Driver& driver);

  /// Throws: DeviceError in a child that was forked after the session began.
  void check_not_forked() const {
    if (forked()) throw_forked();
  }
  bool forked() const noexcept;

  int count() const noexcept { return static_cast<int>(devices_.size()); }
  /// Throws: InvalidArgument for an index that there is not.
  DeviceState& device(int index);
  /// The device of a context; null for one that is no primary context.
  DeviceState* device_of(CUcontext context);
  /// Where work goes that has no device of its own: one that is in use already, if there is one.
  DeviceState& any_device();
  /// True if somebody has a primary context on the device, we or others.
  bool is_active(DeviceState& state) const;

  const DeviceType type;
  const driver::Driver driver;
  Library library;
  Pinned pinned;
  Peers peers;
  Reaper reaper;

 private:
  [[noreturn]] void throw_forked() const;

  const int process_;  // the number of forks before it
  std::vector<std::unique_ptr<DeviceState>> devices_;
};

}  // namespace strideport::device
