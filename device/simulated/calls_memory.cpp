// Device memory that is there on return, managed memory, and what addresses are.

#include <memory>
#include <utility>

#include "device/simulated/calls.hpp"
#include "device/simulated/host_pages.hpp"

namespace strideport::simulated::bodies {
namespace {

void* as_pointer(uintptr_t address) { return reinterpret_cast<void*>(address); }

// The context that the memory belongs to. Memory of a pool belongs to none.
CUcontext context_of(const State& state, const Allocation& allocation) {
  if (allocation.kind == Kind::pool || allocation.kind == Kind::graph) return nullptr;
  return state.contexts[static_cast<size_t>(allocation.device)].handle;
}

CUmemorytype memory_type(const Allocation& allocation) {
  const bool host = allocation.kind == Kind::pinned || allocation.kind == Kind::registered;
  return host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
}

template <class T>
void answer(void* data, T value) {
  *static_cast<T*>(data) = value;
}

// `found` is null for memory that the driver does not know. False for an attribute that there is not.
bool answer_attribute(const State& state, CUpointer_attribute attribute, const Allocation* found, uintptr_t address,
                      void* data) {
  const bool host = found == nullptr || !found->on_device();
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      answer<CUcontext>(data, found != nullptr ? context_of(state, *found) : nullptr);
      return true;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      answer<CUmemorytype>(data, found != nullptr ? memory_type(*found) : CUmemorytype{});
      return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      answer<CUdeviceptr>(data, found != nullptr ? address + found->device_offset : 0);
      return true;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      answer<void*>(data, found != nullptr && host ? as_pointer(address) : nullptr);
      return true;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      answer<unsigned long long>(data, found != nullptr ? found->id : 0);
      return true;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      answer<unsigned int>(data, found != nullptr && found->kind == Kind::managed ? 1 : 0);
      return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: answer<int>(data, found != nullptr ? found->device : -2); return true;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      answer<void*>(data, found != nullptr ? as_pointer(found->begin) : nullptr);
      return true;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: answer<size_t>(data, found != nullptr ? found->bytes : 0); return true;
    case CU_POINTER_ATTRIBUTE_MAPPED: answer<unsigned int>(data, found != nullptr ? 1 : 0); return true;
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      answer<unsigned int>(data, found != nullptr && found->kind == Kind::device ? 1 : 0);
      return true;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      answer<CUmemoryPool>(data, found != nullptr ? found->pool : nullptr);
      return true;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE: answer<unsigned int>(data, 0); return true;
    default: return false;
  }
}

// Contents, guard and block of memory that nothing uses any more.
void end_device_memory(Call& call, const Allocation& allocation) {
  Memory& memory = *call.state.memory;
  call.state.forget_allocation(allocation);
  bool whole = false;
  {
    const Loud loud;
    whole = memory.guard_is_whole(allocation.begin, allocation.bytes);
    memory.poison_freed(allocation.begin, allocation.bytes);
  }
  memory.give_back(allocation.device, allocation.begin, allocation.bytes);
  Context& context = call.state.context_of(allocation.device);
  if (!whole) call.state.fail(context, CUDA_ERROR_ILLEGAL_ADDRESS, "something wrote behind the end of an allocation");
}

// As cuMemFreeAsync in a stream that is done: nobody waits, and whoever frees says that nothing uses it.
void end_pool_memory(Call& call, const Allocation& allocation) {
  const auto found = call.state.pools.find(allocation.pool);
  call.state.forget_allocation(allocation);
  if (found == call.state.pools.end()) return;
  {
    const Loud loud;
    call.state.memory->poison_freed(allocation.begin, allocation.bytes);
  }
  auto freed = std::make_shared<Op>();
  freed->done = true;
  Pool& pool = *found->second;
  pool.used -= Memory::block_bytes(allocation.bytes);
  pool.kept.push_back({allocation.begin, allocation.bytes, std::move(freed), 0});
  call.state.trim_pools();
}

}  // namespace

CUresult MemGetInfo(Call& call, size_t* free, size_t* total) {
  const Context& context = call.context();
  require(free != nullptr && total != nullptr);
  *free = call.state.memory->free_bytes(context.device);
  *total = call.state.memory->capacity();
  return CUDA_SUCCESS;
}

CUresult MemAlloc(Call& call, CUdeviceptr* address, size_t bytes) {
  const Context& context = call.context();
  require(address != nullptr && bytes > 0);
  call.forbid_while_capturing();
  Memory& memory = *call.state.memory;
  const uintptr_t begin = memory.take(context.device, bytes);
  require(begin != 0, CUDA_ERROR_OUT_OF_MEMORY);
  Allocation made;
  made.begin = begin;
  made.bytes = bytes;
  made.device = context.device;
  made.id = call.state.new_id();
  memory.known.insert(made);
  memory.present.insert(made);
  {
    const Loud loud;
    memory.poison_new(begin, bytes);
  }
  *address = begin;
  return CUDA_SUCCESS;
}

CUresult MemFree(Call& call, CUdeviceptr address) {
  call.context();
  if (address == 0) return CUDA_SUCCESS;
  call.forbid_while_capturing();
  const Allocation* known = call.state.memory->known.starting_at(address);
  require(known != nullptr);
  const Allocation allocation = *known;
  require(allocation.kind != Kind::pinned && allocation.kind != Kind::registered);
  if (allocation.kind == Kind::pool) {
    end_pool_memory(call, allocation);
    return CUDA_SUCCESS;
  }
  if (allocation.kind == Kind::graph) {
    end_device_memory(call, allocation);
    return CUDA_SUCCESS;
  }
  for (const Context& context : call.state.contexts) call.state.wait_for_context(call.lock, context);
  known = call.state.memory->known.starting_at(address);
  require(known != nullptr && known->id == allocation.id);  // another thread, meanwhile
  if (allocation.kind == Kind::managed) {
    call.state.forget_allocation(allocation);
    const Loud loud;
    give_back_host_pages(as_pointer(allocation.begin), allocation.bytes);
  } else {
    end_device_memory(call, allocation);
  }
  call.context();  // what failed meanwhile is reported here
  return CUDA_SUCCESS;
}

CUresult MemAllocManaged(Call& call, CUdeviceptr* address, size_t bytes, unsigned int flags) {
  const Context& context = call.context();
  require(address != nullptr && bytes > 0);
  require(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST);
  call.forbid_while_capturing();
  // More than the device has is fine where pages move on demand.
  const bool fits = bytes <= call.state.memory->capacity() || call.state.options.concurrent_managed;
  require(fits, CUDA_ERROR_OUT_OF_MEMORY);
  void* const memory = take_host_pages(bytes);
  require(memory != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  Allocation made;
  made.begin = reinterpret_cast<uintptr_t>(memory);
  made.bytes = bytes;
  made.kind = Kind::managed;
  made.device = context.device;
  made.id = call.state.new_id();
  made.portable = true;
  made.mapped = true;
  call.state.memory->known.insert(made);
  call.state.memory->present.insert(made);
  *address = made.begin;
  return CUDA_SUCCESS;
}

CUresult MemGetAddressRange(Call& call, CUdeviceptr* begin, size_t* bytes, CUdeviceptr address) {
  call.context();
  const Allocation* const found = call.state.memory->known.find(address);
  require(found != nullptr, CUDA_ERROR_NOT_FOUND);
  if (begin != nullptr) *begin = found->begin;
  if (bytes != nullptr) *bytes = found->bytes;
  return CUDA_SUCCESS;
}

CUresult PointerGetAttributes(Call& call, unsigned int count, CUpointer_attribute* attributes, void** data,
                              CUdeviceptr address) {
  require(count > 0 && attributes != nullptr && data != nullptr);
  const Allocation* const found = call.state.memory->known.find(address);
  const bool strict = call.state.options.unknown_pointers == UnknownPointers::invalid_context_without_context;
  require(found != nullptr || !strict || !call.thread.contexts.empty(), CUDA_ERROR_INVALID_CONTEXT);
  for (unsigned int i = 0; i < count; ++i) {
    require(data[i] != nullptr && answer_attribute(call.state, attributes[i], found, address, data[i]));
  }
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
