// Moves of a few bytes, for the kernels of strided.cpp, channels.cpp and runs.cpp; compiled once for each target.
//
// What the kernels of these three may touch. It reads no byte outside the span from the first to the last byte of
// the elements of one row: a view may end where a mapping ends. Gaps between two elements of one row of src may be
// read where the elements are at most 64 bytes apart: farther apart than a page, a page that no element touches, which
// nobody need have mapped, may lie between them. It writes bytes of elements only, each with its own value at the
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

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {  // each source has its own

namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kLineBytes = 64;

/// Streaming stores where one vector is a line. They pay where dst lies in no cache: every second f32 of 8 MiB, beside
/// a plain copy, 1.1 with a dst that nothing else writes, 0.7 where a plain copy had just left it in cache; plain
/// stores 0.7 to 0.9. Of vectors of half a line the figures went from 0.5 to 1.2 between runs: not streamed.
template <class D>
constexpr bool kStreams = hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == kLineBytes;

/// An unsigned lane that may lie at any address and alias anything.
template <int S>
using Lane = hwy::UnsignedFromSize<static_cast<size_t>(S)>;

/// Moves S bytes, S known to the compiler: 12 are 8 and 4. Vectors by name: for 32 bytes g++ 12 took two halves and
/// left them on the stack as well, and rows of 64 bytes took a third longer.
template <int S>
HWY_INLINE void move(std::byte* dst, const std::byte* src) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (S == 16 || S == 32 || S == 64) {
    const hn::CappedTag<uint8_t, S> d;
    hn::StoreU(hn::LoadU(d, reinterpret_cast<const uint8_t*>(src)), d, reinterpret_cast<uint8_t*>(dst));
    return;
  }
#endif
  __builtin_memcpy(dst, src, S);
}

/// Bytes from `p` to the next line; 0 at the begin of one.
HWY_INLINE int64_t bytes_to_line(const std::byte* p) {
  return static_cast<int64_t>((uintptr_t{0} - reinterpret_cast<uintptr_t>(p)) & (kLineBytes - 1));
}

/// The part of a row that streaming stores write, in items of S bytes; empty where it is not worth it. What is before
/// it is empty or at least `step` items, and what is behind at least `step`: so plain stores of vectors of `step`
/// items, the last of which overlaps the one before, touch no line that is streamed. Where they did, rows of 500 bytes
/// took ten times as long.
struct Streamed {
  int64_t begin = 0;
  int64_t end = 0;
};

template <int S>
HWY_INLINE Streamed streamed_part(const std::byte* dst, int64_t n, int64_t step) {
  constexpr int64_t kLine = kLineBytes / S;
  constexpr int64_t kFewest = 4 * kLine;
  const int64_t head = bytes_to_line(dst);
  if (head % S != 0) return {};
  const int64_t begin = head == 0 ? 0 : head / S + kLine;
  const int64_t room = n - begin - step;
  return room < kFewest ? Streamed{} : Streamed{begin, begin + room / kLine * kLine};
}

/// Asks for a line that stores to parts of lines come to soon. The processor's own prefetching does little for these:
/// 8 MiB of f32 into every second place went from 0.45 of a plain copy to 0.70 with it, from every second to every
/// second from 0.42 to 0.60; in cache f32 gained 8 % and u8 lost as much.
HWY_INLINE void fetch_for_stores(const std::byte* dst) { __builtin_prefetch(dst + 512, 1); }

template <int S>
HWY_INLINE Lane<S>* lanes(std::byte* p) {
  return reinterpret_cast<Lane<S>*>(p);
}
template <int S>
HWY_INLINE const Lane<S>* lanes(const std::byte* p) {
  return reinterpret_cast<const Lane<S>*>(p);
}

}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
