// Nothing is freed before the work on it is done: with pools a stream of ours waits for that work, and frees in its
// order; without pools, where freeing would make the host wait for everything, the reaper frees once the work is done.

#include "device/memory.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "device/driver/error.hpp"
#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

// What the pool keeps of freed memory when streams are synchronised: enough for temporaries, little enough for others.
uint64_t release_threshold(size_t total) noexcept { return std::max<uint64_t>(total / 32, uint64_t{64} << 20); }

size_t checked_bytes(int64_t bytes) {
  if (bytes < 0) throw InvalidArgument("an allocation of " + std::to_string(bytes) + " bytes: the size is negative");
  return static_cast<size_t>(std::max<int64_t>(bytes, 1));
}

void* as_pointer(CUdeviceptr memory) noexcept { return reinterpret_cast<void*>(memory); }
CUdeviceptr as_address(const void* memory) noexcept { return reinterpret_cast<CUdeviceptr>(memory); }

}  // namespace

bool Memory::has_pools() {
  int known = pools_.load(std::memory_order_relaxed);
  if (known < 0) {
    known = state_.attribute(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) != 0 ? 1 : 0;
    pools_.store(known, std::memory_order_relaxed);
  }
  return known != 0;
}

size_t Memory::total() {
  size_t known = total_.load(std::memory_order_relaxed);
  if (known == 0) {
    state_.check(state_.driver.DeviceTotalMem(&known, state_.handle), "cuDeviceTotalMem", "asking for the memory");
    total_.store(known, std::memory_order_relaxed);
  }
  return known;
}

CUmemoryPool Memory::pool() {
  if (const CUmemoryPool known = pool_.load(std::memory_order_acquire)) return known;
  const std::lock_guard lock(pool_mutex_);
  if (const CUmemoryPool known = pool_.load(std::memory_order_acquire)) return known;
  const driver::Driver& driver = state_.driver;
  CUmemPoolProps props{};
  props.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  props.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  props.location.id = state_.handle;
  CUmemoryPool made = nullptr;
  state_.check(driver.MemPoolCreate(&made, &props), "cuMemPoolCreate", "creating a memory pool");
  cuuint64_t threshold = release_threshold(total());
  // An allocation never waits for the work of a stream that freed: where memory is short, `reclaim` does, and says so.
  int no = 0;
  CUresult error = driver.MemPoolSetAttribute(made, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold);
  if (error == CUDA_SUCCESS) {
    error = driver.MemPoolSetAttribute(made, CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, &no);
  }
  if (error != CUDA_SUCCESS) {
    driver.MemPoolDestroy(made);
    state_.fail(error, "cuMemPoolSetAttribute", "creating a memory pool");
  }
  pool_.store(made, std::memory_order_release);
  return made;
}

CUresult Memory::try_allocate(CUdeviceptr& memory, size_t bytes, CUstream stream) {
  if (!has_pools()) return state_.driver.MemAlloc(&memory, bytes);
  return state_.driver.MemAllocFromPoolAsync(&memory, bytes, pool(), stream);
}

void* Memory::allocate(int64_t bytes, StreamRef stream) {
  const size_t size = checked_bytes(bytes);
  const Entry entry(state_);
  const char* const function = has_pools() ? "cuMemAllocFromPoolAsync" : "cuMemAlloc";
  // More than there is: drivers give different answers, among them INVALID_VALUE.
  if (size > total()) fail_allocation(CUDA_ERROR_OUT_OF_MEMORY, function, bytes);
  StreamUse use(state_, stream);
  if (use.captures()) {
    throw InvalidArgument("the stream captures: memory is allocated before the capture begins, or on another stream");
  }
  CUdeviceptr memory = 0;
  CUresult error = try_allocate(memory, size, use.get());
  if (error == CUDA_ERROR_OUT_OF_MEMORY) {
    reclaim();
    error = try_allocate(memory, size, use.get());
  }
  if (error != CUDA_SUCCESS) fail_allocation(error, function, bytes);
  if (has_pools()) {
    try {
      use.finish();
    } catch (...) {  // in the order of the stream that it was allocated on
      state_.driver.MemFreeAsync(memory, use.get());
      throw;
    }
  }
  return as_pointer(memory);
}

// Waits for frees that wait for work: rather that than failing.
void Memory::reclaim() {
  free_deferred(true);
  state_.streams.wait_for_frees();
  trim();
}

void Memory::fail_allocation(CUresult error, const char* function, int64_t bytes) {
  std::string doing = "allocating " + std::to_string(bytes) + " bytes";
  size_t free = 0;
  size_t all = 0;
  if (error == CUDA_ERROR_OUT_OF_MEMORY && state_.driver.MemGetInfo(&free, &all) == CUDA_SUCCESS) {
    doing += " (" + std::to_string(free) + " of " + std::to_string(all) + " are free)";
  }
  state_.fail(error, function, doing);
}

void Memory::free(void* memory, std::span<const Completion> pending) {
  const Entry entry(state_);
  if (!has_pools()) return defer(as_address(memory), pending);
  const bool idle = std::all_of(pending.begin(), pending.end(), [&](const Completion& completion) {
    return completion == nullptr || look(recorded(state_.session, completion)) != Reached::no;
  });
  const CUstream stream = idle ? state_.streams.take() : state_.streams.take_for_frees();
  const auto put_back = [&] { idle ? state_.streams.put_back(stream) : state_.streams.put_back_for_frees(stream); };
  try {
    if (!idle) wait_for_all(state_, stream, pending);
  } catch (...) {
    put_back();
    throw;
  }
  state_.note(state_.driver.MemFreeAsync(as_address(memory), stream), "cuMemFreeAsync");
  put_back();
}

void Memory::free_on(void* memory, StreamRef stream) {
  const Entry entry(state_);
  const StreamUse use(state_, stream);
  if (has_pools()) return state_.note(state_.driver.MemFreeAsync(as_address(memory), use.get()), "cuMemFreeAsync");
  const Completion end = record(state_, stream, false);
  defer(as_address(memory), {&end, 1});
}

void Memory::defer(CUdeviceptr memory, std::span<const Completion> pending) {
  {
    const std::lock_guard lock(deferred_mutex_);
    deferred_.push_back({memory, {pending.begin(), pending.end()}});
  }
  give_back_or_leak([&] { free_deferred(false); });  // it is on the list: what fails is tried again by others
  if (pending.empty()) return;
  // Whoever frees it first: the reaper once the work is done, or an allocation that needs the room.
  DeviceState* const state = &state_;
  state_.session.reaper.add({pending.begin(), pending.end()}, std::shared_ptr<void>(state, [](void* of) noexcept {
                              auto& device = *static_cast<DeviceState*>(of);
                              give_back_or_leak([&] { device.memory.free_deferred(false); });
                            }));
}

void Memory::free_deferred(bool wait) {
  const Entry entry(state_);
  std::vector<Deferred> free_now;
  {
    const std::lock_guard lock(deferred_mutex_);
    const auto busy = [&](const Deferred& one) {
      return !wait && std::any_of(one.pending.begin(), one.pending.end(), [&](const Completion& completion) {
        return look(recorded(state_.session, completion)) == Reached::no;
      });
    };
    const auto first_free = std::partition(deferred_.begin(), deferred_.end(), busy);
    free_now.assign(std::make_move_iterator(first_free), std::make_move_iterator(deferred_.end()));
    deferred_.erase(first_free, deferred_.end());
    ++freeing_;
  }
  // cuMemFree itself waits for what is pending on the device.
  for (const Deferred& one : free_now) state_.note(state_.driver.MemFree(one.memory), "cuMemFree");
  std::unique_lock lock(deferred_mutex_);
  --freeing_;
  freed_.notify_all();
  // Room that another thread is about to make is what this one waits for, too.
  if (wait) freed_.wait(lock, [this] { return freeing_ == 0; });
}

void Memory::trim() noexcept {
  if (const CUmemoryPool known = pool_.load(std::memory_order_acquire)) state_.driver.MemPoolTrimTo(known, 0);
}

void* Memory::allocate_managed(int64_t bytes) {
  const size_t size = checked_bytes(bytes);
  const Entry entry(state_);
  if (state_.attribute(CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY) == 0) {
    throw DeviceError(state_.name() + " has no managed memory; use pinned memory", CUDA_ERROR_NOT_SUPPORTED);
  }
  // There a host that touches any of it while anything runs on the device crashes: nobody could know when it may.
  if (state_.attribute(CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS) == 0) {
    throw DeviceError(state_.name() +
                          " cannot work while the host uses managed memory (no concurrent managed access, "
                          "as under WSL and on Tegra); use pinned memory",
                      CUDA_ERROR_NOT_SUPPORTED);
  }
  CUdeviceptr memory = 0;
  const CUresult error = state_.driver.MemAllocManaged(&memory, size, CU_MEM_ATTACH_GLOBAL);
  if (error != CUDA_SUCCESS) fail_allocation(error, "cuMemAllocManaged", bytes);
  return as_pointer(memory);
}

void Memory::free_managed(void* memory) {
  const Entry entry(state_);
  state_.note(state_.driver.MemFree(as_address(memory)), "cuMemFree");
}

void Memory::grant(const DeviceState& other) {
  if (!has_pools()) return;
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = other.handle;
  access.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  state_.check(state_.driver.MemPoolSetAccess(pool(), &access, 1), "cuMemPoolSetAccess", "granting access to a peer");
}

}  // namespace strideport::device
