// Runs that lie side by side in dst but not on lines: they are put together in first-level cache, and leave it in whole
// lines by streaming stores.
#if defined(STRIDEPORT_HOST_SIMD_RUNS_STITCHED_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDEPORT_HOST_SIMD_RUNS_STITCHED_INL
#undef STRIDEPORT_HOST_SIMD_RUNS_STITCHED_INL
#else
#define STRIDEPORT_HOST_SIMD_RUNS_STITCHED_INL
#endif

#include "runtime/host/simd/runs-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace strideport::host::simd::HWY_NAMESPACE {
namespace {
#if HWY_TARGET != HWY_SCALAR

/// One stretch of dst, written from its begin to its end. The lines at its ends, which may belong to others in part,
/// are written in plain stores, and no byte of them that is not its own.
class Stitched {
 public:
  static constexpr int64_t kMostAtOnce = 1024;

  HWY_INLINE explicit Stitched(std::byte* dst)
      : foreign_((kLineBytes - bytes_to_line(dst)) % kLineBytes), size_(foreign_), to_(dst - foreign_) {}

  /// Where the next `bytes`, kMostAtOnce at most, are to be put.
  HWY_INLINE std::byte* next(int64_t bytes) {
    if (size_ >= kFullBytes) write_lines();
    std::byte* const place = stage_ + size_;
    size_ += bytes;
    return place;
  }

  HWY_INLINE void finish() {
    write_lines();
    std::memcpy(to_ + foreign_, stage_ + foreign_, static_cast<size_t>(size_ - foreign_));
  }

 private:
  static constexpr int64_t kFullBytes = 2048;

  HWY_INLINE void write_lines() {
    const hn::ScalableTag<uint8_t> d;
    int64_t i = 0;
    if (foreign_ != 0 && size_ >= kLineBytes) {
      std::memcpy(to_ + foreign_, stage_ + foreign_, static_cast<size_t>(kLineBytes - foreign_));
      foreign_ = 0;
      i = kLineBytes;
    }
    for (const int64_t whole = size_ / kLineBytes * kLineBytes; i < whole; i += HWY_MAX_BYTES) {
      hn::Stream(hn::Load(d, lanes<1>(stage_ + i)), d, lanes<1>(to_ + i));
    }
    move<16>(stage_, stage_ + i);
    move<16>(stage_ + 16, stage_ + i + 16);
    move<16>(stage_ + 32, stage_ + i + 32);
    move<16>(stage_ + 48, stage_ + i + 48);
    to_ += i;
    size_ -= i;
  }

  int64_t foreign_;  ///< bytes at the begin of the first line that are not ours
  int64_t size_;     ///< with those
  std::byte* to_;    ///< where the stage goes: the begin of a line
  alignas(kLineBytes) std::byte stage_[kFullBytes + kMostAtOnce + kLineBytes];
};

#endif
}  // namespace
}  // namespace strideport::host::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
