#include "device/streams.hpp"

#include <algorithm>
#include <string>

#include "device/driver/error.hpp"
#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {

CUstream Streams::create(int priority) {
  int least = 0;
  int greatest = 0;
  state_.check(state_.driver.CtxGetStreamPriorityRange(&least, &greatest), "cuCtxGetStreamPriorityRange",
               "creating a stream");
  CUstream stream = nullptr;
  state_.check(state_.driver.StreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING,
                                                      std::clamp(priority, std::min(greatest, least), least)),
               "cuStreamCreateWithPriority", "creating a stream");
  return stream;
}

CUstream Streams::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      const CUstream stream = idle_.back();
      idle_.pop_back();
      return stream;
    }
  }
  return create(0);
}

void Streams::put(std::vector<CUstream>& shelf, CUstream stream) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    shelf.push_back(stream);
  } catch (...) {
    state_.driver.StreamDestroy(stream);
  }
}

void Streams::put_back(CUstream stream) noexcept { put(idle_, stream); }

void Streams::put_back_for_frees(CUstream stream) noexcept { put(frees_, stream); }

// One stream for all would make every free wait for the slowest work that any earlier one waits for.
CUstream Streams::take_for_frees() {
  {
    const std::lock_guard lock(mutex_);
    const bool enough = frees_.size() >= kFreeStreams;
    for (size_t i = 0; i < frees_.size(); ++i) {
      const bool last = i + 1 == frees_.size();
      if (state_.driver.StreamQuery(frees_[i]) != CUDA_SUCCESS && !(enough && last)) continue;
      const CUstream stream = frees_[enough && last ? 0 : i];
      std::erase(frees_, stream);
      return stream;
    }
  }
  return create(0);
}

// Memory without pending work is freed on any idle stream: that, too, may not have happened yet.
void Streams::wait_for_frees() {
  CUresult worst = CUDA_SUCCESS;
  for (std::vector<CUstream>* shelf : {&idle_, &frees_}) {
    std::vector<CUstream> streams;
    {
      const std::lock_guard lock(mutex_);
      streams.swap(*shelf);
    }
    for (const CUstream stream : streams) {
      const CUresult error = state_.driver.StreamSynchronize(stream);
      if (error != CUDA_SUCCESS) worst = error;
      put(*shelf, stream);
    }
  }
  state_.check(worst, "cuStreamSynchronize", "waiting for freed memory");
}

// A pool gives back only what was freed as far as the host knows: what it has not asked for may count as in use.
void Streams::trim() noexcept {
  std::vector<CUstream> idle;
  std::vector<CUstream> frees;
  {
    const std::lock_guard lock(mutex_);
    idle.swap(idle_);
    frees.swap(frees_);
  }
  for (const CUstream stream : idle) {
    try_twice([&] { return state_.driver.StreamSynchronize(stream); });
    state_.driver.StreamDestroy(stream);
  }
  for (const CUstream stream : frees) {
    const bool waits = state_.driver.StreamQuery(stream) == CUDA_ERROR_NOT_READY;
    waits ? put_back_for_frees(stream) : static_cast<void>(state_.driver.StreamDestroy(stream));
  }
}

namespace {

// A failure that is told here may be that of any device, the stream's or the caller's: it is held against none.
void check_owner_told(const driver::Driver& driver, CUresult error) {
  if (error != CUDA_SUCCESS) driver::throw_driver_error(driver, error, "cuStreamGetCtx", "asking whose stream this is");
}

void check_belongs(DeviceState& state, CUstream stream) {
  CUcontext context = nullptr;
  check_owner_told(state.driver, state.driver.StreamGetCtx(stream, &context));
  if (context == state.context.known()) return;
  const DeviceState* owner = state.session.device_of(context);
  throw InvalidArgument(owner != nullptr
                            ? "the stream belongs to " + owner->name() + ", and the work is on " + state.name()
                            : "the stream is in a context that is no device's primary context, the only ones "
                              "supported: create it with the CUDA runtime, a framework or Stream::create");
}

}  // namespace

StreamUse::StreamUse(DeviceState& state, StreamRef stream)
    : state_(state), stream_(to_driver(stream)), ours_(stream.is_host()) {
  if (ours_) {
    stream_ = state_.streams.take();
  } else if (!is_default(stream)) {
    check_belongs(state, stream_);
  }
}

StreamUse::~StreamUse() {
  if (!ours_) return;
  // What failed half-way may still be running on the caller's memory.
  try_twice([&] { return state_.driver.StreamSynchronize(stream_); });
  state_.streams.put_back(stream_);
}

bool StreamUse::captures() const { return !ours_ && is_capturing(state_, stream_); }

void StreamUse::finish() {
  if (!ours_) return;
  state_.check(state_.driver.StreamSynchronize(stream_), "cuStreamSynchronize", "waiting for the work");
  ours_ = false;
  state_.streams.put_back(stream_);
}

bool is_capturing(DeviceState& state, CUstream stream, CUgraph* graph) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  const CUresult error = state.driver.StreamGetCaptureInfo(stream, &status, nullptr, graph, nullptr, nullptr, nullptr);
  // The legacy stream while a stream captures that synchronises with it: no work may go there either.
  if (error == CUDA_ERROR_STREAM_CAPTURE_IMPLICIT) return true;
  state.check(error, "cuStreamGetCaptureInfo", "asking whether a stream captures");
  return status != CU_STREAM_CAPTURE_STATUS_NONE;
}

DeviceState& device_of_stream(Session& session, int device, StreamRef stream) {
  if (stream.is_host()) throw InvalidArgument("StreamRef::host() is no stream of a device");
  if (is_default(stream)) return session.device(device);
  session.check_not_forked();
  const Relaxed relaxed(session.driver);
  CUcontext context = nullptr;
  CUresult error = session.driver.StreamGetCtx(to_driver(stream), &context);
  DeviceState& asked = session.device(device);
  // Some drivers want a context that is current, no matter which; and the caller's may be that of a device that failed.
  if (error == CUDA_ERROR_INVALID_CONTEXT || is_sticky(error)) {
    const Entry entry(is_sticky(error) ? asked : session.any_device());
    error = session.driver.StreamGetCtx(to_driver(stream), &context);
  }
  check_owner_told(session.driver, error);
  DeviceState* const owner = session.device_of(context);
  if (owner != nullptr) return *owner;
  throw InvalidArgument(
      "the stream is in a context that is no device's primary context, the only ones supported: "
      "create it with the CUDA runtime, a framework or Stream::create");
}

StreamInfo inspect_stream(Session& session, int device, StreamRef stream) {
  DeviceState& state = device_of_stream(session, device, stream);
  const Entry entry(state);
  unsigned long long id = 0;
  state.check(state.driver.StreamGetId(to_driver(stream), &id), "cuStreamGetId", "asking for a stream's number");
  return {state.index, id, is_capturing(state, to_driver(stream))};
}

}  // namespace strideport::device
