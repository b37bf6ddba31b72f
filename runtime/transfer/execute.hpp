/// Does what a route says.
#pragma once

#include <cstddef>

#include "runtime/transfer/progress.hpp"
#include "runtime/transfer/route.hpp"
#include "runtime/work_stream.hpp"
#include "strideport/buffer_view.hpp"

namespace strideport::transfer {

/// Work of a stream of ours on a second device. Its end is a point of its own: should the device of `Task::work` fail,
/// which waits for it, the other one works on.
struct Aside {
  WorkStream work;
  Completion end;  ///< null where there is none
};

/// A copy that a device has a part in.
struct Task {
  const CopyPlan& plan;
  const Route& route;  ///< of this plan
  const BufferView& dst;
  const BufferView& src;
  const WorkStream& work;  ///< where it is queued: of the device of dst or of src
  const Progress& progress;
  Aside& aside;  ///< to be set where there is some
  bool& lost;    ///< set where `execute` throws and a stream of ours may still be at work on dst and src

  std::byte* to() const noexcept;          ///< the first unit of dst
  const std::byte* from() const noexcept;  ///< of src
};

/// All is queued on return, and what a stream of another device had to do comes before whatever is queued on
/// `task.work` next. Whatever is thrown, no memory of ours is left in use or leaked.
/// Throws: as `copy`.
void execute(const Task& task);

/// Queues one leg of a piece; addresses as `plan_leg` takes them.
void run_leg(const WorkStream& work, const Piece& piece, Leg leg, std::byte* dst, const std::byte* src);

/// What `execute` calls: pageable memory.
void execute_ring(const Task& task);
void execute_ring_rows(const Task& task);
/// Two devices, packed.
void execute_peer(const Task& task);

/// A host copy in pieces, where somebody wants to be told how far it is.
void execute_on_host(const CopyPlan& plan, const BufferView& dst, const BufferView& src, const Progress& progress);

}  // namespace strideport::transfer
