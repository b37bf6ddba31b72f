// The device side over the driver's table: copies, plans, rates, and what they leave as it was, on simulated devices or
// on a GPU.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "device/session.hpp"
#include "strideport/error.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

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
  EXPECT_TRUE(
      std::equal(source.begin(), source.begin() + (1 << 15), read(there.get(), 1 << 16, 1).begin() + (1 << 15)));
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
      std::memcpy(&expected[static_cast<size_t>(i * columns + j) * 4], &source[static_cast<size_t>(j * rows + i) * 4],
                  4);
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
