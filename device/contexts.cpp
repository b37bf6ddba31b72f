#include "device/contexts.hpp"

#include "device/calls.hpp"
#include "device/driver/error.hpp"
#include "device/session.hpp"

namespace strideport::device {
namespace {

const driver::Driver& enter(DeviceState& state) {
  state.session.check_not_forked();
  state.health.fail_fast();
  return state.driver;
}

}  // namespace

Relaxed::Relaxed(const driver::Driver& driver) : driver_(driver) {
  const CUresult error = driver_.ThreadExchangeStreamCaptureMode(&before_);
  if (error != CUDA_SUCCESS) driver::throw_driver_error(driver_, error, "cuThreadExchangeStreamCaptureMode");
}

Relaxed::~Relaxed() {
  try_twice([&] {
    CUstreamCaptureMode mode = before_;
    return driver_.ThreadExchangeStreamCaptureMode(&mode);
  });
}

Pushed::Pushed(DeviceState& state, CUcontext context) : driver_(state.driver) {
  CUcontext current = nullptr;
  state.check(driver_.CtxGetCurrent(&current), "cuCtxGetCurrent", "asking for the current context");
  if (current == context) return;
  state.check(driver_.CtxPushCurrent(context), "cuCtxPushCurrent", "making the primary context current");
  pushed_ = true;
}

Pushed::~Pushed() {
  if (!pushed_) return;
  CUcontext ours = nullptr;
  driver_.CtxPopCurrent(&ours);
}

CUcontext PrimaryContext::get(DeviceState& state) {
  const CUcontext context = known();
  if (context == nullptr) {
    retain(state);
    return known();
  }
  check_not_reset(state, context);
  return context;
}

void PrimaryContext::retain(DeviceState& state) {
  const std::lock_guard lock(mutex_);
  if (known() != nullptr) return;
  CUcontext context = nullptr;
  state.check(state.driver.DevicePrimaryCtxRetain(&context, state.handle), "cuDevicePrimaryCtxRetain",
              "retaining the primary context");
  const CUresult error = state.driver.CtxGetId(context, &id_);
  if (error != CUDA_SUCCESS) {
    state.driver.DevicePrimaryCtxRelease(state.handle);
    state.fail(error, "cuCtxGetId", "retaining the primary context");
  }
  context_.store(context, std::memory_order_release);
}

// A reset leaves the handle as it is, and destroys what it stood for: only its number changes, which nobody may ask for
// before the context is known to be there. We hold it, so it is inactive for no other reason than a reset.
void PrimaryContext::check_not_reset(DeviceState& state, CUcontext context) {
  if (state.session.is_active(state)) {
    unsigned long long id = 0;
    const CUresult error = state.driver.CtxGetId(context, &id);
    if (error == CUDA_SUCCESS && id == id_) return;
    const bool reset =
        error == CUDA_SUCCESS || error == CUDA_ERROR_CONTEXT_IS_DESTROYED || error == CUDA_ERROR_INVALID_CONTEXT;
    if (!reset) state.fail(error, "cuCtxGetId", "looking at the primary context");
  }
  state.health.remember(CUDA_ERROR_CONTEXT_IS_DESTROYED,
                        "the primary context of " + state.name() +
                            " was reset by somebody (cudaDeviceReset or cuDevicePrimaryCtxReset), and with it went all "
                            "memory, streams and events on it");
  state.health.fail_fast();
}

Entry::Entry(DeviceState& state) : relaxed_(enter(state)), pushed_(state, state.context.get(state)) {
  state.kernels.prepare_once();
}

}  // namespace strideport::device
