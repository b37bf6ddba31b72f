/// `Buffer`: a view that owns. What an import returns and an export consumes.
///
/// A Buffer adds to the descriptor a shared owner, released exactly once and from any thread, and the stream on
/// which its contents become ready. Copies and views of a Buffer share the owner.
///
/// Work that Strideport queues on a Buffer's memory (`copy` of Buffers, `to`) is remembered by an event: the owner is
/// let go only after it has passed, later copies wait for it on their own streams, and so do consumers through
/// `make_ready`.
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

class BufferMaker;  // runtime/buffer_maker.hpp
class MemoryUse;    // runtime/memory_use.hpp: the owner of memory that a driver knows, and the work pending on it

class Buffer : public ViewOperations<Buffer> {
 public:
  /// An empty buffer of bytes without an owner.
  Buffer() noexcept = default;

  /// Takes a view and what keeps its memory alive. Ownership is keyed on the handle, never on `buf`.
  /// Stream: where the contents become ready. Of a stream that is not of ours (handle over 1) the place is noted now,
  ///         by an event: the stream may be gone later. StreamRef::host(): they are ready.
  /// Throws: for memory of a driver only: std::bad_alloc, DeviceError. The owner is let go then.
  Buffer(BufferView view, std::shared_ptr<void> owner, StreamRef stream = StreamRef::host())
      : view_(std::move(view)), owner_(std::move(owner)), stream_(stream) {
    if (view_.device().has_driver()) track();
  }

  // What points into the Buffer itself cannot be asked of a temporary: it would dangle.
  const BufferView& view() const& noexcept { return view_; }
  const BufferView& view() const&& = delete;
  const std::shared_ptr<void>& owner() const& noexcept { return owner_; }
  std::shared_ptr<void> owner() && noexcept { return std::move(owner_); }
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

  /// The work pending on the memory; null on the host. For this library alone.
  MemoryUse* use() const noexcept { return owner_ ? use_ : nullptr; }

 private:
  friend class BufferMaker;
  // Of two functions' results, the view first. It is made where it stays: to move one costs as much as to check it.
  struct InPlace {};
  template <class MakeView, class MakeOwner>
  Buffer(InPlace, MakeView& view, MakeOwner& owner, StreamRef stream)
      : view_(view()), owner_(owner()), stream_(stream) {
    if (view_.device().has_driver()) track();
  }
  Buffer(BufferView&& view, const Buffer& like) noexcept
      : view_(std::move(view)), owner_(like.owner_), use_(like.use_), stream_(like.stream_) {}

  void track();  // puts a MemoryUse between this and the owner

  BufferView view_;
  std::shared_ptr<void> owner_;  // the MemoryUse, where there is one
  MemoryUse* use_ = nullptr;
  StreamRef stream_ = StreamRef::host();
};

/// Makes work that is queued on `stream` from now on come after all the work that Strideport knows to be pending on the
/// buffer's memory, and after its contents are ready. What an export calls for its consumer.
/// Stream: StreamRef::host() blocks the host instead. The same stream: nothing is done. Never a device-wide wait.
/// Throws: InvalidArgument for a stream of another driver, or one that captures while uncaptured work is pending;
///         DeviceError.
void make_ready(const Buffer& buffer, StreamRef stream);

/// True if nothing is pending: `make_ready` would have nothing to do on any stream. Never waits. True on the host.
/// Throws: DeviceError, also for an earlier failure of that work.
[[nodiscard]] bool is_ready(const Buffer& buffer);

/// New, uninitialised memory, aligned to 64 bytes (to 256 where a driver gives it); an address of its own also at size
/// 0.
/// Shapes: any; order F lays the first dimension densest, A and K mean C.
/// Device: cpu; cuda and simulated, their pinned memory (cuda_host, simulated_host) and managed memory.
/// Stream: device memory may be used on `stream` at once, and on others after they wait for it. Without one, it may be
///         used anywhere when this returns. Ignored for host, pinned and managed memory.
/// Cost:   device memory comes from the driver's pool, pinned memory from a pool of ours.
/// Throws: InvalidArgument for a bad shape, no dtype, packed elements that do not fill bytes, a device that is not
///         there, a stream that captures; BufferError for a device that this build does not have; DeviceOutOfMemory;
///         DeviceError; std::bad_alloc.
[[nodiscard]] Buffer empty(std::span<const int64_t> shape, DType dtype, Order order = Order::C, Device device = {},
                           StreamRef stream = StreamRef::host());
[[nodiscard]] inline Buffer empty(std::initializer_list<int64_t> shape, DType dtype, Order order = Order::C,
                                  Device device = {}, StreamRef stream = StreamRef::host()) {
  return empty(std::span(shape.begin(), shape.size()), dtype, order, device, stream);
}

/// The same for any element type; `like` gives shape, itemsize, dtype, format and padding, and the order of axes: K
/// as `kept_strides` (C with suboffsets); A is F if `like` is Fortran- and not C-contiguous, else C. Never read-only.
/// Throws: as `empty`; TypeMismatch for elements that hold references.
[[nodiscard]] Buffer empty_like(const BufferView& like, Order order = Order::K, Device device = {},
                                StreamRef stream = StreamRef::host());

/// Gives back to the system what is kept of freed host memory: of blocks of 4 MiB and more up to 256 MiB, for the next
/// Buffer of about the same size. Safe from any thread; nobody's memory changes.
void trim_host() noexcept;

}  // namespace strideport
