// What it costs in C++ to take a DLPack tensor in, to hand a Buffer out, and to make and slice a view, by rank:
// bench/exchange_cost [--benchmark_filter=...]. bench/exchange.py runs it, and shows it beside the Python calls.
//
// "import_and_end" counts the end of the Buffer, which lets its owner go and calls the producer's deleter; alone_ns of
// "import_alone" leaves it out. "view_of_tensor" takes nothing over. "malloced_tensor" is the floor of an export: one
// allocation for tensor, shape and strides, filled by hand, and freed.

#include <benchmark/benchmark.h>
#include <dlpack/dlpack.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "bench/exchange_producer.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/view_ops.hpp"

namespace {

using strideport::Buffer;
using strideport::BufferView;
using strideport::DLPackTensor;
using strideport::StreamRef;

BufferView view_of(Producer& producer) {
  const auto ndim = static_cast<size_t>(producer.tensor.dl_tensor.ndim);
  return BufferView::of(producer.memory.data(), std::span(producer.shape.data(), ndim));
}

void view_of_tensor(benchmark::State& state) {
  const Producer producer(state.range(0));
  check(state, strideport::view_dlpack(producer.tensor).buf() == producer.memory.data());
  for (auto _ : state) {
    const BufferView view = strideport::view_dlpack(producer.tensor);
    benchmark::DoNotOptimize(view.buf());
  }
}
BENCHMARK(view_of_tensor)->Apply(ranks);

void import_and_end(benchmark::State& state) {
  Producer producer(state.range(0));
  const Buffer once = strideport::import_dlpack(DLPackTensor(&producer.tensor), StreamRef::host());
  check(state, once.buf() == producer.memory.data());
  for (auto _ : state) {
    const Buffer buffer = strideport::import_dlpack(DLPackTensor(&producer.tensor), StreamRef::host());
    benchmark::DoNotOptimize(buffer.buf());
  }
}
BENCHMARK(import_and_end)->Apply(ranks);

// Of each batch by the clock, and the median of them: this machine's clock of CPU time alone takes longer than a batch
// may be long to stay in the caches, and a batch that was interrupted must not count.
void import_alone(benchmark::State& state) {
  Producer producer(state.range(0));
  constexpr size_t kBatch = 64;
  struct Slot {
    alignas(Buffer) std::byte bytes[sizeof(Buffer)];
  };
  std::vector<Slot> slots(kBatch);
  std::vector<double> times;
  while (state.KeepRunningBatch(kBatch)) {
    const auto begin = std::chrono::steady_clock::now();
    for (Slot& slot : slots) {
      new (slot.bytes) Buffer(strideport::import_dlpack(DLPackTensor(&producer.tensor), StreamRef::host()));
    }
    const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - begin;
    times.push_back(elapsed.count() / kBatch);
    for (Slot& slot : slots) std::launder(reinterpret_cast<Buffer*>(slot.bytes))->~Buffer();
  }
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  state.counters["alone_ns"] = *middle;
}
BENCHMARK(import_alone)->Apply(ranks);

void export_and_delete(benchmark::State& state) {
  Producer producer(state.range(0));
  const Buffer buffer(view_of(producer), std::make_shared<int>());
  check(state, strideport::export_dlpack(buffer)->dl_tensor.data == producer.memory.data());
  for (auto _ : state) {
    const DLPackTensor tensor = strideport::export_dlpack(buffer);
    benchmark::DoNotOptimize(tensor.get());
  }
}
BENCHMARK(export_and_delete)->Apply(ranks);

void round_trip(benchmark::State& state) {
  Producer producer(state.range(0));
  const Buffer buffer(view_of(producer), std::make_shared<int>());
  for (auto _ : state) {
    const Buffer back = strideport::import_dlpack(strideport::export_dlpack(buffer), StreamRef::host());
    benchmark::DoNotOptimize(back.buf());
  }
}
BENCHMARK(round_trip)->Apply(ranks);

struct ByHand {
  DLManagedTensorVersioned tensor;
  int64_t numbers[8];
};

void malloced_tensor(benchmark::State& state) {
  Producer producer(state.range(0));
  const auto rank = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    auto* made = static_cast<ByHand*>(std::malloc(sizeof(ByHand)));
    if (made == nullptr) std::abort();
    made->tensor = producer.tensor;
    made->tensor.dl_tensor.shape = made->numbers;
    made->tensor.dl_tensor.strides = made->numbers + rank;
    std::copy_n(producer.shape.data(), rank, made->numbers);
    std::copy_n(producer.strides.data(), rank, made->numbers + rank);
    made->tensor.manager_ctx = made;
    made->tensor.deleter = [](DLManagedTensorVersioned* self) { std::free(self->manager_ctx); };
    benchmark::DoNotOptimize(made);
    made->tensor.deleter(&made->tensor);
  }
}
BENCHMARK(malloced_tensor)->Apply(ranks);

void create(benchmark::State& state) {
  Producer producer(state.range(0));
  const BufferView like = view_of(producer);
  const strideport::ViewSpec spec = like.spec();
  for (auto _ : state) {
    const BufferView view = BufferView::create(spec);
    benchmark::DoNotOptimize(view.buf());
  }
}
BENCHMARK(create)->Apply(ranks);

void slice(benchmark::State& state) {
  Producer producer(state.range(0));
  const BufferView view = view_of(producer);
  for (auto _ : state) {
    const BufferView part = strideport::slice(view, 0, {0, 4, 2});
    benchmark::DoNotOptimize(part.buf());
  }
}
BENCHMARK(slice)->Apply(ranks);

// With the owner shared, as b[::2] in Python has it.
void slice_of_buffer(benchmark::State& state) {
  Producer producer(state.range(0));
  const Buffer buffer(view_of(producer), std::make_shared<int>());
  for (auto _ : state) {
    const Buffer part = buffer.slice(0, {0, 4, 2});
    benchmark::DoNotOptimize(part.buf());
  }
}
BENCHMARK(slice_of_buffer)->Apply(ranks);

}  // namespace

BENCHMARK_MAIN();
