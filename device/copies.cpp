// Who copies what: one contiguous block goes by the driver's copy, whose engines and kernels nothing beats. Everything
// else that is asked of `copy_strided` is a kernel, pitched rows included: the driver's 2-D copy runs at the speed of
// memory only for aligned rows of some length. It remains for who wants the copy engine (`memcpy_2d_async`), between
// host and device.

#include "device/copies.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "device/kernels/launch.hpp"
#include "device/one_block.hpp"
#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

CUdeviceptr as_address(const void* memory) noexcept { return reinterpret_cast<CUdeviceptr>(memory); }

void check_not_negative(int64_t bytes, const char* what) {
  if (bytes < 0) throw InvalidArgument(std::string("a copy of ") + std::to_string(bytes) + " " + what);
}

void copy_block(DeviceState& state, void* dst, const void* src, int64_t bytes, CUstream stream) {
  state.check(state.driver.MemcpyAsync(as_address(dst), as_address(src), static_cast<size_t>(bytes), stream),
              "cuMemcpyAsync", "copying");
}

// For pitches that the driver's copy cannot take.
CopyPlan plan_of_rows(const void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch, int64_t width,
                      int64_t rows) {
  CopyPlan plan;
  plan.strategy = Strategy::rows;
  const auto bits = reinterpret_cast<uintptr_t>(dst) | reinterpret_cast<uintptr_t>(src) |
                    static_cast<uintptr_t>(dst_pitch | src_pitch | width);
  plan.unit = static_cast<int>(std::min<uintptr_t>(bits & (~bits + 1), 16));
  const PlanDim dims[] = {{rows, dst_pitch, src_pitch}, {width / plan.unit, plan.unit, plan.unit}};
  plan.dims.assign(dims, 2);
  plan.bytes = width * rows;
  plan.aligned = true;
  return plan;
}

void copy_rows(DeviceState& state, void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch, int64_t width,
               int64_t rows, CUstream stream) {
  CUDA_MEMCPY2D what{};
  what.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
  what.srcDevice = as_address(src);
  what.srcPitch = static_cast<size_t>(src_pitch);
  what.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  what.dstDevice = as_address(dst);
  what.dstPitch = static_cast<size_t>(dst_pitch);
  what.WidthInBytes = static_cast<size_t>(width);
  what.Height = static_cast<size_t>(rows);
  state.check(state.driver.Memcpy2DAsync(&what, stream), "cuMemcpy2DAsync", "copying rows");
}

// The two ways of calling it differ by one argument.
CUresult call_batch(const driver::Driver& driver, std::vector<CUdeviceptr>& dsts, std::vector<CUdeviceptr>& srcs,
                    std::vector<size_t>& sizes, CUstream stream) {
  driver::MemcpyAttributes attributes;
  size_t starts_at = 0;
  if (driver.MemcpyBatchAsync_13000 != nullptr) {
    return driver.MemcpyBatchAsync_13000(dsts.data(), srcs.data(), sizes.data(), sizes.size(), &attributes, &starts_at,
                                         1, stream);
  }
  size_t failed = 0;
  return driver.MemcpyBatchAsync_12080(dsts.data(), srcs.data(), sizes.data(), sizes.size(), &attributes, &starts_at, 1,
                                       &failed, stream);
}

}  // namespace

void memcpy_async(DeviceState& state, void* dst, const void* src, int64_t bytes, StreamRef stream) {
  check_not_negative(bytes, "bytes");
  if (bytes == 0) return;
  const Entry entry(state);
  StreamUse use(state, stream);
  copy_block(state, dst, src, bytes, use.get());
  use.finish();
}

void memcpy_2d_async(DeviceState& state, void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch,
                     int64_t width_bytes, int64_t rows, StreamRef stream) {
  check_not_negative(width_bytes, "bytes a row");
  check_not_negative(rows, "rows");
  if (width_bytes == 0 || rows == 0) return;
  if (rows > 1 && std::min(dst_pitch, src_pitch) < width_bytes) {
    throw InvalidArgument("rows of " + std::to_string(width_bytes) + " bytes with pitches of " +
                          std::to_string(dst_pitch) + " (dst) and " + std::to_string(src_pitch) +
                          " (src): a pitch is at least the width");
  }
  const Entry entry(state);
  StreamUse use(state, stream);
  if (rows == 1 || (dst_pitch == width_bytes && src_pitch == width_bytes)) {
    copy_block(state, dst, src, width_bytes * rows, use.get());
  } else if (std::max(dst_pitch, src_pitch) <= state.attribute(CU_DEVICE_ATTRIBUTE_MAX_PITCH)) {
    copy_rows(state, dst, dst_pitch, src, src_pitch, width_bytes, rows, use.get());
  } else {
    const CopyPlan plan = plan_of_rows(dst, dst_pitch, src, src_pitch, width_bytes, rows);
    state.kernels.launch(kernels::prepare(plan, dst, src), use.get());
  }
  use.finish();
}

bool has_batch(const DeviceState& state) noexcept {
  return state.driver.MemcpyBatchAsync_13000 != nullptr || state.driver.MemcpyBatchAsync_12080 != nullptr;
}

void memcpy_batch(DeviceState& state, std::span<const CopySegment> segments, StreamRef stream) {
  if (is_default(stream)) {
    throw InvalidArgument("a batch of copies needs a stream of its own: the driver refuses default ones");
  }
  std::vector<CUdeviceptr> dsts;
  std::vector<CUdeviceptr> srcs;
  std::vector<size_t> sizes;
  for (const CopySegment& segment : segments) {
    check_not_negative(segment.bytes, "bytes");
    if (segment.bytes == 0) continue;
    dsts.push_back(as_address(segment.dst));
    srcs.push_back(as_address(segment.src));
    sizes.push_back(static_cast<size_t>(segment.bytes));
  }
  if (sizes.empty()) return;
  const Entry entry(state);
  StreamUse use(state, stream);
  if (has_batch(state) && !use.captures()) {
    state.check(call_batch(state.driver, dsts, srcs, sizes, use.get()), "cuMemcpyBatchAsync", "copying a batch");
  } else {  // graphs take no batches
    for (size_t i = 0; i < sizes.size(); ++i) {
      state.check(state.driver.MemcpyAsync(dsts[i], srcs[i], sizes[i], use.get()), "cuMemcpyAsync", "copying a batch");
    }
  }
  use.finish();
}

void memcpy_peer(DeviceState& dst_state, void* dst, DeviceState& src_state, const void* src, int64_t bytes,
                 StreamRef stream) {
  check_not_negative(bytes, "bytes");
  if (bytes == 0) return;
  if (&dst_state == &src_state) return memcpy_async(dst_state, dst, src, bytes, stream);
  Session& session = dst_state.session;
  session.check_not_forked();
  session.peers.connect(dst_state, src_state);
  DeviceState& worker = stream.is_host() ? dst_state : device_of_stream(session, dst_state.index, stream);
  const Entry entry(worker);
  StreamUse use(worker, stream);
  worker.check(worker.driver.MemcpyPeerAsync(as_address(dst), dst_state.context.get(dst_state), as_address(src),
                                             src_state.context.get(src_state), static_cast<size_t>(bytes), use.get()),
               "cuMemcpyPeerAsync", "copying from another device");
  use.finish();
}

void copy_strided(DeviceState& state, const CopyPlan& plan, void* dst, const void* src, StreamRef stream,
                  BlockBy block_by) {
  if (plan.strategy == Strategy::nothing) return;
  if (plan.strategy == Strategy::staged || plan.strategy == Strategy::indirect) {
    throw InvalidArgument("a plan that is " + to_string(plan.strategy) + " is not one piece of work for a device");
  }
  if (block_by == BlockBy::driver && is_one_block(plan)) return memcpy_async(state, dst, src, plan.bytes, stream);
  const kernels::Launch launch = kernels::prepare(plan, dst, src);
  const Entry entry(state);
  StreamUse use(state, stream);
  state.kernels.launch(launch, use.get());
  use.finish();
}

}  // namespace strideport::device
