#include "device/simulated/table.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "device/simulated/calls.hpp"
#include "device/simulated/control.hpp"
#include "device/simulated/errors.hpp"

namespace strideport::simulated {
namespace {

// The function of the table around a body.
template <class Function>
struct Edge;
template <class... Arguments>
struct Edge<CUresult(CUDAAPI*)(Arguments...)> {
  using Body = CUresult(Call& call, Arguments... arguments);

  template <FunctionId kFunction, Body* kBody>
  static CUresult CUDAAPI call(Arguments... arguments) {
    std::tuple<Arguments...> packed(arguments...);
    const auto unpack = [](Call& call, void* given) {
      return std::apply([&call](Arguments... values) { return kBody(call, values...); },
                        *static_cast<std::tuple<Arguments...>*>(given));
    };
    return enter(kFunction, unpack, &packed);
  }
};

driver::Driver fill(const Options& options) {
  driver::Driver table;
#define STRIDEPORT_FILL(name, version) \
  table.name = Edge<PFN_cu##name##_v##version>::call<FunctionId::name, bodies::name>;
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_FILL)
#undef STRIDEPORT_FILL
  table.GetErrorName = error_name;  // of use in a forked child too, and not worth failing
  table.GetErrorString = error_string;
  if (options.batch == Batch::v12080) {
    table.MemcpyBatchAsync_12080 =
        Edge<driver::MemcpyBatchAsync12080>::call<FunctionId::MemcpyBatchAsync, bodies::MemcpyBatchAsync_12080>;
  }
  if (options.batch == Batch::v13000) {
    table.MemcpyBatchAsync_13000 =
        Edge<driver::MemcpyBatchAsync13000>::call<FunctionId::MemcpyBatchAsync, bodies::MemcpyBatchAsync_13000>;
  }
  return table;
}

std::string problem_of(const driver::Driver& table, CUresult error) {
  if (error == CUDA_SUCCESS) return {};
  if (error == CUDA_ERROR_NO_DEVICE) {
    return "no simulated device: set STRIDEPORT_SIMULATED_DEVICES to a number from 1 to 8 before the first use";
  }
  const char* name = "";
  table.GetErrorName(error, &name);
  return "the simulated driver: cuInit failed with " + std::string(name) + ", as a test asked it to";
}

// By epoch of the driver. Never destroyed: callers keep references.
struct Tables {
  std::mutex mutex;
  std::atomic<const driver::Loaded*> current{nullptr};
  std::vector<std::unique_ptr<const driver::Loaded>> all;
};

Tables& tables() {
  static Tables* const made = new Tables;
  return *made;
}

}  // namespace

const driver::Loaded& table() {
  Tables& all = tables();
  const driver::Loaded* found = all.current.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  const std::lock_guard lock(all.mutex);
  found = all.current.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  auto made = std::make_unique<driver::Loaded>();
  made->driver = fill(options());
  const CUresult error = made->driver.Init(0);
  made->error = static_cast<int>(error);
  made->problem = problem_of(made->driver, error);
  made->usable = error == CUDA_SUCCESS;
  found = made.get();
  all.all.push_back(std::move(made));
  all.current.store(found, std::memory_order_release);
  return *found;
}

void restart(const Options& wanted) {
  {
    const Quiet quiet;
    State& driver = state();
    Lock lock(driver.engine.mutex);
    driver.stop(lock);
    driver.start(wanted);
  }
  tables().current.store(nullptr, std::memory_order_release);  // what was there stays, for those who hold it
}

}  // namespace strideport::simulated
