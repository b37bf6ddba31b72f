"""sp.copy and contiguous copies: every element once, nothing else, whatever the two layouts are."""

import itertools
import math

import pytest
import strideport as sp
from support.peers import needs_testbuffer, peer

np = peer("numpy")

ITEMSIZES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 31, 64)
SHAPES = ((), (1,), (7,), (3, 4), (4, 1, 3), (2, 3, 5), (17, 33), (2, 2, 2, 2, 3), (0,), (3, 0, 2), (64, 64), (1, 1, 1))


def canvas(shape, itemsize, rng, kind):
    """(whole allocation as bytes array, void view of `shape` in it) laid out as `kind` says."""
    dtype = f"V{itemsize}"
    ndim = len(shape)
    if kind == "C":
        wide, key, axes = shape, (), tuple(range(ndim))
    elif kind == "F":
        wide, key, axes = shape[::-1], (), tuple(range(ndim))[::-1]
    elif kind == "reversed":
        wide, key, axes = shape, (slice(None, None, -1),) * ndim, tuple(range(ndim))
    elif kind == "gaps":
        wide = tuple(2 * n + 1 for n in shape)
        key, axes = tuple(slice(1, 2 * n + 1, 2) for n in shape), tuple(range(ndim))
    else:  # shuffled axes, random signs and steps
        axes = tuple(rng.sample(range(ndim), ndim))
        steps = [rng.choice((1, 1, 2, 3, -1, -2)) for _ in shape]
        wide = tuple(shape[axes.index(i)] * abs(steps[i]) for i in range(ndim))
        key = tuple(slice(None, None, step) for step in steps)
    offset = 0 if kind == "C" else rng.randint(0, 15)
    size = math.prod(wide) * itemsize
    memory = np.frombuffer(bytearray(rng.randbytes(size + offset + 5)), "u1")
    array = np.ndarray(wide, dtype, memory, offset)
    array = array[key] if ndim else array
    inverse = tuple(axes)
    array = array.transpose(inverse) if ndim else array
    assert array.shape == shape
    return memory, array


KINDS = ("C", "F", "reversed", "gaps", "random")


@pytest.mark.parametrize("itemsize", ITEMSIZES)
def test_copies_equal_numpys_copyto_gaps_included(itemsize, rng):
    for shape, to, start in itertools.product(SHAPES, KINDS, KINDS):
        memory, dst = canvas(shape, itemsize, rng, to)
        origin, src = canvas(shape, itemsize, rng, start)
        expected_memory = memory.copy()
        expected = (
            np.ndarray(
                dst.shape,
                dst.dtype,
                expected_memory,
                dst.__array_interface__["data"][0] - memory.__array_interface__["data"][0],
                dst.strides,
            )
            if dst.size
            else None
        )
        if expected is not None:
            np.copyto(expected, src, casting="no")
        before = origin.copy()
        assert sp.copy(sp.Buffer(dst), sp.Buffer(src)) is None
        assert (memory == expected_memory).all(), (shape, to, start)
        assert (origin == before).all()


@pytest.mark.parametrize(
    "dtype",
    [
        "?",
        "i1",
        "i2",
        "i4",
        "i8",
        "u1",
        "u2",
        "u4",
        "u8",
        "f2",
        "f4",
        "f8",
        "g",
        "c8",
        "c16",
        "G",
        "S5",
        "U3",
        ">i4",
        ">f8",
        "i4,f8",
        "V7",
        [("a", "i1"), ("b", "f8", (2, 2)), ("c", "S3")],
    ],
    ids=str,
)
def test_every_dtype_is_copied_in_c_and_f_order(dtype):
    base = np.frombuffer(np.random.default_rng(7).bytes(np.dtype(dtype).itemsize * 120), "u1").copy()
    if np.dtype(dtype) == np.dtype("?"):
        base &= 1
    array = base.view(dtype).reshape(2, 3, 4, 5).transpose(2, 0, 3, 1)[::-1, :, ::2]
    for order in "CF":
        assert sp.Buffer(array).contiguous(order=order).tobytes(order) == array.tobytes(order)
        assert sp.Buffer(array).tobytes(order) == array.tobytes(order)
        target = np.zeros(array.shape, dtype, order)
        sp.copy(target, array)
        assert target.tobytes() == array.tobytes() and target.tobytes("F") == array.tobytes("F")


def test_the_issues_5d_view_is_copied_bit_by_bit():
    base = np.random.default_rng(3).standard_normal((6, 5, 4, 7, 3)).astype("f4")
    array = base.transpose(4, 1, 3, 0, 2)[::-1, 1:4, ::2, :, ::-1]
    buffer = sp.Buffer(base).permute(4, 1, 3, 0, 2)[::-1, 1:4, ::2, :, ::-1]
    for order in "CF":
        result = np.asarray(buffer.contiguous(order=order))
        assert result.flags[f"{order}_CONTIGUOUS"] and (result == array).all()
        assert result.tobytes("A") == array.copy(order).tobytes("A")


def test_transposes_of_many_sizes_equal_numpy():
    """Sizes around the tiles of every item size."""
    for itemsize in (1, 2, 4, 8, 16):
        for rows, columns in (
            (1, 1),
            (1, 65),
            (15, 17),
            (16, 16),
            (31, 33),
            (63, 65),
            (64, 64),
            (128, 3),
            (3, 129),
            (257, 5),
            (100, 200),
        ):
            array = np.frombuffer(np.random.default_rng(rows).bytes(rows * columns * itemsize), f"V{itemsize}").reshape(
                rows, columns
            )
            target = np.zeros((columns, rows), array.dtype)
            sp.copy(target, sp.Buffer(array).T)
            assert target.tobytes() == array.T.tobytes(), (itemsize, rows, columns)


def test_interleaved_channels_equal_numpy():
    for channels, dtype in itertools.product((2, 3, 4), ("u1", "u2", "f4")):
        image = (np.arange(37 * 53 * channels) % 251).astype(dtype).reshape(37, 53, channels)
        planes = sp.Buffer(image).permute(2, 0, 1).contiguous()
        assert np.array_equal(np.asarray(planes), image.transpose(2, 0, 1))
        assert np.array_equal(np.asarray(planes.permute(1, 2, 0).contiguous()), image)


def test_overlapping_copies_go_as_if_through_a_temporary(rng):
    for _ in range(5_000):
        itemsize = rng.choice((1, 2, 3, 4, 8, 16))
        n, step_to, step_from = rng.randint(0, 12), rng.choice((1, 2, -1, -3)), rng.choice((1, 2, -1, 0, -2))
        memory = np.frombuffer(bytearray(rng.randbytes(64 * itemsize)), f"V{itemsize}")
        views = []
        for step in (step_to, step_from):
            low = rng.randint(0, 63 - abs(step) * max(0, n - 1))
            first = low if step >= 0 else low + abs(step) * max(0, n - 1)
            views.append(np.ndarray((n,), memory.dtype, memory, first * itemsize, (step * itemsize,)))
        expected = memory.copy()
        offset = views[0].__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        np.ndarray((n,), memory.dtype, expected, offset, views[0].strides)[...] = views[1].copy()
        sp.copy(views[0], views[1])
        assert memory.tobytes() == expected.tobytes()


def test_copy_onto_itself_changes_nothing_and_transposed_onto_itself_transposes():
    array = np.arange(25, dtype="i4").reshape(5, 5)
    want = array.T.copy()
    sp.copy(array, array)
    assert (array.T == want).all()
    sp.copy(array, array.T)
    assert (array == want).all()
    sp.copy(array[::-1], array)
    assert (array == want[::-1]).all()


def test_unit_dimensions_are_dropped():
    for to, start in itertools.permutations([(6,), (1, 6), (6, 1), (1, 1, 6, 1)], 2):
        target = np.zeros(to, "i4")
        sp.copy(target, np.arange(6, dtype="i4").reshape(start))
        assert target.ravel().tolist() == list(range(6))
    scalar = np.zeros((), "f8")
    sp.copy(scalar, np.array([[2.5]]))
    assert scalar == 2.5


def test_broadcast_sources_repeat_their_elements():
    target = np.zeros((3, 4, 5), "i2")
    source = np.broadcast_to(np.arange(4, dtype="i2")[:, None], (3, 4, 5))
    sp.copy(target, source)
    assert (target == source).all()


@pytest.mark.parametrize(
    "dst, src, words",
    [
        (np.zeros((4, 8)), np.zeros((8, 4)), [r"\(4, 8\)", r"\(8, 4\)"]),
        (np.zeros(3), np.zeros(4), ["3", "4"]),
        (np.zeros((2, 3)), np.zeros(6), [r"\(2, 3\)", "6"]),
        (np.zeros((0, 3)), np.zeros((0, 4)), ["3", "4"]),
        (np.zeros(1), np.zeros(0), ["0"]),
        (np.zeros(()), np.zeros(2), ["2"]),
    ],
    ids=lambda v: str(getattr(v, "shape", "")),
)
def test_different_shapes_are_named(dst, src, words):
    with pytest.raises(ValueError) as caught:
        sp.copy(dst, src)
    for word in words:
        assert __import__("re").search(word, str(caught.value)), (word, str(caught.value))


@pytest.mark.parametrize(
    "dst, src",
    [
        ("i4", "u4"),
        ("i4", "f4"),
        ("i4", ">i4"),
        ("i4", "i8"),
        ("?", "u1"),
        ("c8", "f8"),
        ("S4", "i4"),
        ("i4,f4", "f4,i4"),
        ("S4", "S5"),
        ("V4", "i4"),
        ("S4", "U1"),
    ],
    ids=str,
)
def test_different_element_types_are_refused(dst, src):
    with pytest.raises((ValueError, TypeError)) as caught:
        sp.copy(np.zeros(3, dst), np.zeros(3, src))
    assert type(caught.value) is ValueError, "InvalidArgument: element types differ"


def test_spellings_of_one_type_are_the_same_type():
    for a, b in (("l", "q"), ("L", "Q")):
        target = np.zeros(3, a)
        sp.copy(target, np.arange(3, dtype=b))
        assert target.tolist() == [0, 1, 2]


def test_readonly_destinations_are_refused_before_anything_is_written():
    source = np.ones(4, "u1")
    array = np.zeros(4, "u1")
    array.flags.writeable = False
    for target in (bytes(4), array, sp.Buffer(np.zeros(4, "u1")).toreadonly()):
        with pytest.raises(TypeError, match="(?i)read-?only"):
            sp.copy(target, source)
    assert not array.any()


def test_destinations_that_overlap_themselves_are_refused():
    for shape, strides in (((4,), (0,)), ((3, 4), (4, 4)), ((2, 2), (2, 4)), ((3,), (2,))):
        array = np.lib.stride_tricks.as_strided(np.zeros(64, "i4"), shape, strides)
        before = array.tobytes()
        with pytest.raises(ValueError, match="overlap"):
            sp.copy(array, np.ones(shape, "i4"))
        assert array.tobytes() == before
    one = np.lib.stride_tricks.as_strided(np.zeros(4, "i4"), (1, 1), (0, 0))
    sp.copy(one, np.ones((1, 1), "i4"))
    assert one[0, 0] == 1, "one element cannot overlap itself"


def test_object_arrays_are_viewed_but_not_copied():
    """A format with O holds references: copying bytes would not count them."""
    array = np.array([object(), "x"], "O")
    buffer = sp.Buffer(array)
    assert buffer.format == "O" and buffer[::-1].shape == (2,) and memoryview(buffer).nbytes == array.nbytes
    for operation in (
        lambda: sp.copy(np.zeros(2, "O"), array),
        lambda: buffer[::-1].contiguous(),
        lambda: buffer.cast("B"),
        lambda: buffer.__dlpack__(max_version=(1, 0)),
        lambda: __import__("pickle").dumps(buffer),
    ):
        with pytest.raises(TypeError, match="O"):
            operation()


@pytest.mark.parametrize("bad", [None, 1, "text", object(), [1, 2]], ids=repr)
def test_what_has_no_memory_is_a_type_error(bad):
    for arguments in ((bytearray(2), bad), (bad, b"ab")):
        with pytest.raises(TypeError):
            sp.copy(*arguments)


def test_bad_streams_are_refused():
    for stream in (5, "x", 1.5):
        with pytest.raises((TypeError, ValueError)):
            sp.copy(bytearray(2), b"ab", stream=stream)
    sp.copy(target := bytearray(2), b"ab", stream=None)
    assert target == b"ab"


@needs_testbuffer
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)], ids=str)
def test_indirect_memory_is_read_and_written(shape):
    from _testbuffer import ND_PIL, ND_WRITABLE, ndarray

    count = math.prod(shape)
    nd = ndarray(list(range(count)), shape=list(shape), format="i", flags=ND_PIL | ND_WRITABLE)
    array = np.zeros(shape, "i4")
    sp.copy(array, nd)
    assert array.tolist() == nd.tolist()
    sp.copy(array[::-1], nd)
    assert array[::-1].tolist() == nd.tolist()
    flat = np.arange(100, 100 + count, dtype="i4").reshape(shape)
    sp.copy(nd, flat)
    assert nd.tolist() == flat.tolist()
    other = ndarray([0] * count, shape=list(shape), format="i", flags=ND_PIL | ND_WRITABLE)
    sp.copy(sp.Buffer(other)[::-1], nd)
    assert other.tolist() == flat[::-1].tolist()


def test_explain_says_the_same_before_the_copy():
    array = np.zeros((30, 40), "f4")
    before = array.tobytes()
    for text in (sp.explain(np.zeros((40, 30), "f4"), array.T), sp.Buffer(array.T).explain()):
        assert isinstance(text, str) and text.strip()
    assert "4800" in sp.explain(np.zeros((40, 30), "f4"), array.T).replace(",", "").replace(" ", "")
    assert array.tobytes() == before
    with pytest.raises(ValueError):
        sp.explain(np.zeros(3), np.zeros(4))


@pytest.mark.slow
def test_large_transposes_equal_numpy_on_every_thread_count():
    array = np.random.default_rng(0).integers(0, 2**32, (2048, 3001), "u4")
    for threads in (1, 2, 5):
        sp.set_num_threads(threads)
        try:
            target = np.zeros((3001, 2048), "u4")
            sp.copy(target, array.T)
            assert np.array_equal(target, array.T)
        finally:
            sp.set_num_threads(0)
