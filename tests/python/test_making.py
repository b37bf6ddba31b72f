"""empty, empty_like and from_pointer: what they make, and what they refuse with which words."""

import ctypes
import gc
import os
import weakref

import pytest
import strideport as sp
from support.peers import peer

np = peer("numpy")


# empty --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (3, 0, 2), (1,) * 64, [4, 2], 7], ids=lambda s: str(s)[:20])
@pytest.mark.parametrize("order", ["C", "F"])
def test_empty_makes_aligned_writable_memory(shape, order):
    buffer = sp.empty(shape, "float32", order=order)
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    want = np.empty(extents if len(extents) < 33 else (1,), "f4", order)
    assert buffer.shape == extents and buffer.dtype == "float32" and not buffer.readonly and buffer.obj is None
    assert (buffer.f_contiguous if order == "F" else buffer.c_contiguous) and buffer.nbytes == want.nbytes
    if len(extents) < 33 and want.size:
        assert buffer.strides == want.strides
    if buffer.nbytes:
        assert buffer.ptr % 64 == 0
        buffer[(0,) * buffer.ndim] = 2.5
        assert buffer[(0,) * buffer.ndim] == 2.5


@pytest.mark.parametrize(
    "shape, error, word",
    [
        ((-1,), ValueError, "-1"),
        ((2, -3), ValueError, "-3"),
        ((2**62, 4), ValueError, "4611686018427387904"),
        ((2**63,), (OverflowError, ValueError), ""),
        ((1,) * 65, ValueError, "65"),
        ((1.5,), TypeError, ""),
        ("abc", TypeError, ""),
        (None, TypeError, ""),
        ((None,), TypeError, ""),
        (-5, ValueError, "-5"),
        ({1: 2}, TypeError, ""),
        (2.0, TypeError, ""),
    ],
    ids=lambda v: str(v)[:20],
)
def test_bad_shapes_are_refused(shape, error, word):
    with pytest.raises(error, match=word):
        sp.empty(shape, "float32")


def test_a_shape_with_a_zero_has_no_elements_however_large_the_rest():
    buffer = sp.empty((2**40, 2**40, 0), "float32")
    assert buffer.nbytes == 0 and buffer.shape == (2**40, 2**40, 0) and memoryview(buffer).nbytes == 0


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer ends a process without memory")
def test_more_than_there_is_is_a_memory_error():
    with pytest.raises(MemoryError):
        sp.empty((1 << 58,), "uint8")


@pytest.mark.parametrize(
    "keywords, error",
    [
        (dict(order="X"), ValueError),
        (dict(order=5), TypeError),
        (dict(order=""), ValueError),
        (dict(device="cuda"), (BufferError, sp.DeviceError)),
        (dict(device="nowhere"), ValueError),
        (dict(device=5), (TypeError, ValueError)),
        (dict(device="cpu:-1"), ValueError),
        (dict(pinned="x"), None),
        (dict(unknown=1), TypeError),
    ],
    ids=str,
)
def test_bad_keywords_are_refused(keywords, error):
    if error is None:
        return
    with pytest.raises(error) as caught:
        sp.empty((2,), "float32", **keywords)
    assert str(caught.value)


def test_pinned_memory_without_a_device_is_refused_or_plain():
    """Without a driver a page-locked allocation cannot be promised."""
    try:
        buffer = sp.empty((4,), "float32", pinned=True)
    except (BufferError, sp.DeviceError) as error:
        assert "pinned" in str(error) or "cuda" in str(error).lower()
    else:
        assert buffer.device in ("cuda_host:0", "simulated_host:0")


def test_bad_dtypes_are_refused():
    with pytest.raises(ValueError, match="floaty"):
        sp.empty((2,), "floaty")
    with pytest.raises(TypeError):
        sp.empty((2,), None)
    with pytest.raises(TypeError):
        sp.empty((2,))


def test_objects_cannot_be_made():
    """Uninitialised references would be followed."""
    with pytest.raises((TypeError, ValueError)):
        sp.empty((2,), "O")


def test_packed_types_must_fill_bytes():
    assert sp.empty((2, 4), "int4").nbytes in (4, 8)
    assert sp.empty((3,), "bfloat16").nbytes == 6


@pytest.mark.parametrize("order", ["C", "F", "K", "A"])
def test_empty_like_takes_shape_type_and_order(order):
    for array in (
        np.zeros((3, 4), "i2"),
        np.zeros((3, 4), "i2").T,
        np.zeros((3, 4, 5), "f8").transpose(1, 0, 2)[::-1, ::2],
        np.zeros((2,), "i4,f8"),
        np.zeros((2, 2), ">i4"),
        np.zeros((0, 3)),
        np.array(5),
    ):
        like, want = sp.empty_like(array, order=order), np.empty_like(array, order=order)
        assert (
            like.shape == array.shape
            and like.itemsize == array.itemsize
            and like.format == memoryview(array).format
            and not like.readonly
        )
        if array.size and order != "A":
            assert [s for s, n in zip(like.strides, like.shape) if n > 1] == [
                s for s, n in zip(want.strides, want.shape) if n > 1
            ]
    assert not sp.empty_like(b"abc").readonly and sp.empty_like(b"abc").ptr != sp.Buffer(b"abc").ptr


# from_pointer ----------------------------------------------------------------------------------------------------


@pytest.fixture
def block():
    return (ctypes.c_int32 * 24)(*range(24))


def address(block):
    return ctypes.addressof(block)


def test_pointers_become_buffers(block):
    buffer = sp.from_pointer(address(block), (4, 6), "int32", owner=block)
    assert (
        buffer.ptr == address(block)
        and buffer.shape == (4, 6)
        and buffer.strides == (24, 4)
        and buffer.tolist()[3][5] == 23
    )
    assert not buffer.readonly
    buffer[0, 0] = 77
    assert block[0] == 77
    strided = sp.from_pointer(address(block) + 92, (3, 4), "int32", strides=(-24, -4), owner=block, readonly=True)
    assert (
        strided.tolist() == np.frombuffer(block, "i4").reshape(4, 6)[::-1, ::-1][:3, :4].tolist() and strided.readonly
    )


def test_the_owner_is_kept():
    class Owner:
        memory = (ctypes.c_int32 * 4)(1, 2, 3, 4)

    owner = Owner()
    alive = weakref.ref(owner)
    buffer = sp.from_pointer(ctypes.addressof(Owner.memory), (4,), "int32", owner=owner)
    part = buffer[2:]
    del owner, buffer
    gc.collect()
    assert alive() is not None and part.tolist() == [3, 4]
    part.release()
    gc.collect()
    assert alive() is None


def test_ints_of_other_types_are_pointers_too(block):
    assert sp.from_pointer(np.uint64(address(block)), (2,), "int32").tolist() == [0, 1]


BAD_POINTERS = [
    (("x", (4,), "int32"), {}, TypeError, ""),
    ((1.5, (4,), "int32"), {}, TypeError, ""),
    ((None, (4,), "int32"), {}, TypeError, ""),
    ((-1, (4,), "int32"), {}, (ValueError, OverflowError), ""),
    ((2**64, (4,), "int32"), {}, (ValueError, OverflowError), ""),
    ((0, (4,), "int32"), {}, ValueError, "(?i)null"),
    ((4096, (-4,), "int32"), {}, ValueError, "-4"),
    ((4096, (2**61,), "int32"), {}, ValueError, "2305843009213693952"),
    ((4096, (1,) * 65, "int8"), {}, ValueError, "65"),
    ((4096, (4,), "nonsense"), {}, ValueError, "nonsense"),
    ((4096, (4,), "int32"), dict(strides=(4, 4)), ValueError, "2"),
    ((4096, (2, 2), "int32"), dict(strides=(4,)), ValueError, "1"),
    ((4096, (4,), "int32"), dict(strides=(-(2**63),)), ValueError, "9223372036854775808"),
    ((4096, (4,), "int32"), dict(strides=(2**62,)), ValueError, "4611686018427387904"),
    ((4096, (4,), "int32"), dict(strides="abcd"), (TypeError, ValueError), ""),
    ((4096, (4,), "int32"), dict(strides=(2**63,)), (ValueError, OverflowError), ""),
    ((4096, (4,), "int32"), dict(device="mars"), ValueError, "mars"),
    ((4096, (4,), "int32"), dict(owns=1), TypeError, ""),
    ((4096,), {}, TypeError, ""),
    ((4096, (4,)), {}, TypeError, ""),
    ((4096, 2.5, "int32"), {}, TypeError, ""),
    ((4096, ("4",), "int32"), {}, TypeError, ""),
    ((2**64 - 8, (4,), "int32"), {}, ValueError, ""),
]


@pytest.mark.parametrize("arguments, keywords, error, word", BAD_POINTERS, ids=lambda v: str(v)[:30])
def test_bad_pointers_are_refused_before_they_are_followed(arguments, keywords, error, word):
    with pytest.raises(error, match=word):
        sp.from_pointer(*arguments, **keywords)


def test_null_is_fine_for_nothing():
    buffer = sp.from_pointer(0, (0, 3), "int32")
    assert buffer.nbytes == 0 and buffer.tolist() == [] and memoryview(buffer).nbytes == 0
    with pytest.raises((ValueError, TypeError)):
        sp.from_pointer(0, (), "int32")


def test_foreign_devices_are_described_but_never_read():
    try:
        buffer = sp.from_pointer(4096, (4,), "int32", device="cuda")
    except (BufferError, ValueError, sp.DeviceError):
        return
    assert "cuda" in str(buffer.device)
    for read in (lambda: memoryview(buffer), lambda: bytes(buffer)):
        with pytest.raises(BufferError, match="to"):
            read()
    with pytest.raises(TypeError):
        hash(buffer)
    with pytest.raises(TypeError):
        iter(buffer)


# to, contiguous --------------------------------------------------------------------------------------------------


def test_to_the_same_device_is_a_view_unless_a_copy_is_asked_for():
    array = np.arange(6, dtype="i4").reshape(2, 3)
    buffer = sp.Buffer(array)
    assert buffer.to("cpu").ptr == buffer.ptr and buffer.to("cpu", copy=False).ptr == buffer.ptr
    copied = buffer.to("cpu", copy=True)
    assert (
        copied.ptr != buffer.ptr
        and copied.tolist() == array.tolist()
        and not sp.Buffer(b"ab").to("cpu", copy=True).readonly
    )
    turned = buffer.to("cpu", order="F")
    assert turned.f_contiguous and turned.tolist() == array.tolist()
    with pytest.raises(BufferError):
        buffer.to("cpu", order="F", copy=False)
    for device, error in (
        ("cuda", (BufferError, sp.DeviceError)),
        ("mars", ValueError),
        (5, (TypeError, ValueError)),
    ):
        with pytest.raises(error):
            buffer.to(device)


def test_contiguous_judges_its_order():
    buffer = sp.Buffer(bytearray(4))
    for bad, error in (("X", ValueError), ("", ValueError), ("CF", ValueError), (5, TypeError)):
        with pytest.raises(error):
            buffer.contiguous(order=bad)
