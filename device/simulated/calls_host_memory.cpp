// Pinned host memory: the driver's own, and the caller's that is registered.

#include <cstring>

#include "device/simulated/calls.hpp"
#include "device/simulated/host_pages.hpp"

namespace strideport::simulated::bodies {
namespace {

constexpr int kNewByte = 0xCD;
constexpr size_t kPoisoned = size_t{64} << 20;
constexpr uintptr_t kWriteCombined = uintptr_t{1} << 52;  // no address of a host

Allocation host_allocation(Call& call, void* memory, size_t bytes, Kind kind) {
  Allocation made;
  made.begin = reinterpret_cast<uintptr_t>(memory);
  made.bytes = bytes;
  made.kind = kind;
  made.device = call.context().device;
  made.id = call.state.new_id();
  made.portable = true;  // under unified addressing all of it is, whatever the flags say
  made.mapped = true;
  return made;
}

}  // namespace

CUresult MemHostAlloc(Call& call, void** memory, size_t bytes, unsigned int flags) {
  call.context();
  require(memory != nullptr);
  constexpr unsigned int kFlags = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
  require((flags & ~kFlags) == 0);
  call.forbid_while_capturing();
  *memory = nullptr;
  if (bytes == 0) return CUDA_SUCCESS;
  void* const made = take_host_pages(bytes);
  require(made != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  Allocation allocation = host_allocation(call, made, bytes, Kind::pinned);
  if ((flags & CU_MEMHOSTALLOC_WRITECOMBINED) != 0) allocation.device_offset = kWriteCombined;
  call.state.memory->known.insert(allocation);
  call.state.memory->present.insert(allocation);
  if (bytes <= kPoisoned) {
    const Loud loud;
    std::memset(made, kNewByte, bytes);
  }
  *memory = made;
  return CUDA_SUCCESS;
}

// Waits for nothing: the documentation does not say that it would.
CUresult MemFreeHost(Call& call, void* memory) {
  call.context();
  require(memory != nullptr);
  call.forbid_while_capturing();
  const Allocation* const known = call.state.memory->known.starting_at(reinterpret_cast<uintptr_t>(memory));
  require(known != nullptr && known->kind == Kind::pinned);
  const size_t bytes = known->bytes;
  call.state.forget_allocation(Allocation(*known));
  const Loud loud;
  give_back_host_pages(memory, bytes);
  return CUDA_SUCCESS;
}

CUresult MemHostGetDevicePointer(Call& call, CUdeviceptr* address, void* memory, unsigned int flags) {
  call.context();
  require(address != nullptr && flags == 0);
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  const Allocation* const found = call.state.memory->known.find(begin);
  require(found != nullptr && (found->kind == Kind::pinned || found->kind == Kind::registered));
  *address = begin + found->device_offset;
  return CUDA_SUCCESS;
}

CUresult MemHostRegister(Call& call, void* memory, size_t bytes, unsigned int flags) {
  call.context();
  require(memory != nullptr && bytes > 0);
  constexpr unsigned int kFlags =
      CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;
  require((flags & ~kFlags) == 0);
  call.forbid_while_capturing();
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  require(!call.state.memory->in_window(begin));
  const bool overlaps = call.state.memory->known.overlaps(begin, bytes);
  require(!overlaps, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  const Allocation allocation = host_allocation(call, memory, bytes, Kind::registered);
  call.state.memory->known.insert(allocation);
  call.state.memory->present.insert(allocation);
  return CUDA_SUCCESS;
}

CUresult MemHostUnregister(Call& call, void* memory) {
  call.context();
  require(memory != nullptr);
  call.forbid_while_capturing();
  const Allocation* const known = call.state.memory->known.starting_at(reinterpret_cast<uintptr_t>(memory));
  require(known != nullptr && known->kind == Kind::registered, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  call.state.forget_allocation(Allocation(*known));
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
