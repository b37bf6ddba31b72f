"""release, the context manager and exports: memoryview's rules, with the one deviation of the design."""

import gc
import io
import operator
import weakref

import pytest
import strideport as sp
from support import pybuffer as pb
from support.compare import ATTRIBUTES, assert_same

OPERATIONS = {
    **{name: operator.attrgetter(name) for name in (*ATTRIBUTES, "obj")},
    "len": len,
    "item": lambda v: v[0],
    "bad item": lambda v: v[99],
    "slice": lambda v: v[:],
    "iter": list,
    "tolist": lambda v: v.tolist(),
    "tobytes": lambda v: v.tobytes(),
    "hex": lambda v: v.hex(),
    "cast": lambda v: v.cast("B"),
    "bytes": bytes,
    "toreadonly": lambda v: v.toreadonly(),
    "memoryview": memoryview,
    "write": lambda v: v.__setitem__(0, 1),
    "write slice": lambda v: v.__setitem__(slice(None), b"ab"),
    "enter": lambda v: v.__enter__(),
    "bytearray": bytearray,
    "contains": lambda v: 1 in v,
    "hash": hash,
    "file": lambda v: io.BytesIO().write(v),
    "join": lambda v: b"".join([v]),
    "index of": lambda v: v["x"],
    "again": lambda v: v.release(),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_released_buffers_refuse_what_released_memoryviews_refuse(name):
    for source in (b"ab", bytearray(b"ab")):
        view, buffer = memoryview(source), sp.Buffer(source)
        view.release(), buffer.release()
        assert_same(OPERATIONS[name], view, buffer)


@pytest.mark.parametrize("name", ["ptr", "device", "dtype", "stream", "T"])
def test_attributes_of_our_own_refuse_released_buffers_too(name):
    buffer = sp.Buffer(b"ab")
    buffer.release()
    with pytest.raises(ValueError, match="released"):
        getattr(buffer, name)


@pytest.mark.parametrize(
    "call",
    [
        lambda b: b.permute(0),
        lambda b: b.reshape(2),
        lambda b: b.to("cpu"),
        lambda b: b.contiguous(),
        lambda b: b.explain(),
        lambda b: b.count(1),
        lambda b: b.index(1),
        lambda b: sp.Buffer(b),
        lambda b: sp.asbuffer(b),
        lambda b: sp.from_dlpack(b),
        lambda b: b.__dlpack__(max_version=(1, 0)),
        lambda b: b.__dlpack_device__(),
        lambda b: b.__array_interface__,
        lambda b: sp.copy(b, b"ab"),
        lambda b: sp.copy(bytearray(2), b),
        lambda b: sp.explain(b, b"ab"),
        lambda b: sp.empty_like(b),
        lambda b: b.__reduce_ex__(5),
    ],
    ids=range(18),
)
def test_methods_of_our_own_refuse_released_buffers_too(call):
    buffer = sp.Buffer(bytearray(2))
    buffer.release()
    with pytest.raises((ValueError, AttributeError)) as caught:
        call(buffer)
    assert "released" in str(caught.value)


def test_repr_of_a_released_buffer_says_so():
    buffer = sp.Buffer(b"ab")
    assert "released" not in repr(buffer)
    buffer.release()
    assert "released" in repr(buffer)


def test_with_statement_releases():
    with sp.Buffer(bytearray(b"ab")) as buffer:
        assert buffer.tolist() == [97, 98]
    with pytest.raises(ValueError):
        buffer.tolist()
    with pytest.raises(ValueError):
        with buffer:
            pass


def test_with_statement_lets_errors_through():
    with pytest.raises(ZeroDivisionError):
        with sp.Buffer(b"ab") as buffer:
            1 / 0
    with pytest.raises(ValueError):
        buffer.tolist()


def test_releasing_inside_the_with_statement_is_fine():
    with sp.Buffer(b"ab") as buffer:
        buffer.release()


def test_release_is_idempotent():
    memory = bytearray(2)
    buffer = sp.Buffer(memory)
    for _ in range(3):
        assert buffer.release() is None
    memory.append(1)


def test_release_frees_the_exporter_at_once():
    memory = bytearray(4)
    buffer = sp.Buffer(memory)
    with pytest.raises(BufferError):
        memory.append(1)
    buffer.release()
    memory.append(1)


def test_release_with_exports_is_a_buffer_error():
    """memoryview raises as well; and nothing is half released then."""
    for make in (memoryview, sp.Buffer):
        buffer = make(bytearray(4))
        raw = pb.acquire(buffer, pb.SIMPLE)
        with pytest.raises(BufferError):
            buffer.release()
        assert buffer.tolist() == [0, 0, 0, 0]
        pb.release(raw)
        buffer.release()


def test_leaving_the_with_statement_with_exports_is_a_buffer_error():
    with pytest.raises(BufferError):
        with sp.Buffer(bytearray(4)) as buffer:
            view = memoryview(buffer)
    view.release()
    buffer.release()


def test_slices_hold_the_exporter_after_their_parent_is_released():
    memory = bytearray(b"abcdef")
    buffer = sp.Buffer(memory)
    part, turned, cast = buffer[2:4], buffer[::-1], buffer.cast("H")
    buffer.release()
    assert part.tobytes() == b"cd" and turned.tobytes() == b"fedcba" and cast.nbytes == 6
    for view in (part, turned, cast):
        with pytest.raises(BufferError):
            memory.append(1)
        view.release()
    memory.append(1)


def test_memoryview_of_a_slice_holds_the_exporter():
    memory = bytearray(b"abcdef")
    view = memoryview(sp.Buffer(memory)[1:3])
    gc.collect()
    with pytest.raises(BufferError):
        memory.clear()
    assert view.tobytes() == b"bc"
    view.release()
    memory.clear()


def test_weak_references_work_as_memoryviews_do():
    for make in (memoryview, sp.Buffer):
        calls = []
        buffer = make(b"ab")
        reference = weakref.ref(buffer, calls.append)
        assert reference() is buffer
        del buffer
        gc.collect()
        assert reference() is None and calls == [reference]


def test_weak_dictionaries_take_buffers():
    values = weakref.WeakValueDictionary()
    values["a"] = buffer = sp.Buffer(b"x")
    assert values["a"] is buffer
    del buffer
    gc.collect()
    assert "a" not in values


def test_releasing_while_iterating_stops_with_the_same_error():
    for make in (memoryview, sp.Buffer):
        buffer = make(b"abc")
        iterator = iter(buffer)
        next(iterator)
        buffer.release()
        with pytest.raises(ValueError):
            next(iterator)
