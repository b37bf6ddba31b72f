"""CPython's own C functions, called on a Buffer through ctypes: they see what they see in a memoryview."""

import ctypes

import pytest
import strideport as sp
from support import pybuffer as pb
from support.layouts import exporters
from support.peers import needs_testbuffer, peer

np = peer("numpy")

api = ctypes.pythonapi
PyBuffer = ctypes.POINTER(pb.PyBuffer)
api.PyObject_CheckBuffer.argtypes = [ctypes.py_object]
api.PyBuffer_IsContiguous.argtypes = [PyBuffer, ctypes.c_char]
api.PyBuffer_GetPointer.argtypes, api.PyBuffer_GetPointer.restype = [PyBuffer, ctypes.c_void_p], ctypes.c_void_p
api.PyBuffer_ToContiguous.argtypes = [ctypes.c_void_p, PyBuffer, ctypes.c_ssize_t, ctypes.c_char]
api.PyBuffer_FromContiguous.argtypes = [PyBuffer, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_char]
api.PyObject_CopyData.argtypes = [ctypes.py_object, ctypes.py_object]
api.PyMemoryView_FromObject.argtypes, api.PyMemoryView_FromObject.restype = [ctypes.py_object], ctypes.py_object
api.PyMemoryView_GetContiguous.argtypes = [ctypes.py_object, ctypes.c_int, ctypes.c_char]
api.PyMemoryView_GetContiguous.restype = ctypes.py_object

EXPORTERS = tuple(exporters())


def test_check_buffer():
    assert api.PyObject_CheckBuffer(sp.Buffer(b"a")) == 1


@needs_testbuffer
@pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
def test_contiguity_pointers_and_contents(exporter):
    nd = exporter.make()
    results = []
    for source in (nd, sp.Buffer(nd)):
        raw = pb.acquire(source, pb.FULL_RO)
        orders = [api.PyBuffer_IsContiguous(ctypes.byref(raw), c) for c in (b"C", b"F", b"A")]
        contents = []
        for order in (b"C", b"F", b"A"):
            out = ctypes.create_string_buffer(max(1, raw.len))
            api.PyBuffer_ToContiguous(out, ctypes.byref(raw), raw.len, order)
            contents.append(out.raw[: raw.len])
        pointers = []
        if raw.ndim and raw.len:
            for corner in range(2):
                index = (ctypes.c_ssize_t * raw.ndim)(*((raw.shape[i] - 1) * corner for i in range(raw.ndim)))
                pointers.append(api.PyBuffer_GetPointer(ctypes.byref(raw), ctypes.addressof(index)))
        pb.release(raw)
        results.append((orders, contents, pointers))
    assert results[0] == results[1]


def test_from_contiguous_writes_through_us():
    array = np.zeros((3, 4), "i2")
    source = np.arange(12, dtype="i2")
    for order in (b"C", b"F"):
        for view in (array, array.T, array[::-1]):
            raw = pb.acquire(sp.Buffer(view), pb.FULL)
            assert api.PyBuffer_FromContiguous(ctypes.byref(raw), source.ctypes.data, source.nbytes, order) == 0
            pb.release(raw)
            assert view.tobytes(order.decode()) == source.tobytes()


def test_copy_data_between_buffers():
    target, source = np.zeros((3, 4), "i4"), np.arange(12, dtype="i4").reshape(4, 3).T
    assert api.PyObject_CopyData(sp.Buffer(target), sp.Buffer(source)) == 0
    assert (target == source).all()


@needs_testbuffer
@pytest.mark.parametrize("exporter", EXPORTERS, ids=str)
def test_memoryviews_of_buffers(exporter):
    nd = exporter.make()
    view = api.PyMemoryView_FromObject(sp.Buffer(nd))
    want = memoryview(nd)
    assert (view.shape, view.strides, view.suboffsets, view.format, view.readonly) == (
        want.shape,
        want.strides,
        want.suboffsets,
        want.format,
        want.readonly,
    )
    assert view.tobytes() == want.tobytes()
    if exporter.fmt not in ("4xi",):
        for order in (b"C", b"F", b"A"):
            ours = api.PyMemoryView_GetContiguous(sp.Buffer(nd), 0x100, order)
            theirs = api.PyMemoryView_GetContiguous(nd, 0x100, order)
            assert (ours.tobytes(), ours.shape, ours.strides) == (theirs.tobytes(), theirs.shape, theirs.strides)


@pytest.mark.parametrize("code, source", [("y*", b"abc"), ("s*", b"abc"), ("w*", bytearray(b"abc")), ("z*", b"abc")])
def test_argument_parsing_takes_contiguous_buffers(code, source):
    """The parsing of y*, w*, s* that every C extension uses, by way of _testcapi where it is installed."""
    testcapi = peer("_testcapi")
    parse = getattr(testcapi, "getargs_" + code.replace("*", "_star"))
    assert bytes(parse(sp.Buffer(source))) == bytes(parse(source))
    with pytest.raises((BufferError, TypeError)):
        parse(sp.Buffer(source)[::2])
    if code == "w*":
        with pytest.raises((BufferError, TypeError)):
            parse(sp.Buffer(bytes(source)))
