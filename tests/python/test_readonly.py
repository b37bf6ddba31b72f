"""Read-only is sticky: no chain of views, protocols and copies-that-are-none makes memory writable again."""

import itertools
import mmap

import pytest
import strideport as sp
from support import pybuffer as pb
from support.peers import peer

np = peer("numpy")


def readonly_sources():
    array = np.arange(8, dtype="i4")
    array.flags.writeable = False
    yield "bytes", bytes(32)
    yield "numpy", array
    yield "toreadonly", sp.Buffer(bytearray(32)).toreadonly()
    yield "memoryview", memoryview(bytearray(32)).toreadonly()
    yield "broadcast", np.broadcast_to(np.zeros(1, "i4"), (8,))


LINKS = {
    "Buffer": sp.Buffer,
    "memoryview": lambda x: memoryview(x),
    "slice": lambda x: sp.Buffer(x)[..., :-1],
    "reverse": lambda x: sp.Buffer(x)[::-1],
    "expand": lambda x: sp.Buffer(x)[None, ...],
    "T": lambda x: sp.Buffer(x).T,
    "cast": lambda x: sp.Buffer(x).cast("B") if sp.Buffer(x).contiguous and sp.Buffer(x).c_contiguous else sp.Buffer(x),
    "np.asarray": lambda x: np.asarray(sp.Buffer(x)),
    "np.from_dlpack": lambda x: np.from_dlpack(sp.Buffer(x)),
    "from_dlpack": lambda x: sp.from_dlpack(sp.Buffer(x)),
    "interface": lambda x: np.asarray(OnlyInterface(sp.Buffer(x))),
    "Buffer of interface": lambda x: sp.Buffer(OnlyInterface(sp.Buffer(x))),
    "copy.copy": lambda x: __import__("copy").copy(sp.Buffer(x)),
    "to cpu": lambda x: sp.Buffer(x).to("cpu"),
}


class OnlyInterface:
    def __init__(self, owner):
        self.owner = owner
        self.__array_interface__ = owner.__array_interface__


@pytest.mark.parametrize("source", dict(readonly_sources()), ids=str)
def test_no_chain_of_three_links_loses_write_protection(source):
    for chain in itertools.product(LINKS, repeat=3):
        value = dict(readonly_sources())[source]
        for link in chain:
            value = LINKS[link](value)
        final = memoryview(value)
        assert final.readonly, (source, chain)
        assert pb.outcome(value, pb.FULL) in (BufferError, ValueError), (source, chain)
        with pytest.raises((TypeError, ValueError)):
            sp.Buffer(value)[(0,) * final.ndim] = 1


def test_writable_memory_stays_writable_through_the_same_chains():
    """The other half: a library that protects everything would pass the test above."""
    for chain in itertools.product(LINKS, repeat=2):
        value = np.arange(8, dtype="i4")
        for link in chain:
            value = LINKS[link](value)
        assert not memoryview(value).readonly, chain


@pytest.mark.parametrize("source", dict(readonly_sources()), ids=str)
def test_writable_true_is_refused_for_readonly_memory(source):
    with pytest.raises(BufferError):
        sp.asbuffer(dict(readonly_sources())[source], writable=True)


def test_writable_asks_and_answers():
    assert not sp.asbuffer(bytearray(2), writable=True).readonly
    assert not sp.asbuffer(bytearray(2)).readonly and not sp.asbuffer(bytearray(2), writable=None).readonly
    assert sp.asbuffer(bytearray(2), writable=False).readonly
    assert sp.asbuffer(b"ab").readonly
    with pytest.raises(TypeError):
        sp.asbuffer(bytearray(2), True)


def test_legacy_dlpack_of_readonly_memory_is_refused():
    for buffer in (sp.Buffer(bytes(4)), sp.Buffer(bytearray(4)).toreadonly()):
        with pytest.raises(BufferError, match="(?i)read-?only"):
            buffer.__dlpack__()
        with pytest.raises(BufferError):
            buffer.__dlpack__(max_version=(0, 8))


def test_private_and_readonly_mappings(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(mmap.PAGESIZE))
    with open(path, "r+b") as file:
        for access, readonly in ((mmap.ACCESS_READ, True), (mmap.ACCESS_WRITE, False), (mmap.ACCESS_COPY, False)):
            with mmap.mmap(file.fileno(), 0, access=access) as mapping:
                with sp.Buffer(mapping) as buffer:
                    assert buffer.readonly is readonly
