#include "device/driver_api.hpp"

#include <utility>
#include <vector>

#include "device/copies.hpp"
#include "device/graphs.hpp"
#include "device/info.hpp"
#include "device/locate.hpp"
#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

// Some errors pass: how often a driver is asked that cannot say whether work is over.
constexpr int kAsked = 8;

template <class Wait, class Failed>
bool comes_to_an_end(Wait wait, Failed failed) noexcept {
  for (int i = 0; i < kAsked; ++i) {
    try {
      if (failed()) return true;
      wait();
      return true;
    } catch (...) {
    }
  }
  return false;
}

}  // namespace

// Without a lock, which a fork could find taken: of two sessions that begin at once, one is thrown away unused.
Session& DriverApi::session() {
  if (Session* const known = session_.load(std::memory_order_acquire)) {
    known->check_not_forked();
    return *known;
  }
  const driver::Loaded& loaded = load_();
  if (!loaded.usable) throw DeviceError(loaded.problem, loaded.error);
  auto fresh = std::make_unique<Session>(type_, loaded.driver);
  Session* known = nullptr;
  if (session_.compare_exchange_strong(known, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
  return *known;
}

// Kept where a leak checker finds it: what was made before may still come back to it.
void DriverApi::forget() {
  static auto* const forgotten = new std::vector<Session*>;
  forgotten->push_back(session_.exchange(nullptr));
}

template <class Action>
void DriverApi::give_back(Action action) noexcept {
  Session* const known = session_.load(std::memory_order_acquire);
  if (known == nullptr || known->forked()) return;
  give_back_or_leak([&] { action(*known); });
}

int DriverApi::count() { return session().count(); }

DeviceInfo DriverApi::info(int device) { return device_info(session().device(device)); }

TransferRates DriverApi::rates(int device) { return session().device(device).rates.get(); }

void* DriverApi::allocate(int device, int64_t bytes, StreamRef stream) {
  return session().device(device).memory.allocate(bytes, stream);
}

void DriverApi::free(int device, void* memory, std::span<const Completion> pending) noexcept {
  if (memory == nullptr) return;
  give_back([&](Session& known) { known.device(device).memory.free(memory, pending); });
}

void DriverApi::free_on(int device, void* memory, StreamRef stream) noexcept {
  if (memory == nullptr) return;
  give_back([&](Session& known) { known.device(device).memory.free_on(memory, stream); });
}

PinnedBlock DriverApi::allocate_pinned(int64_t bytes) { return session().pinned.allocate(bytes); }

void DriverApi::free_pinned(PinnedBlock block) noexcept {
  if (block.memory == nullptr) return;
  give_back([&](Session& known) { known.pinned.free(block); });
}

bool DriverApi::is_pinned_there(PinnedBlock block) { return session().pinned.is_there(block); }

void* DriverApi::allocate_managed(int device, int64_t bytes) {
  return session().device(device).memory.allocate_managed(bytes);
}

void DriverApi::free_managed(int device, void* memory) noexcept {
  if (memory == nullptr) return;
  give_back([&](Session& known) { known.device(device).memory.free_managed(memory); });
}

std::optional<PointerInfo> DriverApi::locate(const void* address, bool initialise) {
  Session* const known = session_.load(std::memory_order_acquire);
  if (initialise) return device::locate(session(), address, true);
  if (known == nullptr || known->forked()) return std::nullopt;
  return device::locate(*known, address, false);
}

void DriverApi::trim() noexcept {
  give_back([](Session& known) { trim_all(known); });
}

StreamRef DriverApi::create_stream(int device, int priority) {
  DeviceState& state = session().device(device);
  const Entry entry(state);
  return StreamRef::from_handle(reinterpret_cast<uintptr_t>(state.streams.create(priority)));
}

void DriverApi::destroy_stream(int device, StreamRef stream) noexcept {
  if (stream.is_host() || is_default(stream)) return;
  give_back([&](Session& known) {
    DeviceState& state = known.device(device);
    const Entry entry(state);
    state.note(state.driver.StreamDestroy(to_driver(stream)), "cuStreamDestroy");
  });
}

StreamInfo DriverApi::inspect(int device, StreamRef stream) { return inspect_stream(session(), device, stream); }

void DriverApi::synchronize(int device, StreamRef stream) {
  DeviceState& state = device_of_stream(session(), device, stream);
  const Entry entry(state);
  state.check(state.driver.StreamSynchronize(to_driver(stream)), "cuStreamSynchronize", "waiting for a stream");
}

bool DriverApi::done(int device, StreamRef stream) {
  DeviceState& state = device_of_stream(session(), device, stream);
  const Entry entry(state);
  const CUresult error = state.driver.StreamQuery(to_driver(stream));
  if (error == CUDA_ERROR_NOT_READY) return false;
  state.check(error, "cuStreamQuery", "asking for a stream");
  return true;
}

bool DriverApi::drain(int device, StreamRef stream) noexcept {
  return comes_to_an_end([&] { synchronize(device, stream); },
                         [&] { return session().device(device).health.failed(); });
}

Completion DriverApi::record(int device, StreamRef stream, bool timed) {
  return device::record(session().device(device), stream, timed);
}

void DriverApi::wait(int device, StreamRef stream, const Completion& completion) {
  Session& known = session();
  device::wait(known.device(device), stream, recorded(known, completion));
}

bool DriverApi::done(const Completion& completion) { return device::done(recorded(session(), completion)); }

void DriverApi::synchronize(const Completion& completion) { device::synchronize(recorded(session(), completion)); }

bool DriverApi::drain(const Completion& completion) noexcept {
  const Recorded& point = *static_cast<Recorded*>(completion.get());
  return comes_to_an_end([&] { synchronize(completion); }, [&] { return point.state.health.failed(); });
}

double DriverApi::seconds_between(const Completion& start, const Completion& end) {
  Session& known = session();
  return device::seconds_between(recorded(known, start), recorded(known, end));
}

void DriverApi::retain_in_graph(int device, StreamRef stream, std::shared_ptr<void> owner) {
  device::retain_in_graph(device_of_stream(session(), device, stream), stream, std::move(owner));
}

void DriverApi::release_after(std::vector<Completion> pending, std::shared_ptr<void> owner) noexcept {
  Session* const known = session_.load(std::memory_order_acquire);
  if (known != nullptr) known->reaper.add(std::move(pending), std::move(owner));
}

void DriverApi::memcpy_async(int device, void* dst, const void* src, int64_t bytes, StreamRef stream) {
  device::memcpy_async(session().device(device), dst, src, bytes, stream);
}

void DriverApi::memcpy_2d_async(int device, void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch,
                                int64_t width_bytes, int64_t rows, StreamRef stream) {
  device::memcpy_2d_async(session().device(device), dst, dst_pitch, src, src_pitch, width_bytes, rows, stream);
}

void DriverApi::memcpy_batch(int device, std::span<const CopySegment> segments, StreamRef stream) {
  device::memcpy_batch(session().device(device), segments, stream);
}

void DriverApi::memcpy_peer(int dst_device, void* dst, int src_device, const void* src, int64_t bytes,
                            StreamRef stream) {
  Session& known = session();
  device::memcpy_peer(known.device(dst_device), dst, known.device(src_device), src, bytes, stream);
}

void DriverApi::copy_strided(int device, const CopyPlan& plan, void* dst, const void* src, StreamRef stream,
                             BlockBy block_by) {
  device::copy_strided(session().device(device), plan, dst, src, stream, block_by);
}

}  // namespace strideport::device
