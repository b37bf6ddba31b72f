/// Small programs for tests of the machines, and what running one leaves behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/kernels/params.hpp"
#include "device/kernels/registry.hpp"
#include "tests/support/kernel_memory.hpp"

namespace strideport::testing {

// What all programs here have in common: blocks of 64 threads, and memory of 4 KiB on both sides.
struct KernelSample {
  struct Params {
    kernels::Global dst;
    kernels::Global src;
  };
  struct State {};
  static constexpr uint32_t kThreads = 64;
  static constexpr uint32_t kPhases = 1;
  static constexpr uint32_t kSharedBytes = 1024;
  static constexpr kernels::Sync kBefore[2] = {kernels::Sync::none, kernels::Sync::none};
};

struct KernelOutcome {
  kernels::Simulation simulation;
  std::vector<std::byte> dst;
  std::vector<std::byte> src;
};

// 64-byte aligned memory, so that sectors are where the test expects them.
template <class Program>
KernelOutcome run_sample(kernels::MachineKind kind, uint64_t grid = 1) {
  constexpr size_t kBytes = 4096;
  KernelOutcome outcome;
  outcome.dst.resize(kBytes + 64);
  outcome.src.resize(kBytes + 64);
  for (size_t i = 0; i < outcome.src.size(); ++i) outcome.src[i] = static_cast<std::byte>(i * 7 + i / 256);
  KernelMemory memory;
  memory.add(outcome.dst);
  memory.add(outcome.src);
  const auto aligned = [](std::vector<std::byte>& bytes) {
    const auto address = reinterpret_cast<uintptr_t>(KernelMemory::on_device(bytes.data()));
    return kernels::Global{reinterpret_cast<std::byte*>((address + 63) & ~uintptr_t{63})};
  };
  kernels::Launch launch;
  launch.kernel = "sample";
  launch.grid = grid;
  auto& params = kernels::params_of<typename Program::Params>(launch);
  params = {aligned(outcome.dst), aligned(outcome.src)};
  outcome.simulation = kernels::simulate_program<Program>(launch, kind, &memory, 0);
  return outcome;
}

}  // namespace strideport::testing
