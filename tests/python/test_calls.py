"""contiguous() and copy(): every way to call them. The usual calls take a short way past the parsing of arguments."""

from __future__ import annotations

import copy
import functools
import gc
import operator
import sys
import weakref

import pytest
import strideport as sp

DATA = bytes(range(12))


@pytest.fixture
def turned() -> sp.Buffer:
    return sp.Buffer(DATA).cast("B", (3, 4)).T


@pytest.mark.parametrize(
    "call",
    [
        lambda b: b.contiguous(),
        lambda b: b.contiguous("C"),
        lambda b: b.contiguous(None),
        lambda b: b.contiguous(order="C"),
        lambda b: b.contiguous("C", stream=None),
        lambda b: b.contiguous(*("C",), **{}),
        lambda b: b.contiguous(**{"order": "C"}),
        lambda b: sp.Buffer.contiguous(b, "C"),
        lambda b: sp.Buffer.contiguous(b, order="C"),
        lambda b: sp.Buffer.contiguous(*(b, "C"), **{"stream": None}),
        lambda b: getattr(b, "contiguous")("C"),
        lambda b: operator.methodcaller("contiguous", "C")(b),
        lambda b: functools.partial(sp.Buffer.contiguous, b)("C"),
        lambda b: next(map(sp.Buffer.contiguous, [b])),
    ],
)
def test_contiguous_is_called_in_every_way(turned, call):
    for _ in range(20):  # the interpreter specialises what it runs often
        result = call(turned)
        assert type(result) is sp.Buffer and result.shape == (4, 3) and result.c_contiguous
        assert result.tobytes() == turned.tobytes()
        assert result.obj is None and not result.readonly


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda b: b.contiguous("X"), ValueError),
        (lambda b: b.contiguous("CC"), ValueError),
        (lambda b: b.contiguous(""), ValueError),
        (lambda b: b.contiguous("C\0"), ValueError),
        (lambda b: b.contiguous(3), TypeError),
        (lambda b: b.contiguous("C", None), TypeError),
        (lambda b: b.contiguous("C", order="C"), TypeError),
        (lambda b: b.contiguous(layout="C"), TypeError),
        (lambda b: b.contiguous("C", stream=1), ValueError),
        (lambda b: sp.Buffer.contiguous(), TypeError),
        (lambda b: sp.Buffer.contiguous(order="C"), TypeError),
        (lambda b: sp.Buffer.contiguous(memoryview(DATA)), TypeError),
        (lambda b: sp.Buffer.contiguous.__get__(3), TypeError),
        (lambda b: setattr(b, "contiguous", 1), AttributeError),
        (lambda b: delattr(b, "contiguous"), AttributeError),
        (lambda b: type(sp.Buffer.contiguous)(), TypeError),
        (lambda b: sp.copy(), TypeError),
        (lambda b: sp.copy(b), TypeError),
        (lambda b: sp.copy(b, b, b), (TypeError, ValueError)),
        (lambda b: sp.copy(b, b, 1, 2), TypeError),
        (lambda b: sp.copy(b, source=b), TypeError),
        (lambda b: sp.copy(b, 3), TypeError),
        (lambda b: sp.copy(b, b), TypeError),  # read-only
        (lambda b: sp.copy(bytearray(3), b), ValueError),
    ],
)
def test_bad_calls_raise(turned, call, error):
    for _ in range(20):
        with pytest.raises(error):
            call(turned)


def test_the_attribute_is_a_flag_where_it_is_read(turned):
    flag = turned.contiguous
    assert flag == True and "True" in repr(flag)  # noqa: E712 - equality is the point
    assert turned[::2].contiguous == False  # noqa: E712
    assert "memoryview" in type(flag).__doc__ or "bool" in type(flag).__doc__
    assert "order" in sp.Buffer.contiguous.__doc__ and "contiguous" in repr(sp.Buffer.contiguous)
    assert "contiguous" in dir(turned) and hasattr(turned, "contiguous")


def test_released_buffers_take_part_in_nothing(turned):
    target = sp.Buffer(bytearray(12)).cast("B", (4, 3))
    released = target[:]
    released.release()
    for call in (lambda: released.contiguous("C"), lambda: released.contiguous, lambda: sp.Buffer.contiguous(released),
                 lambda: sp.copy(released, turned), lambda: sp.copy(target, released)):
        with pytest.raises(ValueError, match="released"):
            call()


@pytest.mark.parametrize("size", [3, 4096, 300_000])
def test_copy_takes_buffers_and_others_alike(size):
    source = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for wrap_dst in (sp.Buffer, lambda m: m):
        for wrap_src in (sp.Buffer, lambda m: m):
            for call in (sp.copy, lambda d, s: sp.copy(dst=d, src=s), lambda d, s: sp.copy(d, src=s),
                         lambda d, s: sp.copy(d, s, None), lambda d, s: sp.copy(d, s, progress=None)):
                memory = bytearray(size)
                assert call(wrap_dst(memory), wrap_src(source)) is None
                assert memory == source


def test_contiguous_leaks_nothing(turned):
    # The reference that a call takes of the Buffer, and the result that it gives, go with it.
    before = sys.getrefcount(turned)
    for _ in range(100):
        turned.contiguous("C")
        turned.contiguous
        with pytest.raises(ValueError):
            turned.contiguous("X")
    assert sys.getrefcount(turned) == before
    result = turned.contiguous("C")
    gone = weakref.ref(result)
    part = result[1:]
    del result
    gc.collect()
    assert gone() is not None, "a view keeps its root"
    assert part.tobytes() == turned.tobytes()[3:]
    del part
    gc.collect()
    assert gone() is None
    assert copy.copy(turned).tobytes() == turned.tobytes()
