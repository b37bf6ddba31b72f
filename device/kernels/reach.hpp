/// The memory around the units of a problem. For the host's compiler only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/kernels/params.hpp"

namespace strideport::kernels {

/// Addresses [begin, end).
struct AddressRange {
  uintptr_t begin;
  uintptr_t end;
};

/// What one side of a problem reaches. `stride`: &PlanDim::dst_stride or &PlanDim::src_stride.
inline AddressRange reach_of(const Problem& problem, const std::byte* first, int64_t PlanDim::*stride) noexcept {
  const auto begin = reinterpret_cast<uintptr_t>(first);
  AddressRange range{begin, begin + static_cast<uintptr_t>(problem.unit)};
  for (const PlanDim& dim : problem) {
    const uintptr_t reach = static_cast<uintptr_t>(dim.extent - 1) * static_cast<uintptr_t>(dim.*stride);
    (dim.*stride < 0 ? range.begin : range.end) += reach;
  }
  return range;
}

/// The bytes of src that may be loaded beside its units: those between them, unless dst lies there too (the range is
/// empty then), for other blocks may be writing those.
inline AddressRange loadable_range(const Problem& problem) noexcept {
  const AddressRange src = reach_of(problem, problem.src, &PlanDim::src_stride);
  const AddressRange dst = reach_of(problem, problem.dst, &PlanDim::dst_stride);
  const bool apart = src.end <= dst.begin || dst.end <= src.begin;
  return apart ? src : AddressRange{src.begin, src.begin};
}

inline std::byte* moved(std::byte* address, int64_t steps, int64_t stride) noexcept {
  return reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(address) +
                                      static_cast<uintptr_t>(steps) * static_cast<uintptr_t>(stride));
}

/// The address and the strides of `count` dimensions on one side, or-ed.
inline uint64_t alignment_bits(const std::byte* address, const PlanDim* dims, int count,
                               int64_t PlanDim::*stride) noexcept {
  uint64_t bits = reinterpret_cast<uintptr_t>(address);
  for (int i = 0; i < count; ++i) bits |= static_cast<uint64_t>(dims[i].*stride);
  return bits;
}

}  // namespace strideport::kernels
