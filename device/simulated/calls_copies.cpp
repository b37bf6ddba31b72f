// Copies and fills.
//
// Memory that the driver does not know is pageable. As the documentation has it, a copy from such memory has read it
// when the call returns, a copy to it is done when the call returns, and so is one between two host sides. In a capture
// nothing is read before the graph runs.

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "device/simulated/calls.hpp"
#include "device/simulated/transfer.hpp"

namespace strideport::simulated::bodies {
namespace {

constexpr size_t kMaxPitch = 2147483647;

bool is_host(Place place) { return place == Place::pinned || place == Place::pageable; }

struct Copy {
  Side dst;
  Side src;
  size_t width = 0;
  size_t rows = 1;

  size_t src_span() const { return src.pitch * (rows - 1) + width; }
  size_t dst_span() const { return dst.pitch * (rows - 1) + width; }
};

// The source as it is now, rows packed.
using Staged = std::shared_ptr<std::vector<std::byte>>;

Staged stage(Call& call, const Copy& copy) {
  auto staged = std::make_shared<std::vector<std::byte>>(copy.width * copy.rows);
  call.unlocked([&] {
    for (size_t row = 0; row < copy.rows; ++row) {
      std::memcpy(staged->data() + row * copy.width,
                  reinterpret_cast<const std::byte*>(copy.src.address) + row * copy.src.pitch, copy.width);
    }
  });
  return staged;
}

void submit_copy(Call& call, Stream& stream, Copy copy) {
  const Place to = place_of(call.state, copy.dst.address, copy.dst_span());
  const Place from = place_of(call.state, copy.src.address, copy.src_span());
  const bool captures = stream.capture != nullptr;
  Staged staged;
  if (from == Place::pageable && !captures && !is_host(to)) {
    staged = stage(call, copy);
    copy.src = {reinterpret_cast<uintptr_t>(staged->data()), copy.width};
  }
  Context* const context = stream.context;
  const OpPtr op = call.submit(stream, [&driver = call.state, context, copy, staged] {
    copy_rows(driver, *context, copy.dst, copy.src, copy.width, copy.rows);
  });
  if (!captures && is_host(to) && (to == Place::pageable || is_host(from))) call.wait(op);
}

// Address and pitch of one side of a 2-D copy.
Side side_of(CUmemorytype type, CUdeviceptr device, const void* host, size_t pitch, size_t x, size_t y, size_t width) {
  require(type == CU_MEMORYTYPE_HOST || type == CU_MEMORYTYPE_DEVICE || type == CU_MEMORYTYPE_UNIFIED);
  const uintptr_t base = type == CU_MEMORYTYPE_HOST ? reinterpret_cast<uintptr_t>(host) : device;
  require(base != 0 && pitch <= kMaxPitch && x + width <= std::max(pitch, width));
  require(pitch == 0 || pitch >= width + x);
  return {base + y * pitch + x, pitch};
}

struct Batch {
  CUdeviceptr* dsts;
  CUdeviceptr* srcs;
  size_t* sizes;
  size_t count;
  driver::MemcpyAttributes* attributes;
  size_t* starts;
  size_t attribute_count;
};

void check_attributes(const Batch& batch) {
  require(batch.dsts != nullptr && batch.srcs != nullptr && batch.sizes != nullptr && batch.count > 0);
  require(batch.attributes != nullptr && batch.starts != nullptr);
  require(batch.attribute_count > 0 && batch.attribute_count <= batch.count && batch.starts[0] == 0);
  for (size_t i = 0; i < batch.attribute_count; ++i) {
    require(batch.starts[i] < batch.count && (i == 0 || batch.starts[i] > batch.starts[i - 1]));
    const int order = batch.attributes[i].src_access_order;
    require(order >= 1 && order <= 3 && batch.attributes[i].flags <= 1);
  }
}

constexpr int kDuringCall = 2;  // CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL, which headers before 12.8 lack

int order_of(const Batch& batch, size_t copy) {
  size_t attribute = 0;
  while (attribute + 1 < batch.attribute_count && batch.starts[attribute + 1] <= copy) ++attribute;
  return batch.attributes[attribute].src_access_order;
}

// The copies of a batch have no order among themselves: it is drawn.
void submit_batch(Call& call, CUstream handle, const Batch& batch, size_t* failed) {
  if (failed != nullptr) *failed = SIZE_MAX;
  require(handle != nullptr && handle != CU_STREAM_LEGACY && handle != CU_STREAM_PER_THREAD);
  const StreamPtr stream = call.stream(handle);
  // Seen on GPUs: the capture goes on as if the call had not been.
  require(stream->capture == nullptr, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  check_attributes(batch);
  auto copies = std::make_shared<std::vector<Copy>>();
  std::vector<Staged> staged;
  for (size_t i = 0; i < batch.count; ++i) {
    if (failed != nullptr) *failed = i;
    const size_t bytes = batch.sizes[i];
    require(bytes > 0);
    Copy copy{{batch.dsts[i], bytes}, {batch.srcs[i], bytes}, bytes, 1};
    static_cast<void>(place_of(call.state, copy.dst.address, bytes));
    const Place from = place_of(call.state, copy.src.address, bytes);
    if (from == Place::pageable && order_of(batch, i) == kDuringCall) {
      staged.push_back(stage(call, copy));
      copy.src.address = reinterpret_cast<uintptr_t>(staged.back()->data());
    }
    copies->push_back(copy);
  }
  if (failed != nullptr) *failed = SIZE_MAX;
  for (size_t left = copies->size(); left > 1; --left) {
    std::swap((*copies)[left - 1], (*copies)[static_cast<size_t>(call.state.engine.draw() % left)]);
  }
  Context* const context = stream->context;
  call.submit(*stream, [&driver = call.state, context, copies, staged] {
    for (const Copy& copy : *copies) copy_rows(driver, *context, copy.dst, copy.src, copy.width, 1);
  });
}

}  // namespace

CUresult MemcpyAsync(Call& call, CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream handle) {
  const StreamPtr stream = call.stream(handle);
  if (bytes > 0) submit_copy(call, *stream, {{dst, bytes}, {src, bytes}, bytes, 1});
  return CUDA_SUCCESS;
}

CUresult Memcpy2DAsync(Call& call, const CUDA_MEMCPY2D* given, CUstream handle) {
  const StreamPtr stream = call.stream(handle);
  require(given != nullptr);
  if (given->WidthInBytes == 0 || given->Height == 0) return CUDA_SUCCESS;
  Copy copy;
  copy.width = given->WidthInBytes;
  copy.rows = given->Height;
  copy.src = side_of(given->srcMemoryType, given->srcDevice, given->srcHost, given->srcPitch, given->srcXInBytes,
                     given->srcY, copy.width);
  copy.dst = side_of(given->dstMemoryType, given->dstDevice, given->dstHost, given->dstPitch, given->dstXInBytes,
                     given->dstY, copy.width);
  require(copy.rows == 1 || (copy.src.pitch >= copy.width && copy.dst.pitch >= copy.width));
  submit_copy(call, *stream, copy);
  return CUDA_SUCCESS;
}

CUresult MemcpyPeerAsync(Call& call, CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src, CUcontext src_context,
                         size_t bytes, CUstream handle) {
  const StreamPtr stream = call.stream(handle);
  const Context& to = call.valid_context(dst_context);
  const Context& from = call.valid_context(src_context);
  require(to.active && from.active, CUDA_ERROR_INVALID_CONTEXT);
  if (bytes == 0) return CUDA_SUCCESS;
  const auto belongs = [&call](CUdeviceptr address, const Context& context) {
    const Allocation* const found = call.state.memory->known.find(address);
    return found != nullptr && (!found->on_device() || found->device == context.device);
  };
  require(belongs(dst, to) && belongs(src, from));
  submit_copy(call, *stream, {{dst, bytes}, {src, bytes}, bytes, 1});
  return CUDA_SUCCESS;
}

CUresult MemsetD8Async(Call& call, CUdeviceptr dst, unsigned char value, size_t bytes, CUstream handle) {
  const StreamPtr stream = call.stream(handle);
  if (bytes == 0) return CUDA_SUCCESS;
  require(place_of(call.state, dst, bytes) != Place::pageable);
  Context* const context = stream->context;
  call.submit(*stream,
              [&driver = call.state, context, dst, value, bytes] { fill(driver, *context, dst, value, bytes); });
  return CUDA_SUCCESS;
}

CUresult MemcpyBatchAsync_12080(Call& call, CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                                driver::MemcpyAttributes* attributes, size_t* starts, size_t attribute_count,
                                size_t* failed, CUstream stream) {
  submit_batch(call, stream, {dsts, srcs, sizes, count, attributes, starts, attribute_count}, failed);
  return CUDA_SUCCESS;
}

CUresult MemcpyBatchAsync_13000(Call& call, CUdeviceptr* dsts, CUdeviceptr* srcs, size_t* sizes, size_t count,
                                driver::MemcpyAttributes* attributes, size_t* starts, size_t attribute_count,
                                CUstream stream) {
  submit_batch(call, stream, {dsts, srcs, sizes, count, attributes, starts, attribute_count}, nullptr);
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
