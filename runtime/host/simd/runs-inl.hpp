// Moves of a few bytes, for the kernels of strided.cpp, channels.cpp and runs.cpp; compiled once for each target.
//
// What every kernel of these three may touch. It reads no byte outside the span from the first to the last byte of
// the elements of one row: a view may end where a mapping ends. Gaps between two elements of one row of src may be
// read where the elements are at most four items apart, so less than a page: a page that no element touches, which
// nobody need have mapped, lies between no such two. It writes bytes of elements only, each with its own value at the
// last write: gaps of dst may belong to another thread.
#if defined(STRIDEPORT_HOST_SIMD_RUNS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDEPORT_HOST_SIMD_RUNS_INL
#undef STRIDEPORT_HOST_SIMD_RUNS_INL
#else
#define STRIDEPORT_HOST_SIMD_RUNS_INL
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "runtime/host/kernels.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::HWY_NAMESPACE {
namespace {  // NOLINT: each source has its own, so that no two of them are one function for the linker

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kLineBytes = 64;

/// Streaming stores of 16 bytes take longer than plain ones: every second u8 of 8 MiB 0.40 of a plain copy against 0.65,
/// 32 bytes 0.70, 64 bytes 0.97.
template <class D>
constexpr bool kStreams = sizeof(hn::VFromD<D>) >= 32;

/// An unsigned lane that may lie at any address and alias anything.
template <int S>
using Lane = hwy::UnsignedFromSize<static_cast<size_t>(S)>;

/// Moves S bytes, S known to the compiler: 12 are 8 and 4.
template <int S>
HWY_INLINE void move(std::byte* dst, const std::byte* src) {
  std::byte value[S];
  __builtin_memcpy(value, src, S);
  __builtin_memcpy(dst, value, S);
}

/// Bytes from `p` to the next line; 0 at the begin of one.
HWY_INLINE int64_t bytes_to_line(const std::byte* p) {
  return static_cast<int64_t>((uintptr_t{0} - reinterpret_cast<uintptr_t>(p)) & (kLineBytes - 1));
}

template <int S>
HWY_INLINE Lane<S>* lanes(std::byte* p) {
  return reinterpret_cast<Lane<S>*>(p);
}
template <int S>
HWY_INLINE const Lane<S>* lanes(const std::byte* p) {
  return reinterpret_cast<const Lane<S>*>(p);
}

}  // namespace
}  // namespace strideport::host::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
