// The same requests to drivers that differ in what they can: no batches or others, no peer access, other answers about
// pointers, streams in any order.

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "device/session.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

class DeviceVariants : public SimulatedFixture {
 protected:
  std::vector<std::byte> read(const void* memory, size_t bytes, int device = 0) {
    std::vector<std::byte> result(bytes);
    api().memcpy_async(device, result.data(), memory, static_cast<int64_t>(bytes), StreamRef::host());
    return result;
  }
};

TEST_F(DeviceVariants, EveryBatchOfTheDriverAndNoneCopyAlike) {
  for (const simulated::Batch batch : {simulated::Batch::none, simulated::Batch::v12080, simulated::Batch::v13000}) {
    simulated::Options options;
    options.batch = batch;
    options.driver_version = batch == simulated::Batch::v13000 ? 13000 : 12080;
    begin(options);
    EXPECT_EQ(api().rates(0).batch_copies, batch != simulated::Batch::none);
    EXPECT_EQ(api().info(0).batch_copies, batch != simulated::Batch::none);
    EXPECT_EQ(api().info(0).driver_version, options.driver_version);
    const auto source = numbered_bytes(1000);
    const PinnedBytes in(api(), 1000);
    std::memcpy(in.get(), source.data(), source.size());
    const DeviceBytes memory(api(), 0, 1000);
    const CopySegment segments[] = {{memory.get(), in.get(), 400}, {memory.get() + 400, in.get() + 400, 600}};
    simulated::forget_calls();
    api().memcpy_batch(0, segments, StreamRef::host());
    EXPECT_EQ(simulated::calls("MemcpyBatchAsync"), batch == simulated::Batch::none ? 0u : 1u);
    EXPECT_EQ(read(memory.get(), 1000), source);
  }
}

TEST_F(DeviceVariants, DevicesWithoutPeerAccessCopyToEachOther) {
  simulated::Options options;
  options.peer_access = false;
  begin(options);
  const auto source = numbered_bytes(3000);
  const DeviceBytes here(api(), 0, 3000);
  const DeviceBytes there(api(), 1, 3000);
  api().memcpy_async(0, here.get(), source.data(), 3000, StreamRef::host());
  api().memcpy_peer(1, there.get(), 0, here.get(), 3000, StreamRef::host());
  EXPECT_EQ(read(there.get(), 3000, 1), source);
}

TEST_F(DeviceVariants, PeerAccessIsAskedForOnceAndWhereSomebodyHasItAlready) {
  CUcontext contexts[2] = {};
  for (int i = 0; i < 2; ++i) ASSERT_EQ(driver().DevicePrimaryCtxRetain(&contexts[i], i), CUDA_SUCCESS);
  {
    const ContextOf here(driver(), 0);
    ASSERT_EQ(driver().CtxEnablePeerAccess(contexts[1], 0), CUDA_SUCCESS);
  }
  const DeviceBytes here(api(), 0, 64);
  const DeviceBytes there(api(), 1, 64);
  simulated::forget_calls();
  for (int i = 0; i < 3; ++i) api().memcpy_peer(1, there.get(), 0, here.get(), 64, StreamRef::host());
  EXPECT_EQ(simulated::calls("CtxEnablePeerAccess"), 2u);
  EXPECT_EQ(simulated::calls("MemPoolSetAccess"), 2u);
}

TEST_F(DeviceVariants, MemoryThatTheDriverDoesNotKnowIsTheHostsWhateverItAnswers) {
  for (const auto answer :
       {simulated::UnknownPointers::zeros, simulated::UnknownPointers::invalid_context_without_context}) {
    simulated::Options options;
    options.unknown_pointers = answer;
    begin(options);
    int host = 0;
    EXPECT_EQ(api().locate(&host, true).value().device, Device{});  // nobody has used the device yet
    const DeviceBytes memory(api(), 1, 64);
    EXPECT_EQ(api().locate(&host, true).value().device, Device{});
    EXPECT_EQ(api().locate(memory.get(), true).value().device, (Device{DeviceType::simulated, 1}));
    std::thread([&] { EXPECT_EQ(api().locate(&host, false).value().device, Device{}); }).join();
  }
}

TEST_F(DeviceVariants, AskingAboutADeviceDoesNotBeginToUseIt) {
  EXPECT_EQ(api().info(1).free_bytes, -1);
  int host = 0;
  (void)api().locate(&host, true);
  EXPECT_EQ(simulated::live().retained_contexts, 0);
}

TEST_F(DeviceVariants, PinnedMemoryIsAskedOfADeviceInUse) {
  const DeviceBytes memory(api(), 1, 64);
  const PinnedBytes pinned(api(), 64);
  EXPECT_EQ(simulated::live().retained_contexts, 1);
}

TEST_F(DeviceVariants, KernelsAreLoadedAtTheFirstUseAndNeverAgain) {
  const DeviceBytes memory(api(), 0, 4096);
  EXPECT_GT(simulated::calls("KernelGetFunction"), 0u);
  EXPECT_EQ(simulated::calls("LibraryLoadData"), 1u);
  simulated::forget_calls();
  CopyPlan plan;
  plan.strategy = Strategy::strided;
  plan.unit = 4;
  const PlanDim dim{256, 8, 4};
  plan.dims.assign(&dim, 1);
  plan.bytes = 1024;
  plan.offsets_fit_32 = true;
  plan.aligned = true;
  api().copy_strided(0, plan, memory.get() + 2048, memory.get(), StreamRef::host());
  EXPECT_EQ(simulated::calls("LaunchKernel"), 1u);
  EXPECT_EQ(simulated::calls("KernelGetFunction"), 0u);
  EXPECT_EQ(simulated::calls("LibraryLoadData"), 0u);
}

TEST_F(DeviceVariants, TrimGivesBackWhatWasFreedAMomentAgo) {
  const OwnStream busy(api(), 0);
  { const DeviceBytes first(api(), 0, 1 << 20); }
  api().trim();
  const int64_t before = api().info(0).free_bytes;
  void* const memory = api().allocate(0, 1 << 20, busy);
  void* const pending = api().allocate(0, 1 << 20, busy);
  api().synchronize(0, busy);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), busy));
  const Completion point = api().record(0, busy);
  api().free(0, memory, {});
  api().free(0, pending, {&point, 1});
  api().trim();  // waits for no work
  EXPECT_FALSE(api().done(point));
  EXPECT_LT(before - api().info(0).free_bytes, 2 << 20);
  gate.open();
  api().synchronize(point);
  const auto all = static_cast<int64_t>(kCapacity) - (1 << 20);
  void* const most = api().allocate(0, all, busy);  // what a stream of ours has freed since is known to be free
  EXPECT_EQ(api().done(point), true);
  api().synchronize(0, busy);
  api().free(0, most, {});
  api().trim();
  EXPECT_EQ(api().info(0).free_bytes, before);
}

TEST_F(DeviceVariants, FreedOnItsStreamMemoryIsThereForTheNextWorkAtOnce) {
  const OwnStream busy(api(), 0);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), busy));
  void* const first = api().allocate(0, 1 << 20, busy);
  api().free_on(0, first, busy);
  const int64_t before = api().info(0).free_bytes;
  for (int i = 0; i < 3 * static_cast<int>(kCapacity >> 20); ++i) {
    void* const next = api().allocate(0, 1 << 20, busy);
    EXPECT_EQ(next, first);
    api().free_on(0, next, busy);
  }
  EXPECT_EQ(api().info(0).free_bytes, before);
}

TEST_F(DeviceVariants, FreedOnItsStreamMemoryOutlivesTheWorkWithoutPoolsToo) {
  simulated::Options options;
  options.pools = false;
  begin(options);
  const OwnStream busy(api(), 0);
  const auto source = numbered_bytes(4096);
  const PinnedBytes pinned(api(), 8192);
  std::memcpy(pinned.get() + 4096, source.data(), source.size());
  void* const memory = api().allocate(0, 4096, busy);
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), busy));
  api().memcpy_async(0, memory, pinned.get() + 4096, 4096, busy);
  api().memcpy_async(0, pinned.get(), memory, 4096, busy);
  const Completion end = api().record(0, busy);
  api().free_on(0, memory, busy);
  EXPECT_EQ(simulated::live().device_allocations, 1);
  gate.open();
  api().synchronize(end);
  EXPECT_EQ(std::memcmp(pinned.get(), source.data(), source.size()), 0);
}

TEST_F(DeviceVariants, MemoryThatTheDeviceSeesElsewhereIsPageable) {
  const DeviceBytes any(api(), 0, 64);
  for (const unsigned flags : {0u, static_cast<unsigned>(CU_MEMHOSTALLOC_WRITECOMBINED)}) {
    void* memory = nullptr;
    const ContextOf context(driver(), 0);
    ASSERT_EQ(driver().MemHostAlloc(&memory, 4096, flags | CU_MEMHOSTALLOC_PORTABLE), CUDA_SUCCESS);
    const PointerInfo found = api().locate(memory, true).value();
    EXPECT_EQ(found.device.type, flags == 0 ? DeviceType::simulated_host : DeviceType::cpu);
    EXPECT_EQ(driver().MemFreeHost(memory), CUDA_SUCCESS);
  }
}

TEST_F(DeviceVariants, ManagedMemoryNeedsADeviceThatWorksBesideTheHost) {
  simulated::Options options;
  options.concurrent_managed = false;
  begin(options);
  expect_throws<DeviceError>([&] { api().allocate_managed(0, 64); }, {"concurrent managed access", "pinned"});
}

TEST_F(DeviceVariants, PinnedMemoryOfADeviceThatWasResetIsNotHandedOutAgain) {
  const DeviceBytes elsewhere(api(), 1, 64);
  const PinnedBytes of_one(api(), 4096);
  PinnedBlock gone;
  {
    const DeviceBytes first(api(), 0, 64);
    const PinnedBytes pinned(api(), 4096);  // of device 0, the first in use
    gone = pinned.block();
    EXPECT_TRUE(api().is_pinned_there(gone));
  }
  simulated::reset_device(0);
  EXPECT_FALSE(api().is_pinned_there(gone));
  EXPECT_TRUE(api().is_pinned_there(of_one.block()));
  for (int i = 0; i < 3; ++i) {
    const PinnedBytes pinned(api(), 4096);
    pinned.get()[4095] = std::byte{1};
    EXPECT_TRUE(api().is_pinned_there(pinned.block()));
    api().memcpy_async(1, elsewhere.get(), pinned.get(), 64, StreamRef::host());
  }
}

TEST_F(DeviceVariants, APinnedBlockIsNotTheNextOneAtItsAddress) {
  const PinnedBlock gone = api().allocate_pinned(4096);
  api().free_pinned(gone);
  const PinnedBytes next(api(), 4096);
  ASSERT_EQ(next.get(), gone.memory);
  EXPECT_FALSE(api().is_pinned_there(gone));
  api().free_pinned(gone);  // late, and not its to free
  EXPECT_TRUE(api().is_pinned_there(next.block()));
  const PinnedBytes other(api(), 4096);
  EXPECT_NE(other.get(), next.get());
}

TEST_F(DeviceVariants, ANumberIsAskedOnlyOfAContextThatIsThere) {
  { const DeviceBytes any(api(), 0, 64); }
  simulated::reset_device(0, false);
  simulated::forget_calls();
  expect_throws<DeviceError>([&] { api().allocate(0, 64, StreamRef::host()); }, {"reset"});
  EXPECT_EQ(simulated::calls("CtxGetId"), 0u);
}

TEST_F(DeviceVariants, PinnedSizeClassesWasteAQuarterAtMost) {
  size_t last = 0;
  for (size_t bytes = 1; bytes < (size_t{1} << 22); bytes += bytes / 7 + 1) {
    const size_t size = device::Pinned::size_class(bytes);
    EXPECT_GE(size, bytes);
    EXPECT_GE(size, last);
    if (bytes > 4096) {
      EXPECT_LE(size * 4, bytes * 5 + 3) << bytes;
    }
    EXPECT_EQ(device::Pinned::size_class(size), size);
    last = size;
  }
}

TEST_F(DeviceVariants, KeptPinnedMemoryIsBoundedAndGoesWithTrim) {
  simulated::Options options;
  begin(options);
  std::vector<PinnedBlock> all;
  const int64_t piece = int64_t{48} << 20;
  for (int i = 0; i < 8; ++i) all.push_back(api().allocate_pinned(piece));
  for (const PinnedBlock one : all) api().free_pinned(one);
  const int64_t kept = simulated::live().pinned_allocations;
  EXPECT_LE(static_cast<uint64_t>(kept) * static_cast<uint64_t>(piece), device::Pinned::kKeptBytes);
  EXPECT_GT(kept, 0);
  api().trim();
  EXPECT_EQ(simulated::live().pinned_allocations, 0);
}

TEST_F(DeviceVariants, NoOrderOfTheStreamsChangesAResult) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    simulated::Options options;
    options.seed = seed;
    begin(options);
    const auto source = numbered_bytes(4096, static_cast<unsigned>(seed));
    const PinnedBytes in(api(), 4096);
    const PinnedBytes out(api(), 4096);
    std::memcpy(in.get(), source.data(), source.size());
    const OwnStream first(api(), 0);
    const OwnStream second(api(), 1);
    void* const here = api().allocate(0, 4096, first);
    void* const there = api().allocate(1, 4096, second);
    api().memcpy_async(0, here, in.get(), 4096, first);
    const Completion filled = api().record(0, first);
    api().wait(1, second, filled);
    api().memcpy_peer(1, there, 0, here, 4096, second);
    const Completion moved = api().record(1, second);
    api().free(0, here, {&moved, 1});
    api().wait(0, first, moved);
    api().memcpy_async(1, out.get(), there, 4096, second);
    const Completion back = api().record(1, second);
    api().free(1, there, {&back, 1});
    Drops drops;
    api().release_after({filled, moved, back}, drops.owner());
    api().synchronize(back);
    EXPECT_EQ(std::memcmp(out.get(), source.data(), source.size()), 0);
    drops.wait_for(1);
  }
}

}  // namespace
}  // namespace strideport::testing
