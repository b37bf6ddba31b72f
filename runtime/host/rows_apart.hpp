/// Do the rows of a destination, which row pointers place anywhere, share bytes with one another?
#pragma once

#include <cstdint>
#include <vector>

#include "strideport/plan.hpp"

namespace strideport::host {

/// True if two of the blocks of `plan.dims` that start at `starts` share a byte of dst. Exact.
/// Cost:   sorts `starts`; where the ranges of rows meet and their pitch does not settle it, a pass over their runs of
///         bytes with a bit a byte, or 8 bytes a run.
/// Throws: std::bad_alloc.
bool rows_share_bytes(std::vector<uintptr_t> starts, const CopyPlan& plan);

}  // namespace strideport::host
