"""cast: what memoryview casts, sp.Buffer casts to the same; what fits neither is refused with the same type."""

import itertools

import pytest
import strideport as sp
from support.compare import assert_same, outcome
from support.views import NATIVE, filled

BYTES = "Bbc"
SHAPES = (
    None,
    (),
    [],
    (24,),
    [24],
    (12,),
    (6,),
    (3,),
    (2, 12),
    [2, 3, 4],
    (2, 3),
    (1, 24),
    (24, 1),
    (1,) * 63 + (24,),
    (2, 2, 6),
    (6, 4),
    (4, 3, 2),
    (3, 2),
    (3, 1),
    (1, 3),
)
BAD_SHAPES = (
    (0,),
    (-1,),
    (24, 0),
    (2, -12),
    (-2, -12),
    (2**62, 4),
    (2**63,),
    (2**31, 2**31, 4),
    (2**64,),
    (1.0,),
    ("24",),
    (None,),
    24,
    "24",
    {24},
    iter((24,)),
    b"\x18",
    {24: 1},
    range(1),
    (True,),
    (1,) * 65,
    (1,) * 64 + (24,),
    ((24,),),
    [[24]],
    5.0,
    object(),
    (5,),
    (23,),
    (25,),
)


@pytest.mark.parametrize("source", BYTES)
@pytest.mark.parametrize("target", NATIVE)
def test_bytes_cast_to_every_format_and_shape(source, target):
    for count, shape, prefix in itertools.product((24, 7), SHAPES, ("", "@")):
        memory = bytes(filled("?" if target == "?" else "b", count))
        view, buffer = memoryview(memory).cast(source), sp.Buffer(memory).cast(source)
        arguments = (prefix + target,) if shape is None else (prefix + target, shape)
        assert_same(lambda v: v.cast(*arguments), view, buffer, (count, arguments))


@pytest.mark.parametrize("source", NATIVE)
@pytest.mark.parametrize("target", BYTES)
def test_every_format_and_shape_casts_to_bytes(source, target):
    for shape in ((6,), (2, 3), (1, 6), (3, 1, 2), (6, 1), ()):
        count = 6 if shape else 1
        memory = bytes(filled(source, count))
        view, buffer = memoryview(memory).cast(source, shape), sp.Buffer(memory).cast(source, shape)
        assert_same(lambda v: v.cast(target), view, buffer, shape)
        assert_same(lambda v: v.cast(target, [v.nbytes]), view, buffer, shape)
        assert_same(lambda v: v.cast(target, ()), view, buffer, shape)


@pytest.mark.parametrize("shape", BAD_SHAPES, ids=lambda s: repr(s)[:40])
def test_bad_shapes_are_refused_as_memoryview_refuses_them(shape):
    memory = bytes(24)
    want = outcome(lambda v: v.cast("B", shape), memoryview(memory))
    if type(shape).__name__ != "tuple_iterator":
        assert want[0] == "raises" or shape == (True,), shape
    got = outcome(lambda v: v.cast("B", shape), sp.Buffer(memory))
    assert got == want


@pytest.mark.parametrize("fmt", ["", "$", "B@", "\0", "é", "@", "9", "T{", "(2", "(2,i", ":a:", "}"], ids=repr)
def test_formats_that_are_none_are_refused(fmt):
    """memoryview: ValueError for every format that it does not know."""
    with pytest.raises(ValueError):
        memoryview(bytes(24)).cast(fmt)
    with pytest.raises(ValueError):
        sp.Buffer(bytes(24)).cast(fmt)


@pytest.mark.parametrize("fmt", [None, 1, b"B", ["B"], 1.5, object()], ids=repr)
def test_formats_that_are_no_text_are_refused(fmt):
    for view in (memoryview(bytes(8)), sp.Buffer(bytes(8))):
        with pytest.raises(TypeError):
            view.cast(fmt)


def test_arguments_go_by_name():
    pair = memoryview(bytes(8)), sp.Buffer(bytes(8))
    assert_same(lambda v: v.cast(format="i"), *pair)
    assert_same(lambda v: v.cast(format="i", shape=(2, 1)), *pair)
    assert_same(lambda v: v.cast("i", shape=[2]), *pair)
    assert_same(lambda v: v.cast("i", form=1), *pair)
    assert_same(lambda v: v.cast(), *pair)
    assert_same(lambda v: v.cast("B", None), *pair)


def test_sizes_that_do_not_fit_are_type_errors():
    for count, fmt, shape in (
        (7, "i", None),
        (7, "h", (3,)),
        (8, "i", (3,)),
        (8, "d", (2,)),
        (8, "B", (3, 3)),
        (8, "q", (8,)),
    ):
        arguments = (fmt,) if shape is None else (fmt, shape)
        for view in (memoryview(bytes(count)), sp.Buffer(bytes(count))):
            with pytest.raises(TypeError, match=r"\d" if isinstance(view, sp.Buffer) else ""):
                view.cast(*arguments)


def test_strided_views_cast_where_elements_stay_whole_or_not_at_all():
    """memoryview refuses all of them with TypeError. What Buffer allows must read as NumPy's view does."""
    for key in (slice(None, None, 2), slice(None, None, -1), slice(6, 0, -2)):
        for fmt in "bBhHiIqQfd":
            memory = bytearray(range(32))
            view = memoryview(memory)[key]
            with pytest.raises(TypeError):
                view.cast(fmt)
            try:
                cast = sp.Buffer(memory)[key].cast(fmt)
            except (TypeError, BufferError) as error:
                assert type(error) is TypeError, f"{key} {fmt}: memoryview raises TypeError"
            else:
                assert cast.itemsize == 1 and cast.tobytes() == view.tobytes()


def test_readonly_and_owner_survive_casts():
    base = bytearray(8)
    for source in (base, bytes(base)):
        cast = sp.Buffer(source).cast("i").cast("B", (2, 4)).cast("B")
        assert cast.obj is source and cast.readonly is memoryview(source).readonly


def test_casts_share_memory():
    memory = bytearray(8)
    sp.Buffer(memory).cast("i", (2, 1))[1, 0] = 7
    assert memoryview(memory).cast("i").tolist() == [0, 7]


def test_a_shape_is_as_long_as_the_list_itself():
    class Lying(list):
        def __len__(self):
            raise KeyError("not asked")

    for kind in (memoryview, sp.Buffer):
        assert kind(bytes(8)).cast("B", Lying([2, 4])).shape == (2, 4)
