// The device side over the driver's table: memory, streams, completions and work, on simulated devices or on a GPU.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "device/session.hpp"
#include "strideport/error.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

class DeviceApiTest : public DeviceFixture {
 protected:
  std::vector<std::byte> read(const void* memory, size_t bytes, int device = 0) {
    std::vector<std::byte> result(bytes);
    api().memcpy_async(device, result.data(), memory, static_cast<int64_t>(bytes), StreamRef::host());
    return result;
  }
  void write(void* memory, const std::vector<std::byte>& bytes, int device = 0) {
    api().memcpy_async(device, memory, bytes.data(), static_cast<int64_t>(bytes.size()), StreamRef::host());
  }
  Device pinned() const { return {on_simulated_device() ? DeviceType::simulated_host : DeviceType::cuda_host, 0}; }
  Device managed(int device = 0) const {
    return {on_simulated_device() ? DeviceType::simulated_managed : DeviceType::cuda_managed, device};
  }
};

TEST_F(DeviceApiTest, NamesEachDevice) {
  for (int i = 0; i < devices(); ++i) {
    const DeviceInfo info = api().info(i);
    EXPECT_EQ(info.device, (Device{type(), i}));
    EXPECT_FALSE(info.name.empty());
    EXPECT_GT(info.total_bytes, 0);
    EXPECT_GE(info.driver_version, 12030);
    EXPECT_GT(info.multiprocessors, 0);
  }
}

TEST_F(DeviceApiTest, KnowsFreeMemoryOfADeviceInUse) {
  const DeviceBytes memory(api(), 0, 1 << 20);
  const DeviceInfo info = api().info(0);
  EXPECT_GT(info.free_bytes, 0);
  EXPECT_LE(info.free_bytes, info.total_bytes);
}

TEST_F(DeviceApiTest, RefusesADeviceThatIsNotThere) {
  const std::string past = to_string(Device{type(), devices()});
  expect_throws<InvalidArgument>([&] { api().allocate(devices(), 16, StreamRef::host()); }, {past.c_str()});
  expect_throws<InvalidArgument>([&] { api().info(-1); }, {"-1"});
}

TEST_F(DeviceApiTest, MemoryKeepsWhatIsWrittenToIt) {
  for (const int64_t bytes : {1, 255, 4096, 1 << 20}) {
    const DeviceBytes memory(api(), 0, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % 256, 0u);
    const auto source = numbered_bytes(static_cast<size_t>(bytes));
    write(memory.get(), source);
    EXPECT_EQ(read(memory.get(), source.size()), source);
  }
}

TEST_F(DeviceApiTest, NoBytesHaveAnAddressAllTheSame) {
  const DeviceBytes a(api(), 0, 0);
  const DeviceBytes b(api(), 0, 0);
  EXPECT_NE(a.get(), nullptr);
  EXPECT_NE(a.get(), b.get());
  const PinnedBytes c(api(), 0);
  EXPECT_NE(c.get(), nullptr);
  void* const d = api().allocate_managed(0, 0);
  EXPECT_NE(d, nullptr);
  api().free_managed(0, d);
}

TEST_F(DeviceApiTest, RefusesANegativeSize) {
  expect_throws<InvalidArgument>([&] { api().allocate(0, -1, StreamRef::host()); }, {"-1 bytes", "negative"});
  expect_throws<InvalidArgument>([&] { api().allocate_pinned(-2); }, {"-2 bytes"});
  expect_throws<InvalidArgument>([&] { api().allocate_managed(0, -3); }, {"-3 bytes"});
  expect_throws<InvalidArgument>([&] { api().memcpy_async(0, nullptr, nullptr, -4, StreamRef::host()); }, {"-4 bytes"});
}

TEST_F(DeviceApiTest, AnAllocationLargerThanTheDeviceIsOutOfMemoryAndNothingElse) {
  for (const int64_t bytes : {api().info(0).total_bytes + 1, INT64_MAX}) {
    expect_throws<DeviceOutOfMemory>([&] { api().allocate(0, bytes, StreamRef::host()); },
                                     {std::to_string(bytes).c_str(), "CUDA_ERROR_OUT_OF_MEMORY", "free"});
  }
  const DeviceBytes memory(api(), 0, 4096);
  const auto source = numbered_bytes(4096);
  write(memory.get(), source);
  EXPECT_EQ(read(memory.get(), 4096), source);
}

TEST_F(DeviceApiTest, FreedMemoryIsThereForOthersAgain) {
  const int64_t half = on_simulated_device() ? static_cast<int64_t>(kCapacity) / 2 : int64_t{1} << 20;
  OwnStream stream(api(), 0);
  for (int i = 0; i < 20; ++i) {
    void* const memory = api().allocate(0, half, i % 2 == 0 ? StreamRef::host() : StreamRef(stream));
    const Completion used = api().record(0, stream);
    api().free(0, memory, {&used, 1});
  }
}

TEST_F(DeviceApiTest, PinnedMemoryIsTheHostsAndTheDevicesAndComesBack) {
  const auto source = numbered_bytes(10000);
  const DeviceBytes device(api(), 0, 10000);
  void* first = nullptr;
  {
    const PinnedBytes pinned(api(), 10000);
    first = pinned.get();
    std::memcpy(pinned.get(), source.data(), source.size());
    api().memcpy_async(0, device.get(), pinned.get(), 10000, StreamRef::host());
  }
  EXPECT_EQ(read(device.get(), source.size()), source);
  const PinnedBytes again(api(), 9999);  // of the same size class
  EXPECT_EQ(again.get(), first);
}

TEST_F(DeviceApiTest, ManagedMemoryIsBothSides) {
  const auto source = numbered_bytes(5000);
  void* const memory = api().allocate_managed(0, 5000);
  write(memory, source);
  EXPECT_EQ(std::memcmp(memory, source.data(), source.size()), 0);
  api().free_managed(0, memory);
}

TEST_F(DeviceApiTest, LocatesEveryKindOfMemory) {
  const DeviceBytes device(api(), 0, 4096);
  const PinnedBytes pinned_bytes(api(), 4096);
  void* const managed_bytes = api().allocate_managed(0, 4096);
  int host = 0;
  const auto at = [&](const void* address) { return api().locate(address, true).value(); };
  EXPECT_EQ(at(device.get() + 100).device, (Device{type(), 0}));
  EXPECT_EQ(at(device.get() + 100).allocation.begin, device.get());
  EXPECT_GE(at(device.get() + 100).allocation.size, 4096);
  EXPECT_EQ(at(pinned_bytes.get() + 1).device, pinned());
  EXPECT_EQ(at(managed_bytes).device, managed());
  EXPECT_EQ(at(&host).device, Device{});
  EXPECT_EQ(at(nullptr).device, Device{});
  api().free_managed(0, managed_bytes);
}

TEST_F(DeviceApiTest, LocatesMemoryInAThreadWithoutAContext) {
  const DeviceBytes device(api(), 0, 4096);
  std::thread([&] {
    EXPECT_EQ(api().locate(device.get(), true).value().device, (Device{type(), 0}));
    int host = 0;
    EXPECT_EQ(api().locate(&host, false).value().device, Device{});
  }).join();
}

TEST_F(DeviceApiTest, StreamsDoTheirWorkInOrder) {
  const auto source = numbered_bytes(1 << 16);
  const DeviceBytes a(api(), 0, 1 << 16);
  const DeviceBytes b(api(), 0, 1 << 16);
  const PinnedBytes in(api(), 1 << 16);
  const PinnedBytes out(api(), 1 << 16);
  std::memcpy(in.get(), source.data(), source.size());
  const OwnStream stream(api(), 0);
  api().memcpy_async(0, a.get(), in.get(), 1 << 16, stream);
  api().memcpy_async(0, b.get(), a.get(), 1 << 16, stream);
  api().memcpy_async(0, out.get(), b.get(), 1 << 16, stream);
  api().synchronize(0, stream);
  EXPECT_TRUE(api().done(0, stream));
  EXPECT_EQ(std::memcmp(out.get(), source.data(), source.size()), 0);
}

TEST_F(DeviceApiTest, TakesBothDefaultStreams) {
  const auto source = numbered_bytes(4096);
  const DeviceBytes memory(api(), 0, 4096);
  for (const StreamRef stream : {StreamRef::legacy_default(), StreamRef::per_thread_default()}) {
    api().memcpy_async(0, memory.get(), source.data(), 4096, stream);
    api().synchronize(0, stream);
    EXPECT_EQ(read(memory.get(), 4096), source);
    const Completion point = api().record(0, stream);
    api().synchronize(point);
    EXPECT_TRUE(api().done(point));
  }
}

TEST_F(DeviceApiTest, InspectsStreams) {
  const OwnStream a(api(), 0);
  const OwnStream b(api(), 0, -1000);
  EXPECT_EQ(api().inspect(0, a).device, 0);
  EXPECT_FALSE(api().inspect(0, a).captures);
  const uint64_t per_thread = api().inspect(0, StreamRef::per_thread_default()).id;
  const std::set<uint64_t> ids{api().inspect(0, a).id, api().inspect(0, b).id, per_thread,
                               api().inspect(0, StreamRef::legacy_default()).id};
  EXPECT_EQ(ids.size(), 4u);
  uint64_t elsewhere = per_thread;
  std::thread([&] { elsewhere = api().inspect(0, StreamRef::per_thread_default()).id; }).join();
  EXPECT_NE(elsewhere, per_thread);
  expect_throws<InvalidArgument>([&] { api().inspect(0, StreamRef::host()); }, {"host()"});
}

TEST_F(DeviceApiTest, KnowsTheDeviceOfAStream) {
  if (devices() < 2) GTEST_SKIP() << "needs two devices";
  const OwnStream stream(api(), 1);
  EXPECT_EQ(api().inspect(0, stream).device, 1);
  EXPECT_EQ(api().inspect(1, StreamRef::legacy_default()).device, 1);
  EXPECT_NE(api().inspect(1, StreamRef::legacy_default()).id, api().inspect(0, StreamRef::legacy_default()).id);
  const std::string here = to_string(Device{type(), 0});
  const std::string there = to_string(Device{type(), 1});
  const DeviceBytes memory(api(), 0, 64);
  for (const auto& misuse : std::vector<std::function<void()>>{
           [&] { api().record(0, stream); },
           [&] { api().allocate(0, 64, stream); },
           [&] { api().memcpy_async(0, memory.get(), memory.get() + 32, 32, stream); },
       }) {
    expect_throws<InvalidArgument>(misuse, {here.c_str(), there.c_str()});
  }
  api().synchronize(0, stream);  // it does not matter what one says of it here
}

TEST_F(DeviceApiTest, CompletionsComeAfterTheWorkBeforeThem) {
  const OwnStream stream(api(), 0);
  StreamGate gate;
  ASSERT_TRUE(gate.close(driver(), stream));
  const Completion point = api().record(0, stream);
  EXPECT_FALSE(api().done(point));
  EXPECT_FALSE(api().done(0, stream));
  gate.open();
  api().synchronize(point);
  EXPECT_TRUE(api().done(point));
}

TEST_F(DeviceApiTest, AStreamWaitsForAnotherOne) {
  const OwnStream first(api(), 0);
  const OwnStream second(api(), devices() > 1 ? 1 : 0);
  const int other = devices() > 1 ? 1 : 0;
  StreamGate gate;
  ASSERT_TRUE(gate.close(driver(), first));
  const Completion point = api().record(0, first);
  api().wait(other, second, point);
  const Completion after = api().record(other, second);
  EXPECT_FALSE(api().done(after));
  gate.open();
  api().synchronize(after);
  EXPECT_TRUE(api().done(point));
}

TEST_F(DeviceApiTest, ACompletionOutlivesItsStreamAndEventsAreReused) {
  Completion point;
  {
    const OwnStream stream(api(), 0);
    point = api().record(0, stream);
  }
  api().synchronize(point);
  std::thread([moved = std::move(point)]() mutable { moved.reset(); }).join();
  const OwnStream stream(api(), 0);
  for (int i = 0; i < 1000; ++i) api().synchronize(api().record(0, stream));
  if (on_simulated_device()) {
    EXPECT_LE(simulated::live().events, 2);
  }
}

TEST_F(DeviceApiTest, MeasuresTimeBetweenTimedCompletionsAlone) {
  const OwnStream stream(api(), 0);
  const Completion start = api().record(0, stream, true);
  const Completion end = api().record(0, stream, true);
  const Completion untimed = api().record(0, stream);
  api().synchronize(untimed);
  EXPECT_GE(api().seconds_between(start, end), 0);
  expect_throws<InvalidArgument>([&] { api().seconds_between(start, untimed); }, {"timed"});
  expect_throws<InvalidArgument>([&] { api().record(0, StreamRef::host()); }, {"host()"});
  expect_throws<InvalidArgument>([&] { api().done(Completion()); }, {"null"});
}

TEST_F(DeviceApiTest, CopiesRowsOfAnyPitch) {
  const auto source = numbered_bytes(100 * 64);
  const DeviceBytes memory(api(), 0, 80 * 64);
  std::vector<std::byte> expected(80 * 64);
  write(memory.get(), expected);
  api().memcpy_2d_async(0, memory.get(), 80, source.data(), 100, 33, 64, StreamRef::host());
  for (size_t row = 0; row < 64; ++row) std::copy_n(&source[row * 100], 33, &expected[row * 80]);
  EXPECT_EQ(read(memory.get(), expected.size()), expected);
  expect_throws<InvalidArgument>(
      [&] { api().memcpy_2d_async(0, memory.get(), 32, source.data(), 100, 33, 2, StreamRef::host()); }, {"33", "32"});
  api().memcpy_2d_async(0, memory.get(), 1, source.data(), 1, 0, 5, StreamRef::host());
  EXPECT_EQ(read(memory.get(), expected.size()), expected);
}

TEST_F(DeviceApiTest, CopiesABatch) {
  if (!api().rates(0).batch_copies) GTEST_SKIP() << "the driver has no batches";
  const auto source = numbered_bytes(4096);
  const PinnedBytes in(api(), 4096);
  std::memcpy(in.get(), source.data(), source.size());
  const DeviceBytes memory(api(), 0, 4096);
  std::vector<CopySegment> segments;
  std::vector<std::byte> expected(4096);
  write(memory.get(), expected);
  for (int i = 0; i < 16; ++i) {
    segments.push_back({memory.get() + (15 - i) * 256, in.get() + i * 256, i * 7});
    std::copy_n(&source[static_cast<size_t>(i) * 256], i * 7, &expected[static_cast<size_t>(15 - i) * 256]);
  }
  const OwnStream stream(api(), 0);
  api().memcpy_batch(0, segments, stream);
  api().synchronize(0, stream);
  EXPECT_EQ(read(memory.get(), 4096), expected);
  api().memcpy_batch(0, {}, stream);
  expect_throws<InvalidArgument>([&] { api().memcpy_batch(0, segments, StreamRef::legacy_default()); }, {"default"});
}

TEST_F(DeviceApiTest, CopiesToAnotherDevice) {
  if (devices() < 2) GTEST_SKIP() << "needs two devices";
  const auto source = numbered_bytes(1 << 16);
  const DeviceBytes here(api(), 0, 1 << 16);
  const DeviceBytes there(api(), 1, 1 << 16);
  write(here.get(), source);
  api().memcpy_peer(1, there.get(), 0, here.get(), 1 << 16, StreamRef::host());
  EXPECT_EQ(read(there.get(), source.size(), 1), source);
  const OwnStream stream(api(), 0);
  api().memcpy_peer(0, here.get(), 1, there.get(), 1 << 15, stream);
  api().memcpy_peer(1, there.get() + (1 << 15), 0, here.get(), 1 << 15, stream);
  api().synchronize(0, stream);
  EXPECT_TRUE(std::equal(source.begin(), source.begin() + (1 << 15), read(there.get(), 1 << 16, 1).begin() + (1 << 15)));
}

// dst[i][j] = src[j][i], of 4 bytes each.
CopyPlan transpose_plan(int64_t rows, int64_t columns) {
  CopyPlan plan;
  plan.strategy = Strategy::transpose;
  plan.unit = 4;
  const PlanDim dims[] = {{rows, columns * 4, 4}, {columns, 4, rows * 4}};
  plan.dims.assign(dims, 2);
  plan.bytes = rows * columns * 4;
  plan.offsets_fit_32 = true;
  plan.aligned = true;
  return plan;
}

TEST_F(DeviceApiTest, RunsAPlanOnTheDevice) {
  const int64_t rows = 37;
  const int64_t columns = 101;
  const auto bytes = static_cast<size_t>(rows * columns * 4);
  const auto source = numbered_bytes(bytes);
  std::vector<std::byte> expected(bytes);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      std::memcpy(&expected[static_cast<size_t>(i * columns + j) * 4], &source[static_cast<size_t>(j * rows + i) * 4], 4);
    }
  }
  const DeviceBytes from(api(), 0, static_cast<int64_t>(bytes));
  const DeviceBytes to(api(), 0, static_cast<int64_t>(bytes));
  write(from.get(), source);
  const CopyPlan plan = transpose_plan(rows, columns);
  const OwnStream stream(api(), 0);
  for (const StreamRef on : {StreamRef::host(), StreamRef(stream), StreamRef::legacy_default()}) {
    write(to.get(), std::vector<std::byte>(bytes));
    api().copy_strided(0, plan, to.get(), from.get(), on);
    if (!on.is_host()) api().synchronize(0, on);
    EXPECT_EQ(read(to.get(), bytes), expected);
  }
  const KernelChoice choice = choose_kernel(plan, to.get(), from.get());
  EXPECT_NE(choice.family, 0);
  EXPECT_EQ(choice.launches, 1);
  EXPECT_FALSE(choice.why.empty());
}

TEST_F(DeviceApiTest, OneBlockNeedsNoKernel) {
  CopyPlan plan;
  plan.strategy = Strategy::memcpy;
  plan.unit = 16;
  const PlanDim dim{64, 16, 16};
  plan.dims.assign(&dim, 1);
  plan.bytes = 1024;
  const auto source = numbered_bytes(1024);
  const DeviceBytes from(api(), 0, 1024);
  const DeviceBytes to(api(), 0, 1024);
  write(from.get(), source);
  EXPECT_EQ(choose_kernel(plan, to.get(), from.get()).launches, 0);
  api().copy_strided(0, plan, to.get(), from.get(), StreamRef::host());
  EXPECT_EQ(read(to.get(), 1024), source);
}

TEST_F(DeviceApiTest, RatesAreKnownAndStay) {
  const TransferRates rates = api().rates(0);
  EXPECT_GT(rates.dma_to_device, 0);
  EXPECT_GT(rates.dma_to_host, 0);
  EXPECT_GT(rates.zero_copy_to_device, 0);
  EXPECT_GT(rates.zero_copy_to_host, 0);
  EXPECT_EQ(api().rates(0).dma_to_device, rates.dma_to_device);
  EXPECT_EQ(rates.batch_copies, api().info(0).batch_copies);
}

TEST_F(DeviceApiTest, RatesCanBeMeasuredBesideACapture) {
  static auto* const session = new device::Session(type(), driver());  // sessions are for good
  const OwnStream stream(api(), 0);
  ASSERT_TRUE(begin_capture(driver(), 0, stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  const TransferRates rates = device::measure_rates(session->device(0));
  CUgraph graph = end_capture(driver(), 0, stream);
  ASSERT_NE(graph, nullptr);
  EXPECT_EQ(driver().GraphDestroy(graph), CUDA_SUCCESS);
  EXPECT_GT(rates.dma_to_device, 0);
  EXPECT_GT(rates.zero_copy_to_host, 0);
}

TEST_F(DeviceApiTest, LeavesTheCallersContextAsItWas) {
  EXPECT_EQ(current(), nullptr);
  CUcontext theirs = nullptr;
  CUdevice last = 0;
  ASSERT_EQ(driver().DeviceGet(&last, devices() - 1), CUDA_SUCCESS);
  ASSERT_EQ(driver().DevicePrimaryCtxRetain(&theirs, last), CUDA_SUCCESS);
  for (CUcontext mine : {CUcontext{nullptr}, theirs}) {
    ASSERT_EQ(driver().CtxSetCurrent(mine), CUDA_SUCCESS);
    {
      const OwnStream stream(api(), 0);
      const DeviceBytes memory(api(), 0, 4096);
      const PinnedBytes host(api(), 4096);
      EXPECT_EQ(current(), mine);
      write(memory.get(), numbered_bytes(4096));
      api().synchronize(api().record(0, stream));
      EXPECT_EQ(current(), mine);
      EXPECT_THROW(api().allocate(0, INT64_MAX, stream), DeviceOutOfMemory);
      EXPECT_THROW(api().seconds_between(api().record(0, stream), api().record(0, stream)), InvalidArgument);
      EXPECT_EQ(current(), mine);
    }
    EXPECT_EQ(current(), mine);
  }
  ASSERT_EQ(driver().CtxSetCurrent(nullptr), CUDA_SUCCESS);
}

TEST_F(DeviceApiTest, ManyThreadsUseEverythingAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const int device = t % devices();
      const auto source = numbered_bytes(8192, static_cast<unsigned>(t));
      const OwnStream stream(api(), device);
      Drops drops;
      for (int i = 0; i < 40; ++i) {
        void* const memory = api().allocate(device, 8192, stream);
        const PinnedBytes in(api(), 8192);
        const PinnedBytes out(api(), 8192);
        std::memcpy(in.get(), source.data(), source.size());
        api().memcpy_async(device, memory, in.get(), 8192, stream);
        api().memcpy_async(device, out.get(), memory, 8192, stream);
        const Completion point = api().record(device, stream);
        api().free(device, memory, {&point, 1});
        api().release_after({point}, drops.owner());
        api().synchronize(point);
        ASSERT_EQ(std::memcmp(out.get(), source.data(), source.size()), 0);
        if (i % 16 == 0) api().trim();
      }
      drops.wait_for(40);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace strideport::testing
