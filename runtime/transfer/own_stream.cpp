#include "runtime/transfer/own_stream.hpp"

#include <mutex>
#include <vector>

#include "runtime/transfer/forget.hpp"

namespace strideport::transfer {
namespace {

struct Idle {
  std::mutex mutex;
  std::vector<WorkStream> streams;
};

constexpr size_t kManyBusy = 16;

enum class State : uint8_t { idle, busy, failed };

State state_of(const WorkStream& work) noexcept {
  try {
    return work.api->done(work.device, work.stream) ? State::idle : State::busy;
  } catch (...) {
    return State::failed;
  }
}

// Leaked on purpose: at exit streams must not be torn down under those who still use them.
Idle& idle() {
  static Idle* const all = new Idle;
  return *all;
}

// An idle stream is as good as a new one; a busy one would make this copy wait for another's, so only many of them are
// shared. One that failed is given up: what is wrong with its device comes out when a new one is made.
WorkStream find_kept(DeviceApi& api, int device) {
  Idle& all = idle();
  const std::lock_guard lock(all.mutex);
  size_t busy = 0;
  for (size_t i = all.streams.size(); i-- > 0;) {
    const WorkStream found = all.streams[i];
    if (found.api != &api || found.device != device) continue;
    const State state = state_of(found);
    if (state == State::busy && ++busy < kManyBusy) continue;
    all.streams[i] = all.streams.back();
    all.streams.pop_back();
    if (state != State::failed) return found;
    api.destroy_stream(device, found.stream);
  }
  return {};
}

WorkStream take(DeviceApi& api, int device) {
  if (const WorkStream found = find_kept(api, device); found.api != nullptr) return found;
  const StreamRef made = api.create_stream(device, 0);
  try {
    return inspect_stream({api.type(), device}, made);
  } catch (...) {
    api.destroy_stream(device, made);
    throw;
  }
}

}  // namespace

OwnStream::OwnStream(DeviceApi& api, int device) {
  (void)api.count();  // in a forked child this throws: the mutex below may be as the fork found it
  work_ = take(api, device);
}

OwnStream::~OwnStream() {
  if (work_.api == nullptr) return;
  try {
    Idle& all = idle();
    const std::lock_guard lock(all.mutex);
    all.streams.push_back(work_);
  } catch (...) {
    work_.api->destroy_stream(work_.device, work_.stream);
  }
}

bool OwnStream::discard() noexcept {
  const bool over = work_.api->drain(work_.device, work_.stream);
  work_.api->destroy_stream(work_.device, work_.stream);
  work_.api = nullptr;
  return over;
}

void forget_streams(DeviceApi& api) {
  Idle& all = idle();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.streams, [&api](const WorkStream& work) { return work.api == &api; });
}

void join(const WorkStream& after, const WorkStream& before) {
  if (after.device == before.device && after.id == before.id) return;
  after.api->wait(after.device, after.stream, before.api->record(before.device, before.stream));
}

}  // namespace strideport::transfer
