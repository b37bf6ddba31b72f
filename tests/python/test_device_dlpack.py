"""DLPack from devices: the table of streams row by row, dl_device, copy, the exchange API."""

import ctypes

import pytest
import strideport as sp
from support import dlpack as dl
from support.device_dlpack import DATA, EXT_DEV, dl_device, numbers_at, on, taken
from support.devices import HOSTS, PLACES, each_device, each_place, needs_devices, pairs
from support.dlpack import Tensor

pytestmark = needs_devices

# stream -----------------------------------------------------------------------------------------------------------


@each_device
def test_streams_that_consumers_may_name(device):
    """-1 no synchronisation; None and 1 the legacy default stream, 2 the per-thread one, over 2 a handle."""
    stream = sp.Stream(device)
    for consumer in (-1, None, 1, 2, stream.handle):
        out = taken(on(device), stream=consumer)
        assert out.device == dl_device(device) and out.flags == 0
        assert numbers_at(out).tobytes() == DATA
        out.delete()


@pytest.mark.parametrize(
    "stream, error",
    [
        (0, ValueError),
        (-2, ValueError),
        (-(2**70), ValueError),
        (2**64, ValueError),
        (True, TypeError),
        (False, TypeError),
        ("1", TypeError),
        (1.0, TypeError),
        (object(), TypeError),
        ((), TypeError),
    ],
    ids=repr,
)
@each_device
def test_streams_that_are_none(device, stream, error):
    with pytest.raises(error, match="(?i)stream|address"):
        on(device).__dlpack__(max_version=(1, 0), stream=stream)


@each_device
def test_a_consumers_stream_waits_for_what_is_pending(device):
    """The bytes are queued on one stream and read on another, which only the export has ordered."""
    data = bytes(range(256)) * 4096
    producer, consumer = sp.Stream(device), sp.Stream(device)
    for handle in (consumer.handle, 1, 2):
        buffer = sp.empty(len(data), "uint8", device=device, stream=producer)
        for _ in range(3):
            sp.copy(buffer, data, producer)
        out = taken(buffer, stream=handle)
        copy = sp.empty(len(data), "uint8", device=device)
        unordered = sp.from_pointer(out.data, len(data), "uint8", device=device)  # knows of no pending work
        sp.copy(copy, unordered, handle)
        assert copy.tobytes() == data
        out.delete()


@pytest.mark.parametrize("place", ["cpu", *HOSTS])
def test_results_on_the_host_have_no_stream(place):
    buffer = on(place)
    taken(buffer, stream=None).delete()
    for stream in (-1, 0, 1, 2, 77):
        with pytest.raises(ValueError, match="(?i)stream"):
            buffer.__dlpack__(max_version=(1, 0), stream=stream)
    with pytest.raises(TypeError):
        buffer.__dlpack__(max_version=(1, 0), stream="1")


@each_device
def test_a_copy_to_the_host_has_no_stream_and_is_done(device):
    buffer = on(device)
    out = taken(buffer, dl_device=(1, 0))
    assert out.device == (1, 0) and out.flags == dl.IS_COPIED
    assert ctypes.string_at(out.data, 240) == DATA
    out.delete()
    with pytest.raises(ValueError, match="stream"):
        buffer.__dlpack__(dl_device=(1, 0), stream=1)


# __dlpack_device__, dl_device, copy -------------------------------------------------------------------------------------


@each_place
def test_the_device_of_every_place(place):
    device = on(place).__dlpack_device__()
    assert device == dl_device(place) and type(device) is tuple and all(type(n) is int for n in device)


@each_place
def test_tensors_say_where_they_are(place):
    out = taken(on(place))
    assert out.device == dl_device(place) and out.shape == (15, 4) and out.strides == (4, 1) and out.byte_offset == 0
    out.delete()


@pytest.mark.parametrize("dst, src", [(a, b) for a, b in pairs() if not a.startswith("simulated_")], ids=str)
def test_dl_device_brings_the_memory_there(dst, src):
    """To another place a copy, which is the consumer's alone; where it is already, the memory itself."""
    buffer = on(src)
    out = taken(buffer, dl_device=dl_device(dst))
    host = sp.asbuffer(DATA).cast("i", (15, 4))
    assert out.device == dl_device(dst)
    assert numbers_at(out) == host
    shared = out.data == buffer.ptr
    assert shared == (dl_device(src) == dl_device(dst) or (dst == "cpu" and "_" in src))
    assert (out.flags & dl.IS_COPIED == 0) == shared
    out.delete()
    if not shared:
        with pytest.raises(BufferError, match="copy=False"):
            buffer.__dlpack__(dl_device=dl_device(dst), copy=False)


@each_place
def test_copies_stay_where_they_are_and_are_writable(place):
    buffer = on(place).toreadonly()
    out = taken(buffer, copy=True)
    assert out.device == dl_device(place) and out.data != buffer.ptr and out.flags == dl.IS_COPIED
    assert numbers_at(out) == buffer
    out.delete()
    out = taken(buffer, copy=False)
    assert out.data == buffer.ptr and out.flags == dl.READ_ONLY
    out.delete()


@each_device
def test_devices_that_are_not_there_are_refused(device):
    buffer = on(device)
    for where in ((2, 77), (EXT_DEV, 77), (10, 0), (99, 0), (0, 0), (-1, 0), (1003, 0), (1, 5), (2**40, 0)):
        with pytest.raises(BufferError, match="dl_device"):
            buffer.__dlpack__(dl_device=where)
    for where in (1, "cpu", (1,), ("1", 0), [1, 0]):
        with pytest.raises(TypeError):
            buffer.__dlpack__(dl_device=where)


@each_device
def test_layouts_and_flags_survive_the_device(device):
    buffer = on(device)
    for view in (buffer.T, buffer[::2], buffer[::-1], buffer[3], buffer[:, 1:3], buffer[2:2], buffer.toreadonly()):
        out = taken(view, stream=1)
        back = numbers_at(out) if out.data else None
        assert out.shape == view.shape and bool(out.flags & dl.READ_ONLY) == view.readonly
        assert back is None or back == view
        out.delete()
    with pytest.raises(BufferError, match="read-only"):
        buffer.toreadonly().__dlpack__()


# The C exchange API ---------------------------------------------------------------------------------------------------

SetError = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
Versioned = ctypes.POINTER(dl.DLManagedTensorVersioned)


class Table(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("previous", ctypes.c_void_p),
        (
            "allocate",
            ctypes.CFUNCTYPE(
                ctypes.c_int, ctypes.POINTER(dl.DLTensor), ctypes.POINTER(Versioned), ctypes.c_void_p, SetError
            ),
        ),
        ("from_object", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Versioned))),
        ("to_object", ctypes.PYFUNCTYPE(ctypes.c_int, Versioned, ctypes.POINTER(ctypes.py_object))),
        ("fill", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(dl.DLTensor))),
        (
            "current_stream",
            ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p)),
        ),
    ]


@pytest.fixture(scope="module")
def api():
    return Table.from_address(dl._pointer(sp.Buffer.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))


@each_place
def test_the_exchange_api_makes_memory_ready_on_its_current_stream(api, place):
    stream = ctypes.c_void_p(77)
    assert api.current_stream(*dl_device(place), ctypes.byref(stream)) == 0
    on_device = dl_device(place)[0] in (2, 13, EXT_DEV)
    assert stream.value == (1 if on_device else None)
    buffer = on(place)
    out = Versioned()
    assert api.from_object(buffer, ctypes.byref(out)) == 0
    tensor = out.contents.dl_tensor
    assert tensor.data == buffer.ptr and (tensor.device.type, tensor.device.id) == dl_device(place)
    back = ctypes.py_object()
    assert api.to_object(out, ctypes.byref(back)) == 0
    assert back.value.ptr == buffer.ptr and back.value == buffer
    bare = dl.DLTensor()
    assert api.fill(buffer, ctypes.byref(bare)) == 0 and bare.data == buffer.ptr
    assert (bare.device.type, bare.device.id) == dl_device(place)


@each_device
def test_the_exchange_api_allocates_on_devices(api, device):
    errors = []
    report = SetError(lambda context, kind, message: errors.append((kind, message)))
    prototype = Tensor(shape=(3, 5), dtype=(dl.FLOAT, 64, 1), device=dl_device(device)).managed.dl_tensor
    out = Versioned()
    assert api.allocate(ctypes.byref(prototype), ctypes.byref(out), None, report) == 0 and not errors
    tensor = out.contents.dl_tensor
    assert (tensor.device.type, tensor.device.id) == dl_device(device) and tensor.data
    back = ctypes.py_object()
    assert api.to_object(out, ctypes.byref(back)) == 0
    assert back.value.device == device and back.value.shape == (3, 5) and back.value.dtype == "float64"
    huge = Tensor(shape=(1 << 50,), dtype=(dl.FLOAT, 64, 1), device=dl_device(device)).managed.dl_tensor
    absent = Tensor(shape=(4,), device=(dl_device(device)[0], 99)).managed.dl_tensor
    for bad in (huge, absent):
        assert api.allocate(ctypes.byref(bad), ctypes.byref(Versioned()), None, report) == -1
    assert errors[0][0] == b"MemoryError" and len(errors) == 2 and all(message for _, message in errors)


def test_the_exchange_api_knows_no_streams_of_other_devices(api):
    for kind in (4, 7, 8, 10, 99, -1):
        with pytest.raises(BufferError, match=str(kind)):
            api.current_stream(kind, 0, ctypes.byref(ctypes.c_void_p()))


def test_places_are_all_there():
    assert len(PLACES) >= 5
