// A build without a device side (STRIDEPORT_CUDA=OFF): host memory only, and errors that say so.
#include "runtime/device_api.hpp"
#include "strideport/error.hpp"
#include "strideport/simulated.hpp"

namespace strideport {
namespace {

[[noreturn]] void refuse(Device device) {
  throw BufferError("memory of " + to_string(device) +
                    " cannot be reached: this build of Strideport has no device side (STRIDEPORT_CUDA is OFF)");
}

}  // namespace

DeviceApi* device_api(DeviceType type) {
  if (type == DeviceType::cpu) return nullptr;
  refuse({type, 0});
}

KernelChoice choose_kernel(const CopyPlan&, const void*, const void*, BlockBy) { return {}; }

BufferView simulated_host_view(const BufferView& view) { refuse(view.device()); }

}  // namespace strideport
