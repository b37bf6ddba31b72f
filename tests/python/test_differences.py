"""Every deviation from memoryview: the design's list, row by row, and nothing else.

Each test shows what memoryview does and what sp.Buffer does instead. What is not here behaves as memoryview does
(test_parity_*.py).
"""

import array
import copy
import math
import pickle
import struct
import sys

import pytest
import strideport as sp
from support.devices import each_device, needs_devices
from support.peers import needs_testbuffer, peer


def pair(memory, fmt="B", shape=None):
    view = memoryview(memory)
    if fmt != "B" or shape is not None:
        view = view.cast(fmt, shape) if shape is not None else view.cast(fmt)
    return view, sp.Buffer(view)


# What memoryview leaves NotImplemented works ------------------------------------------------------------------


def test_sub_views_of_matrices_work():
    view, buffer = pair(bytes(range(6)), "B", (2, 3))
    with pytest.raises(NotImplementedError):
        view[1]
    assert buffer[1].tolist() == [3, 4, 5] and buffer[-1].shape == (3,)
    assert [row.tolist() for row in buffer] == [[0, 1, 2], [3, 4, 5]]
    assert buffer[()].tolist() == buffer.tolist() and buffer[(1,)].tolist() == [3, 4, 5]


def test_slices_of_several_dimensions_work():
    view, buffer = pair(bytes(range(12)), "B", (3, 4))
    with pytest.raises(NotImplementedError):
        view[0:2, 0:2]
    assert buffer[0:2, 1:3].tolist() == [[1, 2], [5, 6]]
    assert buffer[::-1, ::2].tolist() == [[8, 10], [4, 6], [0, 2]]
    assert buffer[1, 1:].tolist() == [5, 6, 7] and buffer[:, 2].tolist() == [2, 6, 10]


def test_sub_views_are_assigned():
    memory = bytearray(6)
    view, buffer = pair(memory, "B", (2, 3))
    with pytest.raises(NotImplementedError):
        view[1] = b"abc"
    buffer[1] = b"abc"
    buffer[:, 0] = b"xy"
    buffer[0, 1:] = b"--"
    assert memory == b"x--ybc"


@needs_testbuffer
@pytest.mark.parametrize(
    "fmt, items",
    [
        ("<i", [1, -2]),
        (">i", [1, -2]),
        ("=q", [1, -2]),
        ("!H", [1, 65535]),
        (">d", [0.5, -1.0]),
        ("<e", [0.5, -1.0]),
        ("3s", [b"ab\0", b"xyz"]),
    ],
)
def test_every_format_is_unpacked(fmt, items):
    from _testbuffer import ndarray

    nd = ndarray(items, shape=[2], format=fmt)
    with pytest.raises(NotImplementedError):
        memoryview(nd).tolist()
    assert sp.Buffer(nd).tolist() == items and sp.Buffer(nd)[1] == items[1]


@needs_testbuffer
def test_every_format_is_packed():
    from _testbuffer import ND_WRITABLE, ndarray

    for fmt, value in ((">i", -5), ("<h", 300), (">d", 2.5), ("4s", b"ab\0c"), ("=Q", 2**63)):
        nd = ndarray([struct.unpack(fmt, bytes(struct.calcsize(fmt)))[0]] * 2, shape=[2], format=fmt, flags=ND_WRITABLE)
        with pytest.raises(NotImplementedError):
            memoryview(nd)[1] = value
        sp.Buffer(nd)[1] = value
        assert nd.tobytes() == bytes(struct.calcsize(fmt)) + struct.pack(fmt, value)


def test_half_complex_and_long_double_are_unpacked():
    np = peer("numpy")
    for dtype, values in (
        ("e", [0.5, -2.0]),
        ("F", [1 + 2j, -0.5j]),
        ("D", [1 + 2j, 3j]),
        ("g", [0.5, -1.25]),
        ("G", [1 - 1j, 2]),
    ):
        array_ = np.array(values, dtype)
        assert sp.Buffer(array_).tolist() == values
        with pytest.raises(NotImplementedError):
            if dtype == "e" and sys.version_info >= (3, 12):
                raise NotImplementedError  # memoryview learned this one
            memoryview(array_).tolist()


# == compares values for every format; NaN is unequal; shapes must match ----------------------------------------


def test_equality_compares_values_of_formats_that_struct_cannot_read():
    np = peer("numpy")
    for dtype, values in (
        ("F", [1 + 2j, 0]),
        ("D", [1 + 2j, 0]),
        ("g", [1.5, 0]),
        ("i4,f8", [(1, 2.0), (3, 4.0)]),
        (">i4", [1, 2]),
    ):
        a, b = np.array(values, dtype), np.array(values, dtype)
        assert sp.Buffer(a) == sp.Buffer(b), dtype
        b[0] = b[1]
        assert sp.Buffer(a) != sp.Buffer(b), dtype
    assert memoryview(np.array([1 + 2j])) != memoryview(np.array([1 + 2j])), "memoryview cannot compare complex numbers"
    assert sp.Buffer(np.array([1, 2], ">i4")) == sp.Buffer(np.array([1, 2], "<i8"))
    assert sp.Buffer(np.array([1 + 0j, 2])) == sp.Buffer(np.array([1, 2])), "values, not types"


def test_nan_is_unequal_in_every_format():
    np = peer("numpy")
    for dtype in ("e", "f", "d", "g", "F", "D"):
        array_ = np.array([math.nan], dtype)
        assert sp.Buffer(array_) != sp.Buffer(array_.copy()), dtype


def test_equality_wants_equal_shapes():
    view, buffer = pair(bytes(6), "B", (2, 3))
    for shape in ((3, 2), (6,), (1, 2, 3)):
        other = memoryview(bytes(6)).cast("B", shape)
        assert buffer != other and buffer != sp.Buffer(other) and view != other
    assert buffer == view and buffer == sp.Buffer(bytes(6)).reshape(2, 3)


# count and index exist on every version ------------------------------------------------------------------------


def test_count_and_index_exist():
    assert sp.Buffer(b"abca").count(97) == 2 and sp.Buffer(b"abca").index(99) == 2


# cast allows any two element types that fit, and empty buffers; b[...] works, None in a tuple too ---------------------


def test_cast_goes_between_element_types():
    view, buffer = pair(struct.pack("4f", 1, 2, 3, 4), "f")
    with pytest.raises(TypeError):
        view.cast("i")
    assert buffer.cast("i").tolist() == list(struct.unpack("4i", view.tobytes()))
    assert buffer.cast("d").tobytes() == view.tobytes() and buffer.cast("H", (2, 4)).shape == (2, 4)


def test_cast_takes_every_format():
    view, buffer = pair(struct.pack(">4i", 1, 2, 3, 4))
    for fmt in (">i", "<i", "Zf", "e", "T{<i:a:>h:b:}"):
        if fmt == "e" and sys.version_info >= (3, 12):
            continue
        with pytest.raises(ValueError):
            view.cast(fmt)
    assert buffer.cast(">i").tolist() == [1, 2, 3, 4] and buffer.cast(">i").format == ">i"
    assert buffer.cast("T{>i:a:>i:b:}").tolist() == [(1, 2), (3, 4)]
    assert len(buffer.cast("Zf")) == 2


def test_cast_takes_empty_buffers():
    """memoryview casts an empty vector to another one, and no more: not into a shape, nor from one."""
    view, buffer = pair(bytearray())
    with pytest.raises((TypeError, ValueError)):
        view.cast("i", (0, 3))
    for fmt in ("i", "d", "B"):
        assert buffer.cast(fmt).shape == (0,) and buffer.cast(fmt).format == fmt
    assert sp.Buffer(array.array("i")).cast("B").nbytes == 0
    assert buffer.cast("i", (0, 3)).shape == (0, 3)


def test_ellipsis_and_none_inside_a_tuple_index():
    view, buffer = pair(bytes(range(6)), "B", (2, 3))
    for key in (..., (..., None), (None, 0), (0, None)):
        with pytest.raises(TypeError):
            view[key]
    assert buffer[...].tolist() == buffer.tolist()
    assert buffer[..., 1].tolist() == [1, 4] and buffer[1, ...].tolist() == [3, 4, 5]
    assert buffer[None, ...].shape == (1, 2, 3) and buffer[:, None].shape == (2, 1, 3)
    assert buffer[..., None].shape == (2, 3, 1) and buffer[(None,)].shape == (1, 2, 3)
    with pytest.raises(TypeError):
        buffer[..., ...]


def test_a_bare_none_is_refused_naming_what_works():
    """memoryview's answer; NumPy's would be a new axis."""
    for view in pair(bytes(6)):
        with pytest.raises(TypeError):
            view[None]
    with pytest.raises(TypeError, match=r"None, \.\.\."):
        sp.Buffer(b"abc")[None]


# tolist: a struct is a tuple, a sub-array a list, bfloat16 and float8 floats --------------------------------------


def test_structs_are_tuples_and_sub_arrays_lists():
    np = peer("numpy")
    records = np.array([(1, [2.0, 3.0], b"ab"), (4, [5.0, 6.0], b"c")], [("a", "i4"), ("b", "f8", 2), ("c", "S2")])
    assert sp.Buffer(records).tolist() == [(1, [2.0, 3.0], b"ab"), (4, [5.0, 6.0], b"c\0")]
    nested = np.array([((1, 2), [[1, 2], [3, 4]])], [("p", [("x", "i1"), ("y", ">i2")]), ("m", "u1", (2, 2))])
    assert sp.Buffer(nested)[0] == ((1, 2), [[1, 2], [3, 4]])
    assert sp.Buffer(np.array([(7,)], [("only", "i4")])).tolist() == [(7,)]


def test_bfloat16_and_float8_are_floats():
    ml_dtypes, np = peer("ml_dtypes"), peer("numpy")
    for name in (
        "bfloat16",
        "float8_e4m3fn",
        "float8_e5m2",
        "float8_e4m3b11fnuz",
        "float8_e5m2fnuz",
        "float8_e4m3fnuz",
    ):
        values = np.array([0.5, -1.5, 2.0, 0.0], getattr(ml_dtypes, name))
        buffer = sp.Buffer(values)
        assert buffer.tolist() == [0.5, -1.5, 2.0, 0.0] and all(type(v) is float for v in buffer.tolist()), name


# pickle and copy work --------------------------------------------------------------------------------------------


def test_pickle_and_copy_work():
    view, buffer = pair(b"abc")
    for operation in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            operation(view)
    assert pickle.loads(pickle.dumps(buffer)).tobytes() == b"abc"
    assert copy.copy(buffer).tobytes() == copy.deepcopy(buffer).tobytes() == b"abc"


def test_pickles_go_out_of_band_and_read_only_stays():
    memory = bytearray(b"abcdef")
    for buffer, shares in ((sp.Buffer(memory), True), (sp.Buffer(memory)[::2], False), (sp.Buffer(b"abc"), True)):
        blocks = []
        again = pickle.loads(pickle.dumps(buffer, 5, buffer_callback=blocks.append), buffers=blocks)
        assert len(blocks) == 1 and (again.ptr == buffer.ptr) is shares, "a copy in C order where it is not contiguous"
        for protocol in range(2, 6):
            in_band = pickle.loads(pickle.dumps(buffer, protocol))
            assert in_band.ptr != buffer.ptr and in_band == buffer and in_band.readonly == buffer.readonly
        assert again == buffer and again.readonly == buffer.readonly


# format is None where PEP 3118 has no spelling ---------------------------------------------------------------------


def test_format_is_none_where_there_is_no_spelling():
    assert sp.empty((2,), "bfloat16").format is None
    assert sp.empty((2,), "float8_e4m3fn").format is None
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(sp.empty((2,), "bfloat16"))


# release() raises BufferError while buffer exports of this object live -----------------------------------------------


def test_release_waits_for_memoryviews_of_this_object():
    """A memoryview of a memoryview shares its exporter and does not count; one of a Buffer is an export of it."""
    memory = bytearray(b"abc")
    view, buffer = memoryview(memory), sp.Buffer(memory)
    of_view, of_buffer = memoryview(view), memoryview(buffer)
    view.release()
    with pytest.raises(BufferError):
        buffer.release()
    of_buffer.release()
    buffer.release()
    assert of_view.tobytes() == b"abc"


def test_slices_and_dlpack_exports_hold_the_owner_themselves():
    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    part, capsule = buffer[1:3], buffer.__dlpack__()
    buffer.release()
    assert part.tobytes() == b"bc"
    for last in (part.release, lambda: None):
        with pytest.raises(BufferError):
            memory.append(1)
        last()
    del capsule
    memory.append(1)


# slice assignment wants equal shapes and element types, as memoryview's does; sp.copy also drops unit dims -------


def test_copy_drops_unit_dimensions_and_slice_assignment_does_not():
    memory = bytearray(3)
    view, buffer = pair(memory)
    source = sp.Buffer(b"abc").cast("B", (1, 3))
    with pytest.raises(ValueError):
        view[:] = memoryview(b"abc").cast("B", (1, 3))
    with pytest.raises(ValueError):
        buffer[:] = source
    assert memory == bytes(3)
    sp.copy(buffer, source)
    assert memory == b"abc"


def test_slice_assignment_wants_equal_element_types():
    view, buffer = pair(bytearray(8), "i")
    for target in (view, buffer):
        with pytest.raises(ValueError):
            target[:] = memoryview(bytes(8)).cast("f")
    with pytest.raises(ValueError):
        sp.copy(buffer, memoryview(bytes(8)).cast("f"))


# On device memory values are waited for and read back; hash and iteration raise ------------------------------------


@needs_devices
@each_device
def test_device_memory_gives_values_but_no_hash_and_no_iterator(device):
    host = sp.Buffer(bytes(range(6))).cast("B", (2, 3))
    buffer = host.to(device).toreadonly()
    assert buffer.tolist() == host.tolist() and buffer.tobytes() == host.tobytes() and buffer.hex() == host.hex()
    assert buffer == host and buffer[1, 2] == 5 and buffer[0].tolist() == [0, 1, 2]
    for operation in (hash, iter, list, memoryview, pickle.dumps):
        with pytest.raises((TypeError, BufferError), match=r'\.to\("cpu"\)'):
            operation(buffer)
    for operation in (hash, iter, pickle.dumps):
        with pytest.raises(TypeError):
            operation(buffer)


# `contiguous` is memoryview's flag, and a method -----------------------------------------------------------------


def test_the_contiguous_flag_can_be_called():
    view, buffer = pair(bytes(8))
    for key in (slice(None), slice(None, None, 2)):
        flag, want = buffer[key].contiguous, view[key].contiguous
        assert flag == want and bool(flag) is want and (not flag) is (not want) and hash(flag) == hash(want)
        assert flag().contiguous == flag(order="F").contiguous == True  # noqa: E712 - equality is the point
        assert f"{flag}" == f"{want}"


# An empty buffer is contiguous (descriptor, section 3) --------------------------------------------------------------


def test_empty_vectors_are_contiguous_whatever_their_stride():
    view, buffer = pair(bytes(8))
    assert not view[0:0:2].c_contiguous and memoryview(b"")[::2].nbytes == 0
    assert buffer[0:0:2].c_contiguous and buffer[0:0:2].f_contiguous and buffer[0:0:2].contiguous
