#include "device/locate.hpp"

#include <cstdint>

#include "device/driver/error.hpp"
#include "device/session.hpp"

namespace strideport::device {
namespace {

struct Attributes {
  unsigned managed = 0;
  unsigned memory_type = 0;  // CUmemorytype; 0 is none
  int device = -1;
  CUdeviceptr begin = 0;
  size_t size = 0;
};

// The range is the one that was reserved, by cuda.h's words: memory mapped piece by piece (cuMemMap, as PyTorch's
// expandable segments are) is one, of which cuMemGetAddressRange would tell a piece.
CUresult ask(const driver::Driver& driver, const void* address, Attributes& answer) {
  answer = {};
  CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                 CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                                 CU_POINTER_ATTRIBUTE_RANGE_SIZE};
  void* values[] = {&answer.managed, &answer.memory_type, &answer.device, &answer.begin, &answer.size};
  const auto at = reinterpret_cast<CUdeviceptr>(address);
  const CUresult error = driver.PointerGetAttributes(5, names, values, at);
  if (error != CUDA_SUCCESS || answer.managed != 0 || answer.memory_type != CU_MEMORYTYPE_HOST) return error;
  CUpointer_attribute name = CU_POINTER_ATTRIBUTE_DEVICE_POINTER;
  CUdeviceptr on_device = 0;
  void* value = &on_device;
  const CUresult refused = driver.PointerGetAttributes(1, &name, &value, at);
  // Write-combined memory, and in places what somebody registered: pinned, but at another address for kernels. What
  // works for pageable memory works for it.
  if (refused == CUDA_SUCCESS && on_device != 0 && on_device != at) answer = {};
  return refused;
}

// Some drivers answer only where a context is current. Any will do; where none is active there is no memory either.
CUresult ask_in_some_context(Session& session, const void* address, Attributes& answer) {
  const CUresult error = ask(session.driver, address, answer);
  if (error != CUDA_ERROR_INVALID_CONTEXT || session.count() == 0) return error;
  DeviceState& state = session.any_device();
  unsigned flags = 0;
  int active = 0;
  state.check(session.driver.DevicePrimaryCtxGetState(state.handle, &flags, &active), "cuDevicePrimaryCtxGetState",
              "asking for the primary context");
  if (active == 0) return error;
  const Entry entry(state);
  return ask(session.driver, address, answer);
}

Device place_of(Session& session, const Attributes& answer) noexcept {
  const bool cuda = session.type == DeviceType::cuda;
  // Before the memory type, which says device or host of managed memory.
  if (answer.managed != 0) {
    return {cuda ? DeviceType::cuda_managed : DeviceType::simulated_managed, answer.device < 0 ? 0 : answer.device};
  }
  // Pinned memory is every device's alike.
  if (answer.memory_type == CU_MEMORYTYPE_HOST) return {cuda ? DeviceType::cuda_host : DeviceType::simulated_host, 0};
  if (answer.memory_type == CU_MEMORYTYPE_DEVICE) return {session.type, answer.device < 0 ? 0 : answer.device};
  return {};
}

}  // namespace

std::optional<PointerInfo> locate(Session& session, const void* address, bool strict) {
  session.check_not_forked();
  if (address == nullptr) return PointerInfo{};
  try {
    Attributes answer;
    const CUresult error = ask_in_some_context(session, address, answer);
    if (error == CUDA_ERROR_INVALID_CONTEXT) return PointerInfo{};
    if (error != CUDA_SUCCESS) driver::throw_driver_error(session.driver, error, "cuPointerGetAttributes");
    const Device place = place_of(session, answer);
    if (place.type == DeviceType::cpu) return PointerInfo{};
    MemoryRange range{reinterpret_cast<const void*>(answer.begin), static_cast<int64_t>(answer.size)};
    if (answer.begin == 0) range = {};
    return PointerInfo{place, range};
  } catch (const Error&) {  // host memory stays usable beside a device that failed
    if (strict) throw;
    return std::nullopt;
  }
}

}  // namespace strideport::device
