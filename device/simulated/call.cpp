// The edge of a call, and what its inside asks for by handle.

#include <algorithm>
#include <new>
#include <utility>

#include "device/simulated/state.hpp"

namespace strideport::simulated {
namespace {

// A driver that has an earlier failure to report here has done what it was asked to, too.
bool gives_back(FunctionId function) noexcept {
  switch (function) {
    case FunctionId::MemFree:
    case FunctionId::MemFreeHost:
    case FunctionId::MemFreeAsync:
    case FunctionId::MemHostUnregister:
    case FunctionId::MemPoolDestroy:
    case FunctionId::MemPoolTrimTo:
    case FunctionId::StreamDestroy:
    case FunctionId::EventDestroy:
    case FunctionId::CtxPopCurrent:
    case FunctionId::DevicePrimaryCtxRelease:
    case FunctionId::UserObjectRelease:
    case FunctionId::LibraryUnload:
    case FunctionId::GraphExecDestroy:
    case FunctionId::GraphDestroy: return true;
    default: return false;
  }
}

CUresult run(Call& call, FunctionId function, CUresult (*body)(Call& call, void* arguments), void* arguments) {
  const CUresult injected = call.state.count_call(function, call.thread);
  if (in_callback()) return CUDA_ERROR_NOT_PERMITTED;
  if (injected != CUDA_SUCCESS && !gives_back(function)) return injected;
  const bool any_time = function == FunctionId::Init || function == FunctionId::DriverGetVersion;
  if (!call.state.initialised && !any_time) return CUDA_ERROR_NOT_INITIALIZED;
  try {
    const CUresult result = body(call, arguments);
    return injected != CUDA_SUCCESS ? injected : result;
  } catch (const Refusal& refusal) {
    return injected != CUDA_SUCCESS ? injected : refusal.error;
  }
}

CUresult answer(Call& call, FunctionId function, CUresult (*body)(Call& call, void* arguments), void* arguments) {
  const CUresult result = run(call, function, body, arguments);
  if (result != CUDA_SUCCESS && !in_callback()) call.state.stop_failed(call.lock);
  return result;
}

void check_usable(const Context& context) {
  require(context.active, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  require(context.failed == CUDA_SUCCESS, context.failed);
}

}  // namespace

CUresult enter(FunctionId function, CUresult (*body)(Call& call, void* arguments), void* arguments) noexcept {
  if (lost_in_fork()) return CUDA_ERROR_NOT_INITIALIZED;
  const Quiet quiet;
  try {
    State& driver = state();
    Lock lock(driver.engine.mutex);
    Call call{driver, lock, this_thread(driver)};
    return answer(call, function, body, arguments);
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (...) {  // no thread to be had
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
}

Context& Call::context() {
  require(!thread.contexts.empty() && thread.contexts.back() != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  Context* const found = state.find_context(thread.contexts.back());
  require(found != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  check_usable(*found);
  return *found;
}

Context& Call::valid_context(CUcontext handle) {
  Context* const found = state.find_context(handle);
  require(found != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  return *found;
}

int Call::device(CUdevice device) const {
  require(device >= 0 && device < state.device_count(), CUDA_ERROR_INVALID_DEVICE);
  return device;
}

StreamPtr Call::stream(CUstream handle) {
  Context& current = context();
  if (handle == nullptr || handle == CU_STREAM_LEGACY || handle == CU_STREAM_PER_THREAD) {
    StreamPtr& found = handle == CU_STREAM_PER_THREAD ? current.per_thread[thread.number] : current.legacy;
    if (found == nullptr) {
      auto made = std::make_shared<Stream>();
      made->id = state.new_id();
      made->context = &current;
      made->legacy = handle != CU_STREAM_PER_THREAD;
      made->queue = state.engine.make_queue();
      found = std::move(made);
    }
    return found;
  }
  const auto found = state.streams.find(handle);
  require(found != state.streams.end(), CUDA_ERROR_INVALID_HANDLE);
  check_usable(*found->second->context);
  return found->second;
}

Event& Call::event(CUevent handle) {
  const auto found = state.events.find(handle);
  require(found != state.events.end(), CUDA_ERROR_INVALID_HANDLE);
  return *found->second;
}

Pool& Call::pool(CUmemoryPool handle) {
  const auto found = state.pools.find(handle);
  require(found != state.pools.end() && !found->second->destroyed);
  return *found->second;
}

OpPtr Call::submit(Stream& stream, std::function<void()> work, std::vector<OpPtr> depends_on, bool callback) {
  if (stream.capture != nullptr) {
    Capture& capture = *stream.capture;
    require(capture.valid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    capture.graph->nodes.push_back({std::move(work), callback, stream.frontier});
    stream.frontier = {capture.graph->nodes.size() - 1};
    return nullptr;
  }
  check_implicit(stream);
  const auto depend_on = [&depends_on](const StreamPtr& other) {
    if (other != nullptr && other->queue->last != nullptr) depends_on.push_back(other->queue->last);
  };
  if (stream.legacy) {
    for (const StreamPtr& other : state.streams_of(*stream.context)) {
      if (other->blocking && !other->legacy) depend_on(other);
    }
  } else if (stream.blocking) {
    depend_on(stream.context->legacy);
  }
  OpPtr op = state.engine.push(*stream.queue, std::move(work), depends_on, callback);
  state.engine.let_some_run(lock);
  return op;
}

void Call::wait(const OpPtr& op) {
  if (op == nullptr) return;
  state.engine.wait(lock, op);
  state.trim_pools();
}

void Call::forbid_while_capturing() {
  if (thread.capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return;
  bool forbidden = false;
  for (const CapturePtr& capture : state.captures) {
    if (capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
    const bool own = capture->thread == thread.number;
    const bool concerns_all =
        capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread.capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!own && !concerns_all) continue;
    capture->valid = false;
    forbidden = true;
  }
  require(!forbidden, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

void Call::refuse_capturing(Stream& stream) {
  if (stream.capture == nullptr) return;
  stream.capture->valid = false;
  refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

void Call::check_implicit(const Stream& stream) {
  if (!stream.legacy) return;
  bool implicit = false;
  for (const CapturePtr& capture : state.captures) {
    const bool meets = std::any_of(capture->streams.begin(), capture->streams.end(), [&stream](const Stream* other) {
      return other->blocking && other->context == stream.context;
    });
    if (!meets) continue;
    capture->valid = false;
    implicit = true;
  }
  require(!implicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
}

}  // namespace strideport::simulated
