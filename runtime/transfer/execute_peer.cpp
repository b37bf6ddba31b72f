// From one device to another: the device of src packs, the copy engines move blocks, the device of dst unpacks. The
// caller's stream belongs to one of the two; the other one works on a stream of ours. Two packed temporaries let the
// next piece be packed while one is moved.
#include <algorithm>
#include <utility>

#include "runtime/transfer/execute.hpp"
#include "runtime/transfer/own_stream.hpp"
#include "runtime/transfer/temporary.hpp"

namespace strideport::transfer {
namespace {

constexpr int kTemporaries = 2;

struct Lanes {
  const WorkStream& src;  // packs
  const WorkStream& dst;  // moves and unpacks
};

struct Packed {
  Temporary memory;
  Completion moved;  // its last piece is on the other device
};

Packed make_packed(const Task& task, const Lanes& lanes) {
  if (!task.route.packs) return {};
  Packed packed{Temporary(lanes.src, task.route.temporary_bytes), nullptr};
  packed.memory.also_used_by(lanes.dst);
  return packed;
}

// The block to move: packed now, or where it lies.
const std::byte* block_of(const Task& task, const Lanes& lanes, const Piece& piece, Packed& packed) {
  const std::byte* const from = address(task.from(), piece.src_offset);
  if (!task.route.packs) return from;
  const WorkStream& src = lanes.src;
  if (packed.moved) src.api->wait(src.device, src.stream, packed.moved);
  run_leg(src, piece, Leg::src_to_packed, packed.memory.get(), from);
  join(lanes.dst, src);
  return packed.memory.get();
}

void move_piece(const Task& task, const Lanes& lanes, const Piece& piece, Packed& packed,
                const Temporary& unpack_from) {
  const WorkStream& dst = lanes.dst;
  std::byte* const to = address(task.to(), piece.dst_offset);
  const std::byte* const block = block_of(task, lanes, piece, packed);
  std::byte* const landing = task.route.unpacks ? unpack_from.get() : to;
  dst.api->memcpy_peer(dst.device, landing, lanes.src.device, block, piece.packed_bytes, dst.stream);
  if (task.route.packs) packed.moved = dst.api->record(dst.device, dst.stream);
  if (task.route.unpacks) run_leg(dst, piece, Leg::packed_to_dst, to, landing);
}

void move_all(const Task& task, const Lanes& lanes) {
  Packed packed[kTemporaries] = {make_packed(task, lanes),
                                 task.route.piece_count > 1 ? make_packed(task, lanes) : Packed{}};
  const Temporary unpack_from = task.route.unpacks ? Temporary(lanes.dst, task.route.temporary_bytes) : Temporary();
  for (int64_t i = 0; i < task.route.piece_count; ++i) {
    move_piece(task, lanes, task.route.pieces.at(i), packed[i % kTemporaries], unpack_from);
  }
}

}  // namespace

void execute_peer(const Task& task) {
  const WorkStream& work = task.work;
  const int dst = task.dst.device().id;
  const int src = task.src.device().id;
  OwnStream own(*work.api, work.device == dst ? src : dst);
  const Lanes lanes = work.device == dst ? Lanes{own.work(), work} : Lanes{work, own.work()};
  try {
    join(own.work(), work);
    move_all(task, lanes);
    Completion end = own.work().api->record(own.work().device, own.work().stream);
    work.api->wait(work.device, work.stream, end);
    task.aside = {own.work(), std::move(end)};
  } catch (...) {
    if (!own.discard()) task.lost = true;
    throw;
  }
}

}  // namespace strideport::transfer
