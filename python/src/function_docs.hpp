/// Docstrings of the module's functions, in numpydoc's sections. The line before `--` is the signature that inspect
/// reads.
#pragma once

namespace strideport::python::function_doc {

inline constexpr char asbuffer[] =
    R"(asbuffer($module, obj, /, *, writable=None)
--

Views the memory of any object as a Buffer, without a copy.

The protocols are tried in this order: the buffer protocol, DLPack, ``__array_struct__``, ``__array_interface__``.
One that refuses (BufferError, ValueError) leaves the word to the next.

Parameters
----------
obj : buffer-like
    An object that exposes memory, or a DLPack capsule, which this consumes.
writable : bool, optional
    None: as the object says. True: writable memory or an error. False: a read-only view.

Returns
-------
Buffer
    It keeps the memory alive. For a Buffer, another view of the same memory.

Raises
------
TypeError
    If the object offers none of the protocols.
BufferError
    If every protocol that it offers refuses; the message names each refusal. If memory is read-only and
    ``writable=True``.

Notes
-----
Arrays of ml_dtypes come in by the name of their dtype. NumPy's datetime64 and timedelta64 come in as the int64 that
they store.
)";

inline constexpr char from_dlpack[] =
    R"(from_dlpack($module, x, /, *, device=None, copy=None)
--

Views an object that has ``__dlpack__``, as the array API standard says.

Parameters
----------
x : object
    A producer of DLPack tensors, or a capsule, which this consumes.
device : str or (int, int), optional
    Where the result is to be; a producer elsewhere is asked to bring it there.
copy : bool, optional
    True: always a copy, in C order unless the producer made it. False: never. None: only where one is needed.

Returns
-------
Buffer
    Read-only where the producer says so, and for capsules of the legacy kind, which cannot say.

Raises
------
TypeError
    If `x` has no ``__dlpack__``.
BufferError
    If the producer refuses, or its tensor is of a version, device or element type that is not known here.
ValueError
    For a capsule that was consumed before, or holds something else.
)";

inline constexpr char from_pointer[] =
    R"(from_pointer($module, /, ptr, shape, dtype, strides=None, *, device='cpu', readonly=False, owner=None)
--

Views memory that only an address names. Nobody checks the address.

Parameters
----------
ptr : int
    Address of the element with all indices 0.
shape : int or sequence of int
dtype : dtype-like
    A name, a PEP 3118 format, or a dtype of another library.
strides : sequence of int, optional
    In bytes; C-contiguous where left out.
device : str or (int, int)
readonly : bool
owner : object, optional
    Kept alive as long as the memory is in use; what `Buffer.obj` shows.

Returns
-------
Buffer

Raises
------
ValueError
    For a negative extent, sizes that overflow, or strides of another length than shape.
)";

inline constexpr char from_memory[] =
    R"(from_memory($module, /, ptr, size, *, readonly=False, owner=None)
--

Views `size` bytes at an address. Counterpart of PyMemoryView_FromMemory and PyBuffer_FillInfo.

Parameters
----------
ptr : int
size : int
    In bytes.
readonly : bool
owner : object, optional
    Kept alive as long as the memory is in use.

Returns
-------
Buffer
    One-dimensional, of format 'B'.
)";

inline constexpr char empty[] =
    R"(empty($module, /, shape, dtype, *, device='cpu', order='C', pinned=False)
--

New memory without a value, aligned to 64 bytes.

Parameters
----------
shape : int or sequence of int
dtype : dtype-like
    A name, a PEP 3118 format, or a dtype of another library.
device : str or (int, int)
order : {'C', 'F', 'A', 'K'}
    'F' lays the first dimension densest; the others mean 'C'.
pinned : bool
    Memory of the host that a device can reach.

Returns
-------
Buffer

Raises
------
ValueError
    For a negative extent or sizes that overflow.
TypeError
    For elements that hold references to objects.
BufferError
    For a device that this build does not have.
MemoryError
)";

inline constexpr char empty_like[] =
    R"(empty_like($module, like, /, *, order='K', device='cpu')
--

New memory without a value, with the shape and the element type of `like`.

Parameters
----------
like : buffer-like
order : {'C', 'F', 'A', 'K'}
    'K': the order of the dimensions of `like`, its gaps closed. 'A': 'F' where `like` is Fortran- and not
    C-contiguous, else 'C'.
device : str or (int, int)

Returns
-------
Buffer
)";

inline constexpr char copy[] =
    R"(copy($module, /, dst, src, stream=None)
--

Copies every element of `src` into `dst`. Counterpart of PyObject_CopyData.

Parameters
----------
dst : buffer-like
    Writable. Shapes must be equal once dimensions of extent 1 are dropped, element types in any case.
src : buffer-like
    May overlap `dst`: the result is as if through a temporary.
stream : None
    For memory of the host there is none.

Raises
------
ValueError
    If shapes or element types differ, or `dst` overlaps itself.
TypeError
    If `dst` is read-only, or elements hold references to objects. `dst` is untouched in every case.

Notes
-----
Drops the GIL for copies above 256 KiB.
)";

inline constexpr char explain[] =
    R"(explain($module, /, dst, src)
--

Says in words how `copy(dst, src)` would go about it, and why a view would not do. Touches no memory.

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

The elements as bytes without gaps. Counterpart of PyBuffer_ToContiguous.

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
PyObject_CopyToObject.

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
    Unlike PyMemoryView_GetContiguous's, a copy is writable.
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

The devices whose memory this build can use here.

Returns
-------
list of str
    'cpu' first.
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

inline constexpr char build_info[] = "_build_info($module, /)\n--\n\nWhat this binary was built from, as a dict.";
inline constexpr char describe_element_type[] =
    "_describe_element_type($module, text, /)\n--\n\nThe parts of a DType: (text, code, bits, lanes, itemsize, "
    "format).";
inline constexpr char rebuild[] =
    "_rebuild($module, data, shape, order, element, itemsize, padded, readonly, /)\n--\n\nA Buffer out of a pickle.";

}  // namespace strideport::python::function_doc
