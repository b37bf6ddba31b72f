// Every call of the driver's failing, one at a time, in every route of a copy: a clear error or a right result, the
// host's data intact, nothing leaked, and the next copy right.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "device/simulated/control.hpp"
#include "runtime/transfer/forget.hpp"
#include "runtime/transfer/route.hpp"
#include "strideport/copy.hpp"
#include "strideport/plan.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/gate.hpp"
#include "tests/support/odometer.hpp"
#include "tests/support/seed.hpp"

namespace strideport::testing {
namespace {

struct Scenario {
  const char* name;
  transfer::Path path;  // that this is
  PlaceKind to;
  PlaceKind from;
  std::vector<int64_t> shape;
  std::vector<int64_t> dst;  // strides, in bytes
  std::vector<int64_t> src;
  bool on_stream = true;
  int64_t overlap_bytes = -1;  // from dst to src, in the same memory
};

constexpr auto kHost = PlaceKind::pageable;
constexpr auto kPinned = PlaceKind::pinned;
constexpr auto kManaged = PlaceKind::managed;
constexpr auto kDevice = PlaceKind::device;
constexpr auto kOther = PlaceKind::other_device;
constexpr int64_t kRun = 32 << 10;

using transfer::Path;

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {"launch", Path::launch, kDevice, kDevice, {60, 70}, {70, 1}, {1, 60}},
      {"launch_managed", Path::launch, kManaged, kDevice, {60, 70}, {70, 1}, {1, 60}, false},
      {"launch_pinned_pair", Path::launch, kPinned, kPinned, {4000}, {1}, {1}},
      {"temporary", Path::temporary, kDevice, kDevice, {60, 60}, {60, 1}, {1, 60}, true, 0},
      {"temporary_waited_for", Path::temporary, kDevice, kDevice, {4000}, {1}, {1}, false, 16},
      {"dma_in", Path::dma, kDevice, kPinned, {4000}, {1}, {1}},
      {"dma_out_waited_for", Path::dma, kPinned, kDevice, {4000}, {1}, {1}, false},
      {"pitched", Path::pitched, kDevice, kPinned, {3, 4096}, {4096, 1}, {5000, 1}},
      {"batch", Path::batch, kDevice, kPinned, {2, 2, kRun}, {2 * kRun, kRun, 1}, {9 * kRun, 2 * kRun, 1}},
      {"span", Path::span, kDevice, kPinned, {300, 301}, {301, 1}, {1, 300}},
      {"zero_copy", Path::zero_copy, kPinned, kDevice, {30, 31}, {31, 1}, {1, 30}},
      {"zero_copy_waited_for", Path::zero_copy, kDevice, kPinned, {30, 31}, {31, 1}, {2, 70}, false},
      {"ring_in", Path::ring, kDevice, kHost, {30, 31}, {31, 1}, {1, 30}},
      {"ring_in_blocks", Path::ring, kDevice, kHost, {9 << 20}, {1}, {1}},
      {"ring_in_waited_for", Path::ring, kDevice, kHost, {30, 31}, {40, 1}, {31, 1}, false},
      {"ring_out", Path::ring, kHost, kDevice, {30, 31}, {31, 1}, {1, 30}},
      {"ring_out_blocks", Path::ring, kHost, kDevice, {9 << 20}, {1}, {1}, false},
      {"host", Path::host, kHost, kPinned, {30, 31}, {31, 1}, {1, 30}},
      {"peer", Path::peer, kOther, kDevice, {4000}, {1}, {1}},
      {"peer_packed", Path::peer_packed, kOther, kDevice, {60, 30}, {70, 2}, {90, 3}},
      {"peer_unpacked_waited_for", Path::peer_packed, kOther, kDevice, {60, 30}, {70, 2}, {30, 1}, false},
  };
  return all;
}

constexpr CUresult kErrors[] = {CUDA_ERROR_OUT_OF_MEMORY,  CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED,
                                CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_UNKNOWN,       CUDA_ERROR_SYSTEM_NOT_READY};

int64_t span_of(const Scenario& scenario, const std::vector<int64_t>& strides) {
  int64_t span = 1;
  for (size_t i = 0; i < strides.size(); ++i) span += (scenario.shape[i] - 1) * strides[i];
  return span;
}

BufferView view_of(const Buffer& memory, int64_t offset, const Scenario& scenario,
                   const std::vector<int64_t>& strides) {
  ViewSpec spec = memory.view().spec();
  spec.buf = static_cast<std::byte*>(memory.buf()) + offset;
  spec.shape = scenario.shape;
  spec.strides = strides;
  return BufferView::create(spec);
}

std::vector<size_t> places_in(const Scenario& scenario, const std::vector<int64_t>& strides, int64_t offset) {
  std::vector<size_t> places;
  if (scenario.shape.size() == 1) {
    for (int64_t i = 0; i < scenario.shape[0]; ++i) places.push_back(static_cast<size_t>(offset + i * strides[0]));
    return places;
  }
  for_each_index(scenario.shape, [&](const Index& index) {
    int64_t at = offset;
    for (size_t i = 0; i < index.size(); ++i) at += index[i] * strides[i];
    places.push_back(static_cast<size_t>(at));
  });
  return places;
}

// What a copy starts from, and what must come of it.
struct Desk {
  explicit Desk(const Scenario& given) : scenario(given) {
    const bool shared = scenario.overlap_bytes >= 0;
    const int64_t src_offset = shared ? scenario.overlap_bytes : 0;
    const int64_t dst_span = span_of(scenario, scenario.dst);
    const int64_t src_span = src_offset + span_of(scenario, scenario.src);
    before = numbered_bytes(static_cast<size_t>(shared ? std::max(dst_span, src_span) : dst_span), 3);
    source = shared ? before : numbered_bytes(static_cast<size_t>(src_span), 1);
    expected = before;
    const auto to = places_in(scenario, scenario.dst, 0);
    const auto from = places_in(scenario, scenario.src, src_offset);
    for (size_t i = 0; i < to.size(); ++i) expected[to[i]] = source[from[i]];
  }

  struct Memory {
    Buffer dst;
    Buffer src;
  };
  Memory lay_out() const {
    Memory made;
    made.dst = put(scenario.to, before);
    made.src = scenario.overlap_bytes >= 0 ? made.dst : put(scenario.from, source);
    return made;
  }

  void run(const Memory& memory) const {
    const int64_t offset = scenario.overlap_bytes >= 0 ? scenario.overlap_bytes : 0;
    const Buffer dst = memory.dst.rebind(view_of(memory.dst, 0, scenario, scenario.dst));
    const Buffer src = memory.src.rebind(view_of(memory.src, offset, scenario, scenario.src));
    if (!scenario.on_stream) return copy(dst, src, StreamRef::host());
    const Stream stream = Stream::create({DeviceType::simulated, scenario.to == kOther ? 1 : 0});
    copy(dst, src, stream.ref());
    stream.synchronize();
  }

  transfer::Route route(const Memory& memory) const {
    const int64_t offset = scenario.overlap_bytes >= 0 ? scenario.overlap_bytes : 0;
    const BufferView dst = view_of(memory.dst, 0, scenario, scenario.dst);
    const BufferView src = view_of(memory.src, offset, scenario, scenario.src);
    const TransferRates rates = device_api(DeviceType::simulated)->rates(0);
    return transfer::plan_route(plan_copy(dst, src), dst, src, rates, {scenario.on_stream, false});
  }

  bool is_large() const { return before.size() > (1 << 20); }  // a fault there takes long enough

  const Scenario& scenario;
  std::vector<std::byte> before;
  std::vector<std::byte> source;
  std::vector<std::byte> expected;
};

class TransferFaults : public SimulatedFixture, public ::testing::WithParamInterface<Scenario> {
 protected:
  void SetUp() override {
    transfer::forget(*device_api(DeviceType::simulated));
    SimulatedFixture::SetUp();
  }

  void begin_afresh() {
    transfer::forget(api());
    simulated::Options options;
    options.capacity_bytes = uint64_t{256} << 20;
    begin(options);
  }

  void run_rightly(const Desk& desk) {
    const Desk::Memory memory = desk.lay_out();
    desk.run(memory);
    ASSERT_TRUE(get(memory.dst) == desk.expected);
  }

  // Everything queued is done, what is kept for reuse is given back; memory that goes in threads of its own has time
  // to.
  std::string live(const std::string& hoped_for = {}) {
    std::string found;
    for (int i = 0; i < 1000000; ++i) {
      for (int device = 0; device < devices(); ++device) {
        const OwnStream stream(api(), device);
        api().synchronize(device, stream);
      }
      api().trim();
      simulated::Live now = simulated::live();
      if (now.pinned_allocations <= devices() * transfer::kSlots)
        now.pinned_allocations = 0;  // the rings', which are kept
      now.streams = 0;               // and streams
      now.events = 0;                // those of slots and streams are
      found = simulated::to_string(now);
      if (hoped_for.empty() || found == hoped_for) break;
      std::this_thread::yield();
    }
    return found;
  }

  // True if the fault struck.
  bool run_with_fault(const Desk& desk, uint64_t nth, CUresult error, bool sticky = false) {
    const Desk::Memory memory = desk.lay_out();
    const CUcontext mine = current();
    simulated::fail_call(nth, error, sticky);
    bool failed = false;
    try {
      desk.run(memory);
    } catch (const DeviceError& thrown) {
      failed = true;
      EXPECT_NE(std::string(thrown.what()).find("CUDA_ERROR_"), std::string::npos) << thrown.what();
    } catch (const std::exception& thrown) {
      ADD_FAILURE() << "not a DeviceError: " << thrown.what();
    }
    const bool struck = simulated::clear_faults();
    EXPECT_EQ(current(), mine) << "the caller's context was not restored";
    if (memory.src.device().host_accessible()) {
      EXPECT_EQ(std::memcmp(memory.src.buf(), desk.source.data(), desk.source.size()), 0) << "src changed";
    }
    if (!failed && !sticky) {
      EXPECT_TRUE(get(memory.dst) == desk.expected) << "no error, but a wrong result";
    }
    return struck;
  }
};

TEST_P(TransferFaults, AnyCallMayFailOnce) {
  begin_afresh();
  const Desk desk(GetParam());
  ASSERT_EQ(desk.route(desk.lay_out()).path, GetParam().path);
  for (int i = 0; i < 2; ++i) run_rightly(desk);
  const std::string before = live();
  for (const CUresult error : kErrors) {
    if (desk.is_large() && error != CUDA_ERROR_UNKNOWN) continue;
    for (uint64_t nth = 1;; nth += desk.is_large() && kSanitized ? 7 : 1) {  // megabytes a call
      SCOPED_TRACE("call " + std::to_string(nth) + " gives error " + std::to_string(static_cast<int>(error)));
      if (!run_with_fault(desk, nth, error)) break;
      run_rightly(desk);
      ASSERT_EQ(live(before), before);
      ASSERT_LE(simulated::live().streams, 64);
      ASSERT_FALSE(HasFailure());
      ASSERT_LT(nth, 10000u);
    }
  }
}

TEST_P(TransferFaults, ADeviceMayFailForGoodAtAnyCall) {
  const Desk desk(GetParam());
  for (uint64_t nth = 1;; nth += desk.is_large() ? 5 : 1) {
    SCOPED_TRACE("call " + std::to_string(nth));
    begin_afresh();
    run_rightly(desk);
    if (!run_with_fault(desk, nth, CUDA_ERROR_ILLEGAL_ADDRESS, true)) break;
    ASSERT_FALSE(HasFailure());
    // What is the host's stays usable.
    const std::vector<std::byte> bytes = numbered_bytes(100);
    Buffer host = put(PlaceKind::pageable, bytes);
    ASSERT_TRUE(get(host) == bytes);
  }
}

class TransferLost : public SimulatedFixture {
 protected:
  // What is left of two Buffers after a copy whose end the driver told nobody, asked `asked` times.
  int64_t left_after(uint64_t asked) {
    transfer::forget(api());
    begin(simulated::Options());
    {
      const std::vector<std::byte> bytes = numbered_bytes(64);
      const Buffer dst = put(PlaceKind::device, bytes), src = put(PlaceKind::device, bytes);
      const Stream stream = Stream::create(dst.device());
      for (const uint64_t nth : {1, 2}) simulated::fail_call("EventRecord", nth, CUDA_ERROR_UNKNOWN);
      for (uint64_t nth = 1; nth <= asked; ++nth) simulated::fail_call("StreamSynchronize", nth, CUDA_ERROR_UNKNOWN);
      EXPECT_THROW(copy(dst, src, stream.ref()), DeviceError);
      EXPECT_TRUE(simulated::clear_faults());
      stream.synchronize();
    }
    api().trim();
    return simulated::live().pool_allocations;
  }
};

TEST_F(TransferLost, WhatNobodyCanSayTheEndOfKeepsItsMemory) {
  EXPECT_EQ(left_after(3), 0) << "an error that passes loses nothing";
  EXPECT_EQ(left_after(8), 2) << "work may still be running there";
}

// The first device packs for the second one, which fails: who frees src must still wait for the first.
TEST_F(TransferLost, WhatAHealthyDeviceReadsOutlivesTheFailureOfTheOther) {
  transfer::forget(api());
  begin(simulated::Options());
  const std::vector<std::byte> bytes = numbered_bytes(1000);
  const Buffer dst = put(PlaceKind::other_device, std::vector<std::byte>(500));
  const Stream stream = Stream::create(dst.device());
  std::optional<Buffer> src = put(PlaceKind::device, bytes);
  const ContextOf second(driver(), 1);
  Gate gate(driver(), handle_of(stream.ref()));
  gate.await_stream();
  Slice every_second;
  every_second.step = 2;
  copy(dst, src->rebind(slice(src->view(), 0, every_second)), stream.ref());
  simulated::fail_device(1, CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_THROW(stream.synchronize(), DeviceError);
  const auto address = reinterpret_cast<CUdeviceptr>(src->buf());
  src.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // for a free that waits for nothing
  EXPECT_EQ(std::memcmp(simulated::host_view(address), bytes.data(), bytes.size()), 0) << "freed, and yet to be read";
  gate.open();
  api().trim();
  const Buffer next = put(PlaceKind::device, bytes);
  EXPECT_TRUE(get(next) == bytes);
  EXPECT_EQ(simulated::fault(0), "");
}

class TransferReset : public SimulatedFixture {};

TEST_F(TransferReset, OtherDevicesCopyOnThroughMemoryThatIsThere) {
  transfer::forget(api());
  const std::vector<std::byte> bytes = numbered_bytes(size_t{6} << 20);
  const Buffer first = put(PlaceKind::device, bytes);         // from here on, pinned memory is device 0's
  const Buffer second = put(PlaceKind::other_device, bytes);  // that of the other device's ring, too
  ASSERT_GT(simulated::live().pinned_allocations, 0);
  simulated::reset_device(0);
  for (int i = 0; i < 3; ++i) {
    const Buffer next = put(PlaceKind::other_device, bytes);
    EXPECT_TRUE(get(next) == bytes);
    EXPECT_TRUE(get(second) == bytes);
  }
  transfer::forget(api());
}

INSTANTIATE_TEST_SUITE_P(Routes, TransferFaults, ::testing::ValuesIn(scenarios()),
                         [](const auto& scenario) { return std::string(scenario.param.name); });

}  // namespace
}  // namespace strideport::testing
