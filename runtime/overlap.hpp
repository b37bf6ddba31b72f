/// Do two views, or two elements of one view, share bytes? For the planner; the public question about one layout is
/// `overlaps_itself` in layout.hpp.
#pragma once

#include "strideport/buffer_view.hpp"

namespace strideport {

/// True if the spans of bytes that the elements of `a` and `b` reach intersect; never false where elements share a
/// byte. Views with suboffsets may reach anything: true unless one of the two is empty.
/// Cost: one pass over the dimensions.
bool may_overlap(const BufferView& a, const BufferView& b) noexcept;

/// True if an element of `a` shares a byte with one of `b`. Exact for most pairs (interleaved channels, disjoint
/// columns of one array), true where the search would take more than a fixed bound of work or suboffsets are met.
/// Cost: `may_overlap`, then, where that says true, a search as in `overlaps_itself`.
bool may_share_elements(const BufferView& a, const BufferView& b);

}  // namespace strideport
