#include "device/graphs.hpp"

#include <utility>

#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {

void retain_in_graph(DeviceState& state, StreamRef stream, std::shared_ptr<void> owner) {
  const Entry entry(state);
  CUgraph graph = nullptr;
  if (!is_capturing(state, to_driver(stream), &graph) || graph == nullptr) {
    throw InvalidArgument("the stream does not capture: there is no graph that could keep anything");
  }
  // The destructor of a user object may not call the driver, which the owner's might: a thread of ours drops the owner.
  std::unique_ptr<Reaper::Parked> parked = state.session.reaper.park(std::move(owner));
  CUuserObject object = nullptr;
  state.check(
      state.driver.UserObjectCreate(&object, parked.get(), Reaper::unpark, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC),
      "cuUserObjectCreate", "keeping memory for a graph");
  static_cast<void>(parked.release());  // the object's now
  const CUresult error = state.driver.GraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE);
  if (error == CUDA_SUCCESS) return;
  state.driver.UserObjectRelease(object, 1);
  state.fail(error, "cuGraphRetainUserObject", "keeping memory for a graph");
}

}  // namespace strideport::device
