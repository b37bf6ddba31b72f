// The device side over the driver's table: memory, streams and completions, on simulated devices or on a GPU.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "strideport/error.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

Device pinned() { return {on_simulated_device() ? DeviceType::simulated_host : DeviceType::cuda_host, 0}; }
Device managed() { return {on_simulated_device() ? DeviceType::simulated_managed : DeviceType::cuda_managed, 0}; }

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
  // Of a pool's memory, a driver may know the addresses that the pool reserved, and no less.
  const MemoryRange range = at(device.get() + 100).allocation;
  const auto before = reinterpret_cast<uintptr_t>(device.get()) - reinterpret_cast<uintptr_t>(range.begin);
  EXPECT_LE(range.begin, static_cast<const void*>(device.get()));
  EXPECT_GE(range.size, static_cast<int64_t>(before) + 4096);
  if (on_simulated_device()) {
    EXPECT_EQ(range.begin, device.get());
  }
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
  Gate gate;
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
  Gate gate;
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

}  // namespace
}  // namespace strideport::testing
