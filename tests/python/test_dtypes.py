"""sp.DType: names, aliases, other libraries' dtypes, equality and hash; NumPy's dtype matrix."""

import pickle
import sys

import pytest
import strideport as sp
from support.peers import peer

np = peer("numpy")

NAMES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)
SMALL = (
    "bfloat16",
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float4_e2m1fn",
    "int4",
    "uint4",
)


@pytest.mark.parametrize("name", NAMES + SMALL)
def test_names_make_dtypes_that_equal_and_hash_as_their_names(name):
    dtype = sp.DType(name)
    assert dtype == name and hash(dtype) == hash(name) and str(dtype) == name and name in repr(dtype)
    assert dtype == sp.DType(name) and not dtype != name and {name: 1}[dtype] == 1
    assert dtype != "float128" and dtype != 5 and dtype is not None
    assert pickle.loads(pickle.dumps(dtype)) == dtype


@pytest.mark.parametrize("name", NAMES)
def test_numpy_dtypes_are_accepted_in_every_spelling(name):
    numpy_dtype = np.dtype(name)
    for spelling in (numpy_dtype, numpy_dtype.type, numpy_dtype.str, numpy_dtype.name):
        assert sp.DType(spelling) == name, spelling
    assert sp.DType(name).itemsize == numpy_dtype.itemsize
    assert sp.Buffer(np.zeros(2, numpy_dtype)).dtype == name
    assert sp.empty((2,), numpy_dtype).dtype == name and sp.empty((2,), name).itemsize == numpy_dtype.itemsize


@pytest.mark.parametrize("name", SMALL)
def test_ml_dtypes_are_accepted(name):
    ml_dtypes = peer("ml_dtypes")
    kind = getattr(ml_dtypes, name)
    assert sp.DType(np.dtype(kind)) == name and sp.DType(kind) == name
    assert sp.empty((2, 4), name).dtype == name


def test_jax_and_torch_dtypes_are_accepted():
    for library in ("jax.numpy", "torch"):
        try:
            module = peer(library)
        except pytest.skip.Exception:
            continue
        for name in ("float32", "int8", "bfloat16", "bool" if library == "torch" else "bool_"):
            assert sp.DType(getattr(module, name)) == name.rstrip("_")


def test_a_string_is_a_numpy_name_first_and_a_format_second():
    """'b' is a format; 'i4' NumPy's; 'B' no name; 'int8' beats any format."""
    assert sp.DType("i4") == "int32" and sp.DType("f8") == "float64" and sp.DType("u1") == "uint8"
    assert (
        sp.empty((2,), "b").format == "b"
        and sp.empty((2,), "B").dtype == "uint8"
        and sp.empty((1,), "q").dtype == "int64"
    )
    assert sp.empty((2,), "<i4").dtype == "int32" and sp.empty((2,), "d").dtype == "float64"
    assert sp.empty((2,), "T{i:a:d:b:}").itemsize == 16
    assert sp.empty((2,), ">i4").format in (">i", ">l") and sp.empty((2,), ">i4").itemsize == 4


@pytest.mark.parametrize(
    "alias, name",
    [
        ("half", "float16"),
        ("single", "float32"),
        ("double", "float64"),
        ("bool_", "bool"),
        (int, "int64"),
        (float, "float64"),
        (bool, "bool"),
        (complex, "complex128"),
    ],
    ids=str,
)
def test_aliases(alias, name):
    assert sp.DType(alias) == name


@pytest.mark.parametrize("bad", ["", "floaty", "int33", "float", "i3", "\0", "float32x0", "é", "none"], ids=repr)
def test_unknown_names_are_value_errors_that_quote_them(bad):
    if bad == "float":
        return  # NumPy reads it as float64
    with pytest.raises(ValueError) as caught:
        sp.DType(bad)
    assert bad.strip("\0i3") in str(caught.value) and (bad != "i3" or "3" in str(caught.value))


@pytest.mark.parametrize("bad", [None, 5, 1.5, [], object(), b"i4", {}, ("i4",)], ids=repr)
def test_other_things_are_type_errors(bad):
    with pytest.raises(TypeError):
        sp.DType(bad)


def test_dtypes_of_buffers_that_have_none():
    """Structs, foreign byte order, byte strings: only the format can say."""
    for dtype in ("i4,f4", ">i4", "S3", "V2"):
        buffer = sp.Buffer(np.zeros(2, dtype))
        assert buffer.dtype is None or str(buffer.dtype) == "none" or buffer.dtype != "int32"


def test_dtype_is_immutable():
    dtype = sp.DType("int32")
    for name in ("bits", "itemsize", "code", "lanes", "other"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(dtype, name, 5)


@pytest.mark.parametrize("code", [c for c in np.typecodes["All"] if c not in "MmO"], ids=str)
@pytest.mark.parametrize("order", "<>=")
def test_the_numpy_dtype_matrix(code, order):
    """Every type code in either byte order, written through, read back and viewed again by NumPy."""
    dtype = np.dtype(code).newbyteorder(order)
    if dtype.itemsize == 0:
        dtype = np.dtype((dtype, 3)) if code == "V" else np.dtype(f"{order}{code}3")
    array = np.zeros((2, 3), dtype)
    if code in "SaVUc":
        array[...] = b"x" if code != "U" else "x"
    else:
        array[...] = (np.arange(6).reshape(2, 3) % (2 if code == "?" else 100)).astype(dtype)
    buffer = sp.Buffer(array)
    assert buffer.itemsize == dtype.itemsize and buffer.shape == array.shape and buffer.format == spelled(array)
    try:
        want = np.asarray(memoryview(array)).dtype
    except ValueError:  # NumPy neither writes nor reads a long double of explicit order
        return
    back = np.asarray(buffer)
    assert back.dtype == want and back.tobytes() == array.tobytes() and back.ctypes.data == array.ctypes.data
    if code not in "SaVUc":
        assert buffer.tolist() == array.tolist()
        buffer[1, 2] = array[0, 1].item()
        assert array[1, 2] == array[0, 1]
    target = np.zeros((3, 2), dtype)
    sp.copy(target, buffer.T)
    assert (target == array.T).all()


def spelled(array):
    """NumPy's format, or what the buffer has: NumPy cannot export long double with an explicit byte order."""
    try:
        return memoryview(array).format
    except ValueError:
        return sp.Buffer(array).format


@pytest.mark.parametrize("code", ["M8[s]", "m8[ns]"])
def test_dates_come_in_by_another_protocol(code):
    """NumPy refuses a buffer of dates; their numbers come in through the array interface."""
    array = np.array([1, 2, 3], code)
    with pytest.raises(ValueError):
        memoryview(array)
    buffer = sp.Buffer(array)
    assert buffer.nbytes == 24 and buffer.tobytes() == array.tobytes() and buffer.ptr == array.ctypes.data


def test_subclasses_and_spellings_leave_no_trace_in_the_type():
    class Mine(sp.DType):
        pass

    assert type(Mine("uint64")) is Mine and type(sp.DType("uint64")) is sp.DType
    known = sys.modules["strideport._dtype"]._known
    before = len(known)
    assert all(sp.DType(" " * n + "d") == "float64" for n in range(1, 9))
    assert len(known) <= before + 1


@pytest.mark.parametrize("text, quoted", [("int32\0", r"int32\\x00"), ("\n", r"\\x0a"), (" @ ", " @ ")])
def test_what_is_quoted_is_escaped_and_never_empty(text, quoted):
    with pytest.raises(ValueError, match=f"'{quoted}' is neither .*: .+"):
        sp.DType(text)


def test_more_values_than_a_tuple_holds_are_refused_before_any_is_made():
    most = f"{2**63 - 1}T{{}}"
    memory = bytearray(8)
    buffer = sp.from_pointer(sp.Buffer(memory).ptr, (1,), f"{most}{most}i")
    with pytest.raises(ValueError, match="tuple"):
        buffer.tolist()
    with pytest.raises(ValueError, match="tuple"):
        buffer[0] = (1,)
