// The peer of exchange_cost in C++: tvm-ffi's Tensor, a reference-counted DLTensor, in from a DLPack tensor and out to
// one. Built where the interpreter has the package apache-tvm-ffi, from its headers and on its library.
#include <benchmark/benchmark.h>
#include <tvm/ffi/container/tensor.h>

#include "bench/exchange_producer.hpp"

namespace {

using tvm::ffi::Tensor;

void tvm_ffi_import(benchmark::State& state) {
  Producer producer(state.range(0));
  check(state, Tensor::FromDLPackVersioned(&producer.tensor).data_ptr() == producer.memory.data());
  for (auto _ : state) {
    const Tensor tensor = Tensor::FromDLPackVersioned(&producer.tensor);
    benchmark::DoNotOptimize(tensor.data_ptr());
  }
}
BENCHMARK(tvm_ffi_import)->Apply(ranks);

void tvm_ffi_export(benchmark::State& state) {
  Producer producer(state.range(0));
  const Tensor tensor = Tensor::FromDLPackVersioned(&producer.tensor);
  for (auto _ : state) {
    DLManagedTensorVersioned* made = tensor.ToDLPackVersioned();
    benchmark::DoNotOptimize(made);
    made->deleter(made);
  }
}
BENCHMARK(tvm_ffi_export)->Apply(ranks);

}  // namespace
