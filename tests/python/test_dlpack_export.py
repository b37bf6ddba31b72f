"""DLPack out: __dlpack__ row by row, the tensors that it hands out, and who frees what when."""

import enum
import gc
import sys
import threading
import weakref

import pytest
import strideport as sp
from support import dlpack as dl
from support.dlpack import Taken
from support.peers import needs_pep688, needs_testbuffer, peer

np = peer("numpy")


def taken(buffer, **keywords):
    """A versioned export, claimed."""
    return Taken(buffer.__dlpack__(**{"max_version": (1, 0), **keywords}))


def array(shape=(3, 4), dtype="i4"):
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


# max_version ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_version", [None, (0, 0), (0, 8), (0, 99)], ids=str)
def test_consumers_of_old_get_the_legacy_struct(max_version):
    out = Taken(sp.Buffer(array()).__dlpack__(max_version=max_version))
    assert not out.versioned and out.shape == (3, 4)
    out.delete()


def test_no_max_version_means_legacy():
    assert dl.capsule_name(sp.Buffer(array()).__dlpack__()) == b"dltensor"


@pytest.mark.parametrize("max_version", [(1, 0), (1, 1), (1, 99), (2, 0), (10, 5)], ids=str)
def test_consumers_of_today_and_tomorrow_get_version_1_3(max_version):
    out = taken(sp.Buffer(array()), max_version=max_version)
    assert out.version == (1, 3) and out.flags == 0
    out.delete()


@pytest.mark.parametrize(
    "max_version",
    [1, 1.0, "1.0", (1,), (), (1, 0, 0), [1, 0], ("1", 0), (1, "0"), (1.0, 0), (None, 0), object()],
    ids=repr,
)
def test_other_max_versions_are_type_errors(max_version):
    with pytest.raises(TypeError):
        sp.Buffer(array()).__dlpack__(max_version=max_version)


def test_negative_and_enormous_versions_do_not_crash():
    for version in ((-1, 0), (2**40, 0), (1, -1), (1, 2**70)):
        try:
            out = Taken(sp.Buffer(array()).__dlpack__(max_version=version))
        except (TypeError, ValueError, OverflowError, BufferError):
            continue
        out.delete()


# stream, dl_device, copy ------------------------------------------------------------------------------------------


def test_host_memory_takes_no_stream():
    taken(sp.Buffer(array()), stream=None).delete()
    for stream in (-1, 0, 1, 2, 3, -2, 2**40, True):
        with pytest.raises(ValueError, match="(?i)stream"):
            sp.Buffer(array()).__dlpack__(max_version=(1, 0), stream=stream)
    for stream in ("1", 1.0, object(), ()):
        with pytest.raises(TypeError):
            sp.Buffer(array()).__dlpack__(max_version=(1, 0), stream=stream)


def test_dl_device():
    class Kind(enum.IntEnum):
        CPU = 1

    for device in (None, (1, 0), (Kind.CPU, 0), (np.int32(1), np.int32(0))):
        out = taken(sp.Buffer(array()), dl_device=device)
        assert out.device == (1, 0)
        out.delete()
    for device in ((2, 0), (99, 0), (0, 0), (-1, 0), (1, 5)):
        with pytest.raises((BufferError, ValueError)):
            sp.Buffer(array()).__dlpack__(max_version=(1, 0), dl_device=device)
    for device in (1, "cpu", (1,), (1, 0, 0), ("cpu", 0), [1, 0, 2], (1.0, 0), object()):
        with pytest.raises(TypeError):
            sp.Buffer(array()).__dlpack__(max_version=(1, 0), dl_device=device)


def test_copy_true_always_copies_into_c_order_and_is_writable():
    source = array()
    source.flags.writeable = False
    for make in (
        lambda: sp.Buffer(source),
        lambda: sp.Buffer(source).T,
        lambda: sp.Buffer(source)[::-1, ::2],
        lambda: sp.Buffer(bytes(12)),
        lambda: sp.Buffer(np.zeros((0, 3))),
    ):
        buffer = make()
        out = taken(buffer, copy=True)
        assert out.flags == dl.IS_COPIED, "copied and not read-only"
        assert out.data != buffer.ptr or not buffer.nbytes
        steps, stride = [], 1
        for extent in reversed(out.shape):
            steps.append(stride)
            stride *= extent
        assert out.shape == buffer.shape and (not buffer.nbytes or out.strides == tuple(reversed(steps)))
        import ctypes

        assert ctypes.string_at(out.data, buffer.nbytes) == buffer.tobytes()
        out.delete()


def test_copy_true_works_for_legacy_exports_of_readonly_memory():
    out = Taken(sp.Buffer(bytes(4)).__dlpack__(copy=True))
    assert not out.versioned and out.shape == (4,)
    out.delete()


def test_copy_none_and_false_share():
    for copy in (None, False):
        source = array()
        out = taken(sp.Buffer(source), copy=copy)
        assert out.data == source.ctypes.data and out.flags == 0
        out.delete()


@pytest.mark.parametrize("copy", [1, 0, "yes", object()], ids=repr)
def test_copy_is_a_bool_or_none(copy):
    with pytest.raises((TypeError, ValueError)):
        sp.Buffer(array()).__dlpack__(max_version=(1, 0), copy=copy)


def test_arguments_go_by_name_and_unknown_ones_are_refused():
    buffer = sp.Buffer(array())
    with pytest.raises(TypeError):
        buffer.__dlpack__(None, (1, 0), None, None)
    with pytest.raises(TypeError):
        buffer.__dlpack__(max_versoin=(1, 0))
    with pytest.raises(TypeError):
        buffer.__dlpack_device__(1)


def test_device_of_host_memory():
    device = sp.Buffer(array()).__dlpack_device__()
    assert device == (1, 0) and type(device) is tuple


# The tensor -------------------------------------------------------------------------------------------------------


def test_strides_are_always_written_in_elements():
    for view in (
        array((2, 3, 4)),
        array((2, 3, 4)).T,
        array((4, 6))[::-2, 1::2],
        np.broadcast_to(array((4,)), (3, 4)),
        np.asfortranarray(array()),
    ):
        out = taken(sp.Buffer(view))
        assert out.shape == view.shape and out.strides == tuple(s // view.itemsize for s in view.strides)
        assert out.data == view.__array_interface__["data"][0] and out.byte_offset == 0
        out.delete()


def test_meaningless_strides_are_canonical():
    """Extents of 1 and empty tensors: consumers multiply them, so they get C order's."""
    wild = np.lib.stride_tricks.as_strided(array((4,)), (1, 4, 1), (12345, 4, -7))
    out = taken(sp.Buffer(wild))
    assert out.shape == (1, 4, 1) and out.strides == (4, 1, 1)
    out.delete()
    odd = np.lib.stride_tricks.as_strided(array((4,)), (1,), (3,))
    out = taken(sp.Buffer(odd))
    assert out.strides == (1,), "a stride of 3 bytes does not matter to one element"
    out.delete()
    out = taken(sp.Buffer(np.zeros((0, 3), "i4")[:, ::-1]))
    assert out.shape == (0, 3) and out.strides == (3, 1)
    out.delete()


def test_scalars_and_empties_go_out():
    out = taken(sp.Buffer(np.array(5.0)))
    assert out.shape == () and out.dtype == (dl.FLOAT, 64, 1) and out.data
    out.delete()
    out = taken(sp.Buffer(np.zeros((2, 0, 3))))
    assert out.shape == (2, 0, 3)
    out.delete()


@pytest.mark.parametrize(
    "dtype, expected",
    [
        ("?", (dl.BOOL, 8, 1)),
        ("i1", (dl.INT, 8, 1)),
        ("u1", (dl.UINT, 8, 1)),
        ("i2", (dl.INT, 16, 1)),
        ("u2", (dl.UINT, 16, 1)),
        ("i4", (dl.INT, 32, 1)),
        ("u4", (dl.UINT, 32, 1)),
        ("i8", (dl.INT, 64, 1)),
        ("u8", (dl.UINT, 64, 1)),
        ("f2", (dl.FLOAT, 16, 1)),
        ("f4", (dl.FLOAT, 32, 1)),
        ("f8", (dl.FLOAT, 64, 1)),
        ("c8", (dl.COMPLEX, 64, 1)),
        ("c16", (dl.COMPLEX, 128, 1)),
        ("longlong", (dl.INT, 64, 1)),
        ("ulonglong", (dl.UINT, 64, 1)),
    ],
)
def test_element_types(dtype, expected):
    out = taken(sp.Buffer(np.zeros(3, dtype)))
    assert out.dtype == expected
    out.delete()


def test_readonly_memory_says_so():
    out = taken(sp.Buffer(bytes(4)))
    assert out.flags == dl.READ_ONLY and not out.flags & dl.IS_COPIED
    out.delete()


@pytest.mark.parametrize("dtype", [">i4", ">f8", "S3", "U2", "V5", "i4,f4", "O"])
def test_types_that_dlpack_cannot_name_are_refused(dtype):
    with pytest.raises(TypeError if dtype == "O" else BufferError) as caught:
        sp.Buffer(np.zeros(3, dtype)).__dlpack__(max_version=(1, 0))
    assert str(caught.value)


def test_layouts_that_dlpack_cannot_say_are_refused_naming_the_cure():
    base = np.zeros(64, "u1")
    odd = np.ndarray((3,), "i4", base, 0, (5,))
    with pytest.raises(BufferError, match=r"contiguous.*|5"):
        sp.Buffer(odd).__dlpack__(max_version=(1, 0))
    out = taken(sp.Buffer(odd).contiguous())
    assert out.strides == (1,)
    out.delete()
    fields = np.zeros(4, "i4,f8")["f1"]  # 12-byte steps of 8-byte items
    with pytest.raises(BufferError, match=r"12(.|\n)*contiguous|contiguous(.|\n)*12"):
        sp.Buffer(fields).__dlpack__(max_version=(1, 0))
    copied = taken(sp.Buffer(fields), copy=True)
    assert copied.strides == (1,)
    copied.delete()


@needs_testbuffer
def test_suboffsets_are_refused_naming_the_cure():
    from _testbuffer import ND_PIL, ndarray

    buffer = sp.Buffer(ndarray(list(range(6)), shape=[2, 3], format="i", flags=ND_PIL))
    with pytest.raises(BufferError, match=r"contiguous"):
        buffer.__dlpack__(max_version=(1, 0))
    with pytest.raises(BufferError):
        buffer.__dlpack__(max_version=(1, 0), copy=False)
    for out in (taken(buffer, copy=True), taken(buffer.contiguous())):
        assert out.shape == (2, 3) and out.strides == (3, 1)
        out.delete()


# Lifetime ---------------------------------------------------------------------------------------------------------


class Owner(np.ndarray):
    """An array whose death can be watched."""


def watched():
    owner = np.zeros(4, "i4").view(Owner)
    return owner, weakref.ref(owner)


@pytest.mark.parametrize("max_version", [None, (1, 0)], ids=["legacy", "versioned"])
def test_a_dropped_capsule_frees_the_owner(max_version):
    owner, alive = watched()
    capsule = sp.Buffer(owner).__dlpack__(max_version=max_version)
    del owner
    gc.collect()
    assert alive() is not None
    del capsule
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("max_version", [None, (1, 0)], ids=["legacy", "versioned"])
def test_a_claimed_capsule_does_not(max_version):
    owner, alive = watched()
    capsule = sp.Buffer(owner).__dlpack__(max_version=max_version)
    out = Taken(capsule)
    del owner, capsule
    gc.collect()
    assert alive() is not None and out.shape == (4,)
    out.delete()
    gc.collect()
    assert alive() is None


def test_exports_outlive_a_released_buffer():
    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    out = taken(buffer)
    buffer.release()
    with pytest.raises(BufferError):
        memory.append(1)
    out.delete()
    memory.append(1)


def test_exports_are_independent():
    owner, alive = watched()
    buffer = sp.Buffer(owner)
    outs = [taken(buffer) for _ in range(5)]
    del owner, buffer
    for out in outs[1:]:
        out.delete()
    gc.collect()
    assert alive() is not None
    outs[0].delete()
    gc.collect()
    assert alive() is None


def test_deleters_may_run_on_any_thread():
    owner, alive = watched()
    out = taken(sp.Buffer(owner))
    del owner
    thread = threading.Thread(target=out.delete)
    thread.start()
    thread.join()
    gc.collect()
    assert alive() is None


def test_deleters_keep_the_callers_error():
    """A consumer may free its tensors while it unwinds."""
    out = taken(sp.Buffer(bytearray(4)))
    with pytest.raises(KeyError):
        try:
            raise KeyError("kept")
        finally:
            out.delete()


@needs_pep688
def test_deleters_swallow_what_the_owner_raises_on_release(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda details: seen.append(details.exc_type))

    class Exporter:
        def __buffer__(self, flags):
            return memoryview(bytearray(4))

        def __release_buffer__(self, view):
            raise ZeroDivisionError

    out = taken(sp.Buffer(Exporter()))
    out.delete()
    gc.collect()
    assert seen == [ZeroDivisionError]


def test_round_trips_lead_to_the_same_memory_and_release_it():
    owner, alive = watched()
    address = owner.ctypes.data
    value = owner
    for _ in range(5):
        value = sp.from_dlpack(sp.Buffer(value))
    assert value.ptr == address and value.shape == (4,)
    del owner
    gc.collect()
    assert alive() is not None
    del value
    gc.collect()
    assert alive() is None


def test_import_prefers_what_loses_nothing():
    """from_dlpack of a Buffer keeps the pointer, the shape, the strides and write protection."""
    source = array((4, 6))[::-1, ::2]
    for buffer in (sp.Buffer(source), sp.Buffer(source).toreadonly()):
        again = sp.from_dlpack(buffer)
        assert (again.ptr, again.shape, again.strides, again.readonly) == (
            buffer.ptr,
            buffer.shape,
            buffer.strides,
            buffer.readonly,
        )
