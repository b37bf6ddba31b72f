/// What a copy refuses, before anything else happens.
#pragma once

#include "strideport/buffer_view.hpp"

namespace strideport::planning {

/// True for what nearly every copy is asked for, and nothing is wrong with: elements of one DType in plain memory of the
/// host, dst writable. Formats with the same DType mean the same and hold no references. False where `check_elements`
/// has to look.
inline bool is_plain_pair(const BufferView& dst, const BufferView& src) noexcept {
  const DType dtype = dst.dtype();
  return dtype && dtype == src.dtype() && dst.padded() == src.padded() && !dst.readonly() &&
         !dst.device().has_driver() && !src.device().has_driver() && !dst.has_suboffsets() && !src.has_suboffsets();
}

/// Element types, sizes, read-only, references, row pointers out of reach; not shapes.
/// Throws: as `plan_copy`.
void check_elements(const BufferView& dst, const BufferView& src);

[[noreturn]] void throw_shapes_differ(const BufferView& dst, const BufferView& src);
[[noreturn]] void throw_dst_overlaps_itself(const BufferView& dst);

}  // namespace strideport::planning
