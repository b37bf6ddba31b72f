/// `Buffer`: a view that owns. What an import returns and an export consumes.
///
/// A Buffer adds to the descriptor a shared owner, released exactly once and from any thread, and the stream on
/// which its contents become ready. Copies and views of a Buffer share the owner.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

#include "strideport/buffer_view.hpp"
#include "strideport/stream.hpp"
#include "strideport/view_ops.hpp"

namespace strideport {

class Buffer : public ViewOperations<Buffer> {
 public:
  /// An empty buffer of bytes without an owner.
  Buffer() noexcept = default;

  /// Takes a view and what keeps its memory alive. Ownership is keyed on the handle, never on `buf`.
  Buffer(BufferView view, std::shared_ptr<void> owner, StreamRef stream = StreamRef::host()) noexcept
      : view_(std::move(view)), owner_(std::move(owner)), stream_(stream) {}

  // What points into the Buffer itself cannot be asked of a temporary: it would dangle.
  const BufferView& view() const& noexcept { return view_; }
  const BufferView& view() const&& = delete;
  const std::shared_ptr<void>& owner() const& noexcept { return owner_; }
  std::shared_ptr<void> owner() const&& noexcept { return owner_; }
  StreamRef stream() const noexcept { return stream_; }

  /// Another view of the same memory, with this owner and stream. Read-only stays read-only.
  Buffer rebind(BufferView view) const;

  void* buf() const noexcept { return view_.buf(); }
  int64_t len() const noexcept { return view_.len(); }
  int64_t itemsize() const noexcept { return view_.itemsize(); }
  bool readonly() const noexcept { return view_.readonly(); }
  int ndim() const noexcept { return view_.ndim(); }
  std::span<const int64_t> shape() const& noexcept { return view_.shape(); }
  std::span<const int64_t> shape() const&& = delete;
  std::span<const int64_t> strides() const& noexcept { return view_.strides(); }
  std::span<const int64_t> strides() const&& = delete;
  std::span<const int64_t> suboffsets() const& noexcept { return view_.suboffsets(); }
  std::span<const int64_t> suboffsets() const&& = delete;
  const Format& format() const& noexcept { return view_.format(); }
  Format format() const&& noexcept { return view_.format(); }
  DType dtype() const noexcept { return view_.dtype(); }
  bool padded() const noexcept { return view_.padded(); }
  Device device() const noexcept { return view_.device(); }
  bool has_suboffsets() const noexcept { return view_.has_suboffsets(); }
  int64_t element_count() const noexcept { return view_.element_count(); }
  bool empty() const noexcept { return view_.empty(); }
  bool is_contiguous(Order order) const noexcept { return view_.is_contiguous(order); }
  void* item_pointer(std::span<const int64_t> indices) const { return view_.item_pointer(indices); }

 private:
  BufferView view_;
  std::shared_ptr<void> owner_;
  StreamRef stream_ = StreamRef::host();
};

/// New, uninitialised memory, aligned to 64 bytes; an address of its own also at size 0.
/// Shapes: any; order F lays the first dimension densest, A and K mean C.
/// Throws: InvalidArgument for a bad shape, no dtype, or packed elements that do not fill bytes; BufferError for a
///         device that this build does not have; std::bad_alloc.
[[nodiscard]] Buffer empty(std::span<const int64_t> shape, DType dtype, Order order = Order::C, Device device = {});
[[nodiscard]] inline Buffer empty(std::initializer_list<int64_t> shape, DType dtype, Order order = Order::C,
                                  Device device = {}) {
  return empty(std::span(shape.begin(), shape.size()), dtype, order, device);
}

/// The same for any element type; `like` gives shape, itemsize, dtype, format and padding, and the order of axes: K
/// as `kept_strides` (C with suboffsets); A is F if `like` is Fortran- and not C-contiguous, else C. Never read-only.
/// Throws: as `empty`; TypeMismatch for elements that hold references.
[[nodiscard]] Buffer empty_like(const BufferView& like, Order order = Order::K, Device device = {});

}  // namespace strideport
