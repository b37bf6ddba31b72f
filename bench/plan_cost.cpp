// What planning costs, by rank, and what a small copy costs with it, into memory that is there or new:
// bench/plan_cost [--benchmark_filter=...]. Views are made beforehand, as a caller in a loop has them.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "strideport/copy.hpp"
#include "strideport/plan.hpp"

namespace {

using strideport::BufferView;

std::vector<int64_t> c_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = sizeof(float);
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

// Memory begins a cache line, as that of a Buffer does.
struct alignas(64) Line {
  float at[16];
};

// A C-ordered destination, and a source of the same shape in C order or with its axes reversed.
struct Pair {
  std::vector<Line> dst_memory;
  std::vector<Line> src_memory;
  BufferView dst;
  BufferView src;

  Pair(const std::vector<int64_t>& shape, bool reversed) {
    size_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
    dst_memory.resize(count / 16 + 1);
    src_memory.resize(count / 16 + 1);
    std::vector<int64_t> backwards(shape.rbegin(), shape.rend());
    std::vector<int64_t> strides = c_strides(reversed ? backwards : shape);
    if (reversed) std::reverse(strides.begin(), strides.end());
    dst = BufferView::of(dst_memory[0].at, shape);
    src = BufferView::of(src_memory[0].at, shape, strides);
  }
};

std::vector<int64_t> shape_of(int64_t rank) {
  std::vector<int64_t> shape(static_cast<size_t>(rank), 4);
  for (size_t i = 0; i < shape.size(); ++i) shape[i] += static_cast<int64_t>(i % 3);
  return shape;
}

void plan(benchmark::State& state) {
  const Pair pair(shape_of(state.range(0)), state.range(1) != 0);
  for (auto _ : state) benchmark::DoNotOptimize(strideport::plan_copy(pair.dst, pair.src));
}
BENCHMARK(plan)->ArgNames({"rank", "reversed"})->ArgsProduct({{1, 2, 3, 4, 5, 6, 8}, {0, 1}});

void copy(benchmark::State& state) {
  const Pair pair({state.range(0), state.range(0)}, state.range(1) != 0);
  for (auto _ : state) {
    strideport::copy(pair.dst, pair.src, strideport::StreamRef::host());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(copy)->ArgNames({"extent", "reversed"})->ArgsProduct({{1, 8, 32, 64}, {0, 1}});

// Into new memory, which is let go again.
void to_contiguous(benchmark::State& state) {
  const Pair pair({state.range(0), state.range(0)}, true);
  for (auto _ : state) {
    benchmark::DoNotOptimize(strideport::to_contiguous(pair.src, strideport::Order::C, strideport::StreamRef::host()));
  }
}
BENCHMARK(to_contiguous)->ArgName("extent")->Arg(1)->Arg(8)->Arg(32)->Arg(64);

void empty(benchmark::State& state) {
  const int64_t shape[] = {state.range(0), state.range(0)};
  for (auto _ : state) benchmark::DoNotOptimize(strideport::empty(shape, strideport::dtype_of<float>()));
}
BENCHMARK(empty)->ArgName("extent")->Arg(1)->Arg(8)->Arg(32)->Arg(64);

}  // namespace

BENCHMARK_MAIN();
