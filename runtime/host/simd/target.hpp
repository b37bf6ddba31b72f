/// The instruction sets that the host's kernels are compiled for, and which of them is in use.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "runtime/host/kernels.hpp"

namespace strideport::host::simd {

/// Best first. `avx3` is the AVX-512 of Skylake (F, BW, DQ, VL), `avx3_dl` that of Ice Lake (and VBMI, VBMI2); `plain`
/// is what the compiler makes of loops for any machine.
enum class Target : uint8_t { avx3_dl, avx3, avx2, sse4, neon, plain };
constexpr int kTargets = 6;

/// The name in STRIDEPORT_SIMD.
const char* name(Target target) noexcept;

/// Those compiled in that this machine runs, best first.
std::span<const Target> targets() noexcept;

/// The one in use: what the environment variable STRIDEPORT_SIMD names where that is one of `targets()`, else the best.
Target target() noexcept;

/// For tests; while no copy runs.
/// Throws: InvalidArgument where `target` is none of `targets()`.
void set_target(Target target);

/// A family's choice of a loop; null where it has nothing for the block.
using Picker = Kernel (*)(const Block& block);

/// A family's picker for each target; null where it has none.
using Pickers = std::array<Picker, kTargets>;

extern const Pickers kChannelPickers;    // channels.cpp
extern const Pickers kTransposePickers;  // transpose.cpp
extern const Pickers kStridedPickers;    // strided.cpp
extern const Pickers kRunPickers;        // runs.cpp

}  // namespace strideport::host::simd
