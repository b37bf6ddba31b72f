#include "runtime/transfer/execute.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/transfer/own_stream.hpp"
#include "runtime/transfer/temporary.hpp"

namespace strideport::transfer {
namespace {

// Segments of one call of the driver's batches: the arrays for them stay small.
constexpr size_t kBatchSegments = 4096;

void launch(const Task& task) {
  task.work.api->copy_strided(task.work.device, task.plan, task.to(), task.from(), task.work.stream,
                              task.route.block_by);
}

void through_temporary(const Task& task) {
  const WorkStream& work = task.work;
  // One piece of all, packed in the order of dst; what repeats in src is packed once.
  const Pieces whole(task.plan, PackedLike::dst, Packing::dense, INT64_MAX);
  const Piece piece = whole.at(0);
  const Temporary temporary(work, piece.packed_bytes);
  std::byte* const to = address(task.to(), piece.dst_offset);
  std::byte* const from = address(task.from(), piece.src_offset);
  run_leg(work, piece, Leg::src_to_packed, temporary.get(), from);
  run_leg(work, piece, Leg::packed_to_dst, to, temporary.get());
}

void by_dma(const Task& task) {
  task.work.api->memcpy_async(task.work.device, task.to(), task.from(), task.plan.bytes, task.work.stream);
}

void by_rows(const Task& task) {
  const PlanDim& rows = task.plan.dims[0];
  task.work.api->memcpy_2d_async(task.work.device, task.to(), rows.dst_stride, task.from(), rows.src_stride,
                                 task.route.run_bytes, rows.extent, task.work.stream);
}

// Calls visit(dst offset, src offset) for every run of a plan whose last dimension is one.
template <class Visit>
void each_run(const CopyPlan& plan, Visit&& visit) {
  const int count = plan.dims.size() - 1;
  std::vector<int64_t> index(static_cast<size_t>(count));
  int64_t dst = 0;
  int64_t src = 0;
  while (true) {
    visit(dst, src);
    int i = count - 1;
    for (; i >= 0; --i) {
      const PlanDim& dim = plan.dims[i];
      int64_t& at = index[static_cast<size_t>(i)];
      dst += dim.dst_stride;
      src += dim.src_stride;
      if (++at < dim.extent) break;
      dst -= dim.extent * dim.dst_stride;
      src -= dim.extent * dim.src_stride;
      at = 0;
    }
    if (i < 0) return;
  }
}

// The driver refuses batches on its default streams: they go to a stream of ours, which the caller's waits for.
void by_batches(const Task& task) {
  const WorkStream& work = task.work;
  const bool default_stream =
      work.stream == StreamRef::legacy_default() || work.stream == StreamRef::per_thread_default();
  std::vector<CopySegment> segments;
  segments.reserve(std::min(static_cast<size_t>(task.route.dmas), kBatchSegments));
  std::optional<OwnStream> own;
  if (default_stream) own.emplace(*work.api, work.device);
  const WorkStream& on = own ? own->work() : work;
  try {
    join(on, work);
    each_run(task.plan, [&](int64_t dst, int64_t src) {
      segments.push_back({address(task.to(), dst), address(task.from(), src), task.route.run_bytes});
      if (segments.size() < kBatchSegments) return;
      work.api->memcpy_batch(work.device, segments, on.stream);
      segments.clear();
    });
    if (!segments.empty()) work.api->memcpy_batch(work.device, segments, on.stream);
    join(work, on);
  } catch (...) {
    if (own && !own->discard()) task.lost = true;
    throw;
  }
}

// The bytes of a piece's span travel as they lie; the temporary is an image of them.
void through_span(const Task& task) {
  const WorkStream& work = task.work;
  const Temporary image(work, task.route.pieces.largest_bytes());
  for (int64_t i = 0; i < task.route.pieces.count(); ++i) {
    const Piece piece = task.route.pieces.at(i);
    std::byte* const to = address(task.to(), piece.dst_offset);
    const std::byte* const from = address(task.from(), piece.src_offset);
    if (task.route.to_host) {
      run_leg(work, piece, Leg::src_to_packed, image.get(), from);
      work.api->memcpy_async(work.device, to, image.get(), piece.packed_bytes, work.stream);
    } else {
      work.api->memcpy_async(work.device, image.get(), from, piece.packed_bytes, work.stream);
      run_leg(work, piece, Leg::packed_to_dst, to, image.get());
    }
  }
}

void to_peer(const Task& task) {
  task.work.api->memcpy_peer(task.dst.device().id, task.to(), task.src.device().id, task.from(), task.plan.bytes,
                             task.work.stream);
}

}  // namespace

std::byte* Task::to() const noexcept { return address(dst.buf(), plan.dst_offset); }
const std::byte* Task::from() const noexcept { return address(src.buf(), plan.src_offset); }

void run_leg(const WorkStream& work, const Piece& piece, Leg leg, std::byte* dst, const std::byte* src) {
  const CopyPlan plan = plan_leg(piece, leg, dst, src);
  work.api->copy_strided(work.device, plan, address(dst, plan.dst_offset), address(src, plan.src_offset), work.stream);
}

void execute(const Task& task) {
  switch (task.route.path) {
    case Path::nothing:
    case Path::host: return;
    case Path::launch:
    case Path::zero_copy: return launch(task);
    case Path::temporary: return through_temporary(task);
    case Path::dma: return by_dma(task);
    case Path::pitched: return by_rows(task);
    case Path::batch: return by_batches(task);
    case Path::span: return through_span(task);
    case Path::ring: return execute_ring(task);
    case Path::ring_rows: return execute_ring_rows(task);
    case Path::peer: return to_peer(task);
    case Path::peer_packed: return execute_peer(task);
  }
}

}  // namespace strideport::transfer
