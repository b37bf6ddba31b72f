/// The kernels by name, with what runs each on the host. A family lists its kernels once, in its header:
///
///     #define STRIDEPORT_GENERIC_KERNELS(X) X(strideport_generic_u1_32, GenericProgram<1, uint32_t>) ...
///
/// its .cu file makes `__global__` functions of them, its .cpp file `Kernel` entries, and registry.cpp lists the
/// families.
#pragma once

#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "device/kernels/launch.hpp"
#include "device/kernels/machine_checking.hpp"
#include "device/kernels/machine_counting.hpp"
#include "device/kernels/machine_fast.hpp"
#include "device/kernels/program.hpp"
#include "device/kernels/simulate.hpp"

namespace strideport::kernels {

/// A kernel of the fat binary.
struct Kernel {
  const char* name;
  char family;
  uint32_t threads;
  uint32_t shared_bytes;
  size_t params_bytes;
  Simulation (*simulate)(const Launch&, MachineKind, const DeviceMemory*, uint64_t seed);
};

/// All of them, family by family.
[[nodiscard]] std::span<const std::span<const Kernel>> kernel_families() noexcept;
/// Null where there is none of that name.
[[nodiscard]] const Kernel* find_kernel(std::string_view name) noexcept;

/// Every number below `count` once, in an order that `seed` decides; 0: as they come.
class BlockOrder {
 public:
  BlockOrder(uint64_t count, uint64_t seed) noexcept : count_(count) {
    if (seed == 0 || count < 3) return;
    start_ = seed % count;
    step_ = seed / 3 % count;
    while (std::gcd(step_, count) != 1) ++step_;
  }
  uint64_t operator()(uint64_t i) const noexcept {
    __extension__ typedef unsigned __int128 Wide;
    return static_cast<uint64_t>((static_cast<Wide>(i) * step_ + start_) % count_);
  }

 private:
  uint64_t count_;
  uint64_t start_ = 0;
  uint64_t step_ = 1;
};

template <class Program, uint32_t kPhase, class Machine>
void run_phase(Machine& machine, Id id, const typename Program::Params& params,
               std::vector<typename Program::State>& states, std::vector<typename Program::State>& before) {
  if constexpr (kPhase > 0) before = states;
  machine.begin_phase(kPhase, Program::kBefore[kPhase]);
  for (id.thread = 0; id.thread < Program::kThreads; ++id.thread) {
    machine.begin_thread(id.thread);
    Program::template phase<kPhase>(std::as_const(machine), id, params, states[id.thread]);
  }
  machine.end_phase();
}

/// Runs the blocks of a launch, until one fails.
template <class Program, class Machine>
void run_blocks(Machine& machine, const Launch& launch, uint64_t seed) {
  typename Program::Params params;
  std::memcpy(&params, launch.params, sizeof params);
  std::vector<typename Program::State> states(Program::kThreads);
  std::vector<typename Program::State> before(Program::kThreads);
  machine.set_states(before.data());
  const BlockOrder order(launch.grid, seed);
  for (uint64_t i = 0; i < launch.grid && !machine.failed(); ++i) {
    const Id id{0, static_cast<uint32_t>(order(i)), static_cast<uint32_t>(launch.grid)};
    machine.begin_block(id.block);
    if constexpr (Machine::kPoisons) {  // registers hold nothing that a program may count on
      std::memset(static_cast<void*>(states.data()), 0xDB, states.size() * sizeof(typename Program::State));
    }
    [&]<uint32_t... kPhase>(std::integer_sequence<uint32_t, kPhase...>) {
      (run_phase<Program, kPhase>(machine, id, params, states, before), ...);
    }
    (std::make_integer_sequence<uint32_t, Program::kPhases>());
    machine.end_block();
  }
}

template <class Program>
Simulation simulate_program(const Launch& launch, MachineKind kind, const DeviceMemory* memory, uint64_t seed) {
  Simulation result;
  const auto blame = [&](const std::string& fault) {
    if (!fault.empty()) result.fault = std::string(launch.kernel) + ": " + fault;
  };
  if (kind == MachineKind::fast) {
    FastMachine machine(memory, Program::kSharedBytes);
    run_blocks<Program>(machine, launch, seed);
  } else if (kind == MachineKind::checking) {
    CheckingMachine machine(memory, Program::kSharedBytes, Program::kThreads);
    run_blocks<Program>(machine, launch, seed);
    blame(machine.fault());
  } else {
    CountingMachine machine(memory, Program::kSharedBytes, Program::kThreads);
    run_blocks<Program>(machine, launch, seed);
    result.traffic = machine.analyst().traffic();
    blame(machine.fault());
  }
  return result;
}

template <class Program>
constexpr Kernel make_kernel(const char* name, char family) noexcept {
  static_assert(Program::kThreads % 32 == 0 && Program::kThreads <= 1024);
  static_assert(sizeof(typename Program::Params) <= Launch::kMaxParams);
  return {name,
          family,
          Program::kThreads,
          Program::kSharedBytes,
          sizeof(typename Program::Params),
          &simulate_program<Program>};
}

/// For lists of kernels: `constexpr Kernel kKernels[] = {STRIDEPORT_GENERIC_KERNELS(STRIDEPORT_LIST_KERNEL)};`, with
/// `kFamily` in scope.
#define STRIDEPORT_LIST_KERNEL(name, ...) ::strideport::kernels::make_kernel<__VA_ARGS__>(#name, kFamily),

/// What the launch of a kernel has in common whatever its parameters.
inline void set_kernel(Launch& launch, const Kernel& kernel, uint64_t grid) noexcept {
  launch.kernel = kernel.name;
  launch.family = kernel.family;
  launch.threads = kernel.threads;
  launch.shared_bytes = kernel.shared_bytes;
  launch.grid = grid;
}

}  // namespace strideport::kernels
