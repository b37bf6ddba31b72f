#include "device/session.hpp"

#include <pthread.h>

#include <atomic>

#include "device/driver/error.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

constinit std::atomic<int> forks{0};  // between the process that was started and this one

// When the library is loaded: a session must never be older than the handler.
const bool counts_forks = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); }) == 0;

}  // namespace

DeviceState::DeviceState(Session& owner, int number, CUdevice of_driver)
    : session(owner),
      driver(owner.driver),
      index(number),
      handle(of_driver),
      streams(*this),
      events(*this),
      memory(*this),
      kernels(*this),
      rates(*this) {}

void DeviceState::fail(CUresult error, const char* function, const std::string& doing) {
  try {
    driver::throw_driver_error(driver, error, function, doing + " on " + name());
  } catch (const Error& story) {
    if (is_sticky(error)) health.remember(error, story.what());
    throw;
  }
}

void DeviceState::note(CUresult error, const char* function) noexcept {
  if (!is_sticky(error)) return;
  try {
    fail(error, function, "work queued earlier");
  } catch (...) {  // remembered
  }
}

std::string DeviceState::name() const { return to_string({session.type, index}); }

int DeviceState::attribute(CUdevice_attribute which) {
  int value = 0;
  check(driver.DeviceGetAttribute(&value, which, handle), "cuDeviceGetAttribute", "asking for an attribute");
  return value;
}

Session::Session(DeviceType of_type, const driver::Driver& table)
    : type(of_type), driver(table), library(*this), pinned(*this), peers(*this), reaper(*this), process_(forks.load()) {
  static_cast<void>(counts_forks);
  const auto check = [&](CUresult error, const char* function) {
    if (error != CUDA_SUCCESS) driver::throw_driver_error(driver, error, function);
  };
  int count = 0;
  check(driver.DeviceGetCount(&count), "cuDeviceGetCount");
  for (int i = 0; i < count; ++i) {
    CUdevice handle = 0;
    check(driver.DeviceGet(&handle, i), "cuDeviceGet");
    devices_.push_back(std::make_unique<DeviceState>(*this, i, handle));
  }
}

bool Session::forked() const noexcept { return process_ != forks.load(std::memory_order_relaxed); }

void Session::throw_forked() const {
  throw DeviceError("this process was forked after its parent had begun to use " + to_string({type, 0}) +
                        ": a driver does not work in a forked child. Start it with exec (Python: multiprocessing's "
                        "'spawn' or 'forkserver'), or use devices only after the fork",
                    static_cast<int>(CUDA_ERROR_NOT_INITIALIZED));
}

DeviceState& Session::device(int index) {
  if (index >= 0 && index < count()) return *devices_[static_cast<size_t>(index)];
  throw InvalidArgument("there is no device " + to_string({type, index}) + ": the driver has " +
                        std::to_string(count()));
}

bool Session::is_active(DeviceState& state) const {
  unsigned flags = 0;
  int active = 0;
  state.check(driver.DevicePrimaryCtxGetState(state.handle, &flags, &active), "cuDevicePrimaryCtxGetState",
              "asking for the primary context");
  return active != 0;
}

DeviceState* Session::device_of(CUcontext context) {
  if (context == nullptr) return nullptr;
  for (const auto& state : devices_) {
    if (state->context.known() == context) return state.get();
  }
  // A context that somebody else has made is there already: to retain it costs nothing.
  for (const auto& state : devices_) {
    if (state->context.known() != nullptr || !is_active(*state)) continue;
    if (state->context.get(*state) == context) return state.get();
  }
  return nullptr;
}

DeviceState& Session::any_device() {
  check_not_forked();
  for (const auto& state : devices_) {
    if (state->context.known() != nullptr && !state->health.failed()) return *state;
  }
  for (const auto& state : devices_) {
    if (!state->health.failed() && is_active(*state)) return *state;
  }
  for (const auto& state : devices_) {
    if (!state->health.failed()) return *state;
  }
  if (count() == 0) throw DeviceError("the driver has no device", static_cast<int>(CUDA_ERROR_NO_DEVICE));
  return device(0);
}

}  // namespace strideport::device
