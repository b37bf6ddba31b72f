/// Docstrings of the attributes of strideport.Buffer.
#pragma once

namespace strideport::python::doc {

inline constexpr char contiguous[] =
    R"(A bool: the elements fill one block in C or Fortran order. Called, it makes such a block.

`b.contiguous(order='C', *, stream=None)` returns a Buffer that is contiguous in `order` ('C', 'F', 'A' for either, 'K' for
the order of the source with its gaps closed): a view of `b` where `b` is so already, else a copy, which is writable. A copy of
device memory stays on the device: it is queued on `stream`, or done on return where that is None.
)";

inline constexpr char obj[] = "The object whose memory this is; None for memory that no Python object owns.";
inline constexpr char nbytes[] = "Bytes of all elements, gaps not counted.";
inline constexpr char readonly[] = "True if the memory must not be written through this buffer or any view of it.";
inline constexpr char itemsize[] = "Bytes of one element.";
inline constexpr char format[] =
    "The element type in PEP 3118's spelling; None where that has none (bfloat16, float8).";
inline constexpr char ndim[] = "Number of dimensions, 0 to 64.";
inline constexpr char shape[] = "Extents, in elements.";
inline constexpr char strides[] = "Bytes from one element to the next, a dimension each; of either sign.";
inline constexpr char suboffsets[] =
    "Bytes to add after following a pointer, a dimension each, negative for none; () where no dimension is indirect.";
inline constexpr char c_contiguous[] = "True if the elements fill one block, last dimension densest.";
inline constexpr char f_contiguous[] = "True if the elements fill one block, first dimension densest.";
inline constexpr char ptr[] = "Address of the element with all indices 0.";
inline constexpr char device[] =
    "Where the memory is: 'cpu', 'cuda:0', 'simulated:1'; 'cuda_host:0' for pinned, 'cuda_managed:0' for managed memory.";
inline constexpr char dtype[] = "The element type, a strideport.DType.";
inline constexpr char stream[] = 
    "Handle of the stream on which the contents become ready; None where they are ready once made, and on the host. The stream "
    "may be gone by now: what Strideport does waits by an event, and needs no handle.";
inline constexpr char transposed[] = "A view with all dimensions reversed.";
inline constexpr char to_bytes[] = "__bytes__($self, /)\n--\n\nThe same as `tobytes()`.";
inline constexpr char cuda_array_interface[] =
    R"(The CUDA Array Interface, version 3, of device and managed memory; AttributeError for any other.

The entry `stream` is None where no work is pending, else 1: the legacy default stream, which was made to wait for that
work. Simulated memory has the interface only on machines without a CUDA device, whose libraries would take the address for
theirs.
)";
inline constexpr char array_interface[] =
    "NumPy's description of the memory; AttributeError where it has none. Waits for work pending on pinned memory.";
inline constexpr char array_struct[] =
    R"(The same as `__array_interface__` in a C struct, in a capsule that holds the memory.

A consumer that drops the capsule, as NumPy does, holds the Buffer alone: do not `release()` it then.
)";

}  // namespace strideport::python::doc
