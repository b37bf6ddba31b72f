/// What a copy refuses, before anything else happens.
#pragma once

#include "strideport/buffer_view.hpp"

namespace strideport::planning {

/// Element types, sizes, read-only, references, row pointers out of reach; not shapes.
/// Throws: as `plan_copy`.
void check_elements(const BufferView& dst, const BufferView& src);

[[noreturn]] void throw_shapes_differ(const BufferView& dst, const BufferView& src);
[[noreturn]] void throw_dst_overlaps_itself(const BufferView& dst);

}  // namespace strideport::planning
