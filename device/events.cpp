#include "device/events.hpp"

#include <chrono>
#include <memory>
#include <string>

#include "device/session.hpp"
#include "device/streams.hpp"
#include "strideport/error.hpp"

namespace strideport::device {

Recorded::~Recorded() {
  if (event != nullptr) state.events.put_back(event, timed);
}

CUevent Events::take(bool timed) {
  {
    const std::lock_guard lock(mutex_);
    std::vector<CUevent>& shelf = timed ? timed_ : untimed_;
    if (!shelf.empty()) {
      const CUevent event = shelf.back();
      shelf.pop_back();
      return event;
    }
  }
  CUevent event = nullptr;
  // Blocking: who waits for one on the host has nothing better to do than to sleep.
  const unsigned flags = CU_EVENT_BLOCKING_SYNC | (timed ? 0u : static_cast<unsigned>(CU_EVENT_DISABLE_TIMING));
  state_.check(state_.driver.EventCreate(&event, flags), "cuEventCreate", "creating an event");
  return event;
}

// It may still be pending: who waits for it waits for what was recorded when the waiting began.
void Events::put_back(CUevent event, bool timed) noexcept {
  if (state_.session.forked()) return;
  try {
    const std::lock_guard lock(mutex_);
    (timed ? timed_ : untimed_).push_back(event);
  } catch (...) {
    state_.driver.EventDestroy(event);
  }
}

void Events::trim() noexcept {
  const std::lock_guard lock(mutex_);
  for (std::vector<CUevent>* shelf : {&untimed_, &timed_}) {
    for (const CUevent event : *shelf) state_.driver.EventDestroy(event);
    shelf->clear();
  }
}

Recorded& recorded(Session& session, const Completion& completion) {
  if (completion == nullptr) throw InvalidArgument("the completion is null: record one first");
  auto& point = *static_cast<Recorded*>(completion.get());
  if (&point.state.session == &session) return point;
  throw InvalidArgument("the completion is of " + point.state.name() + ", which another driver has than " +
                        to_string({session.type, 0}));
}

Completion record(DeviceState& state, StreamRef stream, bool timed) {
  if (stream.is_host()) throw InvalidArgument("StreamRef::host() is no stream that an event could be recorded on");
  const Entry entry(state);
  const StreamUse use(state, stream);
  if (use.captures()) throw InvalidArgument("the stream captures: an event of a capture could never be asked");
  auto point = std::make_shared<Recorded>(state, timed);
  point->event = state.events.take(timed);
  state.check(state.driver.EventRecord(point->event, use.get()), "cuEventRecord", "recording an event");
  return point;
}

bool done(Recorded& point) {
  if (point.reached.load(std::memory_order_acquire)) return true;
  const Entry entry(point.state);
  const CUresult error = point.state.driver.EventQuery(point.event);
  if (error == CUDA_ERROR_NOT_READY) return false;
  point.state.check(error, "cuEventQuery", "asking for an event");
  point.reached.store(true, std::memory_order_release);
  return true;
}

namespace {

// To sleep and be woken takes tens of microseconds, longer than small copies: for about as long, the event is asked,
// ever more seldom.
bool comes_soon(Recorded& point) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  for (std::chrono::microseconds next{1}; next.count() <= 32; next *= 2) {
    const CUresult error = point.state.driver.EventQuery(point.event);
    if (error == CUDA_SUCCESS) return true;
    if (error != CUDA_ERROR_NOT_READY) point.state.fail(error, "cuEventQuery", "waiting for an event");
    while (Clock::now() - start < next) {
    }
  }
  return false;
}

}  // namespace

void synchronize(Recorded& point) {
  if (point.reached.load(std::memory_order_acquire)) return;
  const Entry entry(point.state);
  if (comes_soon(point)) return point.reached.store(true, std::memory_order_release);
  point.state.check(point.state.driver.EventSynchronize(point.event), "cuEventSynchronize", "waiting for an event");
  point.reached.store(true, std::memory_order_release);
}

void wait(DeviceState& state, StreamRef stream, Recorded& point) {
  if (stream.is_host()) return synchronize(point);
  if (point.reached.load(std::memory_order_acquire)) return;
  const Entry entry(state);
  const StreamUse use(state, stream);
  if (use.captures()) {
    if (done(point)) return;
    throw InvalidArgument(
        "the stream captures, and cannot wait for work outside of the capture: synchronise with it "
        "before the capture begins");
  }
  state.check(state.driver.StreamWaitEvent(use.get(), point.event, 0), "cuStreamWaitEvent", "waiting for an event");
}

double seconds_between(Recorded& start, Recorded& end) {
  if (!start.timed || !end.timed) throw InvalidArgument("both events must be timed: record them with `timed`");
  if (&start.state != &end.state) {
    throw InvalidArgument("the events are of " + start.state.name() + " and " + end.state.name() +
                          ": only those of one device share a clock");
  }
  const Entry entry(start.state);
  float milliseconds = 0;
  start.state.check(start.state.driver.EventElapsedTime(&milliseconds, start.event, end.event), "cuEventElapsedTime",
                    "measuring time");
  return static_cast<double>(milliseconds) * 1e-3;
}

void wait_for_all(DeviceState& state, CUstream stream, std::span<const Completion> pending) {
  for (const Completion& completion : pending) {
    if (completion == nullptr) continue;
    Recorded& point = recorded(state.session, completion);
    if (point.state.health.failed()) continue;  // nothing runs there any more
    if (point.reached.load(std::memory_order_acquire)) continue;
    state.check(state.driver.StreamWaitEvent(stream, point.event, 0), "cuStreamWaitEvent", "waiting for an event");
  }
}

Reached look(Recorded& point) noexcept {
  if (point.reached.load(std::memory_order_acquire)) return Reached::yes;
  try {
    return done(point) ? Reached::yes : Reached::no;
  } catch (const DeviceError& error) {
    const bool over = point.state.health.failed() || error.code() == CUDA_ERROR_DEINITIALIZED;
    return over ? Reached::failed : Reached::no;
  } catch (...) {
    return Reached::no;
  }
}

}  // namespace strideport::device
