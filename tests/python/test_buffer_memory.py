"""Memory of Buffers that are gone serves the next ones (not under AddressSanitizer), and carries nothing over."""

import gc
import weakref

import pytest
import strideport as sp
from support.children import run_python

MORE_THAN_ARE_KEPT = 100


def used_buffers():
    """A Buffer of each kind that leaves as much behind as it can."""
    root = sp.asbuffer(b"hashed and sliced")
    hash(root)
    view = root[::2]
    hash(view)
    strided = sp.asbuffer(bytearray(24)).cast("h", (3, 4))[:, ::2]
    deep = sp.asbuffer(bytearray(1)).reshape(*[1] * 12)  # more dimensions than fit without a block of their own
    owned = sp.empty((2, 3), "float32")
    record = sp.asbuffer(bytearray(8)).cast("T{i:x:f:y:}")
    return [root, view, strided, deep, owned, record, owned.T, sp.asbuffer(memoryview(b"m")), root.toreadonly()]


def fill_kept_memory():
    for _ in range(MORE_THAN_ARE_KEPT // 8):
        used = used_buffers()
        dead = [weakref.ref(buffer) for buffer in used]
        exports = [memoryview(buffer) for buffer in used if buffer.format is not None]
        for export in exports:
            export.release()
        with pytest.raises(BufferError):
            memoryview(sp.empty(2, "bfloat16"))
        used[0].release()
        del used, exports
        assert all(reference() is None for reference in dead)


def assert_new(buffer):
    assert weakref.getweakrefcount(buffer) == 0
    assert buffer.stream is None
    assert gc.is_tracked(buffer)
    buffer.release()  # no exports


def test_memory_of_dead_buffers_carries_no_flags_layout_or_owner_over():
    fill_kept_memory()
    source = bytearray(b"0123456789")
    buffers = [sp.asbuffer(source) for _ in range(MORE_THAN_ARE_KEPT)]
    for buffer in buffers:
        assert buffer.obj is source
        assert (buffer.shape, buffer.strides, buffer.suboffsets) == ((10,), (1,), ())
        assert (buffer.format, buffer.itemsize, buffer.readonly) == ("B", 1, False)
        assert buffer.tobytes() == b"0123456789"
        assert_new(buffer)
    source.append(0)  # nothing holds it any more


def test_memory_of_dead_buffers_carries_no_hash_over():
    fill_kept_memory()
    for i in range(MORE_THAN_ARE_KEPT):
        source = b"number %d" % i
        buffer = sp.asbuffer(source)
        assert hash(buffer) == hash(source)
        del buffer
        with pytest.raises(ValueError):
            hash(sp.asbuffer(bytearray(source)))


def test_views_in_memory_of_roots_and_roots_in_memory_of_views():
    fill_kept_memory()
    source = bytearray(range(20))
    for _ in range(MORE_THAN_ARE_KEPT):
        root = sp.asbuffer(source)
        views = [root[i:] for i in range(3)]
        del root
        assert [view[0] for view in views] == [0, 1, 2]
        assert all(view.obj is source for view in views)
        with pytest.raises(BufferError):
            source.append(0)
        del views
        source.append(source.pop())


def test_memory_of_dead_buffers_is_used_while_a_weak_reference_says_so():
    """A callback sees the object gone, and may make new Buffers at once."""
    made = []
    for _ in range(MORE_THAN_ARE_KEPT):
        buffer = sp.asbuffer(bytearray(b"abc"))
        reference = weakref.ref(buffer, lambda gone: made.append((gone(), sp.asbuffer(b"new"))))
        del buffer
        assert reference() is None
    assert [gone for gone, _ in made] == [None] * MORE_THAN_ARE_KEPT
    assert all(buffer.tobytes() == b"new" for _, buffer in made)


def test_failed_imports_leave_usable_memory_behind():
    class Refusing:
        @property
        def __array_interface__(self):
            return {"version": 3, "typestr": "<i4", "shape": (-1,), "data": (1, False)}

    for _ in range(MORE_THAN_ARE_KEPT):
        with pytest.raises(ValueError):
            sp.asbuffer(Refusing())
        with pytest.raises(BufferError):
            sp.asbuffer(b"read-only", writable=True)
        assert sp.asbuffer(b"usable").tobytes() == b"usable"


def test_what_dlpack_lends_dies_with_its_buffer():
    np = pytest.importorskip("numpy")
    for shape in [(2, 3), (6,), (1, 1, 6)] * (MORE_THAN_ARE_KEPT // 3):
        buffer = sp.asbuffer(np.arange(6.0).reshape(shape))
        assert np.from_dlpack(buffer).shape == shape


INTERFACE = """
class Interface:
    def __init__(self, owner):
        self.owner = owner
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (4,), "data": (owner.ptr, False)}
"""
CHAINS = {
    "owner": (300_000, "sp.from_pointer(buffer.ptr, (4,), 'uint8', owner=buffer)"),
    "dlpack": (300_000, "sp.asbuffer(buffer.__dlpack__(max_version=(1, 0)))"),
    "memoryview": (100_000, "sp.asbuffer(memoryview(buffer))"),
    "interface": (100_000, "sp.asbuffer(Interface(buffer))"),
}
DROPS = {
    "deleted": "del buffer",
    "in a cycle": "cycle = [buffer]; cycle.append(cycle); del buffer, cycle; gc.collect()",
}


@pytest.mark.parametrize("drop", DROPS)
@pytest.mark.parametrize("link", CHAINS)
def test_a_long_chain_of_owners_is_dropped_without_recursion(link, drop):
    count, next_buffer = CHAINS[link]
    code = f"""
import gc
import strideport as sp
{INTERFACE}
class Source(bytearray):
    def __del__(self):
        print("gone")

buffer = sp.asbuffer(Source(4))
for _ in range({count}):
    buffer = {next_buffer}
print("made")
{DROPS[drop]}
print("dropped")
"""
    assert run_python(code).stdout.split() == ["made", "gone", "dropped"]
