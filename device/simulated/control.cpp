#include "device/simulated/control.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "device/simulated/state.hpp"

namespace strideport::simulated {
namespace {

// For a function of this file: the bookkeeping is the driver's.
template <class F>
auto with_driver(F function) {
  const Quiet quiet;
  State& driver = state();
  Lock lock(driver.engine.mutex);
  return function(driver, lock);
}

uint64_t number_from_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 0;
}

kernels::MachineKind machine_from_environment() {
  const char* const text = std::getenv("STRIDEPORT_SIMULATED_MACHINE");
  if (text != nullptr && std::strcmp(text, "checking") == 0) return kernels::MachineKind::checking;
  if (text != nullptr && std::strcmp(text, "counting") == 0) return kernels::MachineKind::counting;
  return kernels::MachineKind::fast;
}

FunctionId function_of(std::string_view name) {
  for (int id = 0; id < static_cast<int>(FunctionId::kCount); ++id) {
    if (name == name_of(static_cast<FunctionId>(id))) return static_cast<FunctionId>(id);
  }
  throw std::invalid_argument("the driver's table has no function " + std::string(name));
}

void inject(std::optional<FunctionId> function, uint64_t nth, CUresult error, bool sticky) {
  if (nth == 0) throw std::invalid_argument("calls are counted from 1");
  with_driver([&](State& driver, Lock&) { driver.injected.push_back({function, nth, error, sticky}); });
}

}  // namespace

Options options_from_environment() {
  Options wanted;
  wanted.devices =
      static_cast<int>(std::min<uint64_t>(number_from_environment("STRIDEPORT_SIMULATED_DEVICES"), State::kMaxDevices));
  wanted.seed = number_from_environment("STRIDEPORT_SIMULATED_SEED");
  wanted.machine = machine_from_environment();
  return wanted;
}

Options options() {
  return with_driver([](State& driver, Lock&) { return driver.options; });
}

void fail_call(uint64_t nth, CUresult error, bool sticky) { inject(std::nullopt, nth, error, sticky); }

void fail_call(std::string_view function, uint64_t nth, CUresult error, bool sticky) {
  inject(function_of(function), nth, error, sticky);
}

bool clear_faults() {
  return with_driver([](State& driver, Lock&) {
    const bool none_left = driver.injected.empty();
    driver.injected.clear();
    return none_left;
  });
}

uint64_t calls(std::string_view function) {
  const FunctionId id = function_of(function);
  return with_driver([id](State& driver, Lock&) { return driver.call_counts[static_cast<size_t>(id)]; });
}

uint64_t calls() {
  return with_driver([](State& driver, Lock&) {
    uint64_t sum = 0;
    for (const uint64_t count : driver.call_counts) sum += count;
    return sum;
  });
}

std::vector<std::string> call_log() {
  return with_driver([](State& driver, Lock&) {
    std::vector<std::string> names;
    for (const FunctionId id : driver.log) names.emplace_back(name_of(id));
    return names;
  });
}

void forget_calls() {
  with_driver([](State& driver, Lock&) {
    driver.log.clear();
    driver.call_counts.fill(0);
    driver.kernel_log.clear();
    driver.traffic = {};
  });
}

void reset_device(int device, bool used_again) {
  with_driver([&](State& driver, Lock& lock) {
    if (device < 0 || device >= driver.device_count()) throw std::invalid_argument("no such simulated device");
    Context& context = driver.context_of(device);
    driver.deactivate(lock, context);
    if (used_again) driver.activate(context);
  });
}

void fail_device(int device, CUresult error) {
  with_driver([&](State& driver, Lock&) {
    if (device < 0 || device >= driver.device_count()) throw std::invalid_argument("no such simulated device");
    driver.fail(driver.context_of(device), error, "a test made it fail");
  });
}

std::string fault(int device) {
  return with_driver([&](State& driver, Lock&) { return driver.contexts.at(static_cast<size_t>(device)).fault; });
}

Live live() {
  return with_driver([](State& driver, Lock&) {
    Live count;
    for (const auto& [begin, allocation] : driver.memory->known.all()) {
      switch (allocation.kind) {
        case Kind::device: ++count.device_allocations; break;
        case Kind::pool: ++count.pool_allocations; break;
        case Kind::graph: ++count.graph_allocations; break;
        case Kind::pinned: ++count.pinned_allocations; break;
        case Kind::registered: ++count.registrations; break;
        case Kind::managed: ++count.managed_allocations; break;
      }
    }
    count.pools = static_cast<int64_t>(driver.pools.size());
    count.streams = static_cast<int64_t>(driver.streams.size());
    count.events = static_cast<int64_t>(driver.events.size());
    count.graphs = static_cast<int64_t>(driver.graphs.size());
    count.graph_execs = static_cast<int64_t>(driver.execs.size());
    count.user_objects = static_cast<int64_t>(driver.user_objects.size());
    count.libraries = static_cast<int64_t>(driver.libraries.size());
    for (const Context& context : driver.contexts) count.retained_contexts += context.retained;
    return count;
  });
}

std::string to_string(const Live& live) {
  std::string text;
  const auto add = [&text](int64_t count, const char* what) {
    if (count == 0) return;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(live.device_allocations, "device allocations");
  add(live.pool_allocations, "pool allocations");
  add(live.graph_allocations, "graph allocations");
  add(live.pinned_allocations, "pinned allocations");
  add(live.registrations, "registrations");
  add(live.managed_allocations, "managed allocations");
  add(live.pools, "pools");
  add(live.streams, "streams");
  add(live.events, "events");
  add(live.graphs, "graphs");
  add(live.graph_execs, "executable graphs");
  add(live.user_objects, "user objects");
  add(live.libraries, "libraries");
  add(live.retained_contexts, "retained contexts");
  return text.empty() ? "nothing" : text;
}

std::vector<std::string> kernel_log() {
  return with_driver([](State& driver, Lock&) { return driver.kernel_log; });
}

kernels::Traffic traffic() {
  return with_driver([](State& driver, Lock&) { return driver.traffic; });
}

std::byte* host_view(CUdeviceptr address) {
  return with_driver([address](State& driver, Lock&) -> std::byte* {
    return driver.memory->in_window(address) ? driver.memory->host(address) : nullptr;
  });
}

}  // namespace strideport::simulated
