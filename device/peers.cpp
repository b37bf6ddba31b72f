#include "device/peers.hpp"

#include <algorithm>

#include "device/session.hpp"

namespace strideport::device {

void Peers::connect(DeviceState& a, DeviceState& b) {
  const std::lock_guard lock(mutex_);
  const std::pair pair = std::minmax(a.index, b.index);
  if (connected_.contains(pair)) return;
  allow(a, b);
  allow(b, a);
  connected_.insert(pair);
}

// cuCtxEnablePeerAccess reaches what cuMemAlloc gives, pools have a list of their own.
void Peers::allow(DeviceState& user, DeviceState& owner) {
  int can = 0;
  user.check(session_.driver.DeviceCanAccessPeer(&can, user.handle, owner.handle), "cuDeviceCanAccessPeer",
             "asking for peer access");
  if (can == 0) return;
  const CUcontext context = owner.context.get(owner);
  {
    const Entry entry(user);
    const CUresult error = session_.driver.CtxEnablePeerAccess(context, 0);
    // Somebody else was first; or all of the hardware's links are taken: the driver copies through the host then.
    if (error != CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED && error != CUDA_ERROR_TOO_MANY_PEERS) {
      user.check(error, "cuCtxEnablePeerAccess", "asking for peer access");
    }
    if (error == CUDA_ERROR_TOO_MANY_PEERS) return;
  }
  const Entry entry(owner);
  owner.memory.grant(user);
}

}  // namespace strideport::device
