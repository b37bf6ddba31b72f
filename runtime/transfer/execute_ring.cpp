// Pageable memory, in pieces through the ring. The host moves runs in the order of its own memory, on all its threads,
// between that memory and a slot; the device permutes. While the host fills or empties one slot, the others travel.
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "runtime/host/executor.hpp"
#include "runtime/transfer/execute.hpp"
#include "runtime/transfer/ring.hpp"
#include "runtime/transfer/temporary.hpp"

namespace strideport::transfer {
namespace {

// One leg of a piece by the host, of which the packed side is a slot.
void run_leg_on_host(const Piece& piece, Leg leg, std::byte* dst, const std::byte* src) {
  const CopyPlan plan = plan_leg(piece, leg, dst, src);
  host::execute({plan.dims.data(), plan.dims.size(), plan.unit, plan.bytes}, dst + plan.dst_offset,
                src + plan.src_offset);
}

Temporary device_temporary(const Task& task) {
  return task.route.temporary_bytes > 0 ? Temporary(task.work, task.route.temporary_bytes) : Temporary();
}

void send(const Task& task) {
  const WorkStream& work = task.work;
  Ring& ring = Ring::of(*work.api, work.device);
  const Temporary packed = device_temporary(task);
  ProgressMeter progress(task.progress, task.plan.bytes);
  for (int64_t i = 0; i < task.route.piece_count; ++i) {
    const Piece piece = task.route.pieces.at(i);
    Ring::Slot slot = ring.take();
    run_leg_on_host(piece, Leg::src_to_packed, slot.memory(), task.from() + piece.src_offset);
    std::byte* const to = address(task.to(), piece.dst_offset);
    std::byte* const landing = task.route.unpacks ? packed.get() : to;
    slot.use_on(work);
    work.api->memcpy_async(work.device, landing, slot.memory(), piece.packed_bytes, work.stream);
    slot.release_after(work.api->record(work.device, work.stream));
    if (task.route.unpacks) run_leg(work, piece, Leg::packed_to_dst, to, landing);
    progress.add(piece.bytes);
  }
}

struct Arrival {
  Ring::Slot slot;
  Completion landed;
  Piece piece;
};

// Pieces on their way to the host, oldest first.
class Arrivals {
 public:
  Arrivals(const Task& task, ProgressMeter& progress) noexcept : task_(task), progress_(progress) {}

  bool empty() const noexcept { return count_ == 0; }
  bool full() const noexcept { return count_ == kSlots; }

  void add(Arrival arrival) noexcept {
    at_[static_cast<size_t>((first_ + count_++) % kSlots)].emplace(std::move(arrival));
  }

  void unload_oldest() {
    std::optional<Arrival>& oldest = at_[static_cast<size_t>(first_)];
    task_.work.api->synchronize(oldest->landed);
    oldest->slot.free();
    run_leg_on_host(oldest->piece, Leg::packed_to_dst, task_.to() + oldest->piece.dst_offset, oldest->slot.memory());
    const int64_t bytes = oldest->piece.bytes;
    oldest.reset();
    first_ = (first_ + 1) % kSlots;
    --count_;
    progress_.add(bytes);
  }

 private:
  const Task& task_;
  ProgressMeter& progress_;
  std::array<std::optional<Arrival>, kSlots> at_;
  int first_ = 0;
  int count_ = 0;
};

Arrival fetch(const Task& task, const Temporary& packed, const Piece& piece, Ring::Slot slot) {
  const WorkStream& work = task.work;
  const std::byte* const from = address(task.from(), piece.src_offset);
  if (task.route.packs) run_leg(work, piece, Leg::src_to_packed, packed.get(), from);
  const std::byte* const block = task.route.packs ? packed.get() : from;
  slot.use_on(work);
  work.api->memcpy_async(work.device, slot.memory(), block, piece.packed_bytes, work.stream);
  Completion landed = work.api->record(work.device, work.stream);
  return {std::move(slot), std::move(landed), piece};
}

// A thread that holds slots never waits for more: it empties its own.
Ring::Slot next_slot(Ring& ring, Arrivals& arrivals) {
  while (!arrivals.empty()) {
    if (!arrivals.full()) {
      if (std::optional<Ring::Slot> slot = ring.try_take()) return std::move(*slot);
    }
    arrivals.unload_oldest();
  }
  return ring.take();
}

void receive(const Task& task) {
  Ring& ring = Ring::of(*task.work.api, task.work.device);
  const Temporary packed = device_temporary(task);
  ProgressMeter progress(task.progress, task.plan.bytes);
  Arrivals arrivals(task, progress);
  for (int64_t i = 0; i < task.route.piece_count; ++i) {
    arrivals.add(fetch(task, packed, task.route.pieces.at(i), next_slot(ring, arrivals)));
  }
  while (!arrivals.empty()) arrivals.unload_oldest();
}

}  // namespace

void execute_ring(const Task& task) { task.route.to_host ? receive(task) : send(task); }

}  // namespace strideport::transfer
