// Memory that the host reaches through row pointers, in pieces through the ring: views of both sides, cut along their
// outermost axes, that fit a slot. Where the host's side cannot be cut (a suboffset would become negative, an element
// is larger than a slot), all of it is gathered into, or scattered from, memory of the host first.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/host/executor.hpp"
#include "runtime/transfer/execute.hpp"
#include "runtime/transfer/ring.hpp"
#include "runtime/transfer/temporary.hpp"
#include "runtime/view_builder.hpp"
#include "strideport/view_ops.hpp"

namespace strideport::transfer {
namespace {

/// The same elements on both sides.
struct Pair {
  BufferView dst;
  BufferView src;
};

Pair map(const Pair& pair, auto&& operation) { return {operation(pair.dst), operation(pair.src)}; }

// Calls visit(pair) for pieces of at most kSlotBytes. Precondition: no extents of 1, and an element fits.
template <class Visit>
void each_piece(const Pair& pair, Visit&& visit) {
  const int64_t bytes = pair.dst.len();
  if (bytes <= kSlotBytes) return visit(pair);
  const int64_t extent = pair.dst.shape()[0];
  const int64_t step = kSlotBytes / (bytes / extent);
  if (step == 0) {
    for (int64_t i = 0; i < extent; ++i)
      each_piece(map(pair, [i](const BufferView& v) { return index(v, 0, i); }), visit);
    return;
  }
  for (int64_t begin = 0; begin < extent; begin += step) {
    const Slice range{begin, std::min(begin + step, extent), 1};
    visit(map(pair, [&range](const BufferView& v) { return slice(v, 0, range); }));
  }
}

// Nothing where the host's side cannot be cut.
std::optional<std::vector<Pair>> cut(const Task& task) {
  if (task.dst.itemsize() > kSlotBytes) return std::nullopt;
  try {
    std::vector<Pair> pieces;
    each_piece({squeeze(task.dst), squeeze(task.src)}, [&pieces](const Pair& piece) { pieces.push_back(piece); });
    return pieces;
  } catch (const BufferError&) {
    return std::nullopt;
  }
}

// `like` in C order at `data`, in memory of `device`.
BufferView block_like(const BufferView& like, void* data, Device device) {
  ViewBuilder builder(like, like.ndim());
  builder.set_buf(data).set_device(device).set_readonly(false);
  std::copy(like.shape().begin(), like.shape().end(), builder.shape().begin());
  contiguous_strides(like.shape(), like.itemsize(), Order::C, builder.strides());
  return std::move(builder).finish();
}

void run_on_host(const BufferView& dst, const BufferView& src) { host::run(plan_copy(dst, src), dst, src); }

void run_on_device(const WorkStream& work, const BufferView& dst, const BufferView& src) {
  const CopyPlan plan = plan_copy(dst, src);
  work.api->copy_strided(work.device, plan, address(dst.buf(), plan.dst_offset), address(src.buf(), plan.src_offset),
                         work.stream);
}

void send(const WorkStream& work, Ring& ring, const Pair& piece, std::byte* packed, Device device) {
  Ring::Slot slot = ring.take();
  run_on_host(block_like(piece.src, slot.memory(), Device{}), piece.src);
  slot.use_on(work);
  work.api->memcpy_async(work.device, packed, slot.memory(), piece.src.len(), work.stream);
  slot.release_after(work.api->record(work.device, work.stream));
  run_on_device(work, piece.dst, block_like(piece.src, packed, device));
}

void receive(const WorkStream& work, Ring& ring, const Pair& piece, std::byte* packed, Device device) {
  Ring::Slot slot = ring.take();
  run_on_device(work, block_like(piece.dst, packed, device), piece.src);
  slot.use_on(work);
  work.api->memcpy_async(work.device, slot.memory(), packed, piece.dst.len(), work.stream);
  work.api->synchronize(work.api->record(work.device, work.stream));
  slot.free();
  run_on_host(piece.dst, block_like(piece.dst, slot.memory(), Device{}));
}

// All of the host's side at once.
void through_host_memory(const Task& task) {
  const BufferView& rows = task.route.to_host ? task.dst : task.src;
  const auto memory = std::make_unique<std::byte[]>(static_cast<size_t>(rows.len()));
  const BufferView block = block_like(rows, memory.get(), Device{});
  const BufferView& dst = task.route.to_host ? block : task.dst;
  const BufferView& src = task.route.to_host ? task.src : block;
  if (!task.route.to_host) run_on_host(block, rows);
  const CopyPlan plan = plan_copy(dst, src);
  const Route route = plan_route(plan, dst, src, {}, {});
  execute({plan, route, dst, src, task.work, task.progress, task.aside, task.lost});
  if (task.route.to_host) run_on_host(rows, block);
}

}  // namespace

void execute_ring_rows(const Task& task) {
  // Null pointers, and rows of dst that share bytes, are refused before anything is written.
  host::check_indirect(task.plan, task.dst, task.src);
  const std::optional<std::vector<Pair>> pieces = cut(task);
  if (!pieces) return through_host_memory(task);
  const WorkStream& work = task.work;
  const Device device = task.route.to_host ? task.src.device() : task.dst.device();
  Ring& ring = Ring::of(*work.api, work.device);
  const Temporary packed(work, std::min(kSlotBytes, task.plan.bytes));
  ProgressMeter progress(task.progress, task.plan.bytes);
  for (const Pair& piece : *pieces) {
    (task.route.to_host ? receive : send)(work, ring, piece, packed.get(), device);
    progress.add(piece.dst.len());
  }
}

}  // namespace strideport::transfer
