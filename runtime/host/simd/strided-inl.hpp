// Items that lie apart in src and side by side in dst: every second, third or fourth, forwards and backwards.
//
// A vector of N items that are K apart lies in K vectors of src; taking the first item of each group of K reads K - 1
// items past the last one wanted, taking the last of each group reads K - 1 before the first. So all vectors of a row
// but the last take one, and the last, which overlaps the one before it, takes the other: no row is read past its end.
#if defined(STRIDEPORT_HOST_SIMD_STRIDED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDEPORT_HOST_SIMD_STRIDED_INL
#undef STRIDEPORT_HOST_SIMD_STRIDED_INL
#else
#define STRIDEPORT_HOST_SIMD_STRIDED_INL
#endif

#include "runtime/host/simd/channels_select-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {
#if HWY_TARGET != HWY_SCALAR

/// The lanes of `v` in opposite order.
template <class D, class V>
HWY_INLINE V reversed(D d, V v) {
  if constexpr (sizeof(hn::TFromD<D>) == 1) {
    alignas(16) static constexpr uint8_t kBack[16] = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    return hn::ReverseBlocks(d, hn::TableLookupBytes(v, hn::LoadDup128(d, kBack)));
  } else {
    return hn::Reverse(d, v);
  }
}

/// Items p[0], p[K], p[2K] ...: the first of each group of K.
template <int K, class D, class T>
HWY_INLINE hn::VFromD<D> first_of_groups(D d, const T* p) {
  hn::VFromD<D> a, b, c;
  if constexpr (K == 1) a = hn::LoadU(d, p);
  if constexpr (K == 2) a = hn::ConcatEven(d, hn::LoadU(d, p + hn::Lanes(d)), hn::LoadU(d, p));
  if constexpr (K == 3) hn::LoadInterleaved3(d, p, a, b, c);
  if constexpr (K == 4) {
    const auto step = 2 * hn::Lanes(d);
    a = hn::ConcatEven(d, first_of_groups<2>(d, p + step), first_of_groups<2>(d, p));
  }
  return a;
}

/// The same items, as the last of groups that begin K - 1 items before.
template <int K, class D, class T>
HWY_INLINE hn::VFromD<D> last_of_groups(D d, const T* p) {
  hn::VFromD<D> a, b, e;
  if constexpr (K == 1) e = hn::LoadU(d, p);
  if constexpr (K == 2) e = hn::ConcatOdd(d, hn::LoadU(d, p - 1 + hn::Lanes(d)), hn::LoadU(d, p - 1));
  if constexpr (K == 3) hn::LoadInterleaved3(d, p - 2, a, b, e);
  if constexpr (K == 4) {
    const auto step = 2 * hn::Lanes(d);
    e = hn::ConcatOdd(d, last_of_groups<2>(d, p - 2 + step), last_of_groups<2>(d, p - 2));
  }
  return e;
}

// As `gathered` below, in |Step| loads and one to three permutations.
template <int Step, bool IsLast, class D, class T>
HWY_INLINE hn::VFromD<D> selected_step(D d, const T* p) {
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
  constexpr int kItem = sizeof(T);
  constexpr int kLanes = 64 / kItem;
  constexpr int kApart = Step < 0 ? -Step : Step;
  constexpr int kBack = IsLast == (Step > 0) ? kApart - 1 : 0;  // groups begin this many items before
  constexpr int kFirst = Step < 0 ? (kLanes - 1) * kApart + kBack : kBack;
  if constexpr (Step < 0) p += (kLanes - 1) * Step;
  SelectVectors v;
  load_some<kApart>(reinterpret_cast<const std::byte*>(p - kBack), 64, v);
  return from_select(d, selected<kItem, kApart>(v, kTable<kItem, every<kItem, kFirst, Step>>));
#else
  return hn::LoadU(d, p);
#endif
}

/// One vector of dst. `p`: its first item. IsLast: the vector that ends with the row's last item.
template <int Step, bool IsLast, class D, class T>
HWY_INLINE hn::VFromD<D> gathered(D d, const T* p) {
  if constexpr (sizeof(hn::VFromD<D>) == 64 && kSelects<sizeof(T)>) return selected_step<Step, IsLast>(d, p);
  if constexpr (Step > 0) {
    if constexpr (IsLast) return last_of_groups<Step>(d, p);
    return first_of_groups<Step>(d, p);
  } else {
    p += static_cast<int64_t>(hn::Lanes(d) - 1) * Step;  // the last item lies lowest
    if constexpr (IsLast) return reversed(d, first_of_groups<-Step>(d, p));
    return reversed(d, last_of_groups<-Step>(d, p));
  }
}

template <int S, int Step, class D>
HWY_INLINE void gather_vectors(D d, std::byte* dst, const std::byte* src, int64_t n, bool streams) {
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  Lane<S>* to = lanes<S>(dst);
  const Lane<S>* from = lanes<S>(src);
  int64_t i = 0;
  if constexpr (kStreams<D>) {
    const Streamed part = streams ? streamed_part<S>(dst, n, step) : Streamed{};
    for (; i < part.begin; i = i + step < part.begin ? part.begin - step : part.begin) {
      hn::StoreU(gathered<Step, false>(d, from + i * Step), d, to + i);
    }
    for (; i < part.end; i += step) hn::Stream(gathered<Step, false>(d, from + i * Step), d, to + i);
  }
  for (; i + step < n; i += step) hn::StoreU(gathered<Step, false>(d, from + i * Step), d, to + i);
  i = n - step;
  hn::StoreU(gathered<Step, true>(d, from + i * Step), d, to + i);
}

template <int S, int Step>
HWY_INLINE void gather_row(std::byte* dst, const std::byte* src, int64_t n, bool streams) {
  const hn::ScalableTag<Lane<S>> d;
  const hn::CappedTag<Lane<S>, 16 / S> d16;
  if (n > static_cast<int64_t>(hn::Lanes(d))) {
    gather_vectors<S, Step>(d, dst, src, n, streams);
  } else if (n > static_cast<int64_t>(hn::Lanes(d16))) {
    gather_vectors<S, Step>(d16, dst, src, n, false);
  } else {
    for (int64_t i = 0; i < n; ++i) move<S>(dst + i * S, src + i * Step * S);
  }
}

template <int S, int Step>
void gather(std::byte* dst, const std::byte* src, const Block& b) {
  for (int64_t r = 0; r < b.rows; ++r, dst += b.dst_row, src += b.src_row) {
    gather_row<S, Step>(dst, src, b.columns, b.streams);
  }
  if (b.streams) hwy::FlushStream();
}

template <int S>
Kernel pick_gather(const Block& b) {
  if (b.dst_column != S || b.src_column % S != 0) return nullptr;
  switch (b.src_column / S) {
    case -4: return gather<S, -4>;
    case -3: return gather<S, -3>;
    case -2: return gather<S, -2>;
    case -1: return gather<S, -1>;
    case 2: return gather<S, 2>;
    case 3: return gather<S, 3>;
    case 4: return gather<S, 4>;
    default: return nullptr;
  }
}

#endif
}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
