// Every call of the driver's failing, one at a time, in scenarios over the whole seam: a clear error or none, the
// caller's context restored, nothing leaked, the host's data intact, and everything usable afterwards.

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "strideport/error.hpp"
#include "tests/support/device_fixture.hpp"

namespace strideport::testing {
namespace {

constexpr int64_t kBytes = 4096;

// What a scenario works with: the host's data must survive whatever happens.
struct Desk {
  Desk(DeviceApi& of, const driver::Driver& table) : api(of), driver(table) {}

  DeviceApi& api;
  const driver::Driver driver;
  std::vector<std::byte> source = numbered_bytes(kBytes);
  std::vector<std::byte> target = std::vector<std::byte>(kBytes);
  Drops drops;
  int owners = 0;  // made so far

  std::shared_ptr<void> owner() {
    ++owners;
    return drops.owner();
  }
  void expect_arrived() const {
    if (target != source) ADD_FAILURE() << "the bytes did not arrive";
  }
};

struct Scenario {
  const char* name;
  void (*run)(Desk& desk);
};

void allocate_anywhere(Desk& desk) { DeviceBytes(desk.api, 0, kBytes); }

// Memory of a stream is freed behind a point of that stream, or once the stream is done.
void free_on(Desk& desk, StreamRef stream, void* memory) {
  std::vector<Completion> pending;
  try {
    pending.push_back(desk.api.record(0, stream));
  } catch (...) {
    const ContextOf context(desk.driver, 0);
    steadily([&] { return desk.driver.StreamSynchronize(handle_of(stream)); });
    desk.api.free(0, memory, {});
    throw;
  }
  desk.api.free(0, memory, pending);
}

void allocate_on_a_stream(Desk& desk) {
  const OwnStream stream(desk.api, 0);
  free_on(desk, stream, desk.api.allocate(0, kBytes, stream));
}

void allocate_managed(Desk& desk) { desk.api.free_managed(0, desk.api.allocate_managed(0, kBytes)); }

void allocate_pinned_anew(Desk& desk) {
  desk.api.trim();
  PinnedBytes(desk.api, kBytes);
}

void round_trip(Desk& desk) {
  const DeviceBytes memory(desk.api, 0, kBytes);
  desk.api.memcpy_async(0, memory.get(), desk.source.data(), kBytes, StreamRef::host());
  desk.api.memcpy_async(0, desk.target.data(), memory.get(), kBytes, StreamRef::host());
  desk.expect_arrived();
}

void round_trip_on_a_stream(Desk& desk) {
  const PinnedBytes pinned(desk.api, kBytes);
  std::memcpy(pinned.get(), desk.source.data(), desk.source.size());
  const DeviceBytes memory(desk.api, 0, kBytes);
  const OwnStream stream(desk.api, 0, -1);
  try {
    desk.api.memcpy_async(0, memory.get(), pinned.get(), kBytes, stream);
    desk.api.memcpy_async(0, desk.target.data(), memory.get(), kBytes, stream);
    desk.api.synchronize(0, stream);
  } catch (...) {
    // The caller's duty: what was queued must be done before its memory goes.
    const ContextOf context(desk.driver, 0);
    desk.driver.StreamSynchronize(handle_of(stream));
    throw;
  }
  desk.expect_arrived();
}

void rows(Desk& desk) {
  const DeviceBytes memory(desk.api, 0, 2 * kBytes);
  desk.api.memcpy_2d_async(0, memory.get(), 128, desk.source.data(), 64, 64, 64, StreamRef::host());
  desk.api.memcpy_2d_async(0, desk.target.data(), 64, memory.get(), 128, 64, 64, StreamRef::host());
  desk.expect_arrived();
}

void batch(Desk& desk) {
  const DeviceBytes memory(desk.api, 0, kBytes);
  const CopySegment in[] = {{memory.get(), desk.source.data(), 1000},
                            {memory.get() + 1000, desk.source.data() + 1000, kBytes - 1000}};
  desk.api.memcpy_batch(0, in, StreamRef::host());
  desk.api.memcpy_async(0, desk.target.data(), memory.get(), kBytes, StreamRef::host());
  desk.expect_arrived();
}

void peer(Desk& desk) {
  const DeviceBytes here(desk.api, 0, kBytes);
  const DeviceBytes there(desk.api, 1, kBytes);
  desk.api.memcpy_async(0, here.get(), desk.source.data(), kBytes, StreamRef::host());
  desk.api.memcpy_peer(1, there.get(), 0, here.get(), kBytes, StreamRef::host());
  desk.api.memcpy_async(1, desk.target.data(), there.get(), kBytes, StreamRef::host());
  desk.expect_arrived();
}

CopyPlan every_second_plan() {
  CopyPlan plan;
  plan.strategy = Strategy::strided;
  plan.unit = 4;
  const PlanDim dim{kBytes / 4, 8, 4};
  plan.dims.assign(&dim, 1);
  plan.bytes = kBytes;
  plan.offsets_fit_32 = true;
  plan.aligned = true;
  return plan;
}

void strided(Desk& desk) {
  const DeviceBytes packed(desk.api, 0, kBytes);
  const DeviceBytes spread(desk.api, 0, 2 * kBytes);
  CopyPlan back = every_second_plan();
  const PlanDim dim{kBytes / 4, 4, 8};
  back.dims.assign(&dim, 1);
  desk.api.memcpy_async(0, packed.get(), desk.source.data(), kBytes, StreamRef::host());
  desk.api.copy_strided(0, every_second_plan(), spread.get(), packed.get(), StreamRef::host());
  desk.api.copy_strided(0, back, packed.get(), spread.get(), StreamRef::host());
  desk.api.memcpy_async(0, desk.target.data(), packed.get(), kBytes, StreamRef::host());
  desk.expect_arrived();
}

void locate(Desk& desk) {
  const DeviceBytes memory(desk.api, 0, kBytes);
  const PinnedBytes pinned(desk.api, kBytes);
  EXPECT_EQ(desk.api.locate(memory.get(), true)->device.type, DeviceType::simulated);
  EXPECT_EQ(desk.api.locate(pinned.get(), true)->device.type, DeviceType::simulated_host);
  EXPECT_EQ(desk.api.locate(&desk, true)->device.type, DeviceType::cpu);
  (void)desk.api.locate(&desk, false);
}

void inspect(Desk& desk) {
  const OwnStream stream(desk.api, 1);
  EXPECT_EQ(desk.api.inspect(0, stream).device, 1);
  EXPECT_EQ(desk.api.inspect(0, StreamRef::legacy_default()).device, 0);
  EXPECT_EQ(desk.api.inspect(1, StreamRef::per_thread_default()).device, 1);
}

void order_two_streams(Desk& desk) {
  const OwnStream first(desk.api, 0);
  const OwnStream second(desk.api, 1);
  const Completion point = desk.api.record(0, first);
  desk.api.wait(1, second, point);
  desk.api.synchronize(1, second);
  if (!desk.api.done(1, second) || !desk.api.done(point)) ADD_FAILURE() << "done and not done";
}

void measure_time(Desk& desk) {
  const OwnStream stream(desk.api, 0);
  const Completion start = desk.api.record(0, stream, true);
  const Completion end = desk.api.record(0, stream, true);
  desk.api.synchronize(end);
  EXPECT_GE(desk.api.seconds_between(start, end), 0);
}

void free_behind_work(Desk& desk) {
  const OwnStream stream(desk.api, 0);
  void* const memory = desk.api.allocate(0, kBytes, stream);
  Gate gate;
  gate.close(desk.driver, stream);
  Completion point;
  try {
    point = desk.api.record(0, stream);
  } catch (...) {
    gate.open();
    free_on(desk, stream, memory);
    throw;
  }
  desk.api.free(0, memory, {&point, 1});
  gate.open();
}

void release_behind_work(Desk& desk) {
  const OwnStream stream(desk.api, 0);
  Gate gate;
  if (!gate.close(desk.driver, stream)) return;
  const Completion point = desk.api.record(0, stream);
  desk.api.release_after({point}, desk.owner());
  gate.open();
}

void capture_a_graph(Desk& desk) {
  const OwnStream stream(desk.api, 0);
  const DeviceBytes memory(desk.api, 0, kBytes);
  if (!begin_capture(desk.driver, 0, stream, CU_STREAM_CAPTURE_MODE_GLOBAL)) return;
  try {
    desk.api.memcpy_async(0, memory.get(), memory.get() + kBytes / 2, kBytes / 2, stream);
    desk.api.retain_in_graph(0, stream, desk.owner());
  } catch (...) {
    if (CUgraph graph = end_capture(desk.driver, 0, stream)) desk.driver.GraphDestroy(graph);
    throw;
  }
  CUgraph graph = end_capture(desk.driver, 0, stream);
  if (graph != nullptr) desk.driver.GraphDestroy(graph);
}

void ask_for_everything(Desk& desk) {
  EXPECT_EQ(desk.api.count(), 2);
  EXPECT_GT(desk.api.info(0).total_bytes, 0);
  EXPECT_GT(desk.api.info(1).total_bytes, 0);
  EXPECT_GT(desk.api.rates(0).dma_to_host, 0);
}

void trim(Desk& desk) {
  DeviceBytes(desk.api, 0, kBytes);
  desk.api.trim();
}

constexpr Scenario kScenarios[] = {
    {"allocate_anywhere", allocate_anywhere},
    {"allocate_on_a_stream", allocate_on_a_stream},
    {"allocate_managed", allocate_managed},
    {"allocate_pinned_anew", allocate_pinned_anew},
    {"round_trip", round_trip},
    {"round_trip_on_a_stream", round_trip_on_a_stream},
    {"rows", rows},
    {"batch", batch},
    {"peer", peer},
    {"strided", strided},
    {"locate", locate},
    {"inspect", inspect},
    {"order_two_streams", order_two_streams},
    {"measure_time", measure_time},
    {"free_behind_work", free_behind_work},
    {"release_behind_work", release_behind_work},
    {"capture_a_graph", capture_a_graph},
    {"ask_for_everything", ask_for_everything},
    {"trim", trim},
};

constexpr CUresult kErrors[] = {CUDA_ERROR_OUT_OF_MEMORY,  CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED,
                                CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_UNKNOWN,       CUDA_ERROR_SYSTEM_NOT_READY};
constexpr CUresult kStickyErrors[] = {CUDA_ERROR_ILLEGAL_ADDRESS, CUDA_ERROR_LAUNCH_FAILED,
                                      CUDA_ERROR_ECC_UNCORRECTABLE};

class DeviceFaults : public SimulatedFixture, public ::testing::WithParamInterface<Scenario> {
 protected:
  // Where the faults strike, and what must be so again afterwards.
  void warm_up() {
    desk_ = new_desk();
    for (int i = 0; i < 2; ++i) GetParam().run(*desk_);
    settle();
    before_ = simulated::live();
  }

  // Everything queued is done, and what is kept for reuse is given back.
  void settle() {
    desk_->drops.wait_for(desk_->owners);
    for (int i = 0; i < devices(); ++i) {
      const OwnStream stream(api(), i);
      api().synchronize(i, stream);
    }
    api().trim();
    // A stream that still frees keeps its place until a later trim.
    for (int i = 0; i < 100000 && simulated::live().streams > 0; ++i) {
      std::this_thread::yield();
      api().trim();
    }
    // The driver counts a user object until a moment after its destructor has handed the owner to us.
    for (int i = 0; i < 10000000 && simulated::live().user_objects > 0; ++i) std::this_thread::yield();
  }

  // True if the fault struck.
  bool run_with_fault(uint64_t nth, CUresult error, bool sticky) {
    const CUcontext mine = current();
    simulated::fail_call(nth, error, sticky);
    try {
      GetParam().run(*desk_);
    } catch (const DeviceError& thrown) {
      EXPECT_TRUE(thrown.code() == error || sticky) << thrown.what();
      EXPECT_NE(std::string(thrown.what()).find("CUDA_ERROR_"), std::string::npos) << thrown.what();
    } catch (const std::exception& thrown) {
      ADD_FAILURE() << "not a DeviceError: " << thrown.what();
    }
    const bool struck = simulated::clear_faults();
    EXPECT_EQ(current(), mine) << "the caller's context was not restored";
    EXPECT_EQ(desk_->source, numbered_bytes(kBytes));
    return struck;
  }

  // All are kept to the end of the program: owners of a device that failed may go at any time.
  Desk* new_desk() {
    static auto* const all = new std::deque<Desk>;
    return &all->emplace_back(api(), driver());
  }

  Desk* desk_ = nullptr;
  simulated::Live before_;
};

TEST_P(DeviceFaults, AnyCallMayFailOnce) {
  warm_up();
  for (const CUresult error : kErrors) {
    for (uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE("call " + std::to_string(nth) + " gives error " + std::to_string(static_cast<int>(error)));
      if (!run_with_fault(nth, error, false)) {
        EXPECT_GT(nth, 1u) << "no call of the driver was made";
        break;
      }
      GetParam().run(*desk_);
      settle();
      ASSERT_EQ(simulated::to_string(simulated::live()), simulated::to_string(before_));
      ASSERT_FALSE(HasFailure());
      ASSERT_LT(nth, 10000u);
    }
  }
}

// At a device's first use there are contexts, pools and kernels to be made. The kernels are many, and all alike.
TEST_P(DeviceFaults, AnyCallOfTheFirstUseMayFailOnce) {
  warm_up();
  begin({});
  (void)api().count();
  simulated::forget_calls();
  GetParam().run(*desk_);
  const std::vector<std::string> log = simulated::call_log();
  std::set<std::string> loads;
  for (uint64_t nth = 1; nth <= log.size(); ++nth) {
    const std::string& function = log[nth - 1];
    const bool loading = function == "LibraryGetKernel" || function == "KernelGetFunction";
    if (loading && !loads.insert(function).second) continue;
    SCOPED_TRACE("call " + std::to_string(nth) + ", " + function);
    begin({});
    (void)api().count();
    run_with_fault(nth, CUDA_ERROR_UNKNOWN, false);
    for (int i = 0; i < 2; ++i) GetParam().run(*desk_);
    settle();
    ASSERT_EQ(simulated::to_string(simulated::live()), simulated::to_string(before_));
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(DeviceFaults, ADeviceMayFailForGoodAtAnyCall) {
  warm_up();
  for (uint64_t nth = 1;; ++nth) {
    const CUresult error = kStickyErrors[nth % std::size(kStickyErrors)];
    SCOPED_TRACE("call " + std::to_string(nth) + " gives error " + std::to_string(static_cast<int>(error)));
    begin({});
    desk_ = new_desk();
    GetParam().run(*desk_);
    settle();
    if (!run_with_fault(nth, error, true)) break;
    api().trim();
    ASSERT_FALSE(HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(Scenarios, DeviceFaults, ::testing::ValuesIn(kScenarios),
                         [](const auto& scenario) { return std::string(scenario.param.name); });

}  // namespace
}  // namespace strideport::testing
