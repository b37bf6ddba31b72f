/// Block programs: what a kernel body is made of. The same source is compiled by nvcc (machine_device.cuh) and by the
/// host's compiler (machine_fast.hpp, machine_checking.hpp, machine_counting.hpp); it includes nothing but this file
/// and its like.
///
///     struct CopyProgram {
///       struct Params { ... };                      // trivially copyable, at most Launch::kMaxParams bytes
///       struct State { ... };                       // registers of a thread that live across a barrier; trivially
///       copyable
///       static constexpr uint32_t kThreads = 256;   // of a block, whole warps
///       static constexpr uint32_t kPhases = 2;
///       static constexpr uint32_t kSharedBytes = 4096;
///       static constexpr Sync kBefore[kPhases] = {Sync::none, Sync::block};  // the barrier in front of each phase
///       template <uint32_t kPhase, class Machine>
///       STRIDEPORT_PROGRAM static void phase(const Machine& m, Id id, const Params& params, State& state);
///     };
///
/// What a machine offers (V: a word of 1, 2, 4, 8 or 16 bytes; every address a multiple of its size):
///
///     V    m.template load<V>(Global base, int64_t offset_bytes, bool on = true)
///     void m.template store<V>(Global base, int64_t offset_bytes, V value, bool on = true)
///     V    m.template load_shared<V>(uint32_t offset_bytes, bool on = true)
///     void m.template store_shared<V>(uint32_t offset_bytes, V value, bool on = true)
///     T    m.peer(state, [](const State& s) { return s.member; }, lane)       // warp shuffle, T of 4 or 8 bytes
///
/// Rules, which the checking machine holds a program to:
/// - threads differ through the predicate `on`, never through control flow: every thread of a block makes the same
/// sequence of
///   accesses; a loop around accesses has a trip count, and a branch a condition, that the block shares;
/// - what an access that is off loads is garbage, and must reach no access that is on;
/// - within a phase nothing is read that another thread wrote, and no byte is written twice;
/// - a byte of shared memory is written before it is read;
/// - `peer` gives what the other lane's state held when the phase began, so the value must not be changed before it is
/// asked
///   for, in the same phase.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define STRIDEPORT_PROGRAM __device__ __forceinline__
#define STRIDEPORT_UNROLL _Pragma("unroll")
#define STRIDEPORT_NO_UNROLL _Pragma("unroll 1")
#else
#define STRIDEPORT_PROGRAM inline
#define STRIDEPORT_UNROLL
#define STRIDEPORT_NO_UNROLL
#endif

namespace strideport::kernels {

enum class Sync : uint8_t { none, warp, block };

/// Which thread this is. Blocks are numbered in grid x only.
struct Id {
  uint32_t thread;  ///< in its block
  uint32_t block;
  uint32_t blocks;  ///< of the grid

  STRIDEPORT_PROGRAM uint32_t lane() const { return thread % 32; }
  STRIDEPORT_PROGRAM uint32_t warp() const { return thread / 32; }
};

/// A device address. It stays a pointer member of the parameters, so that nvcc sees the global address space: an
/// integer cast to a pointer would give generic loads.
struct Global {
  std::byte* address;
};

/// The words that an access moves.
struct alignas(8) Word8 {
  uint32_t at[2];
};
struct alignas(16) Word16 {
  uint32_t at[4];
};

template <int kBytes>
struct WordOf;
// clang-format off
template <> struct WordOf<1> { using type = uint8_t; };
template <> struct WordOf<2> { using type = uint16_t; };
template <> struct WordOf<4> { using type = uint32_t; };
template <> struct WordOf<8> { using type = Word8; };
template <> struct WordOf<16> { using type = Word16; };
// clang-format on
template <int kBytes>
using Word = typename WordOf<kBytes>::type;

/// The upper half of a product.
STRIDEPORT_PROGRAM uint32_t multiply_high(uint32_t a, uint32_t b) {
#if defined(__CUDACC__)
  return __umulhi(a, b);
#else
  return static_cast<uint32_t>((uint64_t{a} * b) >> 32);
#endif
}
STRIDEPORT_PROGRAM uint64_t multiply_high(uint64_t a, uint64_t b) {
#if defined(__CUDACC__)
  return __umul64hi(a, b);
#else
  __extension__ typedef unsigned __int128 Wide;
  return static_cast<uint64_t>((static_cast<Wide>(a) * b) >> 64);
#endif
}

/// Division by a number that the host knows, for dividends below 2^31 (2^63): a multiplication, an addition and a
/// shift. Made by `make_divider` (params.hpp). Source: Granlund and Montgomery, "Division by Invariant Integers"
/// (1994).
template <class U>
struct Divider {
  U divisor;
  U multiplier;
  uint32_t shift;

  STRIDEPORT_PROGRAM U quotient(U n) const { return (multiply_high(multiplier, n) + n) >> shift; }
  STRIDEPORT_PROGRAM U remainder(U n, U quotient_of_n) const { return n - quotient_of_n * divisor; }
};

/// Byte offsets on both sides.
struct Offsets {
  int64_t dst;
  int64_t src;
};

struct OuterDim {
  Divider<uint32_t> extent;
  int64_t dst_stride;
  int64_t src_stride;
};

/// The dimensions that a program leaves to the block index, innermost first; up to kMax of them.
template <int kMax>
struct OuterDims {
  static constexpr int kMaxCount = kMax;
  uint32_t count;
  OuterDim at[kMax];

  /// Where the `n`th of their combinations begins. What is left of `n` past the last extent is dropped.
  STRIDEPORT_PROGRAM Offsets offsets(uint32_t n) const {
    Offsets sum{0, 0};
    STRIDEPORT_NO_UNROLL
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t rest = at[i].extent.quotient(n);
      const int64_t index = at[i].extent.remainder(n, rest);
      sum.dst += index * at[i].dst_stride;
      sum.src += index * at[i].src_stride;
      n = rest;
    }
    return sum;
  }
};

}  // namespace strideport::kernels
