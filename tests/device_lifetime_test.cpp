// Owners and memory while work is pending: nothing goes before its work is done, and everything goes after.

#include <gtest/gtest.h>

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "strideport/error.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

// More than half of the device, twice: the second time there is room only once the first, pending on a stream, is free.
void allocate_what_a_free_will_give_back(DeviceApi& api, const driver::Driver& driver, uint64_t capacity) {
  const OwnStream busy(api, 0);
  const auto most = static_cast<int64_t>(capacity * 3 / 4);
  void* const memory = api.allocate(0, most, busy);
  Gate gate;
  ASSERT_TRUE(gate.close(driver, busy));
  const Completion point = api.record(0, busy);
  api.free(0, memory, {&point, 1});
  std::thread opener([&] { gate.open(); });
  void* const again = api.allocate(0, most, StreamRef::host());
  EXPECT_TRUE(api.done(point));
  opener.join();
  api.free(0, again, {});
}

class DeviceLifetime : public DeviceFixture {
 protected:
  // A graph of what `queue(stream)` captures on a stream of ours.
  template <class Queue>
  CUgraph capture(CUstreamCaptureMode mode, Queue queue) {
    const OwnStream stream(api(), 0);
    EXPECT_TRUE(begin_capture(driver(), 0, stream, mode));
    queue(StreamRef(stream));
    CUgraph graph = end_capture(driver(), 0, stream);
    EXPECT_NE(graph, nullptr);
    return graph;
  }
};

TEST_F(DeviceLifetime, AnOwnerGoesAtOnceWhereNothingIsPending) {
  Drops drops;
  api().release_after({}, drops.owner());
  EXPECT_EQ(drops.count(), 1);
  const OwnStream stream(api(), 0);
  const Completion point = api().record(0, stream);
  api().synchronize(point);
  api().release_after({point, nullptr}, drops.owner());
  EXPECT_EQ(drops.count(), 2);
  EXPECT_TRUE(pthread_equal(drops.thread(), pthread_self()));
}

TEST_F(DeviceLifetime, AnOwnerGoesAfterAllPendingWorkInAThreadOfOurs) {
  // Host functions of one device may be serialised, in any order: two that wait could wait for each other.
  if (devices() < 2) GTEST_SKIP() << "needs two devices";
  const OwnStream first(api(), 0);
  const OwnStream second(api(), 1);
  Gate first_gate;
  Gate second_gate;
  ASSERT_TRUE(first_gate.close(driver(), first));
  ASSERT_TRUE(second_gate.close(driver(), second, 1));
  Drops both;
  Drops one;
  api().release_after({api().record(0, first), api().record(1, second)}, both.owner());
  api().release_after({api().record(0, first)}, one.owner());
  EXPECT_EQ(both.count() + one.count(), 0);
  first_gate.open();
  one.wait_for(1);  // not held up by who waits for more
  EXPECT_EQ(both.count(), 0);
  EXPECT_FALSE(pthread_equal(one.thread(), pthread_self()));
  second_gate.open();
  both.wait_for(1);
  EXPECT_TRUE(pthread_equal(one.thread(), both.thread()));
}

TEST_F(DeviceLifetime, AnOwnerMayUseTheApiWhenItGoes) {
  const OwnStream stream(api(), 0);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), stream));
  Drops drops;
  void* const memory = api().allocate(0, 4096, stream);
  const Completion point = api().record(0, stream);
  std::shared_ptr<void> owner(memory, [&, inner = drops.owner()](void* held) mutable {
    api().free(0, held, {});
    api().release_after({}, std::move(inner));
  });
  api().release_after({point}, std::move(owner));
  gate.open();
  drops.wait_for(1);
}

TEST_F(DeviceLifetime, FreedMemoryIsNotHandedOutBeforeItsWorkIsDone) {
  const OwnStream busy(api(), 0);
  const auto source = numbered_bytes(1 << 20);
  const PinnedBytes in(api(), 1 << 20);
  const PinnedBytes out(api(), 1 << 20);
  std::memcpy(in.get(), source.data(), source.size());
  void* const memory = api().allocate(0, 1 << 20, busy);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), busy));
  api().memcpy_async(0, memory, in.get(), 1 << 20, busy);
  api().memcpy_async(0, out.get(), memory, 1 << 20, busy);
  const Completion point = api().record(0, busy);
  api().free(0, memory, {&point, 1});  // the host does not wait
  EXPECT_FALSE(api().done(point));
  std::vector<void*> others;
  const std::vector<std::byte> noise(1 << 20, std::byte{0xEE});
  for (int i = 0; i < 8; ++i) {
    others.push_back(api().allocate(0, 1 << 20, StreamRef::host()));
    api().memcpy_async(0, others.back(), noise.data(), 1 << 20, StreamRef::host());
  }
  gate.open();
  api().synchronize(point);
  EXPECT_EQ(std::memcmp(out.get(), source.data(), source.size()), 0);
  for (void* one : others) api().free(0, one, {});
}

TEST_F(DeviceLifetime, AnAllocationWaitsForFreesRatherThanFails) {
  if (!on_simulated_device()) GTEST_SKIP() << "fills the device";
  allocate_what_a_free_will_give_back(api(), driver(), kCapacity);
}

TEST_F(DeviceLifetime, AGraphKeepsItsOwners) {
  Drops drops;
  const DeviceBytes memory(api(), 0, 4096);
  CUgraph graph = capture(CU_STREAM_CAPTURE_MODE_GLOBAL, [&](StreamRef stream) {
    EXPECT_TRUE(api().inspect(0, stream).captures);
    api().memcpy_async(0, memory.get(), memory.get() + 2048, 2048, stream);
    api().retain_in_graph(0, stream, drops.owner());
  });
  EXPECT_EQ(drops.count(), 0);
  CUgraphExec executable = nullptr;
  const ContextOf context(driver(), 0);
  ASSERT_EQ(driver().GraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
  ASSERT_EQ(driver().GraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_EQ(drops.count(), 0);
  ASSERT_EQ(driver().GraphExecDestroy(executable), CUDA_SUCCESS);
  drops.wait_for(1);
  EXPECT_FALSE(pthread_equal(drops.thread(), pthread_self()));
}

TEST_F(DeviceLifetime, AStreamThatDoesNotCaptureHasNoGraph) {
  Drops drops;
  const OwnStream stream(api(), 0);
  expect_throws<InvalidArgument>([&] { api().retain_in_graph(0, stream, drops.owner()); }, {"does not capture"});
  EXPECT_EQ(drops.count(), 1);
}

TEST_F(DeviceLifetime, ACaptureSurvivesWhatItRefuses) {
  const DeviceBytes memory(api(), 0, 4096);
  const OwnStream outside(api(), 0);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), outside));
  const Completion pending = api().record(0, outside);
  CUgraph graph = capture(CU_STREAM_CAPTURE_MODE_GLOBAL, [&](StreamRef stream) {
    expect_throws<InvalidArgument>([&] { api().record(0, stream); }, {"captures"});
    expect_throws<InvalidArgument>([&] { api().allocate(0, 64, stream); }, {"captures"});
    expect_throws<InvalidArgument>([&] { api().wait(0, stream, pending); }, {"captures"});
    api().memcpy_async(0, memory.get(), memory.get() + 2048, 2048, stream);
  });
  ASSERT_EQ(driver().GraphDestroy(graph), CUDA_SUCCESS);
  gate.open();
  api().synchronize(pending);
}

TEST_F(DeviceLifetime, HousekeepingGoesOnBesideACapture) {
  const auto source = numbered_bytes(4096);
  const OwnStream outside(api(), 0);
  const Completion point = api().record(0, outside);
  Drops drops;
  CUgraph graph = capture(CU_STREAM_CAPTURE_MODE_GLOBAL, [&](StreamRef) {
    const DeviceBytes memory(api(), 0, 4096);
    const PinnedBytes host(api(), 4096);
    void* const managed = api().allocate_managed(0, 64);
    std::memcpy(host.get(), source.data(), source.size());
    api().memcpy_async(0, memory.get(), host.get(), 4096, outside);
    api().synchronize(0, outside);
    api().done(point);
    Gate gate;
    ASSERT_TRUE(gate.close(driver(), outside));
    api().release_after({api().record(0, outside)}, drops.owner());
    gate.open();
    drops.wait_for(1);
    api().rates(0);
    api().free_managed(0, managed);
    api().trim();
  });
  ASSERT_EQ(driver().GraphDestroy(graph), CUDA_SUCCESS);
}

TEST_F(DeviceLifetime, ABatchInACaptureIsCopiesOfTheGraph) {
  const auto source = numbered_bytes(4096);
  const PinnedBytes in(api(), 4096);
  std::memcpy(in.get(), source.data(), source.size());
  const DeviceBytes memory(api(), 0, 4096);
  CUgraph graph = capture(CU_STREAM_CAPTURE_MODE_GLOBAL, [&](StreamRef stream) {
    const CopySegment segments[] = {{memory.get(), in.get(), 2048}, {memory.get() + 2048, in.get() + 2048, 2048}};
    api().memcpy_batch(0, segments, stream);
  });
  CUgraphExec executable = nullptr;
  const ContextOf context(driver(), 0);
  ASSERT_EQ(driver().GraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
  const OwnStream stream(api(), 0);
  ASSERT_EQ(driver().GraphLaunch(executable, handle_of(stream)), CUDA_SUCCESS);
  api().synchronize(0, stream);
  std::vector<std::byte> result(4096);
  api().memcpy_async(0, result.data(), memory.get(), 4096, StreamRef::host());
  EXPECT_EQ(result, source);
  ASSERT_EQ(driver().GraphExecDestroy(executable), CUDA_SUCCESS);
  ASSERT_EQ(driver().GraphDestroy(graph), CUDA_SUCCESS);
}

// The exit codes are the children's own: gtest's death tests start the whole program again.
TEST_F(DeviceLifetime, ExitWithWorkPendingLosesNoOwner) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const StreamRef stream = api().create_stream(0, 0);
        auto* const gate = new Gate;
        gate->close(driver(), stream);
        api().release_after({api().record(0, stream)}, std::shared_ptr<void>(gate, [](void*) { std::_Exit(17); }));
        std::thread([gate] { gate->open(); }).detach();
        std::exit(3);
      },
      ::testing::ExitedWithCode(17), "");
}

class DeviceWithoutPools : public SimulatedFixture {
 protected:
  void SetUp() override {
    SimulatedFixture::SetUp();
    if (IsSkipped()) return;
    simulated::Options options;
    options.pools = false;
    begin(options);
  }
};

TEST_F(DeviceWithoutPools, MemoryIsFreedOnceItsWorkIsDone) {
  EXPECT_FALSE(api().info(0).pools);
  const OwnStream stream(api(), 0);
  void* const memory = api().allocate(0, 4096, stream);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), stream));
  const Completion point = api().record(0, stream);
  api().free(0, memory, {&point, 1});
  EXPECT_EQ(simulated::live().device_allocations, 1);
  gate.open();
  Drops drops;
  api().release_after({point}, drops.owner());
  drops.wait_for(1);
  api().free(0, api().allocate(0, 64, stream), {});  // sweeps, if the reaper has not
  EXPECT_EQ(simulated::live().device_allocations, 0);
  EXPECT_EQ(simulated::live().pools, 0);
}

TEST_F(DeviceWithoutPools, AnAllocationWaitsForFreesRatherThanFails) {
  allocate_what_a_free_will_give_back(api(), driver(), kCapacity);
}

}  // namespace
}  // namespace strideport::testing
