#include "device/info.hpp"

#include "device/copies.hpp"
#include "device/session.hpp"

namespace strideport::device {

DeviceInfo device_info(DeviceState& state) {
  state.session.check_not_forked();
  const driver::Driver& driver = state.driver;
  DeviceInfo info;
  info.device = {state.session.type, state.index};
  char name[256] = {};
  state.check(driver.DeviceGetName(name, static_cast<int>(sizeof name) - 1, state.handle), "cuDeviceGetName",
              "asking for the name");
  info.name = name;
  size_t total = 0;
  state.check(driver.DeviceTotalMem(&total, state.handle), "cuDeviceTotalMem", "asking for the memory");
  info.total_bytes = static_cast<int64_t>(total);
  info.compute_major = state.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  info.compute_minor = state.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  info.multiprocessors = state.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  state.check(driver.DriverGetVersion(&info.driver_version), "cuDriverGetVersion", "asking for the version");
  info.pools = state.memory.has_pools();
  info.batch_copies = has_batch(state);
  // Only a context knows, and to make one takes time, and memory of a device that others may be using.
  info.free_bytes = -1;
  if (state.session.is_active(state) && !state.health.failed()) {
    const Entry entry(state);
    size_t free = 0;
    state.check(driver.MemGetInfo(&free, &total), "cuMemGetInfo", "asking for the free memory");
    info.free_bytes = static_cast<int64_t>(free);
  }
  return info;
}

void trim_all(Session& session) {
  session.pinned.trim();
  for (int i = 0; i < session.count(); ++i) {
    DeviceState& state = session.device(i);
    if (state.context.known() == nullptr || state.health.failed()) continue;
    const Entry entry(state);
    state.streams.trim();
    state.events.trim();
    state.memory.trim();
  }
}

}  // namespace strideport::device
