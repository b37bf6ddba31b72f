/// The copy engine: moves elements between any two views.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "strideport/buffer.hpp"
#include "strideport/buffer_view.hpp"
#include "strideport/stream.hpp"

namespace strideport {

/// Told how far a copy is: bytes done, bytes in all. Called from the copying thread between two pieces, first after a
/// second and then at most ten times a second; a copy that is over sooner, or that a device does by itself, never calls
/// it. What it throws ends the copy and comes out of it; dst is then partly written, and usable.
using Progress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

/// Copies every element of `src` into `dst`, in stream order. Counterpart of PyObject_CopyData.
///
/// Shapes: equal after dimensions of extent 1 are dropped. Empty is fine and does nothing.
/// Units:  strides in bytes, any sign; they need not be multiples of itemsize.
/// Place:  each side host, pinned, managed or device memory, of any device of one driver.
/// Stream: host-to-host copies are done on return. Otherwise work is enqueued on `stream`, of dst's device or of src's;
///         the host does not wait where its side is pinned or managed. From pageable memory src may be reused on
///         return; to pageable memory the copy is done on return. Between pageable memory and pinned or managed the
///         host copies, once the stream's work so far is done. StreamRef::host(): done on return. Views say nothing of
///         the work pending on them, and own nothing: that both stay alive is the caller's affair.
/// Cost:   reads and writes src.len() bytes once on each side; a temporary of src.len() bytes where the two overlap
///         partly, and for a layout that changes between host and device a packed one on the device, a piece at a time;
///         a ring of pinned slots for pageable memory. `explain` says which.
/// Throws: InvalidArgument if shapes or element types differ, dst overlaps itself, or the stream is of neither device;
///         ReadOnly; TypeMismatch for elements with references; BufferError for memory of a device that this build
///         cannot reach, for a null row pointer, and for what a capturing stream cannot take (pageable memory);
///         std::bad_alloc for a temporary: dst is untouched then. DeviceError: dst may be partly written.
void copy(const BufferView& dst, const BufferView& src, StreamRef stream, const Progress& progress = nullptr);

/// The same for memory that is owned: ordered after the work pending on both, which is kept alive until the copy is
/// done, and remembered, so that whatever comes next waits for it. In a capture the graph keeps both alive.
void copy(const Buffer& dst, const Buffer& src, StreamRef stream, const Progress& progress = nullptr);

/// The elements on another device, or in another order: `src` itself where it is on `device` and in `order` already (K:
/// any order will do, and a copy keeps it), else a copy.
/// Stream: the copy is enqueued on `stream`, on which the result becomes ready.
/// Throws: as `empty_like` and `copy`.
[[nodiscard]] Buffer to(const Buffer& src, Device device, Order order, StreamRef stream);

/// Counterpart of PyBuffer_ToContiguous: writes src's elements in `order` (C, F, or A: F if src is Fortran- and
/// not C-contiguous, else C) to `out`, which is host memory. Done on return, wherever src is.
/// Throws: InvalidArgument unless out.size() == src.len(), and for order K; otherwise as `copy`.
void to_contiguous(std::span<std::byte> out, const BufferView& src, Order order, StreamRef stream);

/// Counterpart of PyMemoryView_GetContiguous with a copy: a new Buffer in `order` on src's device; never a view.
/// Stream: as `copy`; the result becomes ready on `stream`.
/// Throws: as `copy`.
[[nodiscard]] Buffer to_contiguous(const BufferView& src, Order order, StreamRef stream);

/// Counterpart of PyBuffer_FromContiguous: fills dst from elements that lie in `order` (C or F; A as above) in host
/// memory. `in` may be reused on return.
/// Throws: InvalidArgument unless in.size() == dst.len(); otherwise as `copy`.
void from_contiguous(const BufferView& dst, std::span<const std::byte> in, Order order, StreamRef stream);

/// Threads that a host copy may use, the calling one included; 0 restores the default (STRIDEPORT_THREADS, else
/// the CPUs of this process). A bad STRIDEPORT_THREADS is reported once on stderr and ignored.
/// Throws: InvalidArgument for a number below 0 or over 1024.
void set_num_threads(int threads);
int num_threads() noexcept;

}  // namespace strideport
