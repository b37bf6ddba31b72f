/// The memory of one device: from a pool of ours, in stream order; from cuMemAlloc where the driver has no pools.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "device/driver/driver.hpp"
#include "runtime/device_api.hpp"

namespace strideport::device {

class DeviceState;

class Memory {
 public:
  explicit Memory(DeviceState& state) noexcept : state_(state) {}

  [[nodiscard]] void* allocate(int64_t bytes, StreamRef stream);
  void free(void* memory, std::span<const Completion> pending);
  void free_on(void* memory, StreamRef stream);
  /// Gives what is free back to the system. Needs an Entry.
  void trim() noexcept;

  [[nodiscard]] void* allocate_managed(int64_t bytes);
  void free_managed(void* memory);

  [[nodiscard]] bool has_pools();
  /// Lets another device reach the memory of the pool. Needs an Entry.
  void grant(const DeviceState& other);

 private:
  struct Deferred {
    CUdeviceptr memory;
    std::vector<Completion> pending;
  };

  size_t total();
  CUmemoryPool pool();
  CUresult try_allocate(CUdeviceptr& memory, size_t bytes, CUstream stream);
  void reclaim();
  [[noreturn]] void fail_allocation(CUresult error, const char* function, int64_t bytes);
  void defer(CUdeviceptr memory, std::span<const Completion> pending);
  void free_deferred(bool wait);

  DeviceState& state_;
  std::atomic<int> pools_{-1};    // -1: not asked yet
  std::atomic<size_t> total_{0};  // 0: not asked yet
  std::mutex pool_mutex_;
  std::atomic<CUmemoryPool> pool_{nullptr};
  std::mutex deferred_mutex_;
  std::condition_variable freed_;
  std::vector<Deferred> deferred_;  // only without pools
  int freeing_ = 0;                 // threads that took some of it, and are in cuMemFree
};

}  // namespace strideport::device
