"""Where memoryview returns a result, sp.Buffer returns the same; where it raises, the same type. Writing."""

import array
import itertools
import struct

import pytest
import strideport as sp
from support.compare import outcome
from support.views import NATIVE, filled

VALUES = (
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    255,
    256,
    2**15,
    2**16,
    2**31,
    2**32,
    2**63 - 1,
    2**63,
    -(2**63),
    2**64,
    2**200,
    True,
    None,
    1.5,
    -0.0,
    float("inf"),
    float("nan"),
    1e400,
    65504.0,
    65520.0,
    1e39,
    1j,
    "a",
    b"",
    b"a",
    b"ab",
    bytearray(b"a"),
    (),
    (1,),
    [1],
    object(),
)


class Index:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


class Float:
    def __float__(self):
        return 2.5


class Truth:
    def __bool__(self):
        return True


def both(fmt, shape=None, count=6):
    """Two allocations of equal bytes, one behind each kind of view."""
    memories = filled(fmt, count), filled(fmt, count)
    views = [memoryview(m).cast(fmt, shape) if shape is not None else memoryview(m).cast(fmt) for m in memories]
    return memories, views[0], sp.Buffer(views[1])


def assert_same_effect(fmt, key, value, shape=None):
    memories, view, buffer = both(fmt, shape)

    def assign(target):
        target[key] = value

    want, got = outcome(assign, view), outcome(assign, buffer)
    if want == ("raises", "NotImplementedError"):
        return  # a gap of memoryview's: test_differences
    assert got == want, f"{fmt} [{key!r}] = {value!r}: memoryview {want}, Buffer {got}"
    assert memories[0] == memories[1], f"{fmt} [{key!r}] = {value!r}"


@pytest.mark.parametrize("fmt", NATIVE)
def test_items_are_packed_as_memoryview_packs_them(fmt):
    extra = (Index(5), Index(300), Index(-1), Index(2**70), Index(ZeroDivisionError()), Float(), Truth())
    for value in (*VALUES, *extra):
        assert_same_effect(fmt, 1, value)
        assert_same_effect("@" + fmt, -1, value)


@pytest.mark.parametrize("fmt", "Bid?c")
def test_every_key_is_judged_as_memoryview_judges_it(fmt):
    value = filled(fmt, 1)[:1] if fmt == "c" else 1
    value = bytes(value) if fmt == "c" else value
    for key in (
        0,
        5,
        -6,
        6,
        -7,
        2**63,
        -(2**65),
        1.0,
        "0",
        (),
        (0,),
        (0, 0),
        [],
        object(),
        Index(2),
        Index("no"),
    ):
        assert_same_effect(fmt, key, value)
        if key not in ((), None) and not isinstance(key, list):
            assert_same_effect(fmt, key, value, (6,))


def test_items_of_matrices_are_written_at_their_place():
    for key in itertools.product(range(-4, 4), repeat=2):
        assert_same_effect("i", key, 1000, (2, 3))
    for key in ((0,), (0, 0, 0), (0, "x"), (0, None), (True, False)):
        if key != (0,):
            assert_same_effect("i", key, 1000, (2, 3))


def test_scalars_are_written_through_an_empty_tuple():
    memories = filled("d", 1), filled("d", 1)
    view, buffer = (memoryview(m).cast("d", ()) for m in memories)
    buffer = sp.Buffer(buffer)
    view[()] = buffer[()] = 8.25
    assert memories[0] == memories[1] == struct.pack("d", 8.25)
    for bad in (0, (0,), None):
        with pytest.raises(TypeError):
            view[bad] = 1.0
    with pytest.raises(TypeError):
        buffer[0] = 1.0


SLICES = [slice(*bounds) for bounds in itertools.product((None, 0, 2, -1), (None, 0, 4, -2), (None, 1, 2, -1, -2))]


@pytest.mark.parametrize("fmt", "BhdcQ?")
def test_slices_take_what_memoryview_slices_take(fmt):
    size = struct.calcsize(fmt)
    for key in SLICES:
        length = len(range(6)[key])
        source = memoryview(bytes(filled(fmt, length + 1))[size:])
        for given in (
            source.cast(fmt) if length else memoryview(b""),
            source,
            bytes(source),
            source.cast("B")[:-1] if length else b"",
            array.array("i", range(length)),
            5,
            None,
            "abc",
            [1] * length,
        ):
            if length == 0 and isinstance(given, (memoryview, bytes)) and not len(given):
                continue  # how an empty cast is judged: test_differences
            assert_same_effect(fmt, key, given)


def test_overlapping_slices_are_assigned_as_if_through_a_temporary():
    for fmt in "Bid":
        for step, a, b, n in itertools.product((1, 2, -1), range(4), range(4), range(5)):
            size = struct.calcsize(fmt)
            memory = filled(fmt, 16)
            items = [bytes(memory[i * size : (i + 1) * size]) for i in range(16)]
            to, start = slice(a, a + n), slice(b + 4, b + 4 + n * step if b + 4 + n * step >= 0 else None, step)
            if len(range(16)[start]) != n or len(range(16)[to]) != n:
                continue
            items[to] = items[start]
            buffer = sp.Buffer(memory).cast(fmt)
            buffer[to] = buffer[start]
            assert bytes(memory) == b"".join(items), (fmt, to, start)


def test_readonly_refuses_every_write():
    """memoryview: TypeError, whatever the key and the value."""
    for source in (b"abcdef", memoryview(bytearray(6)).toreadonly()):
        pair = memoryview(source), sp.Buffer(source)
        for key, value in ((0, 1), (slice(0, 2), b"xx"), (9, 1), ("k", 1), (slice(None), b""), ((0,), 1)):
            results = [outcome(lambda v: v.__setitem__(key, value), v) for v in pair]
            assert results[0] == results[1] == ("raises", "TypeError"), key


def test_deletion_is_refused_for_writable_buffers():
    buffer = sp.Buffer(bytearray(4))
    with pytest.raises(TypeError):
        del buffer[0]
    with pytest.raises(TypeError):
        del buffer[0:1]


def test_failed_item_writes_leave_memory_alone():
    for fmt in NATIVE:
        memory = filled(fmt, 4)
        before = bytes(memory)
        buffer = sp.Buffer(memory).cast(fmt)
        for value in (object(), 2**300, "x", (1, 2)):
            if fmt == "?":
                continue  # every object has a truth
            if fmt in "fd" and value == 2**300:
                continue
            with pytest.raises((TypeError, ValueError, OverflowError)):
                buffer[0] = value
        assert memory == before, fmt


def test_failed_slice_writes_leave_memory_alone():
    memory = bytearray(b"0123456789")
    buffer = sp.Buffer(memory)
    for value in (b"toolong", b"", array.array("H", [1]), memoryview(bytearray(4)).cast("B", (2, 2))):
        with pytest.raises(ValueError):
            buffer[2:5] = value
    assert memory == b"0123456789"
