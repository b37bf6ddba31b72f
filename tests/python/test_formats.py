"""Formats: sizes against struct, offsets against NumPy and ctypes, values against both, and what is no format."""

import ctypes
import math
import struct
import sys

import pytest
import strideport as sp
from support.formats import NATIVE, STANDARD, random_dtype, random_plain
from support.peers import needs_testbuffer, peer

np = peer("numpy")


def test_sizes_of_random_formats_equal_structs(rng):
    for _ in range(20_000):
        fmt = random_plain(rng)
        assert sp.size_from_format(fmt) == struct.calcsize(fmt), repr(fmt)


@pytest.mark.parametrize("prefix, sizes", [("", NATIVE), ("@", NATIVE), *((p, STANDARD) for p in "=<>!")])
def test_sizes_of_every_code(prefix, sizes):
    for code, size in sizes.items():
        assert sp.size_from_format(prefix + code) == size
        assert sp.size_from_format(f"{prefix}3{code}") == struct.calcsize(f"{prefix}3{code}")


@pytest.mark.parametrize(
    "fmt, size",
    [
        ("", 0),
        ("Zf", 8),
        ("Zd", 16),
        (">Zd", 16),
        ("g", ctypes.sizeof(ctypes.c_longdouble)),
        ("Zg", 2 * ctypes.sizeof(ctypes.c_longdouble)),
        ("(2,3)i", 24),
        ("(4)h", 8),
        ("(0)i", 0),
        ("(2,0,3)d", 0),
        ("T{i:a:}", 4),
        ("T{b:a:i:b:}", 8),
        ("T{i:a:b:b:}", 5),
        ("T{<i:a:b:b:}", 5),
        ("T{=b:a:i:b:}", 5),
        ("^bi", 5),
        ("^T{b:a:i:b:}", 5),
        ("bi", 8),
        ("ib", 5),
        ("3T{i:a:}", 12),
        ("(2)T{b:a:(3)h:b:}", 16),
        ("w", 4),
        ("2w", 8),
        ("u", 2),
        ("5s", 5),
        ("0s", 0),
        ("s", 1),
        ("10x", 10),
        ("b10xb", 12),
        ("i:name:", 4),
        ("i:a:h:b:", 6),
        ("O", 8),
        ("&i", 8),
        ("P", 8),
        ("&T{i:a:}", 8),
        ("&&d", 8),
        ("X{}", 8),
        ("T{T{b:x:}:in:d:y:}", 16),
        ("8t", 1),
        ("= i", 4),
        (" i ", 4),
        ("T{ i:a: }", 4),
        ("<i>h", 6),
        ("T{}", 0),
        ("b T{d:a:} b", 17),
    ],
)
def test_sizes_beyond_struct(fmt, size):
    assert sp.size_from_format(fmt) == size


def numpy_format(dtype):
    """What NumPy spells in its buffer, or None where it cannot, or leaves out padding and cannot read it back."""
    try:
        view = memoryview(np.zeros(1, dtype))
        return view.format if np.asarray(view).dtype.itemsize == dtype.base.itemsize else None
    except (ValueError, RuntimeError):
        return None


def test_formats_and_itemsizes_of_random_numpy_dtypes(rng):
    seen = 0
    while seen < 5_000:
        dtype = random_dtype(rng)
        if numpy_format(dtype) is None:
            continue
        seen += 1
        array = np.zeros(2, dtype)
        buffer = sp.Buffer(array)
        assert buffer.format == memoryview(array).format and buffer.itemsize == array.itemsize, dtype
        assert sp.size_from_format(buffer.format) > 0


def test_offsets_of_random_numpy_structs(rng):
    """Each leaf of a struct is read at NumPy's offset: every byte is random, so a wrong offset shows.

    NumPy spells no padding at the end of a struct. Where it misreads its own text therefore, nobody can know better
    (docs/formats.md); where it does not, the whole element may still be its bytes, but never a wrong value, unless
    the only gap is at an end and the size is by accident that of C's layout.
    """
    seen, opaque, accidents = 0, 0, 0
    while seen < 3_000:
        dtype = random_dtype(rng)
        if dtype.names is None or numpy_format(dtype) is None or not _any_bytes(dtype) or _arrays_of_gaps(dtype):
            continue
        array = np.frombuffer(rng.randbytes(2 * dtype.itemsize), dtype)
        if not _numpy_reads_back(array):
            continue
        seen += 1
        got = sp.Buffer(array).tolist()
        if isinstance(got[0], bytes):
            assert _ends_in_a_gap(dtype) and b"".join(got) == array.tobytes(), (dtype, numpy_format(dtype))
            opaque += 1
            continue
        expected = [plain(record) for record in array]
        if repr(got) != repr(expected):
            assert _ends_in_a_gap(dtype) and "x" not in numpy_format(dtype), (dtype, numpy_format(dtype), got, expected)
            accidents += 1
    assert opaque < seen // 10
    assert accidents < seen // 200


def _numpy_reads_back(array):
    try:
        return repr(np.asarray(memoryview(array)).tolist()) == repr(array.tolist())
    except (ValueError, RuntimeError):
        return False


def _ends_in_a_gap(dtype):
    """A struct, here or inside, is longer than the end of its last field."""
    dtype = dtype.base
    if dtype.names is None:
        return False
    fields = [dtype.fields[name] for name in dtype.names]
    return max(offset + kind.itemsize for kind, offset, *_ in fields) < dtype.itemsize or any(
        _ends_in_a_gap(kind) for kind, *_ in fields
    )


def _arrays_of_gaps(dtype):
    """A sub-array, here or inside, of structs that end in a gap."""
    if dtype.shape:
        return _ends_in_a_gap(dtype)
    return dtype.names is not None and any(_arrays_of_gaps(dtype.fields[name][0]) for name in dtype.names)


def _any_bytes(dtype):
    """True where random bytes are values: no bool, no text."""
    if dtype.names:
        return all(_any_bytes(dtype.fields[n][0]) for n in dtype.names)
    return dtype.base.kind not in "?bU" if dtype.shape == () else _any_bytes(dtype.base)


def plain(value):
    """A NumPy value as Python's: tuples, lists, numbers, and bytes that keep their trailing NULs."""
    if isinstance(value, np.void) and value.dtype.names:
        return tuple(plain_field(value, name) for name in value.dtype.names)
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.void):
        return bytes(value)
    return value.item()


def plain_field(record, name):
    field = record[name]
    kind = record.dtype.fields[name][0]
    if kind.base.kind == "S":
        return _padded(field, kind.base.itemsize) if not kind.shape else _nested(field, kind)
    return plain(field)


def _nested(field, kind):
    if field.ndim == 1:
        return [_padded(v, kind.base.itemsize) for v in field]
    return [_nested(v, kind) for v in field]


def _padded(value, size):
    return bytes(value).ljust(size, b"\0")


STRUCTURES = [
    [("a", ctypes.c_int8), ("b", ctypes.c_int32)],
    [("a", ctypes.c_double), ("b", ctypes.c_char)],
    [("a", ctypes.c_uint16 * 3), ("b", ctypes.c_int64)],
    [("a", ctypes.c_float * 2 * 3), ("b", ctypes.c_bool)],
    [("a", ctypes.c_char), ("b", ctypes.c_int16), ("c", ctypes.c_char), ("d", ctypes.c_double), ("e", ctypes.c_char)],
]


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="ctypes before 3.12 leaves padding out of its formats (bpo-39218)"
)
@pytest.mark.parametrize("fields", STRUCTURES, ids=lambda f: "".join(n for n, _ in f))
@pytest.mark.parametrize("base", [ctypes.Structure, ctypes.LittleEndianStructure, ctypes.BigEndianStructure])
def test_ctypes_structures_have_ctypes_offsets(fields, base):
    if base is ctypes.BigEndianStructure and any(hasattr(t, "_length_") for _, t in fields):
        pytest.skip("ctypes has no arrays of foreign order")
    kind = type("Kind", (base,), {"_fields_": fields})
    data = (kind * 3)()
    buffer = sp.Buffer(data)
    assert buffer.itemsize == ctypes.sizeof(kind) and buffer.shape == (3,)
    ctypes.memmove(data, bytes((7 * i) % 120 for i in range(ctypes.sizeof(data))), ctypes.sizeof(data))
    for name, kind_ in fields:
        if kind_ is ctypes.c_bool:
            for item in data:
                setattr(item, name, True)
    for got, want in zip(buffer.tolist(), data):
        expected = tuple(_ctypes_value(getattr(want, name)) for name, _ in fields)
        assert repr(got) == repr(expected)


def _ctypes_value(value):
    return [_ctypes_value(v) for v in value] if isinstance(value, ctypes.Array) else value


def test_ctypes_structures_of_3_11_and_bit_fields_are_opaque_or_right():
    class Bits(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int, 3), ("b", ctypes.c_int, 29), ("c", ctypes.c_int8)]

    data = (Bits * 2)()
    buffer = sp.Buffer(data)
    assert buffer.itemsize == ctypes.sizeof(Bits) and buffer.nbytes == ctypes.sizeof(data)
    assert buffer.tobytes() == bytes(data) and buffer.format == memoryview(data).format
    if sp.size_from_format(buffer.format) != buffer.itemsize:
        assert all(isinstance(item, bytes) and len(item) == buffer.itemsize for item in buffer.tolist())


def test_ctypes_arrays_and_scalars():
    for kind in (ctypes.c_int8, ctypes.c_uint16, ctypes.c_int32, ctypes.c_uint64, ctypes.c_float, ctypes.c_double):
        grid = (kind * 3 * 2)(*((kind * 3)(*range(i, i + 3)) for i in (0, 3)))
        buffer = sp.Buffer(grid)
        assert buffer.shape == (2, 3) and buffer.tolist() == [[0, 1, 2], [3, 4, 5]]
        assert sp.Buffer(kind(5)).shape == () and sp.Buffer(kind(5))[()] == 5


MALFORMED = [
    "T{",
    "T{i",
    "}",
    "T{i:a:",
    "i:a",
    ":a:",
    "i:",
    "T",
    "T(",
    "(",
    "()",
    "(2",
    "(2,",
    "(2,)i",
    "(,2)i",
    "(-1)i",
    "(2)",
    "(2)(3)",
    "5",
    "5 ",
    "-1i",
    "Zi",
    "ZZd",
    "$",
    "i$",
    "&",
    "X",
    "X{",
    "99999999999999999999i",
    "i}",
    "T{i}}",
    "{i}",
    "é",
    "<",
    "<n",
    ">P",
    "=N",
    "i@@",
]


@pytest.mark.parametrize("fmt", [f for f in MALFORMED if f not in ("<", "i@@", ">P")], ids=repr)
def test_malformed_formats_name_the_position(fmt):
    with pytest.raises(ValueError, match=r"\d"):
        sp.size_from_format(fmt)


@pytest.mark.parametrize("fmt", ["i" * 10 + "$", "T{" * 3 + "i:a:" + "}" * 2, "(2,3,x)i"])
def test_the_position_is_that_of_the_fault(fmt):
    with pytest.raises(ValueError) as caught:
        sp.size_from_format(fmt)
    fault = {"$": 10, "}": len(fmt), ")": 5}[fmt[-1] if fmt[-1] != "i" else ")"]
    assert str(fault) in str(caught.value), caught.value


BOMBS = {
    "100,000 structs deep": "T{" * 100_000 + "i:a:" + "}" * 100_000,
    "100,000 open structs": "T{" * 100_000,
    "65 deep": "T{" * 65 + "i" + "}" * 65,
    "100,000 pointers": "&" * 100_000 + "i",
    "count of 2^63": f"{2**63}i",
    "count of 2^64": f"{2**64}b",
    "10^5 digits": "9" * 100_000 + "i",
    "size over 2^63": f"{2**62}q",
    "sum over 2^63": f"{2**63 - 1}b{2**63 - 1}b",
    "padding over 2^63": f"{2**63 - 1}xb",
    "shape over 2^63": "(2147483648,2147483648,4)i",
    "extent of 2^63": f"({2**63})b",
    "65 extents": "(" + ",".join("1" * 65) + ")i",
    "nested product": f"{2**31}T{{(2147483648)q:a:}}",
    "string of 2^63": f"{2**63}s",
    "100,000 extents": "(" + "1," * 100_000 + "1)b",
}


@pytest.mark.parametrize("name", BOMBS)
def test_format_bombs_are_value_errors_in_linear_time(name):
    for call in (sp.size_from_format, sp.Buffer(bytes(64)).cast):
        with pytest.raises(ValueError) as caught:
            call(BOMBS[name])
        assert len(str(caught.value)) < 2_000, "a message is for people"


def test_sixty_four_levels_are_fine_and_long_flat_formats_too():
    assert sp.size_from_format("T{" * 64 + "i:a:" + "}" * 64) == 4
    assert sp.size_from_format("i:name:" * 20_000) == 80_000
    assert sp.size_from_format("b" * 100_000) == 100_000
    assert sp.size_from_format(f"{2**63 - 1}b") == 2**63 - 1


def test_arguments_of_size_from_format():
    for bad in (None, 5, b"i", ["i"]):
        with pytest.raises(TypeError):
            sp.size_from_format(bad)
    with pytest.raises(ValueError):
        sp.size_from_format("i\0i")
    with pytest.raises(ValueError):
        sp.size_from_format("\udc80")


@needs_testbuffer
def test_values_of_random_formats_equal_testbuffers(rng):
    """struct.unpack is the oracle: random bytes, every format that struct reads and an ndarray takes."""
    from _testbuffer import ndarray

    done = 0
    while done < 3_000:
        fmt = random_plain(rng)
        if "p" in fmt or "?" in fmt or not struct.calcsize(fmt) or any(c.isspace() for c in fmt):
            continue
        size = struct.calcsize(fmt)
        values = struct.unpack(fmt, bytes(rng.randrange(1, 100) for _ in range(size)))
        if not values:
            continue
        item = values if len(values) > 1 else values[0]
        nd = ndarray([item] * 2, shape=[2], format=fmt)
        got = sp.Buffer(nd).tolist()
        want = nd.tolist()
        assert repr(got) == repr(want), fmt
        assert math.prod(sp.Buffer(nd).shape) == 2
        done += 1
