#include "device/calls.hpp"

#include <memory>

#include "strideport/error.hpp"

namespace strideport::device {

bool is_sticky(CUresult error) noexcept {
  switch (static_cast<int>(error)) {  // numbers where older headers have no name
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case 226:  // CUDA_ERROR_CONTAINED
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case 721:  // CUDA_ERROR_TENSOR_MEMORY_LEAK
    case CUDA_ERROR_MPS_CLIENT_TERMINATED: return true;
    default: return false;
  }
}

void Health::remember(CUresult error, const std::string& story) noexcept {
  if (failed()) return;
  try {
    auto failure = std::make_unique<const Failure>(Failure{error, story});
    const Failure* nothing = nullptr;
    if (first_.compare_exchange_strong(nothing, failure.get(), std::memory_order_acq_rel)) failure.release();
  } catch (...) {  // no memory: the driver will say it again
  }
}

void Health::throw_first() const {
  const Failure& failure = *first_.load(std::memory_order_acquire);
  throw DeviceError("the device failed earlier, and cannot be used any more in this process: " + failure.story,
                    static_cast<int>(failure.error));
}

}  // namespace strideport::device
