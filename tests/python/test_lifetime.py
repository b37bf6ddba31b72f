"""References: every path gives back what it took, cycles are collected, owners die when their last user goes."""

import gc
import sys
import weakref

import pytest
import strideport as sp
from support import dlpack as dl
from support.children import run_python
from support.peers import peer

np = peer("numpy")

ROUNDS = 10_000


class Array(np.ndarray):
    """Weakly referenceable, and countable."""


class Interface:
    def __init__(self):
        self.array = np.arange(4)

    @property
    def __array_interface__(self):
        return self.array.__array_interface__


class DLPackOnly:
    def __init__(self):
        self.array = np.arange(4)

    def __dlpack__(self, **keywords):
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return (1, 0)


SOURCES = {
    "bytearray": lambda: bytearray(16),
    "numpy": lambda: np.arange(4).view(Array),
    "interface": Interface,
    "dlpack": DLPackOnly,
    "memoryview": lambda: memoryview(bytearray(16)),
    "Buffer": lambda: sp.Buffer(bytearray(16)),
}


def swallow(function):
    def call(buffer):
        try:
            function(buffer)
        except (TypeError, ValueError, BufferError, IndexError):
            pass

    return call


PATHS = {
    "attributes": lambda b: (
        b.shape,
        b.strides,
        b.suboffsets,
        b.format,
        b.obj,
        b.dtype,
        b.device,
        b.ptr,
        b.stream,
        b.nbytes,
    ),
    "item": lambda b: b[0],
    "slice": lambda b: b[1:],
    "ellipsis": lambda b: b[..., None],
    "T": lambda b: b.T,
    "tolist": lambda b: b.tolist(),
    "tobytes": lambda b: b.tobytes(),
    "iteration": list,
    "cast": lambda b: b.cast("B"),
    "reshape": lambda b: b.reshape(-1, 1),
    "memoryview": memoryview,
    "dlpack": lambda b: b.__dlpack__(max_version=(1, 0)),
    "from_dlpack": sp.from_dlpack,
    "numpy": np.asarray,
    "taken dlpack": lambda b: np.from_dlpack(b) if not b.readonly else None,
    "interface": lambda b: b.__array_interface__,
    "struct": lambda b: b.__array_struct__,
    "equality": lambda b: (b == b, b == b"x", b == memoryview(b)),
    "repr": repr,
    "hash": swallow(hash),
    "explain": lambda b: b.explain(),
    "contiguous": lambda b: b[::-1].contiguous(),
    "to": lambda b: b.to("cpu"),
    "copy": lambda b: sp.copy(b[:1], b[1:2]),
    "count": lambda b: b.count(1),
    "index": swallow(lambda b: b.index(99)),
    "with": lambda b: sp.Buffer(b).__enter__().__exit__(None, None, None),
    "reduce": lambda b: b.__reduce_ex__(5),
    "toreadonly": lambda b: b.toreadonly(),
    "weakref": weakref.ref,
    "reversed": lambda b: list(reversed(b)),
    "bad index": swallow(lambda b: b[99]),
    "bad key": swallow(lambda b: b["x"]),
    "bad cast": swallow(lambda b: b.cast("T{")),
    "bad request": swallow(lambda b: memoryview(b[::2]).cast("B")),
    "bad write": swallow(lambda b: b.__setitem__(0, "x")),
    "write": lambda b: b.__setitem__(0, b[0]),
    "write slice": lambda b: b.__setitem__(slice(0, 1), b[1:2]),
    "bad dlpack": swallow(lambda b: b.__dlpack__(max_version=5)),
    "bad stream": swallow(lambda b: b.__dlpack__(stream=3)),
}


@pytest.mark.parametrize("path", PATHS)
def test_paths_leave_reference_counts_as_they_were(path):
    source = bytearray(16)
    buffer = sp.Buffer(source).cast("i")
    operation = PATHS[path]
    for _ in range(10):
        operation(buffer)
    gc.collect()
    before = (
        sys.getrefcount(buffer),
        sys.getrefcount(source),
        sys.getrefcount(sp.Buffer),
        sys.getrefcount(None) // 500,
        sum(1 for o in gc.get_objects() if type(o) is sp.Buffer),
    )
    for _ in range(ROUNDS if path not in ("numpy", "taken dlpack") else ROUNDS // 2):
        operation(buffer)
    gc.collect()
    after = (
        sys.getrefcount(buffer),
        sys.getrefcount(source),
        sys.getrefcount(sp.Buffer),
        sys.getrefcount(None) // 500,
        sum(1 for o in gc.get_objects() if type(o) is sp.Buffer),
    )
    assert after[0] == before[0] and after[1] == before[1] and after[4] == before[4]
    assert abs(after[2] - before[2]) < 10 and abs(after[3] - before[3]) < 3


@pytest.mark.parametrize("name", SOURCES)
def test_imports_give_the_exporter_back(name):
    source = SOURCES[name]()
    before = sys.getrefcount(source)
    for _ in range(ROUNDS):
        sp.Buffer(source)
    gc.collect()
    assert sys.getrefcount(source) == before
    if name == "bytearray":
        source.append(1)


@pytest.mark.parametrize(
    "make",
    [lambda: 5, lambda: object(), lambda: "x", lambda: dl.Failing(lambda **k: None), lambda: np.zeros(1, "O").dtype],
    ids=["int", "object", "str", "bad dlpack", "dtype"],
)
def test_failed_imports_give_everything_back(make):
    thing = make()
    before = sys.getrefcount(thing)
    for _ in range(2000):
        with pytest.raises((TypeError, BufferError, ValueError)):
            sp.Buffer(thing)
    gc.collect()
    assert abs(sys.getrefcount(thing) - before) <= 2


def test_memory_of_our_own_is_freed():
    """Ten thousand megabytes, one at a time."""
    for _ in range(10_000):
        sp.empty((1 << 20,), "uint8")


def test_types_with_their_objects_are_freed_though_protocols_are_cached():
    """What a type offers is remembered, weakly. In a process that has never had a second thread: from then on no class
    dies in CPython 3.13 without a GIL."""
    run_python("""
        import gc, weakref
        import strideport as sp
        from support.dlpack import Producer, Tensor

        def make():
            class Temporary(Producer):
                pass

            class Nothing:
                pass

            sp.Buffer(Temporary(Tensor()))
            try:
                sp.Buffer(Nothing())
                raise AssertionError("it offers nothing")
            except TypeError:
                pass
            return weakref.ref(Temporary), weakref.ref(Nothing)

        references = [make() for _ in range(20)]
        gc.collect()
        assert [(a(), b()) for a, b in references] == [(None, None)] * 20
    """)


def test_a_type_that_gains_a_protocol_later_is_seen():
    """The cache must not outlive the truth: methods may be added to a class."""

    class Late:
        pass

    with pytest.raises(TypeError):
        sp.Buffer(Late())
    Late.__dlpack__ = lambda self, **k: np.arange(3).__dlpack__(**k)
    Late.__dlpack_device__ = lambda self: (1, 0)
    assert sp.Buffer(Late()).tolist() == [0, 1, 2]


def test_cycles_through_a_buffer_are_collected():
    class Node(np.ndarray):
        pass

    for link in (lambda b: b, lambda b: b[1:], lambda b: b.T, memoryview, lambda b: b.toreadonly()[::-1]):
        node = np.arange(4).view(Node)
        node.link = link(sp.Buffer(node))
        alive = weakref.ref(node)
        del node
        gc.collect()
        assert alive() is None


def test_cycles_through_interfaces_are_collected():
    for kind in (Interface, DLPackOnly):
        owner = kind()
        owner.link = sp.Buffer(owner)
        alive = weakref.ref(owner)
        del owner
        gc.collect()
        assert alive() is None, kind


def test_buffers_are_tracked_by_the_collector():
    buffer = sp.Buffer(bytearray(4))
    assert gc.is_tracked(buffer)
    assert any(r is buffer.obj for r in gc.get_referents(buffer)) or gc.get_referents(buffer)


def test_obj_is_the_exporter():
    for source in (b"ab", bytearray(2), np.arange(2), Interface()):
        buffer = sp.Buffer(source)
        assert (
            buffer.obj is source
            and buffer[1:].obj is source
            and buffer.T.obj is source
            and sp.Buffer(buffer).obj is source
        )
    assert sp.empty((1,), "int8").obj is None


def test_imports_of_one_object_are_independent():
    memory = bytearray(4)
    first, second = sp.Buffer(memory), sp.Buffer(memory)
    first.release()
    assert second.tolist() == [0] * 4
    with pytest.raises(BufferError):
        memory.append(1)
    second.release()
    memory.append(1)


def test_buffer_of_a_buffer_survives_its_parent():
    memory = bytearray(b"abc")
    parent = sp.Buffer(memory)
    child = sp.Buffer(parent)
    parent.release()
    assert child.tobytes() == b"abc"
    child.release()
    memory.append(1)


def test_cycles_of_memoryviews_and_buffers_never_crash():
    """gh-77894: before 3.13 memoryview's own tp_clear crashes while somebody holds an export of it."""
    run_python("""
        import gc, strideport as sp
        class Node: pass
        for _ in range(50):
            view = memoryview(bytearray(100))
            buffer, again = sp.Buffer(view), memoryview(sp.Buffer(view))
            first, second = Node(), Node()
            first.links, second.links = [first, view, buffer], [again, buffer, view, second]
            del view, buffer, again, first, second
            gc.collect()
    """)
