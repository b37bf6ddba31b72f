/// `ViewBuilder`: the one writer of a BufferView's members, for code that has already proved what it writes.
///
/// `BufferView::create` checks everything and costs accordingly; view operations and importers that derive a layout
/// from a valid one start here instead. What `finish` needs to be true is listed at its declaration.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <span>
#include <utility>

#include "strideport/buffer_view.hpp"

namespace strideport {

class ViewBuilder {
 public:
  /// A view with `ndim` dimensions, 0 to kMaxNdim, whose shape, strides and (if `indirect`) suboffsets are still to
  /// be written. Host memory, writable, bytes without a type, buf null.
  explicit ViewBuilder(int ndim, bool indirect = false) : view_(BufferView::Unset{}) { reserve(ndim, indirect); }

  /// The same with buf, element type, device and flags of `like`.
  ViewBuilder(const BufferView& like, int ndim, bool indirect = false) : ViewBuilder(ndim, indirect) {
    view_.buf_ = like.buf_;
    view_.itemsize_ = like.itemsize_;
    view_.format_ = like.format_;
    view_.dtype_ = like.dtype_;
    view_.device_ = like.device_;
    view_.readonly_ = like.readonly_;
    view_.padded_ = like.padded_;
  }

  /// All of `view`, to change a part of it.
  explicit ViewBuilder(BufferView view) noexcept : view_(std::move(view)) {}

  std::span<int64_t> shape() noexcept { return {shape_data(), size()}; }
  std::span<int64_t> strides() noexcept {
    return {shape_data() + (view_.on_heap_ ? size() : BufferView::kInlineNdim), size()};
  }
  /// Empty unless made `indirect`.
  std::span<int64_t> suboffsets() noexcept {
    return view_.has_suboffsets_ ? std::span(view_.heap_ + 2 * size(), size()) : std::span<int64_t>();
  }

  /// Shorter ways: the result is made where it stays. `frozen`: the same, read-only. Of a view without suboffsets
  /// `narrowed`: another extent and stride for one axis. Of one with at most 8 dimensions `without`, one axis less, and
  /// `retyped`: another element type and, where the size changes, another extent of the last axis, which is dense.
  /// `narrowed` and `without` move buf by bytes.
  static BufferView narrowed(const BufferView& view, size_t axis, int64_t extent, int64_t stride, int64_t bytes) {
    BufferView result = view;
    int64_t* const shape = result.on_heap_ ? result.heap_ : result.inline_;
    shape[axis] = extent;
    shape[static_cast<size_t>(result.on_heap_ ? result.ndim_ : BufferView::kInlineNdim) + axis] = stride;
    settle(result, shape, bytes);
    return result;
  }
  static BufferView frozen(const BufferView& view) {
    BufferView result = view;
    result.readonly_ = true;
    return result;
  }
  static BufferView retyped(const BufferView& view, int64_t itemsize, const Format& format, DType dtype, bool padded,
                            int64_t extent) {
    assert(!view.on_heap_);
    BufferView result(view, format);
    result.itemsize_ = itemsize;
    result.dtype_ = dtype;
    result.padded_ = padded;
    if (itemsize == view.itemsize_) return result;
    const auto last = static_cast<size_t>(result.ndim_ - 1);
    result.inline_[last] = extent;
    result.inline_[BufferView::kInlineNdim + last] = itemsize;
    return result;
  }
  static BufferView without(const BufferView& view, size_t axis, int64_t bytes) {
    assert(!view.on_heap_);
    BufferView result = view;
    int64_t* const strides = result.inline_ + BufferView::kInlineNdim;
    const auto rest = static_cast<size_t>(--result.ndim_);
    for (size_t i = axis; i < rest; ++i) {
      result.inline_[i] = result.inline_[i + 1];
      strides[i] = strides[i + 1];
    }
    settle(result, result.inline_, bytes);
    return result;
  }
  static constexpr int kInline = BufferView::kInlineNdim;
  struct Dimensions {
    int64_t* shape;
    int64_t* strides;
  };
  /// A view of numbers in host memory, of at most kInline dimensions, made where it stays. `write(dimensions, buf,
  /// len)` fills in the rest, of which what `finish` says must hold, or returns false: then `otherwise(view)` assigns
  /// another one.
  template <class Write, class Otherwise>
  static BufferView on_host(const Format& format, DType dtype, size_t ndim, bool readonly, const Write& write,
                            const Otherwise& otherwise) {
    BufferView result(format, dtype, static_cast<int32_t>(ndim), readonly);
    if (!write({result.inline_, result.inline_ + kInline}, result.buf_, result.len_)) otherwise(result);
    return result;
  }
  static bool is_inline(const BufferView& view) noexcept { return !view.on_heap_; }

  void* buf() const noexcept { return view_.buf_; }
  ViewBuilder& set_buf(void* buf) noexcept {
    view_.buf_ = buf;
    return *this;
  }
  /// Moves buf by bytes; integer arithmetic, since a device pointer points at no object of this program.
  ViewBuilder& advance(int64_t bytes) noexcept {
    const auto address = reinterpret_cast<uintptr_t>(view_.buf_) + static_cast<uintptr_t>(bytes);
    return set_buf(reinterpret_cast<void*>(address));
  }
  ViewBuilder& set_element(int64_t itemsize, Format format, DType dtype, bool padded = false) noexcept {
    view_.itemsize_ = itemsize;
    view_.format_ = std::move(format);
    view_.dtype_ = dtype;
    view_.padded_ = padded;
    return *this;
  }
  ViewBuilder& set_device(Device device) noexcept {
    view_.device_ = device;
    return *this;
  }
  ViewBuilder& set_readonly(bool readonly) noexcept {
    view_.readonly_ = readonly;
    return *this;
  }

  /// The view as it stands, `len` not yet worked out; for checks on the way.
  const BufferView& peek() const noexcept { return view_; }

  /// Works out `len` and drops suboffsets that are all negative. What must hold by now is what `BufferView::create`
  /// checks: extents >= 0, their product times itemsize and every byte offset within int64, every element inside the
  /// memory that the caller may touch, element type and itemsize in agreement.
  BufferView finish() && {
    int64_t len = view_.itemsize_;
    const auto extents = shape();
    if (std::find(extents.begin(), extents.end(), 0) != extents.end()) len = 0;
    for (size_t i = 0; len != 0 && i < extents.size(); ++i) {
      [[maybe_unused]] const bool overflow = __builtin_mul_overflow(len, extents[i], &len);
      assert(!overflow);
    }
    view_.len_ = len;
    if (view_.has_suboffsets_) drop_suboffsets_if_direct();
    return std::move(view_);
  }

 private:
  static void settle(BufferView& view, const int64_t* shape, int64_t bytes) noexcept {
    view.buf_ = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(view.buf_) + static_cast<uintptr_t>(bytes));
    int64_t len = view.itemsize_;
    for (int axis = 0; axis < view.ndim_; ++axis) {
      // A product that overflows has a 0 further on; without one, that of the view it came from was as large.
      if (shape[axis] == 0 || __builtin_mul_overflow(len, shape[axis], &len)) len = 0;
    }
    view.len_ = len;
  }

  size_t size() const noexcept { return static_cast<size_t>(view_.ndim_); }
  int64_t* shape_data() noexcept { return view_.on_heap_ ? view_.heap_ : view_.inline_; }

  void reserve(int ndim, bool indirect) {
    assert(ndim >= 0 && ndim <= kMaxNdim);
    if (ndim > BufferView::kInlineNdim || indirect) {
      view_.heap_ = new int64_t[static_cast<size_t>(ndim) * (indirect ? 3 : 2) + 1];  // +1: never of size 0
      view_.on_heap_ = true;
    }
    view_.ndim_ = ndim;
    view_.has_suboffsets_ = indirect;
  }

  void drop_suboffsets_if_direct() noexcept {
    const auto offsets = suboffsets();
    if (std::any_of(offsets.begin(), offsets.end(), [](int64_t offset) { return offset >= 0; })) return;
    view_.has_suboffsets_ = false;
    if (view_.ndim_ > BufferView::kInlineNdim) return;
    int64_t* const block = view_.heap_;
    const size_t ndim = size();
    view_.on_heap_ = false;
    std::copy_n(block, ndim, view_.inline_);
    std::copy_n(block + ndim, ndim, view_.inline_ + BufferView::kInlineNdim);
    delete[] block;
  }

  BufferView view_;
};

}  // namespace strideport
