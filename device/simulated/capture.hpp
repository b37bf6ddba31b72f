/// Stream capture: how streams join one.
#pragma once

#include "device/simulated/state.hpp"

namespace strideport::simulated {

/// A stream waits for an event that was recorded in a capture: it becomes part of that capture.
/// Refuses what a driver refuses, and invalidates the captures concerned.
void join_capture(Stream& stream, const Event& event);

}  // namespace strideport::simulated
