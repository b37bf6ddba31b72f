#include "device/simulated/control.hpp"
#include "strideport/simulated.hpp"

namespace strideport {

BufferView simulated_host_view(const BufferView& view) {
  std::byte* host = nullptr;
  if (view.device().type == DeviceType::simulated && !view.has_suboffsets()) {
    host = simulated::host_view(reinterpret_cast<uintptr_t>(view.buf()));
    if (host == nullptr && view.empty()) host = static_cast<std::byte*>(view.buf());
  }
  if (host == nullptr) {
    throw BufferError("no simulated device has this memory, said to be of " + to_string(view.device()) +
                      ": simulated_host_view() is for views of memory that strideport::empty() made on one");
  }
  ViewSpec spec = view.spec();
  spec.buf = host;
  spec.device.type = DeviceType::simulated_host;
  return BufferView::create(spec);
}

}  // namespace strideport
