/// A DLPack tensor for the exchange benchmark: its memory, and a producer that keeps it, so that what is timed is the
/// consumer's work alone. The deleter is called, and does nothing.
#pragma once

#include <benchmark/benchmark.h>
#include <dlpack/dlpack.h>

#include <algorithm>
#include <array>
#include <cstdint>

inline constexpr int64_t kShape[] = {4, 5, 6, 7};
inline constexpr int64_t kStrides[][4] = {{}, {1}, {5, 1}, {}, {210, 42, 7, 1}};
inline constexpr int64_t kElements = 4 * 5 * 6 * 7;

inline void ranks(benchmark::internal::Benchmark* row) { row->ArgName("rank")->Arg(1)->Arg(2)->Arg(4); }

/// The first axes of kShape, float32 in C order.
struct Producer {
  std::array<float, kElements> memory{};
  std::array<int64_t, 4> shape{};
  std::array<int64_t, 4> strides{};
  DLManagedTensorVersioned tensor{};

  explicit Producer(int64_t rank) {
    std::copy_n(kShape, rank, shape.begin());
    std::copy_n(kStrides[rank], rank, strides.begin());
    tensor.version = {DLPACK_MAJOR_VERSION, DLPACK_MINOR_VERSION};
    tensor.deleter = [](DLManagedTensorVersioned*) {};
    tensor.dl_tensor = {
        memory.data(), {kDLCPU, 0}, static_cast<int32_t>(rank), {kDLFloat, 32, 1}, shape.data(), strides.data(), 0};
  }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
};

inline void check(benchmark::State& state, bool right) {
  if (!right) state.SkipWithError("the result shows other memory");
}
