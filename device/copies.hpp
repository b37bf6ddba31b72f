/// Work on memory: the driver's copies, and the kernels of a plan.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/device_api.hpp"

namespace strideport::device {

class DeviceState;

void memcpy_async(DeviceState& state, void* dst, const void* src, int64_t bytes, StreamRef stream);
void memcpy_2d_async(DeviceState& state, void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch,
                     int64_t width_bytes, int64_t rows, StreamRef stream);
[[nodiscard]] bool has_batch(const DeviceState& state) noexcept;
void memcpy_batch(DeviceState& state, std::span<const CopySegment> segments, StreamRef stream);
void memcpy_peer(DeviceState& dst_state, void* dst, DeviceState& src_state, const void* src, int64_t bytes,
                 StreamRef stream);
void copy_strided(DeviceState& state, const CopyPlan& plan, void* dst, const void* src, StreamRef stream,
                  BlockBy block_by);

}  // namespace strideport::device
