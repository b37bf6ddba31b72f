// Stream-ordered memory.
//
// An allocation is known to callers at once, and present when its stream comes to it; a free is the reverse. What was
// freed stays with the pool: the freeing stream may have it again at once, others when the free is done. Above its
// release threshold the pool gives memory back when a host waits.

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "device/simulated/calls.hpp"

namespace strideport::simulated::bodies {
namespace {

// Memory that the pool has, for `stream`: nothing, or a block cut for as much, so that accounts stay exact.
bool take_kept(Pool& pool, size_t bytes, const Stream& stream, Kept& taken) {
  const auto found = std::find_if(pool.kept.begin(), pool.kept.end(), [&](const Kept& kept) {
    if (Memory::block_bytes(kept.bytes) != Memory::block_bytes(bytes)) return false;
    return kept.stream_id == stream.id || (kept.freed->done && pool.reuse_opportunistic);
  });
  if (found == pool.kept.end()) return false;
  taken = *found;
  pool.kept.erase(found);
  return true;
}

// A block from the pool, else from the device; as a last resort, pools give back what they keep.
Kept take(Call& call, Pool& pool, size_t bytes, const Stream& stream) {
  Kept taken;
  const uint64_t block = Memory::block_bytes(bytes);
  if (!take_kept(pool, bytes, stream, taken)) {
    taken.begin = call.state.memory->take(pool.device, bytes);
    if (taken.begin == 0) {
      for (const auto& [handle, other] : call.state.pools) {
        if (other->device == pool.device) call.state.trim_pool(*other, 0);
      }
      taken.begin = call.state.memory->take(pool.device, bytes);
      require(taken.begin != 0, CUDA_ERROR_OUT_OF_MEMORY);
    }
    pool.reserved += block;
    pool.reserved_high = std::max(pool.reserved_high, pool.reserved);
  }
  taken.bytes = bytes;
  pool.used += block;
  pool.used_high = std::max(pool.used_high, pool.used);
  return taken;
}

Allocation describe(Call& call, const Pool& pool, uintptr_t begin, size_t bytes, Kind kind) {
  Allocation made;
  made.begin = begin;
  made.bytes = bytes;
  made.kind = kind;
  made.device = pool.device;
  made.id = call.state.new_id();
  made.pool = pool.handle;
  return made;
}

// In the stream's thread.
void arrive(State& driver, const Allocation& allocation) {
  {
    const Quiet quiet;
    const Lock lock(driver.engine.mutex);
    driver.memory->present.insert(allocation);
  }
  driver.memory->poison_new(allocation.begin, allocation.bytes);
}

void leave(State& driver, const Allocation& allocation) {
  {
    const Quiet quiet;
    const Lock lock(driver.engine.mutex);
    driver.memory->present.erase(allocation);
  }
  const bool whole = driver.memory->guard_is_whole(allocation.begin, allocation.bytes);
  driver.memory->poison_freed(allocation.begin, allocation.bytes);
  if (whole) return;
  const Quiet quiet;
  const Lock lock(driver.engine.mutex);
  driver.fail(driver.context_of(allocation.device), CUDA_ERROR_ILLEGAL_ADDRESS,
              "something wrote behind the end of an allocation");
}

// False, and the device has failed, where memory of a graph was freed outside of it and is used by another launch.
bool still_there(State& driver, const Allocation& allocation) {
  const Quiet quiet;
  const Lock lock(driver.engine.mutex);
  const Allocation* const found = driver.memory->present.starting_at(allocation.begin);
  if (found != nullptr && found->id == allocation.id) return true;
  driver.fail(driver.context_of(allocation.device), CUDA_ERROR_ILLEGAL_ADDRESS, "memory of a graph is gone");
  return false;
}

// Memory of a graph: its address is the graph's for as long as there is the graph, or one made of it.
void capture_allocation(Call& call, const Pool& pool, size_t bytes, Stream& stream, CUdeviceptr* address) {
  const uintptr_t begin = call.state.memory->take(pool.device, bytes);
  require(begin != 0, CUDA_ERROR_OUT_OF_MEMORY);
  const Allocation made = describe(call, pool, begin, bytes, Kind::graph);
  call.state.memory->known.insert(made);
  call.state.memory->present.insert(made);
  stream.capture->graph->allocations.push_back(made);
  call.submit(stream, [&driver = call.state, made] {
    if (still_there(driver, made)) driver.memory->poison_new(made.begin, made.bytes);
  });
  *address = begin;
}

void capture_free(Call& call, const Allocation& allocation, Stream& stream) {
  const auto& own = stream.capture->graph->allocations;
  require(std::any_of(own.begin(), own.end(), [&](const Allocation& each) { return each.id == allocation.id; }));
  call.submit(stream, [&driver = call.state, allocation] {
    if (!still_there(driver, allocation)) return;
    std::memset(driver.memory->host(allocation.begin), 0xDD, allocation.bytes);
  });
}

}  // namespace

CUresult MemPoolCreate(Call& call, CUmemoryPool* pool, const CUmemPoolProps* properties) {
  require(pool != nullptr && properties != nullptr);
  require(call.state.options.pools, CUDA_ERROR_NOT_SUPPORTED);
  require(properties->allocType == CU_MEM_ALLOCATION_TYPE_PINNED);
  require(properties->handleTypes == CU_MEM_HANDLE_TYPE_NONE, CUDA_ERROR_NOT_SUPPORTED);
  require(properties->location.type == CU_MEM_LOCATION_TYPE_DEVICE);
  auto made = std::make_shared<Pool>();
  made->device = call.device(properties->location.id);
  made->handle = call.state.new_handle<CUmemoryPool>();
  call.state.pools[made->handle] = made;
  *pool = made->handle;
  return CUDA_SUCCESS;
}

// What is allocated stays until it is freed.
CUresult MemPoolDestroy(Call& call, CUmemoryPool handle) {
  Pool& pool = call.pool(handle);
  pool.destroyed = true;
  call.state.trim_pools();
  return CUDA_SUCCESS;
}

CUresult MemPoolSetAttribute(Call& call, CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  Pool& pool = call.pool(handle);
  require(value != nullptr);
  const auto number = [value] { return *static_cast<cuuint64_t*>(value); };
  const auto flag = [value] { return *static_cast<int*>(value) != 0; };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: pool.release_threshold = number(); break;
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES: pool.reuse_event_dependencies = flag(); break;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC: pool.reuse_opportunistic = flag(); break;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: pool.reuse_internal_dependencies = flag(); break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      require(number() == 0);
      pool.used_high = pool.used;
      break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      require(number() == 0);
      pool.reserved_high = pool.reserved;
      break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult MemPoolGetAttribute(Call& call, CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  const Pool& pool = call.pool(handle);
  require(value != nullptr);
  const auto number = [value](uint64_t answer) { *static_cast<cuuint64_t*>(value) = answer; };
  const auto flag = [value](bool answer) { *static_cast<int*>(value) = answer ? 1 : 0; };
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: number(pool.release_threshold); break;
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES: flag(pool.reuse_event_dependencies); break;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC: flag(pool.reuse_opportunistic); break;
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: flag(pool.reuse_internal_dependencies); break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: number(pool.reserved); break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: number(pool.reserved_high); break;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: number(pool.used); break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: number(pool.used_high); break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult MemPoolSetAccess(Call& call, CUmemoryPool handle, const CUmemAccessDesc* accesses, size_t count) {
  Pool& pool = call.pool(handle);
  require(accesses != nullptr || count == 0);
  for (size_t i = 0; i < count; ++i) {
    const CUmemAccessDesc& access = accesses[i];
    require(access.location.type == CU_MEM_LOCATION_TYPE_DEVICE);
    const int peer = call.device(access.location.id);
    if (peer == pool.device) {
      require(access.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    } else if (access.flags == CU_MEM_ACCESS_FLAGS_PROT_NONE) {
      pool.access.erase(peer);
    } else {
      require(access.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
      require(call.state.options.peer_access, CUDA_ERROR_INVALID_DEVICE);
      pool.access.insert(peer);
    }
  }
  return CUDA_SUCCESS;
}

CUresult MemPoolTrimTo(Call& call, CUmemoryPool handle, size_t keep_bytes) {
  call.state.trim_pool(call.pool(handle), keep_bytes);
  return CUDA_SUCCESS;
}

CUresult MemAllocFromPoolAsync(Call& call, CUdeviceptr* address, size_t bytes, CUmemoryPool handle,
                               CUstream stream_handle) {
  const StreamPtr stream = call.stream(stream_handle);
  Pool& pool = call.pool(handle);
  require(address != nullptr && bytes > 0);
  if (stream->capture != nullptr) {
    require(stream->capture->valid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    capture_allocation(call, pool, bytes, *stream, address);
    return CUDA_SUCCESS;
  }
  call.check_implicit(*stream);
  const Kept taken = take(call, pool, bytes, *stream);
  const Allocation made = describe(call, pool, taken.begin, bytes, Kind::pool);
  call.state.memory->known.insert(made);
  *address = taken.begin;
  std::vector<OpPtr> after;
  if (taken.freed != nullptr) after.push_back(taken.freed);
  call.submit(
      *stream, [&driver = call.state, made] { arrive(driver, made); }, std::move(after));
  return CUDA_SUCCESS;
}

// Takes memory of cuMemAlloc as well.
CUresult MemFreeAsync(Call& call, CUdeviceptr address, CUstream stream_handle) {
  const StreamPtr stream = call.stream(stream_handle);
  Memory& memory = *call.state.memory;
  const Allocation* const known = memory.known.starting_at(address);
  require(known != nullptr && known->on_device());
  const Allocation allocation = *known;
  if (stream->capture != nullptr) {
    require(stream->capture->valid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    capture_free(call, allocation, *stream);
    return CUDA_SUCCESS;
  }
  call.check_implicit(*stream);
  memory.known.erase(allocation);
  if (allocation.kind != Kind::pool) {
    call.submit(*stream, [&driver = call.state, allocation] {
      leave(driver, allocation);
      const Quiet quiet;
      const Lock lock(driver.engine.mutex);
      driver.memory->give_back(allocation.device, allocation.begin, allocation.bytes);
    });
    return CUDA_SUCCESS;
  }
  const PoolPtr pool = call.state.pools.at(allocation.pool);
  OpPtr freed = call.submit(*stream, [&driver = call.state, allocation] { leave(driver, allocation); });
  pool->used -= Memory::block_bytes(allocation.bytes);
  pool->kept.push_back({allocation.begin, allocation.bytes, std::move(freed), stream->id});
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
