"""View arithmetic against NumPy's, bit by bit: slices, permutations, reshapes, broadcasts, casts."""

import itertools
import math

import pytest
import strideport as sp
from support import pybuffer as pb
from support.peers import needs_testbuffer, peer

np = peer("numpy")


def same_view(buffer: sp.Buffer, array) -> bool:
    """The same elements at the same place; strides of unit and empty dims mean nothing."""
    assert buffer.shape == array.shape and buffer.itemsize == array.itemsize
    if array.size:
        assert buffer.ptr == array.__array_interface__["data"][0]
        for axis, extent in enumerate(array.shape):
            assert extent == 1 or buffer.strides[axis] == array.strides[axis], axis
    assert buffer.tobytes() == array.tobytes()
    return True


def cube(dtype="i4", shape=(2, 3, 4, 2, 3)):
    """A 5-d array, no two elements alike, neither C nor F contiguous."""
    base = (
        np.arange(math.prod(shape) * 4, dtype="u8")
        .astype(dtype)
        .reshape(*(s * (2 if i < 2 else 1) for i, s in enumerate(shape)))
    )
    return base[::2, ::-2].transpose(4, 0, 3, 1, 2)


def random_key(rng, ndim):
    """What indexes an array: ints, slices, None and one Ellipsis."""
    key = []
    for _ in range(rng.randint(0, ndim)):
        kind = rng.random()
        if kind < 0.35:
            key.append(rng.randint(-3, 2))
        else:
            key.append(
                slice(*(rng.choice((None, *range(-4, 5))) for _ in range(2)), rng.choice((None, 1, 2, 3, -1, -2)))
            )
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        key.insert(rng.randint(0, len(key)), None)
    if rng.random() < 0.3:
        key.insert(rng.randint(0, len(key)), ...)
    return key[0] if len(key) == 1 and key[0] is not None and rng.random() < 0.5 else tuple(key)


def test_indexing_a_5d_view_equals_numpy(rng):
    array = cube()
    buffer = sp.Buffer(array)
    for _ in range(20_000):
        key = random_key(rng, 5)
        try:
            want = array[key]
        except IndexError:
            with pytest.raises(IndexError):
                buffer[key]
            continue
        got = buffer[key]
        if isinstance(want, np.ndarray) and not (want.ndim == 0 and isinstance(got, int)):
            assert same_view(got, want), key
        else:
            assert got == want, key


@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4), (3, 2, 2, 3)], ids=str)
def test_keys_of_ints_and_slices_equal_numpy(shape):
    """Every key of three ints, three slices and an empty one, of as many parts as there are dimensions and fewer."""
    array = np.arange(math.prod(shape), dtype="i2").reshape(shape)[::-1]
    buffer = sp.Buffer(array)
    parts = (0, -1, 7, slice(None), slice(None, None, -2), slice(1, 3), slice(2, 1))
    for key in (k for n in range(len(shape) + 1) for k in itertools.product(parts, repeat=n)):
        try:
            want = array[key]
        except IndexError:
            with pytest.raises(IndexError, match="index 7"):
                buffer[key]
            continue
        assert same_view(buffer[key], want) if isinstance(want, np.ndarray) else buffer[key] == want, key


def test_keys_with_more_parts_than_dimensions_and_too_large_ints_are_refused():
    buffer = sp.Buffer(np.zeros((2, 3)))
    with pytest.raises(TypeError, match="2 dimensions with 3 indices"):
        buffer[0, 1:, 0]
    for key in ((2**70, 0), (0, 2**70), (slice(1), -(2**70))):
        with pytest.raises(IndexError, match="index-sized"):
            buffer[key]
    with pytest.raises(ValueError, match="zero"):
        buffer[0, ::0]


def test_a_bound_that_releases_the_buffer_leaves_the_result_its_own_hold():
    class Releases:
        def __index__(self):
            buffer.release()
            return 1

    memory = bytearray(range(12))
    buffer = sp.Buffer(memory).reshape(3, 4)
    part = buffer[Releases() :, 0]
    assert part.tolist() == [4, 8]
    with pytest.raises(BufferError):
        memory.append(0)  # still held
    with pytest.raises(ValueError, match="released"):
        buffer[0, 1:]
    part.release()
    memory.append(0)


def test_full_integer_indices_give_values_not_scalars():
    array = cube("f8")
    for index in ((0,) * 5, (-1,) * 5, (2, 1, 1, 2, 3)):
        value = sp.Buffer(array)[index]
        assert type(value) is float and value == array[index]


def test_ellipsis_keeps_a_scalar_buffer():
    """As in NumPy: a[0] is an element, a[0, ...] a view of it."""
    buffer = sp.Buffer(np.arange(3, dtype="i4"))
    assert buffer[1] == 1
    assert buffer[1, ...].shape == () and buffer[1, ...].tolist() == 1


@pytest.mark.parametrize("axes", list(itertools.permutations(range(4))), ids=str)
def test_every_permutation_of_four_axes_equals_numpy(axes):
    array = cube()[1]
    want = array.transpose(axes)
    assert same_view(sp.Buffer(array).permute(*axes), want)
    assert same_view(sp.Buffer(array).permute(axes), want)
    assert same_view(sp.Buffer(array).permute([a - 4 for a in axes]), want)


def test_transpose_reverses_the_axes():
    array = cube()
    assert same_view(sp.Buffer(array).T, array.T)
    scalar = np.array(5)
    assert sp.Buffer(scalar).T.shape == ()


@pytest.mark.parametrize(
    "axes",
    [
        (0, 0),
        (0,),
        (0, 1, 2),
        (0, 2),
        (-3, 0),
        (0.0, 1),
        ("a", "b"),
        ((0, 1), 0),
        (None, 0),
        (2**70, 0),
        (True, False, 1),
    ],
    ids=repr,
)
def test_bad_permutations_are_refused(axes):
    with pytest.raises((ValueError, TypeError, IndexError, OverflowError)) as caught:
        sp.Buffer(np.zeros((2, 3))).permute(*axes)
    assert str(caught.value)


SHAPES = {
    n: [s for k in range(1, 5) for s in itertools.product(range(1, n + 1), repeat=k) if math.prod(s) == n]
    for n in (12, 24)
}


def test_reshapes_of_contiguous_buffers_equal_numpy():
    for n, shapes in SHAPES.items():
        array = np.arange(n, dtype="i2")
        for shape in shapes:
            assert same_view(sp.Buffer(array).reshape(shape), array.reshape(shape))
            assert same_view(sp.Buffer(array).reshape(*shape), array.reshape(shape))


def test_reshapes_are_views_exactly_where_numpy_finds_one(rng):
    """NumPy's copy=False raises where no strides express the shape; so do we, with BufferError naming the cure."""

    def numpy_view(array, shape):
        try:
            return np.reshape(array, shape, copy=False)
        except ValueError:
            return None
        except TypeError:  # NumPy before 2.1 says it this way
            view = array.view()
            try:
                view.shape = shape
            except AttributeError:
                return None
            return view

    for _ in range(5_000):
        shape = rng.choice(SHAPES[rng.choice((12, 24))])
        base = np.arange(math.prod(shape), dtype="u4").reshape(shape)
        array = base.transpose(rng.sample(range(len(shape)), len(shape)))
        if rng.random() < 0.5:
            array = array[tuple(slice(None, None, rng.choice((1, 1, -1, 2))) for _ in shape)]
        if not array.size:
            continue
        target = rng.choice([s for s in SHAPES.get(array.size, [array.shape])])
        want = numpy_view(array, target)
        if want is None:
            with pytest.raises(BufferError, match="contiguous"):
                sp.Buffer(array).reshape(target)
        else:
            assert same_view(sp.Buffer(array).reshape(target), want), (array.shape, array.strides, target)


def test_reshape_infers_one_extent():
    array = np.arange(24, dtype="i4")
    for shape in ((-1,), (2, -1), (-1, 6), (4, -1, 3), (24, -1), (1, -1, 1)):
        assert same_view(sp.Buffer(array).reshape(shape), array.reshape(shape))
    scalar = np.array(5)
    assert same_view(sp.Buffer(scalar).reshape(-1), scalar.reshape(-1))
    assert sp.Buffer(np.array([[5]])).reshape(()).shape == ()


@pytest.mark.parametrize(
    "shape",
    [
        (-1, -1),
        (5,),
        (23,),
        (25,),
        (0,),
        (-2, -12),
        (-2, 12),
        (7, -1),
        (0, -1),
        (2**62, 4),
        (2**63,),
        ("a",),
        (1.0, 24),
        (None,),
        (1,) * 65 + (24,),
    ],
    ids=lambda s: repr(s)[:30],
)
def test_bad_reshapes_are_refused(shape):
    with pytest.raises((ValueError, TypeError, OverflowError)) as caught:
        sp.Buffer(np.zeros(24, "i1")).reshape(shape)
    if type(caught.value) is ValueError and len(shape) < 10 and shape != (2**63,):
        assert any(str(n) in str(caught.value) for n in shape), caught.value


def test_numbers_of_many_axes_and_with_index():
    class Two:
        def __index__(self):
            return 2

    array = np.arange(2**10, dtype="i2")
    shape = (2,) * 10
    buffer = sp.Buffer(array).reshape(*shape)
    assert same_view(buffer, array.reshape(shape))
    assert same_view(buffer.permute(range(9, -1, -1)), array.reshape(shape).T)
    assert sp.Buffer(array).reshape(Two(), -1).shape == (2, 512) and sp.Buffer(array).reshape((Two(), -1)).ndim == 2
    assert sp.Buffer(b"ab").reshape((1,) * 63 + (2,)).ndim == 64
    for call in (sp.Buffer(b"ab").reshape, sp.Buffer(b"ab").expand, sp.Buffer(b"a").permute):
        with pytest.raises(ValueError):
            call(*(0,) * 65)
        with pytest.raises(ValueError, match="index-sized"):
            call(2**70)
        with pytest.raises(TypeError):
            call(a=1)
    for buffer, axes in ((sp.Buffer(b"a"), 65), (sp.Buffer(b"a"), 64), (sp.Buffer(bytes(8)).reshape(2, 4), 3)):
        with pytest.raises(ValueError, match=f"{buffer.ndim} dimensions"):
            buffer.permute(*(0,) * axes)


def test_reshape_of_empty_buffers():
    for shape, target in (((0,), (0, 3)), ((3, 0), (0,)), ((0, 5), (5, 0, 2)), ((2, 0), (2, 0))):
        assert sp.Buffer(np.zeros(shape)).reshape(target).shape == target
    with pytest.raises(ValueError):
        sp.Buffer(np.zeros(0)).reshape(-1, 0)


def test_chains_of_views_equal_numpy(rng):
    for _ in range(3_000):
        array = cube(rng.choice(("i1", "u2", "f4", "f8", "c16")))
        buffer = sp.Buffer(array)
        for _ in range(rng.randint(1, 6)):
            if array.ndim == 0:
                break
            kind = rng.random()
            if kind < 0.4:
                axis, step = rng.randrange(array.ndim), rng.choice((1, -1, 2))
                key = (slice(None),) * axis + (
                    slice(rng.choice((None, 1)), None, step) if step > 0 else slice(None, None, -1),
                )
                array, buffer = array[key], buffer[key]
            elif kind < 0.7:
                axes = rng.sample(range(array.ndim), array.ndim)
                array, buffer = array.transpose(axes), buffer.permute(axes)
            elif kind < 0.85:
                array, buffer = array[..., None], buffer[..., None]
            elif array.shape[0] and array.ndim > 1:
                array, buffer = array[-1], buffer[-1]
        assert same_view(buffer, array)


def test_broadcast_imports_keep_zero_strides_and_write_protection():
    array = np.broadcast_to(np.arange(4, dtype="i4"), (3, 2, 4))
    buffer = sp.Buffer(array)
    assert buffer.strides == (0, 0, 4) and buffer.readonly and same_view(buffer, array)
    assert same_view(buffer[:, ::-1, 1:3], array[:, ::-1, 1:3])


def test_sixty_four_dimensions_are_fine():
    array = (
        np.arange(4, dtype="i4").reshape((1,) * 31 + (2,) + (1,) * 31 + (2,))
        if np.lib.NumpyVersion(np.__version__) >= "2.0.0"
        else None
    )
    if array is None:
        pytest.skip("NumPy 1 stops at 32 dimensions")
    buffer = sp.Buffer(array)
    assert buffer.ndim == 64 and same_view(buffer.T, array.T) and same_view(buffer[0, ..., ::-1], array[0, ..., ::-1])
    assert buffer.T.contiguous().tobytes() == array.T.tobytes()
    with pytest.raises(ValueError, match="64"):
        buffer[None, ...]


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
def test_contiguous_returns_self_like_views_or_copies(order):
    array = cube()
    result = sp.Buffer(array).contiguous(order=order)
    want = array.copy(order=order)
    assert result.tobytes() == array.tobytes() and result.shape == array.shape
    assert [s for s, n in zip(result.strides, result.shape) if n > 1] == [
        s for s, n in zip(want.strides, want.shape) if n > 1
    ]
    already = sp.Buffer(want)
    assert already.contiguous(order=order).ptr == already.ptr, "nothing to do: the same memory"


@needs_testbuffer
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)], ids=str)
def test_suboffset_views_equal_testbuffers(shape):
    """Indirect rows: every slice that the reference exporter takes, element by element through item pointers."""
    from _testbuffer import ND_PIL, get_pointer, ndarray

    nd = ndarray(list(range(math.prod(shape))), shape=list(shape), format="h", flags=ND_PIL)
    buffer = sp.Buffer(nd)
    assert buffer.suboffsets == nd.suboffsets and buffer.tolist() == nd.tolist() and buffer.tobytes() == nd.tobytes()
    slices = (slice(None), slice(None, None, -1), slice(1, None), slice(None, None, 2), slice(-1, None, -2))
    for key in itertools.product(slices, repeat=len(shape)):
        want, got = nd[key], buffer[key]
        assert got.tolist() == want.tolist() and got.tobytes() == want.tobytes(), key
        for index in itertools.product(*map(range, want.shape)):
            assert get_pointer(got, index) == get_pointer(want, index)
        contiguous = got.contiguous()
        assert contiguous.suboffsets == () and contiguous.tolist() == want.tolist()
    for index in range(shape[0]):
        row = buffer[index]
        if len(shape) > 1:
            assert row.tolist() == nd.tolist()[index]
        else:
            assert row == nd.tolist()[index]


@needs_testbuffer
def test_permuting_indirect_axes_is_refused_or_right():
    from _testbuffer import ND_PIL, ndarray

    nd = ndarray(list(range(24)), shape=[2, 3, 4], format="i", flags=ND_PIL)
    reference = np.arange(24).reshape(2, 3, 4)
    for axes in itertools.permutations(range(3)):
        try:
            view = sp.Buffer(nd).permute(axes)
        except BufferError as error:
            assert "contiguous" in str(error) and axes[0] != 0, axes
        else:
            assert view.tolist() == reference.transpose(axes).tolist(), axes
    assert sp.Buffer(nd).contiguous().permute(2, 0, 1).tolist() == reference.transpose(2, 0, 1).tolist()


def test_views_never_write():
    array = cube()
    before = array.tobytes()
    buffer = sp.Buffer(array)
    for view in (
        buffer.T,
        buffer[::-1],
        buffer[..., None],
        buffer.contiguous(order="F"),
        buffer.toreadonly(),
        buffer[1, :, 0],
    ):
        view.tobytes(), view.tolist(), repr(view)
    assert array.tobytes() == before and pb.address(array) == buffer.ptr
