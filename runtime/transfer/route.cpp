// The choice of the way. What a device reaches by itself is the device's: one launch. Pinned memory is such memory too,
// but behind a bus: there the choice is between the copy engines, which want long runs, and a kernel. Pageable memory
// goes through the ring, in the order of the host's memory, so that the host moves runs and the device permutes.
#include "runtime/transfer/route.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <string>

namespace strideport::transfer {
namespace {

// Up to here a launch on pinned memory is over before a temporary is there.
constexpr int64_t kSmallBytes = int64_t{64} << 10;
// A 2-D copy of rows this long keeps a copy engine busy; shorter ones are a kernel's.
constexpr int64_t kPitchedRowBytes = int64_t{4} << 10;
// The driver's limit on the pitch of a 2-D copy (CU_DEVICE_ATTRIBUTE_MAX_PITCH) on every device so far.
constexpr int64_t kMaxPitch = std::numeric_limits<int32_t>::max();

struct Question {
  const CopyPlan& plan;
  const BufferView& dst;
  const BufferView& src;
  const TransferRates& rates;
  Situation situation;
  Place to;
  Place from;
};

void check_drivers(const BufferView& dst, const BufferView& src) {
  const Device to = dst.device(), from = src.device();
  if (!to.has_driver() || !from.has_driver() || driver_of(to.type) == driver_of(from.type)) return;
  throw InvalidArgument("dst is on " + to_string(to) + ", src on " + to_string(from) +
                        ": no driver reaches both; copy through the cpu");
}

void check_capture(const Question& q, bool refused, const char* what) {
  if (!refused || !q.situation.captures) return;
  throw BufferError("the stream captures, and a copy from " + to_string(q.src.device()) + " to " +
                    to_string(q.dst.device()) + " of these layouts " + what +
                    ", which no graph can do again; copy before the capture, or " +
                    "give both sides one layout in pinned or device memory");
}

Route route(Path path, const char* why) noexcept {
  Route result;
  result.path = path;
  result.why = why;
  return result;
}

bool is_memcpy(const CopyPlan& plan) noexcept { return plan.strategy == Strategy::memcpy; }

// Whether a leg of the pieces is one block each, as its first piece is.
bool leg_is_block(const Pieces& pieces, Leg leg) noexcept {
  return is_memcpy(plan_leg(pieces.at(0), leg, nullptr, nullptr));
}

int64_t run_bytes(const CopyPlan& plan) noexcept {
  if (plan.dims.empty()) return plan.unit;
  const PlanDim& inner = plan.dims.back();
  const bool run = inner.dst_stride == plan.unit && inner.src_stride == plan.unit;
  return run ? inner.extent * plan.unit : plan.unit;
}

bool is_pitched(const CopyPlan& plan) noexcept {
  if (plan.dims.size() != 2) return false;
  const int64_t width = run_bytes(plan);
  const PlanDim& rows = plan.dims[0];
  return width >= kPitchedRowBytes && rows.dst_stride >= width && rows.src_stride >= width &&
         rows.dst_stride <= kMaxPitch && rows.src_stride <= kMaxPitch;
}

// Whether a copy engine moves `dma_bytes` sooner than a kernel moves the payload across the bus; `if_unknown` where
// nothing was measured.
bool dma_is_faster(const Question& q, bool to_host, int64_t dma_bytes, bool if_unknown) noexcept {
  const double dma = to_host ? q.rates.dma_to_host : q.rates.dma_to_device;
  const double kernel = to_host ? q.rates.zero_copy_to_host : q.rates.zero_copy_to_device;
  if (dma <= 0 || kernel <= 0) return if_unknown;
  return static_cast<double>(dma_bytes) / dma < static_cast<double>(q.plan.bytes) / kernel;
}

Route through_span(const Question& q, bool to_host, const char* why) noexcept {
  Route result = route(Path::span, why);
  result.to_host = to_host;
  result.pieces = Pieces(q.plan, to_host ? PackedLike::dst : PackedLike::src, Packing::image, kTemporaryBytes);
  result.packs = to_host;
  result.unpacks = !to_host;
  result.piece_count = result.dmas = result.kernel_plans = result.pieces.count();
  result.bus_bytes = result.pieces.total_bytes();
  result.temporary_bytes = result.pieces.largest_bytes();
  return result;
}

Route by_zero_copy(const Question& q, bool to_host) noexcept {
  Route result = route(Path::zero_copy, "a kernel reaches the pinned memory across the bus");
  result.to_host = to_host;
  result.kernel_plans = 1;
  result.bus_bytes = q.plan.bytes;
  return result;
}

Route by_driver(const Question& q, Path path, bool to_host, int64_t dmas, const char* why) noexcept {
  Route result = route(path, why);
  result.to_host = to_host;
  result.run_bytes = run_bytes(q.plan);
  result.dmas = dmas;
  result.bus_bytes = q.plan.bytes;
  return result;
}

// Bytes that a DMA of the span moves, in which nothing that repeats is moved twice.
bool span_pays(const Question& q, bool to_host) noexcept {
  if (q.situation.captures) return false;  // its temporary
  if (to_host) {
    // A block over gaps would write to them.
    if (repeats(q.plan) || !gapless(q.plan, PackedLike::dst)) return false;
    return q.plan.bytes > kSmallBytes && dma_is_faster(q, true, q.plan.bytes, false);
  }
  if (!q.situation.spans && !gapless(q.plan, PackedLike::src)) return false;
  const int64_t span = span_bytes(q.plan, PackedLike::src);
  if (repeats(q.plan) && span <= q.plan.bytes / 2) return true;
  return q.plan.bytes > kSmallBytes && dma_is_faster(q, false, span, span <= q.plan.bytes / 4 * 5);
}

Route with_pinned(const Question& q) noexcept {
  const bool to_host = q.to == Place::pinned;
  if (is_memcpy(q.plan)) return by_driver(q, Path::dma, to_host, 1, "one block of pinned memory");
  if (is_pitched(q.plan)) return by_driver(q, Path::pitched, to_host, 1, "rows with a pitch, of 4 KiB and more");
  const int64_t runs = q.plan.bytes / run_bytes(q.plan);
  if (q.rates.batch_copies && !q.situation.captures && run_bytes(q.plan) >= q.rates.batch_run_bytes) {
    return by_driver(q, Path::batch, to_host, runs, "runs that are long enough for the copy engines");
  }
  if (span_pays(q, to_host)) {
    return through_span(q, to_host,
                        to_host ? "dst's memory has no gaps: packed on the device, then moved as a block"
                                : "src's bytes lie dense enough to be moved with their gaps");
  }
  return by_zero_copy(q, to_host);
}

// As many as `execute_ring_rows` makes of these extents, of which those of 1 do not count.
int64_t row_pieces(std::span<const int64_t> shape, int64_t bytes) noexcept {
  while (!shape.empty() && shape[0] == 1) shape = shape.subspan(1);
  if (bytes <= kSlotBytes || shape.empty()) return 1;
  const int64_t inner = bytes / shape[0];
  const int64_t step = kSlotBytes / inner;
  return step == 0 ? shape[0] * row_pieces(shape.subspan(1), inner) : (shape[0] + step - 1) / step;
}

Route through_rows(const Question& q, Route result) noexcept {
  result.path = Path::ring_rows;
  result.why = "the host follows row pointers";
  result.bus_bytes = q.plan.bytes;
  result.piece_count = result.dmas = result.kernel_plans = row_pieces(q.dst.shape(), q.plan.bytes);
  result.temporary_bytes = std::min(kSlotBytes, q.plan.bytes);
  result.pinned_bytes = (result.to_host ? 1 : std::min<int64_t>(result.piece_count, kSlots)) * kSlotBytes;
  return result;
}

Route with_pageable(const Question& q) {
  const bool to_host = q.to == Place::pageable;
  check_capture(q, true, "stages pageable memory by the host");
  Route result = route(Path::ring, to_host ? "dst is pageable memory" : "src is pageable memory");
  result.to_host = to_host;
  result.host_waits = to_host;
  if (q.plan.strategy == Strategy::indirect) {
    return through_rows(q, result);
  }
  result.pieces = Pieces(q.plan, to_host ? PackedLike::dst : PackedLike::src, Packing::dense, kSlotBytes);
  result.packs = to_host && !leg_is_block(result.pieces, Leg::src_to_packed);
  result.unpacks = !to_host && !leg_is_block(result.pieces, Leg::packed_to_dst);
  result.piece_count = result.dmas = result.pieces.count();
  result.kernel_plans = result.packs || result.unpacks ? result.piece_count : 0;
  result.bus_bytes = result.pieces.total_bytes();
  result.temporary_bytes = result.kernel_plans > 0 ? result.pieces.largest_bytes() : 0;
  result.pinned_bytes = std::min<int64_t>(result.piece_count, kSlots) * kSlotBytes;
  return result;
}

Route between_devices(const Question& q) {
  if (is_memcpy(q.plan)) {
    Route result = route(Path::peer, "one block, from device to device");
    result.dmas = 1;
    result.bus_bytes = q.plan.bytes;
    return result;
  }
  check_capture(q, true, "goes through temporaries on two devices");
  Route result = route(Path::peer_packed, "devices exchange blocks only");
  // The side without gaps gives the order: it needs no kernel then.
  const bool like_src = gapless(q.plan, PackedLike::src) && !repeats(q.plan);
  result.pieces = Pieces(q.plan, like_src ? PackedLike::src : PackedLike::dst, Packing::dense, kTemporaryBytes);
  result.packs = !leg_is_block(result.pieces, Leg::src_to_packed);
  result.unpacks = !leg_is_block(result.pieces, Leg::packed_to_dst);
  result.piece_count = result.dmas = result.pieces.count();
  result.kernel_plans = result.piece_count * ((result.packs ? 1 : 0) + (result.unpacks ? 1 : 0));
  result.bus_bytes = result.pieces.total_bytes();
  result.temporary_bytes = result.kernel_plans > 0 ? result.pieces.largest_bytes() : 0;
  return result;
}

Route on_one_device(const Question& q) {
  if (q.plan.strategy == Strategy::staged || q.plan.overlapping) {
    check_capture(q, true, "needs a temporary, since dst and src overlap");
    Route result = route(Path::temporary, "dst and src overlap partly");
    result.kernel_plans = 2;
    result.temporary_bytes = q.plan.bytes;
    return result;
  }
  if (q.to == Place::pinned || q.from == Place::pinned) {
    if (q.to == Place::device || q.from == Place::device) return with_pinned(q);
  }
  Route result = route(Path::launch, "the device reaches both sides");
  if (q.to != Place::device && q.from != Place::device) result.block_by = BlockBy::kernel;
  result.kernel_plans = 1;
  return result;
}

Route by_host(const Question& q) {
  const bool driver = q.dst.device().has_driver() || q.src.device().has_driver();
  check_capture(q, driver && q.situation.on_stream, "is the host's work");
  Route result = route(Path::host, "the host reaches both sides");
  result.host_waits = true;
  return result;
}

bool is_indirect(const Question& q) noexcept { return q.plan.strategy == Strategy::indirect; }

}  // namespace

Place place_of(const BufferView& view) noexcept {
  const DeviceType type = view.device().type;
  if (is_device_memory(type)) return Place::device;
  if (view.has_suboffsets() || !view.device().has_driver()) return Place::pageable;
  return is_pinned(type) ? Place::pinned : Place::managed;
}

bool asks_for_rates(const CopyPlan& plan, const BufferView& dst, const BufferView& src) noexcept {
  const Place to = place_of(dst), from = place_of(src);
  const bool pinned_pair =
      (to == Place::pinned && from == Place::device) || (to == Place::device && from == Place::pinned);
  return pinned_pair && !is_memcpy(plan) && plan.strategy != Strategy::nothing && plan.strategy != Strategy::staged &&
         plan.strategy != Strategy::indirect && plan.bytes > kSmallBytes && !is_pitched(plan);
}

Route plan_route(const CopyPlan& plan, const BufferView& dst, const BufferView& src, const TransferRates& rates,
                 Situation situation) {
  const Question q{plan, dst, src, rates, situation, place_of(dst), place_of(src)};
  check_drivers(dst, src);
  if (plan.strategy == Strategy::nothing) return route(Path::nothing, "");
  const bool has_device = q.to == Place::device || q.from == Place::device;
  const bool has_pageable = q.to == Place::pageable || q.from == Place::pageable;
  if (!has_device && (has_pageable || !situation.on_stream || is_indirect(q))) return by_host(q);
  if (q.to == Place::device && q.from == Place::device && dst.device() != src.device()) return between_devices(q);
  return has_pageable ? with_pageable(q) : on_one_device(q);
}

}  // namespace strideport::transfer
