"""Read-only through every chain of three protocols, over pages that the processor protects: nothing may write there.

test_readonly.py has chains of views and of other libraries over memory that could be written; here a write that gets
through is a SIGSEGV.
"""

import ctypes
import io
import itertools
import mmap
import pickle
import signal
import struct

import pytest
import strideport as sp
from support import dlpack as dl
from support import protocols as by
from support import pybuffer as pb
from support.children import run_python
from support.elements import HERE
from support.peers import peer
from support.protocols import OFFERS, Memory, exchanging_type

np = peer("numpy")
INT32 = next(e for e in HERE if e.name == "int32")
COUNT = 24
PROT_READ = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


@pytest.fixture(scope="module")
def page():
    """The address of a page that holds 24 numbers and may be read only."""
    address = _libc.mmap(None, mmap.PAGESIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    ctypes.memmove(address, (ctypes.c_int32 * COUNT)(*range(COUNT)), 4 * COUNT)
    assert _libc.mprotect(address, mmap.PAGESIZE, PROT_READ) == 0
    yield address
    _libc.munmap(address, mmap.PAGESIZE)


class Only:
    """One protocol of a Buffer, and no other."""

    def __init__(self, buffer):
        self.buffer = buffer


class OnlyVersioned(Only):
    def __dlpack__(self, *, stream=None, max_version=None):
        return self.buffer.__dlpack__(max_version=max_version)

    def __dlpack_device__(self):
        return (dl.CPU, 0)


class OnlyLegacy(Only):
    def __dlpack__(self, stream=None):
        return self.buffer.__dlpack__()

    def __dlpack_device__(self):
        return (dl.CPU, 0)


class OnlyInterface(Only):
    @property
    def __array_interface__(self):
        return self.buffer.__array_interface__


class OnlyStruct(Only):
    @property
    def __array_struct__(self):
        return np.asarray(OnlyInterface(self.buffer)).__array_struct__


def by_our_table(obj, out):
    table = by.Table.from_address(dl._pointer(sp.Buffer.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))
    return table.from_object(obj.buffer, out)


class OnlyTable(exchanging_type(from_object=by_our_table)):
    def __init__(self, buffer):
        self.buffer = buffer

    def __dlpack__(self, **keywords):
        return self.buffer.__dlpack__(max_version=(1, 3))


def reloaded(buffer):
    """Pickle's protocol 5: the memory travels beside the stream, and is the same."""
    buffers = []
    stream = pickle.dumps(buffer, 5, buffer_callback=buffers.append)
    return pickle.loads(stream, buffers=buffers)


LINKS = {
    by.BUFFER: memoryview,
    by.VERSIONED: OnlyVersioned,
    by.LEGACY: OnlyLegacy,
    by.EXCHANGE: OnlyTable,
    by.INTERFACE: OnlyInterface,
    by.STRUCT: OnlyStruct,
    "numpy.from_dlpack": np.from_dlpack,
    "numpy.asarray": np.asarray,
    "copy=False": lambda b: sp.from_dlpack(b, copy=False),
    "out of band": reloaded,
}


def source(address, *, readonly=True):
    return Memory(INT32, (4, 6), (24, 4), address, readonly=readonly)


def ways_to_write(buffer):
    """Each must raise; a write that is tried on the page ends the process."""
    writable, zeros = sp.empty(buffer.shape, "int32"), bytes(buffer.nbytes)
    yield "item", lambda: buffer.__setitem__((0,) * buffer.ndim, 1)
    yield "slice", lambda: buffer.__setitem__(slice(None), writable)
    yield "ellipsis", lambda: buffer.__setitem__(..., writable)
    yield "copy", lambda: sp.copy(buffer, writable)
    yield "from_contiguous", lambda: sp.from_contiguous(buffer, zeros)
    yield "writable=True", lambda: sp.asbuffer(buffer, writable=True)
    yield "readinto", lambda: io.BytesIO(zeros).readinto(buffer)
    yield "pack_into", lambda: struct.pack_into("i", buffer, 0, 5)
    yield "ctypes", lambda: (ctypes.c_char * buffer.nbytes).from_buffer(buffer)
    yield "numpy", lambda: np.asarray(buffer).__setitem__(..., 1)
    yield "numpy's flag", lambda: np.asarray(buffer).setflags(write=True)
    yield "FULL", lambda: pb.request(buffer, pb.FULL)
    yield "legacy capsule", lambda: buffer.__dlpack__()
    yield "memoryview", lambda: memoryview(buffer).cast("B").__setitem__(0, 1)


def assert_protected(buffer, chain):
    assert buffer.readonly, chain
    assert memoryview(buffer).readonly, chain
    assert buffer.__array_interface__["data"][1] is True, chain
    out = dl.Taken(buffer.__dlpack__(max_version=(1, 0)))
    assert out.flags & dl.READ_ONLY, chain
    out.delete()
    assert by.take_exchange(buffer).readonly, chain
    for view in (buffer, buffer[1:], buffer.T, buffer[::-1], buffer.cast("B"), sp.Buffer(buffer)):
        assert view.readonly, chain


@pytest.mark.parametrize("offered", [name for name in OFFERS if name != by.CUDA])
def test_no_chain_of_three_protocols_leads_to_a_write(page, offered):
    readonly = offered != by.LEGACY  # which cannot say so: the import must
    ended = 0
    for chain in itertools.product(LINKS, repeat=2):
        memory = source(page, readonly=readonly)
        value = sp.asbuffer(OFFERS[offered](memory))
        try:
            for link in chain:
                value = sp.asbuffer(LINKS[link](value))
        except BufferError as error:
            assert by.LEGACY in chain and "read-only" in str(error), (chain, error)
            ended += 1
            continue
        assert by.LEGACY not in chain, "a legacy capsule cannot say read-only"
        assert value.ptr == page and value.tolist()[3] == [18, 19, 20, 21, 22, 23], chain
        assert_protected(value, chain)
        for name, write in ways_to_write(value):
            with pytest.raises((TypeError, ValueError, BufferError)):
                write()
                pytest.fail(f"{name} after {chain}")
    assert ended == 2 * len(LINKS) - 1, "the chains with a legacy link, and no other"


@pytest.mark.parametrize("offered", [name for name in OFFERS if name not in (by.CUDA, by.LEGACY)])
def test_the_same_chains_of_writable_memory_can_be_written(offered):
    """The other half: a library that protects everything would pass the test above."""
    for chain in itertools.product(LINKS, repeat=2):
        if chain == (by.LEGACY, by.LEGACY):
            continue  # what came in by the first is read-only
        block = (ctypes.c_int32 * COUNT)(*range(COUNT))
        memory = source(ctypes.addressof(block), readonly=False)
        value = sp.asbuffer(OFFERS[offered](memory))
        for link in chain:
            value = sp.asbuffer(LINKS[link](value))
        assert value.readonly == (by.LEGACY in chain), chain
        if by.LEGACY not in chain:
            value[3, 5] = 77
            assert block[23] == 77, chain


def test_a_copy_leaves_the_page_and_is_writable(page):
    value = sp.asbuffer(OFFERS[by.VERSIONED](source(page)))
    for copied in (
        sp.from_dlpack(value, copy=True),
        value.contiguous()[::-1].contiguous(),
        value.to("cpu", copy=True),
        sp.from_dlpack(OnlyVersioned(value), copy=True),
        np.from_dlpack(value, copy=True),
    ):
        copied = sp.asbuffer(copied)
        assert not page <= copied.ptr < page + mmap.PAGESIZE and not copied.readonly
        copied[0, 0] = 5


def test_the_page_is_protected():
    """A write to it does end a process: the tests above are not vacuous."""
    result = run_python(
        """
        import ctypes, faulthandler, mmap
        faulthandler.disable()
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        page = libc.mmap(None, mmap.PAGESIZE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        libc.mprotect(page, mmap.PAGESIZE, 1)
        ctypes.memset(page, 1, 1)
        """,
        check=False,
    )
    assert result.returncode == -signal.SIGSEGV or "AddressSanitizer" in result.stderr
