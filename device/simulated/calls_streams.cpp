// Streams and events.

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "device/simulated/calls.hpp"
#include "device/simulated/capture.hpp"

namespace strideport::simulated::bodies {
namespace {

constexpr int kGreatestPriority = -5;

// What synchronising a stream waits for, done or not.
std::vector<OpPtr> last_of(Call& call, const Stream& stream) {
  std::vector<OpPtr> last;
  const auto add = [&last](const Stream& one) {
    if (one.queue->last != nullptr) last.push_back(one.queue->last);
  };
  add(stream);
  if (stream.legacy) {
    for (const StreamPtr& other : call.state.streams_of(*stream.context)) {
      if (other->blocking && other.get() != &stream) add(*other);
    }
  }
  return last;
}

// A captured event stands for nothing that will run, so nobody can ask for it.
void check_not_captured(Event& event) {
  if (event.capture == nullptr) return;
  if (!event.capture->ended) event.capture->valid = false;
  refuse(CUDA_ERROR_CAPTURED_EVENT);
}

}  // namespace

CUresult StreamCreateWithPriority(Call& call, CUstream* stream, unsigned int flags, int priority) {
  Context& context = call.context();
  require(stream != nullptr && (flags & ~static_cast<unsigned int>(CU_STREAM_NON_BLOCKING)) == 0);
  auto made = std::make_shared<Stream>();
  made->handle = call.state.new_handle<CUstream>();
  made->id = call.state.new_id();
  made->context = &context;
  made->blocking = flags != CU_STREAM_NON_BLOCKING;
  made->priority = std::clamp(priority, kGreatestPriority, 0);
  made->queue = call.state.engine.make_queue();
  call.state.streams[made->handle] = made;
  *stream = made->handle;
  return CUDA_SUCCESS;
}

// What is queued is still done.
CUresult StreamDestroy(Call& call, CUstream handle) {
  call.context();
  const auto found = call.state.streams.find(handle);
  require(found != call.state.streams.end(), CUDA_ERROR_INVALID_HANDLE);
  const StreamPtr stream = found->second;
  require(stream->capture == nullptr, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  call.state.engine.close(*stream->queue);
  if (stream->queue->last != nullptr) call.state.leaving.push_back(stream);
  call.state.streams.erase(found);
  return CUDA_SUCCESS;
}

CUresult StreamSynchronize(Call& call, CUstream handle) {
  const StreamPtr stream = call.stream(handle);
  call.refuse_capturing(*stream);
  call.check_implicit(*stream);
  call.forbid_while_capturing();
  for (const OpPtr& op : last_of(call, *stream)) call.wait(op);
  require(stream->context->active, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  return stream->context->failed;
}

CUresult StreamQuery(Call& call, CUstream handle) {
  const StreamPtr stream = call.stream(handle);
  call.refuse_capturing(*stream);
  call.check_implicit(*stream);
  call.forbid_while_capturing();
  call.state.engine.let_some_run(call.lock);
  const std::vector<OpPtr> last = last_of(call, *stream);
  if (std::any_of(last.begin(), last.end(), [](const OpPtr& op) { return !op->done; })) return CUDA_ERROR_NOT_READY;
  for (const OpPtr& op : last) Engine::take_order(op);
  return stream->context->failed;
}

CUresult StreamGetId(Call& call, CUstream handle, unsigned long long* id) {
  require(id != nullptr);
  *id = call.stream(handle)->id;
  return CUDA_SUCCESS;
}

// For the default streams, the current context.
CUresult StreamGetCtx(Call& call, CUstream handle, CUcontext* context) {
  require(context != nullptr);
  *context = call.stream(handle)->context->handle;
  return CUDA_SUCCESS;
}

CUresult StreamWaitEvent(Call& call, CUstream handle, CUevent event_handle, unsigned int flags) {
  const StreamPtr stream = call.stream(handle);
  Event& event = call.event(event_handle);
  require(flags == CU_EVENT_WAIT_DEFAULT || flags == CU_EVENT_WAIT_EXTERNAL);
  if (event.capture != nullptr) {
    join_capture(*stream, event);
    return CUDA_SUCCESS;
  }
  if (event.recorded == nullptr) return CUDA_SUCCESS;
  if (stream->capture != nullptr) {
    require(stream->capture->valid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    stream->capture->valid = false;
    refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  }
  call.submit(*stream, {}, {event.recorded});
  return CUDA_SUCCESS;
}

CUresult LaunchHostFunc(Call& call, CUstream handle, CUhostFn function, void* data) {
  const StreamPtr stream = call.stream(handle);
  require(function != nullptr);
  Context* const context = stream->context;
  // A device that failed for good calls nobody back.
  const auto work = [context, function, data, &driver = call.state] {
    bool failed = false;
    {
      const Quiet quiet;
      const Lock lock(driver.engine.mutex);
      failed = context->failed != CUDA_SUCCESS;
    }
    if (!failed) function(data);
  };
  call.submit(*stream, work, {}, true);
  return CUDA_SUCCESS;
}

CUresult EventCreate(Call& call, CUevent* event, unsigned int flags) {
  Context& context = call.context();
  constexpr unsigned int kFlags = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING;
  require(event != nullptr && (flags & ~kFlags) == 0);
  auto made = std::make_shared<Event>();
  made->context = &context;
  made->timed = (flags & CU_EVENT_DISABLE_TIMING) == 0;
  const auto handle = call.state.new_handle<CUevent>();
  call.state.events[handle] = std::move(made);
  *event = handle;
  return CUDA_SUCCESS;
}

CUresult EventDestroy(Call& call, CUevent handle) {
  call.context();
  require(call.state.events.erase(handle) == 1, CUDA_ERROR_INVALID_HANDLE);
  return CUDA_SUCCESS;
}

CUresult EventRecord(Call& call, CUevent handle, CUstream stream_handle) {
  const StreamPtr stream = call.stream(stream_handle);
  Event& found = call.event(handle);
  require(found.context == stream->context, CUDA_ERROR_INVALID_HANDLE);
  const auto event = call.state.events[handle];  // the next lines may let go of the lock
  if (stream->capture != nullptr) {
    require(stream->capture->valid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    event->capture = stream->capture;
    event->frontier = stream->frontier;
    event->recorded = nullptr;
    return CUDA_SUCCESS;
  }
  OpPtr mark = call.submit(*stream, {});
  event->recorded = std::move(mark);
  event->capture = nullptr;
  event->frontier.clear();
  return CUDA_SUCCESS;
}

CUresult EventQuery(Call& call, CUevent handle) {
  call.context();
  check_not_captured(call.event(handle));
  call.forbid_while_capturing();
  call.state.engine.let_some_run(call.lock);
  const Event& event = call.event(handle);
  if (event.recorded == nullptr) return CUDA_SUCCESS;
  if (!event.recorded->done) return CUDA_ERROR_NOT_READY;
  Engine::take_order(event.recorded);
  return event.context->failed;
}

CUresult EventSynchronize(Call& call, CUevent handle) {
  call.context();
  Event& event = call.event(handle);
  check_not_captured(event);
  call.forbid_while_capturing();
  const Context* const context = event.context;
  const OpPtr recorded = event.recorded;
  call.wait(recorded);
  require(context->active, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  return context->failed;
}

CUresult EventElapsedTime(Call& call, float* milliseconds, CUevent start_handle, CUevent end_handle) {
  call.context();
  require(milliseconds != nullptr);
  Event& start = call.event(start_handle);
  Event& end = call.event(end_handle);
  check_not_captured(start);
  check_not_captured(end);
  require(start.timed && end.timed && start.context == end.context, CUDA_ERROR_INVALID_HANDLE);
  require(start.recorded != nullptr && end.recorded != nullptr, CUDA_ERROR_INVALID_HANDLE);
  if (!start.recorded->done || !end.recorded->done) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(end.recorded->when - start.recorded->when).count();
  return start.context->failed;
}

}  // namespace strideport::simulated::bodies
