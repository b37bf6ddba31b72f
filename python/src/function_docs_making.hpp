/// Docstrings of the module functions that make Buffers: of objects, of addresses, of new memory.
#pragma once

namespace strideport::python::function_doc {

inline constexpr char asbuffer[] =
    R"(asbuffer($module, obj, /, *, writable=None)
--

Views the memory of any object as a Buffer, without a copy.

The protocols are tried in this order: the buffer protocol, DLPack, the CUDA Array Interface, ``__array_struct__``,
``__array_interface__``.
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
    Where the result is to be; a producer elsewhere is asked to bring it there, and where it does not, a copy is made here,
    which is done on return.
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
    If the producer refuses, its tensor is of a version, device or element type that is not known here, or ``copy=False``
    and a copy is needed.
ValueError
    For a capsule that was consumed before, or holds something else.
DeviceError
    If `device` is not there.

Notes
-----
A producer with memory on a device is asked to make it ready on the legacy default stream (``stream=1``), never on None.
)";

inline constexpr char from_pointer[] =
    R"(from_pointer($module, /, ptr, shape, dtype, strides=None, *, device='cpu', readonly=False, owner=None, stream=None)
--

Views memory that only an address names. Nobody checks an address of the host; a driver is asked for its own.

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
    Kept alive as long as the memory is in use, by queued work too; what `Buffer.obj` shows.
stream : stream, optional
    On which the contents of device memory become ready, with the work queued there so far. None: they are.

Returns
-------
Buffer

Raises
------
ValueError
    For a negative extent, sizes that overflow, strides of another length than shape, or elements outside of the
    allocation that the driver knows.
BufferError
    If the driver does not know the address, or knows it on another device.
DeviceError
    If the device is not there.
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
    R"(empty($module, /, shape, dtype, *, device='cpu', order='C', pinned=False, stream=None)
--

New memory without a value, aligned to 64 bytes; to 256 where a driver gives it.

Parameters
----------
shape : int or sequence of int
dtype : dtype-like
    A name, a PEP 3118 format, or a dtype of another library.
device : str or (int, int)
order : {'C', 'F', 'A', 'K'}
    'F' lays the first dimension densest; the others mean 'C'.
pinned : bool
    Memory of the host that `device` can reach, 'cuda_host' or 'simulated_host'. With 'cpu': of the driver that there is.
stream : stream, optional
    Device memory may be used on it at once, and elsewhere after what uses it there. None: anywhere on return.

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
DeviceError
    For a device that is not there, or fails.
MemoryError
    DeviceMemoryError where it is the device's.

Notes
-----
Device memory comes from a pool of the driver, pinned memory from one of Strideport's own.
)";

inline constexpr char empty_like[] =
    R"(empty_like($module, like, /, *, order='K', device='cpu', pinned=False, stream=None)
--

New memory without a value, with the shape and the element type of `like`.

Parameters
----------
like : buffer-like
order : {'C', 'F', 'A', 'K'}
    'K': the order of the dimensions of `like`, its gaps closed. 'A': 'F' where `like` is Fortran- and not
    C-contiguous, else 'C'.
device : str or (int, int)
pinned : bool
    Memory of the host that `device` can reach; with 'cpu' the device of `like`, or else the device that there is.
stream : stream, optional
    As for `empty`.

Returns
-------
Buffer

Raises
------
BufferError, DeviceError, MemoryError
    As `empty`.
)";

}  // namespace strideport::python::function_doc
