/// Docstrings of the methods by which other libraries take a strideport.Buffer.
#pragma once

namespace strideport::python::doc {

inline constexpr char dlpack[] =
    R"(__dlpack__($self, /, *, stream=None, max_version=None, dl_device=None, copy=None)
--

A DLPack capsule of this memory, for `from_dlpack` of another library.

Parameters
----------
stream : int or None
    The consumer's stream, which is made to wait for the work pending on the memory. Of a device: -1 for no
    synchronisation, None or 1 for the legacy default stream, 2 for the per-thread one, else a handle. None on the
    host, pinned memory included, whose pending work is waited for; managed memory takes both.
max_version : tuple of two int, optional
    The newest version that the consumer reads. None or major 0 gives the legacy struct.
dl_device : tuple of two int, optional
    Where the consumer wants it; elsewhere is a copy, of which one in host memory is done on return.
copy : bool or None
    True: a copy in C order. False: BufferError where a copy is needed. None: a copy only where needed.

Raises
------
ValueError
    For stream 0, a stream below -1, and any stream on the host.
TypeError
    For a stream that is no int.
BufferError
    For a device that is not there, for ``copy=False`` where a copy is needed, and for what DLPack cannot say: foreign byte
    order, structures, references, suboffsets, strides that are no multiple of itemsize, and read-only memory in the legacy
    struct.
)";

inline constexpr char dlpack_device[] =
    "__dlpack_device__($self, /)\n--\n\nDLPack's device type and index, as a tuple of two ints. The simulated "
    "device is kDLExtDev (12); its pinned and managed memory is the host's.\n";

inline constexpr char array[] =
    R"(__array__($self, /, dtype=None, copy=None)
--

A numpy.ndarray of this memory, without a copy unless `dtype` or `copy` ask for one.

Raises
------
TypeError
    For device memory: `.to("cpu")` first.
ImportError
    Without NumPy, or without ml_dtypes for bfloat16 and float8.
)";

inline constexpr char reduce_ex[] =
    R"(__reduce_ex__($self, protocol, /)
--

For pickle: out of band from protocol 5 on, in band below. Read-only stays read-only.

Raises
------
TypeError
    For device memory (`.to("cpu")` first) and for formats with references.
)";

inline constexpr char copy[] = "__copy__($self, /)\n--\n\nA copy of the elements, in memory of its own.\n";
inline constexpr char deepcopy[] =
    "__deepcopy__($self, memo, /)\n--\n\nA copy of the elements, in memory of its own.\n";
inline constexpr char class_getitem[] = "Buffer[int], for type hints.\n";

}  // namespace strideport::python::doc
