/// Docstrings of strideport.Buffer and its methods, in numpydoc's sections. The line before `--` is the signature
/// that inspect reads.
#pragma once

namespace strideport::python::doc {

inline constexpr char type[] =
    R"(Buffer(object)
--

A memoryview for every device: a view of the memory of another object, without a copy.

Parameters
----------
object : buffer-like
    Anything that exposes memory: the buffer protocol, DLPack, the CUDA Array Interface, the array interface. The same
    as `asbuffer`.

Raises
------
TypeError
    If the object offers no protocol that Strideport reads.
BufferError
    If the protocols that it offers refuse; the message names each refusal.

Notes
-----
Where memoryview returns a result, a Buffer returns the same; where it raises, a Buffer raises the same exception.
A Buffer goes on where memoryview stops: any format, sub-views, permutations, other devices.

On a device, what gives Python values (indexing, `tolist`, `tobytes`, `hex`, `==`, `count`, `index`) waits for the work
pending on the memory and copies the elements to the host; assignment is done on return; iterating and hashing raise TypeError.
Reading pinned and managed memory waits likewise, and copies nothing. All of it waits without the GIL.
)";

inline constexpr char tobytes[] =
    R"(tobytes($self, /, order='C')
--

The elements as bytes, gaps left out.

Parameters
----------
order : {'C', 'F', 'A'} or None
    'C' or None: last dimension densest. 'F': first dimension densest. 'A': Fortran order where the buffer is
    Fortran- and not C-contiguous, else C order.

Returns
-------
bytes
    `nbytes` long.

Raises
------
ValueError
    For another order, or a released buffer.

Notes
-----
Waits for the work pending on memory of a device, or pinned memory.
)";

inline constexpr char tolist[] =
    R"(tolist($self, /)
--

The elements as nested lists, one level a dimension; a single value where there is no dimension.

Returns
-------
list or value
    Numbers; bytes for 'c', 's' and 'p', of the format's length, NULs kept; str for 'u' and 'w'; a tuple for a
    structure; a list for a sub-array; a float for bfloat16, float8, float6 and float4; the object for 'O'.

Raises
------
ValueError
    For a released buffer, or text that is no Unicode.

Notes
-----
Waits for the work pending on memory of a device, which is copied to the host first, or on pinned memory.
)";

inline constexpr char hex[] =
    R"(hex($self, /, sep=..., bytes_per_sep=1)
--

The bytes of `tobytes()` as hexadecimal digits.

Parameters
----------
sep : str or bytes of length 1, optional
    Put between groups of bytes.
bytes_per_sep : int
    Length of a group in bytes, counted from the right; from the left where negative.

Returns
-------
str

Notes
-----
Waits as `tobytes` does.
)";

inline constexpr char cast[] =
    R"(cast($self, /, format, shape=...)
--

The same bytes as elements of another type.

Parameters
----------
format : str or dtype
    A PEP 3118 format ('i', '<f', 'T{d:x:d:y:}'), the name of an element type ('float32', 'bfloat16'), or a dtype.
shape : list or tuple of int, optional
    New extents, C order. Without it the result has one dimension.

Returns
-------
Buffer
    A view; it shares memory, owner and read-only flag.

Raises
------
TypeError
    If the buffer is not C-contiguous, its bytes do not fill whole elements or the new shape, either element type
    holds references, or both the buffer and the shape have other than one dimension.
ValueError
    For a malformed format or an extent that is negative.
)";

inline constexpr char toreadonly[] =
    R"(toreadonly($self, /)
--

The same view, read-only.

Returns
-------
Buffer
    A new object, released on its own, even where this one is read-only already.
)";

inline constexpr char release[] =
    R"(release($self, /)
--

Ends this object's use of the memory. Its owner is let go once no other Buffer or export uses it.

Raises
------
BufferError
    While buffer exports of this very object live (memoryviews of it, for example).

Notes
-----
Afterwards every operation but `release` and `==` raises ValueError. Views taken earlier stay valid.
)";

inline constexpr char count[] =
    R"(count($self, value, /)
--

Number of entries along the first dimension that equal `value`.

Parameters
----------
value : object
    A number, or anything that compares with a sub-view where there are more dimensions.

Returns
-------
int

Notes
-----
Waits as `tolist` does.
)";

inline constexpr char index[] =
    R"(index($self, value, start=0, stop=sys.maxsize, /)
--

Position of the first entry along the first dimension that equals `value`.

Parameters
----------
value : object
start, stop : int
    The range to look in; negative numbers count from the end.

Returns
-------
int

Raises
------
ValueError
    If there is none.

Notes
-----
Waits as `tolist` does.
)";

inline constexpr char permute[] =
    R"(permute($self, /, *axes)
--

A view with its dimensions reordered: axis i of the result is `axes[i]` of this one.

Parameters
----------
*axes : int
    Each axis once, or one sequence of them; negative numbers count from the end.

Returns
-------
Buffer

Raises
------
ValueError
    Unless a permutation of all axes.
BufferError
    If an axis would cross an indirect one (suboffsets); `.contiguous()` copies.
)";

inline constexpr char reshape[] =
    R"(reshape($self, /, *shape)
--

A view of the same elements, in C order, under another shape. Never copies.

Parameters
----------
*shape : int
    Extents, or one sequence of them; one may be -1 and takes what is left.

Returns
-------
Buffer

Raises
------
ValueError
    If the number of elements differs.
BufferError
    Where no strides express it; `.contiguous().reshape(...)` copies.
)";

inline constexpr char expand[] =
    R"(expand($self, /, *shape)
--

A view broadcast to a shape: new axes in front, extents of 1 repeated with stride 0.

Parameters
----------
*shape : int
    Extents, or one sequence of them.

Returns
-------
Buffer
    Read-only where elements repeat.

Raises
------
ValueError
    Naming the axis that fits neither.
)";

inline constexpr char squeeze[] =
    R"(squeeze($self, /, axis=None)
--

A view without one axis of extent 1, or without all of them.

Parameters
----------
axis : int, optional
    Negative numbers count from the end.

Returns
-------
Buffer

Raises
------
ValueError
    If that axis is longer.
IndexError
    If there is no such axis.
)";

inline constexpr char flip[] =
    R"(flip($self, axis, /)
--

A view with one axis reversed.

Parameters
----------
axis : int
    Negative numbers count from the end.

Returns
-------
Buffer
)";

inline constexpr char contiguous_type[] =
    R"(The attribute `contiguous` of a Buffer: memoryview's bool, which is also a method.

`b.contiguous` is true if the elements fill one block in C or Fortran order, and compares, hashes and prints as that
bool. `b.contiguous(order='C', *, stream=None)` is a Buffer with the same elements that is contiguous in `order`: a view of
`b` where `b` is so already, else a copy on the same device, which is done on return where `stream` is None.
)";

inline constexpr char to[] =
    R"(to($self, /, device='cpu', *, order='K', stream=None, copy=None, pinned=False)
--

The same elements on a device, in an order.

Parameters
----------
device : str or (int, int)
    'cpu', 'cuda:0', 'cuda_host', 'simulated:1', ...
order : {'C', 'F', 'A', 'K'}
    Layout of the result. 'K' keeps the source's.
stream : stream, optional
    Where a device takes part: the stream to queue the copy on, and on which the result becomes ready; a copy to plain host
    memory is done on return all the same. None: done on return.
copy : bool or None
    None: a view where nothing needs to move. True: always a copy. False: BufferError where a copy is needed.
pinned : bool
    To memory of the host that `device` can reach without staging, or with 'cpu' this buffer's device.

Returns
-------
Buffer

Raises
------
DeviceError
    If there is no such device, or it fails; DeviceMemoryError if it has no room.
BufferError
    If `copy` is False and a copy is needed, or this build has no device side.
TypeError
    If the elements hold references (format 'O') and would have to move.
ValueError
    For a stream of another device, or any stream where all memory is the host's.

Notes
-----
The copy comes after all the work that Strideport queued on this memory before, which stays alive until it is done.
)";

inline constexpr char explain[] =
    R"(explain($self, /, order='C', *, device=None)
--

How a copy of this buffer into a contiguous one would be done, and why it is not a view. Moves nothing.

Parameters
----------
order : {'C', 'F', 'A', 'K'}
    Layout of the destination.
device : str or (int, int), optional
    Where the destination would be; None for where this buffer is.

Returns
-------
str
    A line a fact.
)";

inline constexpr char enter[] = "__enter__($self, /)\n--\n\nThe buffer itself; ValueError where it is released.\n";
inline constexpr char leave[] = "__exit__($self, /, *exc_info)\n--\n\nReleases the buffer, as `release` does.\n";

}  // namespace strideport::python::doc
