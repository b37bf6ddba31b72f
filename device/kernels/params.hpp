/// What the host works out for a program's parameters. For the host's compiler only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "device/kernels/launch.hpp"
#include "device/kernels/program.hpp"
#include "strideport/layout.hpp"
#include "strideport/plan.hpp"

namespace strideport::kernels {

/// Blocks that a grid can have in x.
inline constexpr uint64_t kMaxGrid = (uint64_t{1} << 31) - 1;

/// Precondition: 0 < divisor, below 2^31 (2^63).
template <class U>
Divider<U> make_divider(U divisor) noexcept {
  __extension__ typedef unsigned __int128 Wide;
  constexpr int kBits = std::numeric_limits<U>::digits;
  uint32_t shift = 0;
  while ((U{1} << shift) < divisor) ++shift;
  const Wide numerator = static_cast<Wide>((U{1} << shift) - divisor) << kBits;
  return {divisor, static_cast<U>(numerator / divisor + 1), shift};
}

/// A plan as the kernels want it: every address a multiple of the unit, dimensions of extent over 1, outermost first.
struct Problem {
  // One more than a plan has at most (64, and one of an odd itemsize).
  static constexpr int kMaxDims = kMaxNdim + 2;

  PlanDim dims[kMaxDims];
  int count = 0;
  int unit = 1;
  int64_t bytes = 0;  ///< payload
  std::byte* dst = nullptr;
  std::byte* src = nullptr;
  bool offsets_fit_32 = false;

  Problem() noexcept {}  // dims stay uninitialised

  int64_t units() const noexcept { return bytes / unit; }
  const PlanDim* begin() const noexcept { return dims; }
  const PlanDim* end() const noexcept { return dims + count; }
  const PlanDim& inner() const noexcept { return dims[count - 1]; }
  /// True if the innermost dimension is dense on both sides.
  bool has_run() const noexcept { return count > 0 && inner().dst_stride == unit && inner().src_stride == unit; }
  /// Bytes that are dense on both sides.
  int64_t run_bytes() const noexcept { return has_run() ? inner().extent * unit : unit; }
};

/// Narrows the unit to what addresses and strides are multiples of.
[[nodiscard]] Problem make_problem(const CopyPlan& plan, void* dst, const void* src) noexcept;

/// Bytes from the multiple of `alignment` below.
[[nodiscard]] inline uint32_t misalignment(const std::byte* address, uint32_t alignment) noexcept {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(address) % alignment);
}

/// Fills `outer` from `count` dimensions, outermost first as in a Problem. False where they are too many, or where the
/// product of their extents is no 31-bit number.
template <int kMax>
[[nodiscard]] bool fill_outer(OuterDims<kMax>& outer, const PlanDim* dims, int count) noexcept {
  if (count > kMax) return false;
  outer.count = static_cast<uint32_t>(count);
  uint64_t product = 1;
  for (int i = 0; i < count; ++i) {
    const PlanDim& dim = dims[count - 1 - i];
    if (static_cast<uint64_t>(dim.extent) > kMaxGrid) return false;
    product *= static_cast<uint64_t>(dim.extent);
    if (product > kMaxGrid) return false;
    outer.at[i] = {make_divider(static_cast<uint32_t>(dim.extent)), dim.dst_stride, dim.src_stride};
  }
  return true;
}

/// Room for the parameters of a program in a launch: filled in place, since they are large.
template <class Params>
[[nodiscard]] Params& params_of(Launch& launch) noexcept {
  static_assert(std::is_trivially_copyable_v<Params> && sizeof(Params) <= Launch::kMaxParams && alignof(Params) <= 16);
  launch.params_bytes = sizeof(Params);
  return *::new (static_cast<void*>(launch.params)) Params;
}

}  // namespace strideport::kernels
