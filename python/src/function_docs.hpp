/// Docstrings of the other module functions (copies, CPython's counterparts, settings), in numpydoc's sections. The
/// line before `--` is the signature that inspect reads.
#pragma once

namespace strideport::python::function_doc {

inline constexpr char copy[] =
    R"(copy($module, /, dst, src, stream=None, *, progress=None)
--

Copies every element of `src` into `dst`, in stream order. Counterpart of PyObject_CopyData.

Parameters
----------
dst : buffer-like
    Writable. Shapes must be equal once dimensions of extent 1 are dropped, element types in any case.
src : buffer-like
    May overlap `dst`: the result is as if through a temporary.
stream : stream, optional
    Where a device takes part: a strideport.Stream, a handle as an int, or another library's stream, of `dst`'s device or of
    `src`'s. The work is queued there, and the call returns; from plain host memory `src` may be reused on return, and to
    plain host memory the copy is done. None: done on return. For memory of the host there is none.
progress : callable, optional
    Called as ``progress(bytes_done, bytes_total)`` by copies of more than a second that the host takes part in, at most ten
    times a second. What it raises ends the copy; `dst` is partly written then.

Raises
------
ValueError
    If shapes or element types differ, `dst` overlaps itself, or the stream is of neither device.
TypeError
    If `dst` is read-only, or elements hold references to objects. `dst` is untouched then, as it is with ValueError.
DeviceError
    If the device fails; `dst` may be partly written then.

Notes
-----
Comes after all the work that Strideport queued on either side before; both stay alive until it is done. Drops the GIL for
copies above 256 KiB, and for all that a device takes part in.
)";

inline constexpr char explain[] =
    R"(explain($module, /, dst, src)
--

Says in words how `copy(dst, src)` would go about it, and why a view would not do. Touches no memory.

Between pinned memory and a device the choice may depend on rates that the first such copy measures; until then it says so.

Parameters
----------
dst, src : buffer-like

Returns
-------
str
    A fact a line: strategy, dimensions after merging, unit, bytes, temporaries.
)";

inline constexpr char to_contiguous[] =
    R"(to_contiguous($module, obj, /, order='C')
--

The elements as bytes without gaps. Counterpart of PyBuffer_ToContiguous. Waits for the work pending on device memory.

Parameters
----------
obj : buffer-like
order : {'C', 'F', 'A'}
    'A': 'F' where the object is Fortran- and not C-contiguous, else 'C'.

Returns
-------
bytes
)";

inline constexpr char from_contiguous[] =
    R"(from_contiguous($module, /, dst, data, order='C')
--

Fills `dst` from elements that lie without gaps. Counterpart of PyBuffer_FromContiguous and of Python 2's
PyObject_CopyToObject. Done on return, wherever the two are.

Parameters
----------
dst : buffer-like
    Writable.
data : buffer-like
    Contiguous, with as many bytes as `dst`; its element type does not matter.
order : {'C', 'F', 'A'}
    The order in which `data` has the elements. 'A': 'F' where `dst` is Fortran- and not C-contiguous, else 'C'.

Raises
------
ValueError
    If the bytes are too few or too many.
BufferError
    If `data` has gaps.
TypeError
    If `dst` is read-only.
)";

inline constexpr char get_contiguous[] =
    R"(get_contiguous($module, obj, /, order='C')
--

The object as contiguous memory: a view where it is, a copy where not. Counterpart of PyMemoryView_GetContiguous.

Parameters
----------
obj : buffer-like
order : {'C', 'F', 'A'}
    'A' takes both, and copies into 'C'.

Returns
-------
Buffer
    Unlike PyMemoryView_GetContiguous's, a copy is writable. It is on the same device, and done on return.
)";

inline constexpr char check_buffer[] =
    R"(check_buffer($module, obj, /)
--

True if the object offers a protocol that `asbuffer` reads. Counterpart of PyObject_CheckBuffer.

Returns
-------
bool
    True does not promise that the memory can be had.
)";

inline constexpr char get_buffer[] =
    R"(get_buffer($module, obj, /, flags=284)
--

`asbuffer`, if the memory meets a buffer request. Counterpart of PyObject_GetBuffer.

Parameters
----------
obj : buffer-like
flags : int
    `inspect.BufferFlags` has the names. The default is FULL_RO, which every memory of the host meets.

Returns
-------
Buffer
    It tells everything, whatever the flags left out.

Raises
------
BufferError
    If the request cannot be met; the message names the call that helps.
)";

inline constexpr char size_from_format[] =
    R"(size_from_format($module, format, /)
--

Bytes of one element of a PEP 3118 format. Counterpart of PyBuffer_SizeFromFormat.

Parameters
----------
format : str

Returns
-------
int

Raises
------
ValueError
    For a text that is no format, with the position of what is wrong.
)";

inline constexpr char is_contiguous[] =
    R"(is_contiguous($module, obj, /, order='C')
--

Counterpart of PyBuffer_IsContiguous.

Parameters
----------
obj : buffer-like
order : {'C', 'F', 'A', 'K'}
    'A': either of 'C' and 'F'. 'K': one block without gaps, dimensions in any order.

Returns
-------
bool
    True for empty memory, False with suboffsets.
)";

inline constexpr char item_pointer[] =
    R"(item_pointer($module, obj, indices, /)
--

The address of one element. Counterpart of PyBuffer_GetPointer.

Parameters
----------
obj : buffer-like
indices : int or sequence of int
    One a dimension.

Returns
-------
int
    Valid as long as the memory of `obj` is.

Raises
------
IndexError
    For an index outside of its dimension.
ValueError
    For too few or too many indices.
)";

inline constexpr char contiguous_strides[] =
    R"(contiguous_strides($module, /, shape, itemsize, order='C')
--

The strides of contiguous memory. Counterpart of PyBuffer_FillContiguousStrides.

Parameters
----------
shape : int or sequence of int
itemsize : int
    In bytes.
order : {'C', 'F'}

Returns
-------
tuple of int
    In bytes.

Raises
------
ValueError
    For a negative extent or sizes that overflow.
)";

inline constexpr char byte_range[] =
    R"(byte_range($module, obj, /, offset=0, size=-1)
--

A range of the bytes of contiguous memory, as a view. Counterpart of Python 2's ``buffer(obj, offset, size)``.

Parameters
----------
obj : buffer-like
    C- or Fortran-contiguous.
offset : int
    In bytes; past the end is the end.
size : int
    In bytes; clipped at the end, which -1 means.

Returns
-------
Buffer
    One-dimensional, of format 'B'; writable if the object is.
)";

inline constexpr char devices[] =
    R"(devices($module, /)
--

The devices whose memory can be used here. Initialises the drivers, which takes a second the first time.

Returns
-------
list of str
    'cpu', then 'cuda:0', ..., then 'simulated:0', ... where STRIDEPORT_SIMULATED_DEVICES asks for them.

See Also
--------
device_info, why_no_device
)";

inline constexpr char device_info[] =
    R"(device_info($module, /, device)
--

What a driver says of a device.

Parameters
----------
device : str or (int, int)
    One of `devices()`.

Returns
-------
dict
    device, name, simulated, total_bytes and free_bytes of its memory, compute_capability (major, minor), multiprocessors,
    driver_version ('13.0'), pools (memory comes from the driver's pools), batch_copies. None for what 'cpu' has not, and
    for the free memory of a device that this process has not used yet.

Raises
------
DeviceError
    If there is no such device; the message says why.
ValueError
    For pinned and managed memory, which are no devices.
)";

inline constexpr char why_no_device[] =
    R"(why_no_device($module, /, device='cuda')
--

Why there is no device of a kind.

Parameters
----------
device : str or (int, int)
    Only its kind matters.

Returns
-------
str or None
    A sentence ("no driver: ..."); None where there is a device.
)";

inline constexpr char num_threads[] =
    R"(num_threads($module, /)
--

Threads that a copy may use, the calling one included.

Returns
-------
int
)";

inline constexpr char set_num_threads[] =
    R"(set_num_threads($module, threads, /)
--

Sets how many threads a copy may use, the calling one included.

Parameters
----------
threads : int
    0 brings back the default: the environment variable STRIDEPORT_THREADS, else the CPUs of this process.

Raises
------
ValueError
    For a negative number.
)";

inline constexpr char trim_host[] =
    R"(trim_host($module, /)
--

Gives freed host memory that is kept for the next Buffer back to the system.

Blocks of 4 MiB and more are kept when they are freed, at most 256 MiB of them. No Buffer changes.
)";

inline constexpr char build_info[] = "_build_info($module, /)\n--\n\nWhat this binary was built from, as a dict.";
inline constexpr char describe_element_type[] =
    "_describe_element_type($module, text, /)\n--\n\nThe parts of a DType: (text, code, bits, lanes, itemsize, "
    "format).";
inline constexpr char rebuild[] =
    "_rebuild($module, data, shape, order, element, itemsize, padded, readonly, /)\n--\n\nA Buffer out of a pickle.";

}  // namespace strideport::python::function_doc
