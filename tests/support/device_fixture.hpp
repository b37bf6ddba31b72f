/// A DeviceApi under test: the simulated driver's, freshly started for every test, where the environment asks for
/// simulated devices; else the GPU's, without which a test skips itself, or fails under STRIDEPORT_REQUIRE_GPU=1.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/device_api.hpp"
#include "device/driver/driver.hpp"
#include "device/simulated/control.hpp"
#include "device/simulated/table.hpp"
#include "runtime/device_api.hpp"
#include "strideport/device.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/gate.hpp"

namespace strideport::testing {

inline bool gpu_is_required() {
  const char* required = std::getenv("STRIDEPORT_REQUIRE_GPU");
  return required != nullptr && std::string(required) == "1";
}

/// Counts owners that were dropped, and says in which thread the last was.
class Drops {
 public:
  /// An owner that is counted here when it goes.
  std::shared_ptr<void> owner() {
    return {static_cast<void*>(this), [](void* self) { static_cast<Drops*>(self)->drop(); }};
  }
  int count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }
  /// Blocks until `count` owners were dropped in all.
  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }
  pthread_t thread() const {
    const std::lock_guard lock(mutex_);
    return thread_;
  }

 private:
  void drop() {
    const std::lock_guard lock(mutex_);
    ++count_;
    thread_ = pthread_self();
    changed_.notify_all();
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  pthread_t thread_{};
};

/// Begins a capture on a stream, and ends it; null where the capture was spoilt.
inline bool begin_capture(const driver::Driver& driver, int device, StreamRef stream, CUstreamCaptureMode mode) {
  const ContextOf context(driver, device);
  return steadily([&] { return driver.StreamBeginCapture(handle_of(stream), mode); });
}
inline CUgraph end_capture(const driver::Driver& driver, int device, StreamRef stream) {
  const ContextOf context(driver, device);
  CUgraph graph = nullptr;
  return steadily([&] { return driver.StreamEndCapture(handle_of(stream), &graph); }) ? graph : nullptr;
}

class DeviceFixture : public ::testing::Test {
 protected:
  static constexpr uint64_t kCapacity = uint64_t{64} << 20;  // of each simulated device

  void SetUp() override {
    if (on_simulated_device()) return begin({});
    const std::string problem = why_no_device(DeviceType::cuda);
    if (!problem.empty() && gpu_is_required()) FAIL() << problem;
    if (!problem.empty()) GTEST_SKIP() << problem;
    use(DeviceType::cuda, driver::libcuda().driver);
  }

  // Simulated devices with options of the test's own.
  void begin(simulated::Options options) {
    if (options.devices == 0) options.devices = 2;
    if (options.capacity_bytes == 0) options.capacity_bytes = kCapacity;
    simulated::restart(options);
    device::simulated_api().forget();
    const driver::Loaded& loaded = simulated::table();
    ASSERT_TRUE(loaded.usable) << loaded.problem;
    use(DeviceType::simulated, loaded.driver);
  }

  DeviceApi& api() const { return *api_; }
  const driver::Driver& driver() const { return driver_; }
  DeviceType type() const { return api_->type(); }
  int devices() const { return api_->count(); }

  CUcontext current() const {
    CUcontext context = nullptr;
    EXPECT_EQ(driver_.CtxGetCurrent(&context), CUDA_SUCCESS);
    return context;
  }

 private:
  void use(DeviceType type, const driver::Driver& driver) {
    api_ = device_api(type);
    driver_ = driver;
  }
  DeviceApi* api_ = nullptr;
  driver::Driver driver_;
};

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
};

/// What needs the controls of the simulated driver.
class SimulatedFixture : public DeviceFixture {
 protected:
  void SetUp() override {
    if (!on_simulated_device()) GTEST_SKIP() << "needs the controls of the simulated driver";
    begin({});
  }
};

/// Memory of the device, freed at the end.
class DeviceBytes {
 public:
  DeviceBytes(DeviceApi& api, int device, int64_t bytes, StreamRef stream = StreamRef::host())
      : api_(&api), device_(device), memory_(static_cast<std::byte*>(api.allocate(device, bytes, stream))) {}
  ~DeviceBytes() { api_->free(device_, memory_, {}); }
  DeviceBytes(const DeviceBytes&) = delete;
  DeviceBytes& operator=(const DeviceBytes&) = delete;
  std::byte* get() const noexcept { return memory_; }

 private:
  DeviceApi* api_;
  int device_;
  std::byte* memory_;
};

class PinnedBytes {
 public:
  PinnedBytes(DeviceApi& api, int64_t bytes) : api_(&api), block_(api.allocate_pinned(bytes)) {}
  ~PinnedBytes() { api_->free_pinned(block_); }
  PinnedBytes(const PinnedBytes&) = delete;
  PinnedBytes& operator=(const PinnedBytes&) = delete;
  std::byte* get() const noexcept { return static_cast<std::byte*>(block_.memory); }
  PinnedBlock block() const noexcept { return block_; }

 private:
  DeviceApi* api_;
  PinnedBlock block_;
};

class OwnStream {
 public:
  OwnStream(DeviceApi& api, int device, int priority = 0)
      : api_(&api), device_(device), stream_(api.create_stream(device, priority)) {}
  ~OwnStream() { api_->destroy_stream(device_, stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  operator StreamRef() const noexcept { return stream_; }  // NOLINT: what it is

 private:
  DeviceApi* api_;
  int device_;
  StreamRef stream_;
};

/// Bytes that tell where they are.
inline std::vector<std::byte> numbered_bytes(size_t count, unsigned salt = 1) {
  std::vector<std::byte> bytes(count);
  uint32_t state = salt * 2654435761u + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

}  // namespace strideport::testing
