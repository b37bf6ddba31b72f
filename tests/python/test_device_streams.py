"""sp.Stream and sp.Event, and what every `stream=` takes."""

import ctypes
import gc
import weakref

import pytest
import strideport as sp
from support.devices import DEVICES, each_device, needs_devices, other_device

pytestmark = needs_devices

each_of_all = pytest.mark.parametrize("device", DEVICES)


@each_of_all
def test_a_stream_says_what_it_is(device):
    stream = sp.Stream(device)
    assert stream.device == device and isinstance(stream.handle, int) and stream.handle > 2
    stream.synchronize()
    assert stream.done is True
    assert repr(stream).startswith("<strideport.Stream") and device in repr(stream)
    assert sp.Stream(device=device, priority=-1).device == device


@each_device
def test_streams_are_equal_by_their_handle(device):
    a, b = sp.Stream(device), sp.Stream(device)
    assert a == a and a != b and a.handle != b.handle and hash(a) == hash(a)
    assert len({a, b, a}) == 2
    assert a != a.handle and a != "stream" and a != None  # noqa: E711
    with pytest.raises(TypeError):
        a < b  # noqa: B015
    with pytest.raises(AttributeError):
        a.handle = 5
    with pytest.raises(TypeError):
        sp.Stream.handle = 5


@each_device
def test_streams_and_events_are_weakly_referenceable_and_go(device):
    stream = sp.Stream(device)
    event = stream.record()
    references = [weakref.ref(stream), weakref.ref(event)]
    del stream, event
    gc.collect()
    assert [reference() for reference in references] == [None, None]


@pytest.mark.parametrize("device", ["cpu", "cuda_host", "simulated_host", "simulated_managed:1", (1, 0)])
def test_only_devices_have_streams(device):
    with pytest.raises((ValueError, sp.DeviceError)):
        sp.Stream(device)


def test_devices_that_are_not_there_have_no_streams():
    with pytest.raises((sp.DeviceError, ValueError), match="99"):
        sp.Stream("simulated:99")
    for bad in ("mars", "simulated:x", "simulated:-1"):
        with pytest.raises(ValueError):
            sp.Stream(bad)
    for bad in (5, None, object()):
        if bad is not None:
            with pytest.raises(TypeError):
                sp.Stream(bad)


@pytest.mark.parametrize("priority, error", [("x", TypeError), (1.5, TypeError), (2**40, ValueError), (None, TypeError)])
@each_device
def test_priorities_are_judged(device, priority, error):
    with pytest.raises(error):
        sp.Stream(device, priority)


def test_events_are_recorded_not_made():
    with pytest.raises(TypeError):
        sp.Event()


@each_of_all
def test_events_are_reached(device):
    stream = sp.Stream(device)
    start = stream.record()
    buffer = sp.empty(1 << 16, "uint8", device=device, stream=stream)
    sp.copy(buffer, bytes(1 << 16), stream)
    end = stream.record()
    end.synchronize()
    assert start.done and end.done and end.device == device
    assert end.seconds_since(start) >= 0
    assert device in repr(end)
    with pytest.raises(TypeError):
        end.seconds_since(5)


@each_device
def test_an_event_of_any_handle(device):
    stream = sp.Stream(device)
    for what in (stream, stream.handle, 1, 2):
        event = sp.Event.record(what, device)
        event.synchronize()
        assert event.done and event.device == device
    assert sp.Event.record(stream).device == device  # a Stream knows its own
    assert sp.Event.record(stream=stream, device=device).device == device
    with pytest.raises(TypeError, match="None"):
        sp.Event.record(None, device)
    with pytest.raises(ValueError, match="not of"):
        sp.Event.record(stream, other_device(device))
    with pytest.raises(ValueError):
        sp.Event.record(stream, "cpu")


@each_device
def test_streams_wait_for_events_and_streams(device):
    """A chain through many streams: every copy sees what the one before wrote."""
    streams = [sp.Stream(device) for _ in range(4)]
    buffers = [sp.empty(1 << 16, "uint8", device=device) for _ in range(5)]
    sp.copy(buffers[0], bytes(range(256)) * 256, streams[0])
    for i, stream in enumerate(streams):
        if i:
            stream.wait(streams[i - 1] if i % 2 else streams[i - 1].record())
        sp.copy(buffers[i + 1], buffers[i], stream)
    streams[-1].synchronize()
    assert buffers[-1].tobytes() == bytes(range(256)) * 256


@each_device
def test_events_make_foreign_streams_wait(device):
    first, second = sp.Stream(device), sp.Stream(device)
    event = first.record()
    for stream in (second, second.handle, 1, 2, CudaStream((0, second.handle))):
        event.make_wait(stream)
    second.wait(second)  # itself: nothing to wait for
    for call in (event.make_wait, second.wait):
        with pytest.raises(TypeError, match="None"):
            call(None)
        with pytest.raises(TypeError):
            call("stream")
        with pytest.raises(ValueError, match="ambiguous"):
            call(0)


@each_device
def test_streams_of_two_devices_wait_for_each_other(device):
    here, there = sp.Stream(device), sp.Stream(other_device(device))
    source = sp.asbuffer(bytes(range(256)) * 64)
    on_here = source.to(here.device, stream=here)
    there.wait(here)
    on_there = on_here.to(there.device, stream=there)
    here.wait(there.record())
    assert on_there.to("cpu", stream=there) == source


# What users pass as a stream -----------------------------------------------------------------------------------------


class CudaStream:
    def __init__(self, answer):
        self.answer = answer

    def __cuda_stream__(self):
        return self.answer


class OldCudaStream:
    def __init__(self, answer):
        self.__cuda_stream__ = answer


class TorchStream:
    def __init__(self, handle):
        self.cuda_stream = handle


class CupyStream:
    def __init__(self, handle):
        self.ptr = handle

    def wait_event(self, event):
        raise AssertionError("nobody asked")


class Index:
    """An int by __index__ alone, as ctypes handles are not: no stream."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


GOOD = {
    "None": lambda stream: None,
    "Stream": lambda stream: stream,
    "handle": lambda stream: stream.handle,
    "legacy default": lambda stream: 1,
    "per-thread default": lambda stream: 2,
    "__cuda_stream__": lambda stream: CudaStream((0, stream.handle)),
    "__cuda_stream__ attribute": lambda stream: OldCudaStream((0, stream.handle)),
    "__cuda_stream__ default": lambda stream: CudaStream((0, 0)),
    "torch": lambda stream: TorchStream(stream.handle),
    "torch default": lambda stream: TorchStream(0),
    "cupy": lambda stream: CupyStream(stream.handle),
    "cupy null": lambda stream: CupyStream(0),
    "numpy-like int": lambda stream: type("Long", (int,), {})(stream.handle),
}


@pytest.mark.parametrize("kind", GOOD)
@each_device
def test_every_kind_of_stream_is_taken_everywhere(device, kind):
    stream = sp.Stream(device)
    made = GOOD[kind](stream)
    data = bytes(range(200))
    buffer = sp.empty(200, "uint8", device=device, stream=made)
    sp.copy(buffer, data, stream=made)
    twin = sp.empty_like(buffer, device=device, stream=made)
    sp.copy(twin, buffer, made)
    turned = twin.reshape(10, 20).T.contiguous(stream=made)
    pointer = sp.from_pointer(turned.ptr, (200,), "uint8", device=device, owner=turned, stream=made)
    assert pointer.to("cpu", stream=made).tobytes() == sp.asbuffer(data).reshape(10, 20).T.tobytes()
    stream.synchronize()


class Raising:
    def __init__(self, error):
        self.error = error

    @property
    def __cuda_stream__(self):
        raise self.error


BAD = {
    "0": (lambda: 0, ValueError, "ambiguous"),
    "-1": (lambda: -1, ValueError, None),
    "2**64": (lambda: 2**64, ValueError, None),
    "True": (lambda: True, TypeError, "stream"),
    "False": (lambda: False, TypeError, "stream"),
    "str": (lambda: "stream", TypeError, "stream"),
    "float": (lambda: 1.0, TypeError, "stream"),
    "object": (object, TypeError, "stream"),
    "c_void_p": (lambda: ctypes.c_void_p(1), TypeError, "stream"),
    "Index": (lambda: Index(1), TypeError, "stream"),
    "a Buffer, which has a ptr": (lambda: sp.asbuffer(b"abc"), TypeError, "stream"),
    "a class": (lambda: CudaStream, TypeError, "stream"),
    "no tuple": (lambda: CudaStream(5), TypeError, "tuple"),
    "a list": (lambda: CudaStream([0, 5]), TypeError, "tuple"),
    "a long tuple": (lambda: CudaStream((0, 5, 6)), TypeError, "tuple"),
    "version 1": (lambda: CudaStream((1, 5)), ValueError, "version"),
    "handle None": (lambda: CudaStream((0, None)), TypeError, "handle"),
    "handle -1": (lambda: CudaStream((0, -1)), ValueError, None),
    "handle True": (lambda: TorchStream(True), TypeError, "int"),
    "handle str": (lambda: CupyStream("5"), TypeError, "int"),
    "handle float": (lambda: TorchStream(1.5), TypeError, "int"),
    "raises": (lambda: Raising(KeyError("evil")), KeyError, "evil"),
    "raises at the end": (lambda: Raising(KeyboardInterrupt()), KeyboardInterrupt, None),
}


@pytest.mark.parametrize("kind", BAD)
@each_device
def test_what_is_no_stream_is_refused_before_any_effect(device, kind):
    make, error, word = BAD[kind]
    data = bytes(range(16))
    buffer = sp.asbuffer(data).to(device)
    calls = (
        lambda stream: sp.copy(buffer, bytes(16), stream),
        lambda stream: sp.empty(4, "uint8", device=device, stream=stream),
        lambda stream: sp.empty_like(buffer, device=device, stream=stream),
        lambda stream: sp.from_pointer(buffer.ptr, 16, "uint8", device=device, stream=stream),
        lambda stream: buffer.to("cpu", stream=stream),
        lambda stream: buffer[::2].contiguous(stream=stream),
        lambda stream: sp.Event.record(stream, device),
    )
    for call in calls:
        with pytest.raises(error, match=word):
            call(make())
    assert buffer.tobytes() == data


@each_device
def test_handles_that_nobody_made_are_errors_not_crashes(device):
    if not device.startswith("simulated"):
        pytest.skip("a real driver takes any handle for an address")
    buffer = sp.empty(16, "uint8", device=device)
    for handle in (3, 12345, 2**63, 2**64 - 1):
        with pytest.raises((sp.DeviceError, ValueError)):
            sp.copy(buffer, bytes(16), handle)
    assert sp.copy(buffer, bytes(16)) is None


@each_device
def test_streams_of_another_device_are_refused(device):
    buffer = sp.empty(16, "uint8", device=device)
    stranger = sp.Stream(other_device(device))
    with pytest.raises(ValueError):
        sp.copy(buffer, bytes(16), stranger)


def test_host_memory_has_no_streams():
    for call in (
        lambda: sp.copy(bytearray(2), b"ab", stream=1),
        lambda: sp.empty(4, "uint8", stream=1),
        lambda: sp.asbuffer(b"ab").to("cpu", stream=1),
        lambda: sp.asbuffer(b"abcd")[::2].contiguous(stream=1),
        lambda: sp.from_pointer(4096, 4, "uint8", stream=1),
    ):
        with pytest.raises(ValueError, match="host"):
            call()


class Releasing:
    """Releases a Buffer while it is asked for its handle."""

    def __init__(self, buffer, handle):
        self.buffer, self.handle = buffer, handle

    def __cuda_stream__(self):
        self.buffer.release()
        return (0, self.handle)


@each_device
def test_a_stream_that_releases_the_buffer_gets_the_released_error(device):
    for call in (
        lambda buffer, stream: buffer.to("cpu", stream=stream),
        lambda buffer, stream: buffer.T.contiguous(stream=stream),
        lambda buffer, stream: sp.copy(buffer, bytes(4), stream),
    ):
        buffer = sp.empty((2, 2), "uint8", device=device)
        try:
            call(buffer, Releasing(buffer, 1))
        except ValueError:
            pass


@each_device
def test_work_outlives_the_stream_that_it_was_queued_on(device):
    data = bytes(range(256)) * 1024
    for _ in range(20):
        buffer = sp.asbuffer(data).to(device, stream=(stream := sp.Stream(device)))
        del stream
        gc.collect()
        assert buffer[1000:2000].tobytes() == data[1000:2000]


@each_device
def test_cudas_protocol(device):
    stream = sp.Stream(device)
    if device.startswith("simulated") and sp.why_no_device("cuda") is None:
        with pytest.raises(TypeError, match="simulated"):
            stream.__cuda_stream__()
    else:
        assert stream.__cuda_stream__() == (0, stream.handle)
