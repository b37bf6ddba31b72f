/// The GPU: one instruction an access. A family's .cu file defines its kernels from its list:
///
///     STRIDEPORT_GENERIC_KERNELS(STRIDEPORT_DEFINE_KERNEL)
#pragma once

#include <type_traits>
#include <utility>

#include "device/kernels/program.hpp"

// Before sm_70 parameters cannot be read in place; they are copied to registers or local memory then.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 700
#define STRIDEPORT_GRID_CONSTANT
#else
#define STRIDEPORT_GRID_CONSTANT __grid_constant__
#endif

#define STRIDEPORT_DEFINE_KERNEL(name, ...)                             \
  extern "C" __global__ void __launch_bounds__(__VA_ARGS__::kThreads)   \
      name(const STRIDEPORT_GRID_CONSTANT __VA_ARGS__::Params params) { \
    ::strideport::kernels::run_on_device<__VA_ARGS__>(params);          \
  }

namespace strideport::kernels {

extern __shared__ uint4 device_shared_memory[];

// The types that nvcc moves with one instruction.
// clang-format off
template <class V> struct DeviceWord { using type = V; };
template <> struct DeviceWord<Word8> { using type = uint2; };
template <> struct DeviceWord<Word16> { using type = uint4; };
// clang-format on

__device__ __forceinline__ uint8_t to_word(uint8_t x) { return x; }
__device__ __forceinline__ uint16_t to_word(uint16_t x) { return x; }
__device__ __forceinline__ uint32_t to_word(uint32_t x) { return x; }
__device__ __forceinline__ Word8 to_word(uint2 x) { return {{x.x, x.y}}; }
__device__ __forceinline__ Word16 to_word(uint4 x) { return {{x.x, x.y, x.z, x.w}}; }
__device__ __forceinline__ uint8_t to_device_word(uint8_t x) { return x; }
__device__ __forceinline__ uint16_t to_device_word(uint16_t x) { return x; }
__device__ __forceinline__ uint32_t to_device_word(uint32_t x) { return x; }
__device__ __forceinline__ uint2 to_device_word(Word8 x) { return make_uint2(x.at[0], x.at[1]); }
__device__ __forceinline__ uint4 to_device_word(Word16 x) { return make_uint4(x.at[0], x.at[1], x.at[2], x.at[3]); }

struct DeviceMachine {
  template <class V>
  __device__ __forceinline__ V load(Global base, int64_t offset_bytes, bool on = true) const {
    using D = typename DeviceWord<V>::type;
    D value;  // garbage where off: to zero it costs an instruction a register
    if (on) value = *reinterpret_cast<const D*>(base.address + offset_bytes);
    return to_word(value);
  }
  template <class V>
  __device__ __forceinline__ void store(Global base, int64_t offset_bytes, V value, bool on = true) const {
    using D = typename DeviceWord<V>::type;
    if (on) *reinterpret_cast<D*>(base.address + offset_bytes) = to_device_word(value);
  }
  template <class V>
  __device__ __forceinline__ V load_shared(uint32_t offset_bytes, bool on = true) const {
    using D = typename DeviceWord<V>::type;
    D value;
    if (on) value = *reinterpret_cast<const D*>(shared() + offset_bytes);
    return to_word(value);
  }
  template <class V>
  __device__ __forceinline__ void store_shared(uint32_t offset_bytes, V value, bool on = true) const {
    using D = typename DeviceWord<V>::type;
    if (on) *reinterpret_cast<D*>(shared() + offset_bytes) = to_device_word(value);
  }
  template <class State, class Member>
  __device__ __forceinline__ auto peer(const State& state, Member member, uint32_t lane) const {
    return __shfl_sync(0xffffffffu, member(state), static_cast<int>(lane));
  }

 private:
  __device__ __forceinline__ static char* shared() { return reinterpret_cast<char*>(device_shared_memory); }
};

template <Sync kSync>
__device__ __forceinline__ void synchronize_on_device() {
  if constexpr (kSync == Sync::warp) __syncwarp();
  if constexpr (kSync == Sync::block) __syncthreads();
}

template <class Program, uint32_t... kPhase>
__device__ __forceinline__ void run_phases_on_device(const typename Program::Params& params,
                                                     std::integer_sequence<uint32_t, kPhase...>) {
  const DeviceMachine machine;
  const Id id{threadIdx.x, blockIdx.x, gridDim.x};
  typename Program::State state;
  ((synchronize_on_device<Program::kBefore[kPhase]>(), Program::template phase<kPhase>(machine, id, params, state)),
   ...);
}

template <class Program>
__device__ __forceinline__ void run_on_device(const typename Program::Params& params) {
  run_phases_on_device<Program>(params, std::make_integer_sequence<uint32_t, Program::kPhases>());
}

}  // namespace strideport::kernels
