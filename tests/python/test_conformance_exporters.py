"""Exporters of the buffer protocol whose Py_buffer contradicts itself: nothing of it is believed, and nothing kept.

`PyMemoryView_FromBuffer` hands on what it is given, so a memoryview made of a structure by hand is such an exporter.
What of a Py_buffer must agree is what PEP 3118 and CPython's documentation of `Py_buffer` say of its fields.
"""

import ctypes
import gc
import sys

import pytest
import strideport as sp
from support import pybuffer as pb

MOST = (1 << 63) - 1

_from_buffer = ctypes.pythonapi.PyMemoryView_FromBuffer
_from_buffer.argtypes, _from_buffer.restype = [ctypes.POINTER(pb.PyBuffer)], ctypes.py_object


class Exporter:
    """A memoryview of 64 bytes as four ints, but for what `changes` says of the structure."""

    def __init__(self, shape=(4,), strides=(4,), **changes):
        numbers = ctypes.c_ssize_t * len(shape)
        self.block, self.sizes, self.raw = (ctypes.c_uint8 * 64)(), (numbers(*shape), numbers(*strides)), pb.PyBuffer()
        fields = {"len": 16, "itemsize": 4, "ndim": len(shape), "format": b"i", **changes}
        self.raw.buf = ctypes.addressof(self.block)
        for name, array in zip(("shape", "strides"), self.sizes, strict=True):
            setattr(self.raw, name, ctypes.cast(array, ctypes.POINTER(ctypes.c_ssize_t)))
        for name, value in fields.items():
            setattr(self.raw, name, value)
        self.view = _from_buffer(ctypes.byref(self.raw))


def lease_of(view):
    """The object that memoryviews of one structure, and Buffers of those, hold in common."""
    (lease,) = gc.get_referents(view)
    return lease


CONTRADICTIONS = {  # and what the refusal names
    "len too small": (dict(len=15), "15.*16"),
    "len of another count": (dict(len=12), "12.*16"),
    "len too large": (dict(len=64), "64.*16"),
    "len of nothing": (dict(len=0), "0.*16"),
    "len for no element": (dict(shape=(0,), len=16), "16.*0"),
    "negative len": (dict(len=-16), "-16"),
    "negative itemsize": (dict(itemsize=-4), "-4"),
    "itemsize 0": (dict(itemsize=0, format=None), "16.*0"),
    "itemsize too large": (dict(itemsize=8, format=b"q"), "16.*32"),
    "negative extent": (dict(shape=(-4,)), "-4"),
    "extents beyond int64": (dict(shape=(MOST,), len=MOST), "overflow"),
    "product beyond int64": (dict(shape=(1 << 32, 1 << 32), strides=(0, 0)), "overflow"),
    "product that wraps to 4": (dict(shape=(1 << 62, 1 << 61, 4), strides=(0, 0, 4)), "overflow"),
    "stride beyond int64": (dict(strides=(MOST,)), "overflow"),
    "negative stride beyond int64": (dict(strides=(-MOST - 1,)), "overflow"),
    "strides that add up": (dict(shape=(2, 2), strides=(1 << 62, 1 << 62)), "overflow"),
}


@pytest.mark.parametrize("take", [sp.asbuffer, sp.Buffer, sp.to_contiguous], ids=lambda f: f.__name__)
@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions_are_refused_and_nothing_is_held(case, take):
    changes, words = CONTRADICTIONS[case]
    exporter = Exporter(**changes)
    lease = lease_of(exporter.view)
    before = sys.getrefcount(lease)
    with pytest.raises((BufferError, ValueError), match=words):
        take(exporter.view)
    assert sys.getrefcount(lease) == before


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_copy_writes_nothing_into_a_contradiction(case):
    exporter = Exporter(**CONTRADICTIONS[case][0])
    with pytest.raises((BufferError, ValueError)):
        sp.copy(exporter.view, b"\xff" * 16)
    assert bytes(exporter.block) == bytes(64)


@pytest.mark.parametrize(
    ("changes", "shape", "strides"),
    [
        ({}, (4,), (4,)),
        (dict(strides=(-4,)), (4,), (-4,)),
        (dict(shape=(2, 2), strides=(8, 4)), (2, 2), (8, 4)),
        (dict(shape=(0, 3), strides=(MOST, MOST), len=0), (0, 3), (MOST, MOST)),
        (dict(shape=(4, 1), strides=(4, MOST)), (4, 1), (4, MOST)),
    ],
    ids=str,
)
def test_what_agrees_comes_in(changes, shape, strides):
    """The other half: strides that no element is reached by mean nothing, however wild."""
    exporter = Exporter(**changes)
    lease = lease_of(exporter.view)
    before = sys.getrefcount(lease)
    buffer = sp.asbuffer(exporter.view)
    assert (buffer.ptr, buffer.shape, buffer.strides) == (ctypes.addressof(exporter.block), shape, strides)
    assert sys.getrefcount(lease) == before + 1
    buffer.release()
    assert sys.getrefcount(lease) == before
