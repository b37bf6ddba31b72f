#include "strideport/stream.hpp"

#include <string>

#include "runtime/work_stream.hpp"

namespace strideport {
namespace {

DeviceApi& api_of(Device device) { return *device_api(device.type); }

void check_device(Device device, const char* what) {
  if (!is_device_memory(device.type)) {
    throw InvalidArgument(std::string(what) + " needs a device of type cuda or simulated, not " + to_string(device));
  }
  const int count = api_of(device).count();
  if (device.id >= 0 && device.id < count) return;
  throw InvalidArgument(std::string(what) + ": there is no device " + to_string(device) + " among " +
                        std::to_string(count));
}

}  // namespace

Stream Stream::create(Device device, int priority) {
  check_device(device, "Stream::create");
  DeviceApi* const api = &api_of(device);
  const StreamRef ref = api->create_stream(device.id, priority);
  // Destroyed by std::shared_ptr itself where there is no memory for its control block.
  std::shared_ptr<void> handle(reinterpret_cast<void*>(ref.handle()),
                               [api, device, ref](void*) noexcept { api->destroy_stream(device.id, ref); });
  return {device, ref, std::move(handle)};
}

void Stream::synchronize() const { api_of(device_).synchronize(device_.id, ref_); }

bool Stream::done() const { return api_of(device_).done(device_.id, ref_); }

void Stream::wait(const Event& event) const {
  if (event.device().type != device_.type) {
    throw InvalidArgument("a stream of " + to_string(device_) + " cannot wait for an event of " +
                          to_string(event.device()) + ": they are of different drivers; synchronize() the event");
  }
  event.make_wait(ref_);
}

Event Stream::record() const { return Event::record(device_, ref_); }

Event Event::record(Device device, StreamRef stream) {
  check_device(device, "Event::record");
  if (stream.is_host())
    throw InvalidArgument("Event::record: StreamRef::host() is no stream; name the one to record on");
  const WorkStream work = inspect_stream(device, stream);
  if (work.device != device.id) {
    throw InvalidArgument("Event::record: the stream belongs to " + to_string({device.type, work.device}) +
                          ", not to " + to_string(device));
  }
  if (work.captures) {
    throw InvalidArgument("Event::record: the stream captures, and an event of a capture could never be asked");
  }
  return {device, work.api->record(device.id, stream, true)};
}

bool Event::done() const { return api_of(device_).done(completion_); }

void Event::synchronize() const { api_of(device_).synchronize(completion_); }

void Event::make_wait(StreamRef stream) const {
  if (stream.is_host()) return synchronize();
  const WorkStream work = inspect_stream(device_, stream);
  if (work.captures && !done()) {
    throw InvalidArgument(
        "the stream captures: it cannot wait for an event that was recorded outside of the capture; "
        "synchronize() the event before the capture begins");
  }
  if (!work.captures) work.api->wait(work.device, stream, completion_);
}

double Event::seconds_since(const Event& start) const {
  if (start.device_ != device_) {
    throw InvalidArgument("seconds_since: the events are of " + to_string(start.device_) + " and " +
                          to_string(device_) + ", and each device has a clock of its own");
  }
  if (!start.done() || !done()) {
    throw InvalidArgument("seconds_since: both events must have been reached; synchronize() the later one");
  }
  return api_of(device_).seconds_between(start.completion_, completion_);
}

}  // namespace strideport
