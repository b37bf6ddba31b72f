/// The copy engine: moves elements between any two views.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "strideport/buffer.hpp"
#include "strideport/buffer_view.hpp"
#include "strideport/stream.hpp"

namespace strideport {

/// Copies every element of `src` into `dst`, in stream order. Counterpart of PyObject_CopyData.
///
/// Shapes: equal after dimensions of extent 1 are dropped. Empty is fine and does nothing.
/// Units:  strides in bytes, any sign; they need not be multiples of itemsize.
/// Stream: work is enqueued on `stream`; host-to-host copies are done on return.
/// Cost:   reads and writes src.len() bytes once; where the two overlap partly, a temporary of src.len() bytes.
/// Throws: InvalidArgument if shapes or element types differ or dst overlaps itself; ReadOnly; TypeMismatch for
///         elements with references; BufferError for memory of a device that this build cannot reach, and for a null
///         row pointer; std::bad_alloc for a temporary. dst is untouched then.
void copy(const BufferView& dst, const BufferView& src, StreamRef stream);

/// Counterpart of PyBuffer_ToContiguous: writes src's elements in `order` (C, F, or A: F if src is Fortran- and
/// not C-contiguous, else C) to `out`.
/// Throws: InvalidArgument unless out.size() == src.len(), and for order K; otherwise as `copy`.
void to_contiguous(std::span<std::byte> out, const BufferView& src, Order order, StreamRef stream);

/// Counterpart of PyMemoryView_GetContiguous with a copy: a new Buffer in `order`; never a view.
/// Throws: as `copy`.
[[nodiscard]] Buffer to_contiguous(const BufferView& src, Order order, StreamRef stream);

/// Counterpart of PyBuffer_FromContiguous: fills dst from elements that lie in `order` (C or F; A as above).
/// Throws: InvalidArgument unless in.size() == dst.len(); otherwise as `copy`.
void from_contiguous(const BufferView& dst, std::span<const std::byte> in, Order order, StreamRef stream);

/// Threads that a host copy may use, the calling one included; 0 restores the default (STRIDEPORT_THREADS, else
/// the CPUs of this process). A bad STRIDEPORT_THREADS is reported once on stderr and ignored.
/// Throws: InvalidArgument for a number below 0 or over 1024.
void set_num_threads(int threads);
int num_threads() noexcept;

}  // namespace strideport
