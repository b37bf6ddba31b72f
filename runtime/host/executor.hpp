/// Executes plans on host memory.
#pragma once

#include <cstddef>

#include "strideport/buffer_view.hpp"
#include "strideport/plan.hpp"

namespace strideport::host {

/// Does what `plan`, made for these two views, says; on return it is done.
/// Throws: InvalidArgument where row pointers make dst overlap itself, BufferError for a null row pointer;
///         std::bad_alloc for a temporary. dst is untouched then.
void run(const CopyPlan& plan, const BufferView& dst, const BufferView& src);

/// Planned dimensions on addresses of the first unit: no overlap, no row pointers.
struct Move {
  const PlanDim* dims;
  int count;
  int unit;
  int64_t bytes;  ///< payload of the whole copy, of which this may be a part
};

void execute_serially(const Move& move, std::byte* dst, const std::byte* src);
/// The same, split over threads where that pays.
void execute(const Move& move, std::byte* dst, const std::byte* src);

/// Through a temporary, packed in the order of the destination.
void run_staged(const CopyPlan& plan, std::byte* dst, const std::byte* src);

/// Through row pointers.
void run_indirect(const CopyPlan& plan, const BufferView& dst, const BufferView& src);

/// What `run_indirect` refuses, without a copy: row pointers of both sides are followed, nothing else is read.
/// Throws: as `run`.
void check_indirect(const CopyPlan& plan, const BufferView& dst, const BufferView& src);

/// Threads that a copy of so many bytes uses.
int threads_for(int64_t bytes) noexcept;

/// The part'th of `parts` nearly equal pieces of [0, extent): its begin; that of part + 1 is its end.
constexpr int64_t begin_of_part(int64_t extent, int parts, int part) noexcept {
  const int64_t rest = extent % parts;
  return extent / parts * part + (part < rest ? part : rest);
}

}  // namespace strideport::host
