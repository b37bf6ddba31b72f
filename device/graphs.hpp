/// Owners that belong to a graph under capture.
#pragma once

#include <memory>

#include "strideport/stream.hpp"

namespace strideport::device {

class DeviceState;

/// Throws: InvalidArgument where the stream does not capture; DeviceError; the owner is let go then.
void retain_in_graph(DeviceState& state, StreamRef stream, std::shared_ptr<void> owner);

}  // namespace strideport::device
