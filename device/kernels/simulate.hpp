/// Runs a kernel's block program on the host: the same source that nvcc compiles, on one of three machines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "device/kernels/launch.hpp"
#include "strideport/buffer_view.hpp"

namespace strideport::kernels {

enum class MachineKind : uint8_t {
  fast,      ///< nothing but the copy
  checking,  ///< bounds, alignment, uninitialised shared memory, races within a phase, lanes that part ways
  counting,  ///< checking's alignment and lanes, and the traffic
};

/// The memory that a simulated device reaches. Addresses inside the window are the device's own, without access rights;
/// the same bytes lie `to_host` further on. Addresses outside of it are the host's (pinned, managed).
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;
  uintptr_t window_begin = 0;
  uintptr_t window_end = 0;
  ptrdiff_t to_host = 0;
  /// The live allocation that holds `address`, of any kind that this device reaches; size 0 where there is none.
  virtual MemoryRange allocation_of(uintptr_t address) const = 0;
};

/// Exact counts of a launch, summed over its blocks. Sectors are 32 bytes, aligned.
struct Traffic {
  uint64_t load_bytes = 0;  ///< asked for by lanes whose predicate is on
  uint64_t store_bytes = 0;
  uint64_t load_sectors = 0;  ///< a request (one access of one warp) at a time, summed
  uint64_t store_sectors = 0;
  uint64_t unique_load_sectors = 0;  ///< counted once a block
  uint64_t unique_store_sectors = 0;
  uint64_t load_requests = 0;
  uint64_t store_requests = 0;
  uint64_t shared_wavefronts = 0;        ///< of loads and stores
  uint64_t ideal_shared_wavefronts = 0;  ///< if no two lanes met in a bank
  uint32_t load_widths = 0;              ///< bit n: accesses of n bytes were seen (1, 2, 4, 8, 16)
  uint32_t store_widths = 0;
};

struct Simulation {
  Traffic traffic;    ///< counting only
  std::string fault;  ///< the first thing that a GPU would have answered with an error, or wrongly; empty if nothing
};

[[nodiscard]] bool has_kernel(std::string_view name) noexcept;
/// The size of its one parameter; 0 where there is no such kernel.
[[nodiscard]] size_t params_bytes(std::string_view name) noexcept;

/// Runs all blocks of a launch, in the order that `seed` shuffles (0: in order). Never throws for a faulty program: see
/// `fault`. `memory` may be null for the fast machine alone, if every address is the host's.
[[nodiscard]] Simulation simulate(const Launch& launch, MachineKind machine, const DeviceMemory* memory,
                                  uint64_t seed = 0);

}  // namespace strideport::kernels
