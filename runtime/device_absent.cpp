// A build without a device side (STRIDEPORT_CUDA=OFF): host memory only, and errors that say so.
#include "runtime/device_api.hpp"
#include "strideport/error.hpp"

namespace strideport {

DeviceApi* device_api(DeviceType type) {
  if (type == DeviceType::cpu) return nullptr;
  throw BufferError("memory of " + to_string(Device{type, 0}) +
                    " cannot be reached: this build of Strideport has no device side (STRIDEPORT_CUDA is OFF)");
}

KernelChoice choose_kernel(const CopyPlan&, const void*, const void*) { return {}; }

}  // namespace strideport
