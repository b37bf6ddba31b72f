"""from_dlpack on devices: our own tensors, other producers', NumPy's, and those of memory that is not there."""

import gc

import pytest
import strideport as sp
from support.device_dlpack import DATA, EXT_DEV, dl_device, on
from support.devices import DEVICES, HOSTS, MANAGED, each_device, each_place, kind_of, needs_devices, other_device, pairs
from support.dlpack import Producer, Tensor

pytestmark = needs_devices


@each_place
def test_our_own_buffers_come_back(place):
    buffer = on(place)
    again = sp.from_dlpack(buffer)
    assert again.ptr == buffer.ptr and again == buffer and not again.readonly
    assert again.__dlpack_device__() == buffer.__dlpack_device__()
    assert sp.from_dlpack(buffer, copy=True).ptr != buffer.ptr
    assert sp.from_dlpack(buffer, copy=False).ptr == buffer.ptr
    assert sp.asbuffer(buffer).device == place


@pytest.mark.parametrize("dst, src", pairs(), ids=str)
def test_from_dlpack_brings_memory_to_a_device(dst, src):
    buffer = on(src)
    there = sp.from_dlpack(buffer, device=dst)
    assert there == buffer
    assert there.__dlpack_device__() == dl_device(dst) or dst == "cpu"
    if kind_of(dst) and not dst.startswith("simulated_"):
        assert there.device == dst
    if there.ptr != buffer.ptr:
        with pytest.raises(BufferError):
            sp.from_dlpack(buffer, device=dst, copy=False)


def test_numpy_arrays_go_to_a_device_though_numpy_does_not():
    np = pytest.importorskip("numpy")
    array = np.arange(12, dtype="f4").reshape(3, 4)[:, ::2]
    for device in DEVICES:
        there = sp.from_dlpack(array, device=device)
        assert there.device == device and there.tolist() == array.tolist()
        with pytest.raises((BufferError, ValueError)):
            sp.from_dlpack(array, device=device, copy=False)
        assert sp.from_dlpack(array, device=device, copy=True) == there
        name, _, index = device.partition(":")
        assert sp.from_dlpack(array, device=({"simulated": 12, "cuda": 2}[name], int(index))) == there


@each_device
@pytest.mark.parametrize(
    "shape, strides",
    [((1 << 40,), None), ((2,), (1 << 40,)), ((2,), (-(1 << 40),)), ((2, 3), (1 << 40, 1))],
    ids=str,
)
def test_tensors_that_leave_their_allocation_are_refused(device, shape, strides):
    memory = sp.empty(60, "uint8", device=device)
    place = dict(device=dl_device(device), data=memory.ptr, dtype=(1, 8, 1))
    known = Tensor(shape=(60,), **place)
    assert sp.from_dlpack(known.capsule).nbytes == 60
    far = Tensor(shape=shape, strides=strides, **place)
    with pytest.raises(ValueError, match="of a memory of"):
        sp.from_dlpack(far.capsule)
    assert far.deleted == 1


@each_device
def test_producers_on_a_device_get_the_legacy_stream_never_none(device):
    memory = on(device)
    tensor = Tensor(shape=(60,), device=dl_device(device), data=memory.ptr)
    producer = Producer(tensor, device=dl_device(device))
    buffer = sp.from_dlpack(producer)
    assert [call["stream"] for call in producer.calls] == [1]
    assert buffer.device == device and buffer.ptr == memory.ptr and buffer.tobytes() == DATA
    assert buffer.stream == 1 and buffer.obj is producer
    del buffer
    gc.collect()
    assert tensor.deleted == 1


@pytest.mark.parametrize("accepts", [("stream",), ("max_version",), (), ("stream", "max_version")], ids=repr)
@each_device
def test_producers_of_old_are_asked_with_what_they_know(device, accepts):
    memory = on(device)
    tensor = Tensor(shape=(60,), device=dl_device(device), data=memory.ptr)
    producer = Producer(tensor, accepts=accepts, device=dl_device(device))
    assert sp.from_dlpack(producer).tobytes() == DATA
    successful = producer.calls[-1]
    if "stream" in accepts:
        assert successful["stream"] == 1


@each_device
def test_asbuffer_takes_device_tensors(device):
    memory = on(device)
    buffer = sp.asbuffer(Producer(Tensor(shape=(60,), device=dl_device(device), data=memory.ptr), device=dl_device(device)))
    assert buffer.device == device and buffer.tobytes() == DATA and not buffer.readonly


@each_device
def test_what_the_driver_does_not_know_is_refused_and_deleted_once(device):
    """A host address, freed memory, another device's memory: kDLExtDev is any library's device, so the driver is asked."""
    gone = sp.empty(1 << 22, "uint8", device=device)
    freed = gone.ptr
    gone.release()
    elsewhere = on(other_device(device))
    for address in (0x1000, None, elsewhere.ptr, *([freed] if device.startswith("simulated") else [])):
        arguments = {} if address is None else {"data": address}
        tensor = Tensor(shape=(4,), device=dl_device(device), **arguments)
        with pytest.raises((BufferError, ValueError)):
            sp.from_dlpack(Producer(tensor, device=dl_device(device)))
        gc.collect()
        assert tensor.deleted == 1
    assert on(device).tobytes() == DATA


@pytest.mark.parametrize("where", [(2, 99), (EXT_DEV, 99), (2, -1), (EXT_DEV, -1), (10, 0), (1003, 0)], ids=str)
def test_tensors_of_devices_that_are_not_there_are_refused(where):
    tensor = Tensor(shape=(4,), device=where)
    for given in (tensor.capsule, Producer(Tensor(shape=(4,), device=where), device=where)):
        with pytest.raises((BufferError, ValueError)):
            sp.from_dlpack(given)
    assert tensor.deleted == 1


def test_empty_tensors_need_no_address():
    for device in DEVICES:
        tensor = Tensor(shape=(0, 3), device=dl_device(device), data=None)
        buffer = sp.from_dlpack(Producer(tensor, device=dl_device(device)))
        assert buffer.shape == (0, 3) and buffer.device == device and buffer.tobytes() == b""


def test_producers_on_the_host_are_not_asked_for_devices():
    """None of them knows ours, and some take a stream for an error."""
    for device in DEVICES:
        tensor = Tensor(memory=bytearray(DATA), shape=(60,))
        producer = Producer(tensor)
        buffer = sp.from_dlpack(producer, device=device)
        assert buffer.device == device and buffer.tobytes() == DATA
        assert all("stream" not in call and "dl_device" not in call for call in producer.calls)
        gc.collect()
        assert tensor.deleted == 1
        tensor = Tensor(shape=(4,))
        with pytest.raises(BufferError, match="copy=False"):
            sp.from_dlpack(Producer(tensor), device=device, copy=False)
        gc.collect()
        assert tensor.deleted == 1
        assert sp.from_dlpack(Tensor(memory=bytearray(DATA), shape=(60,)).capsule, device=device).device == device


@each_device
def test_a_producer_that_cannot_bring_it_leaves_that_to_us(device):
    class Refusing(Producer):
        def __dlpack__(self, **keywords):
            self.calls.append(keywords)
            if keywords.get("dl_device") is not None:
                raise error("not my device")
            return self.tensor.capsule

    there = other_device(device)
    memory = on(device)
    for error in (BufferError, ValueError, NotImplementedError):
        tensor = Tensor(shape=(60,), device=dl_device(device), data=memory.ptr)
        producer = Refusing(tensor, device=dl_device(device))
        buffer = sp.from_dlpack(producer, device=there)
        assert buffer.device == there and buffer.tobytes() == DATA
        assert producer.calls[0]["dl_device"] == dl_device(there) and producer.calls[0]["stream"] == 1
        with pytest.raises(error, match="not my device"):
            sp.from_dlpack(Refusing(Tensor(shape=(4,)), device=dl_device(device)), device=there, copy=False)


@each_device
def test_numpy_says_no_to_device_memory(device):
    np = pytest.importorskip("numpy")
    buffer = on(device)
    assert np.from_dlpack(buffer, device="cpu").tolist() == buffer.tolist()  # NumPy asks for a copy on the CPU
    with pytest.raises((BufferError, RuntimeError, TypeError, ValueError)):
        np.from_dlpack(Wrapped(buffer))
    with pytest.raises(TypeError, match=r'\.to\("cpu"\)'):
        np.asarray(buffer)


class Wrapped:
    """The device's own tensor, whatever a consumer asks."""

    def __init__(self, buffer):
        self.buffer = buffer

    def __dlpack__(self, **keywords):
        return self.buffer.__dlpack__(max_version=(1, 0), stream=-1)

    def __dlpack_device__(self):
        return self.buffer.__dlpack_device__()


@pytest.mark.parametrize("place", [*HOSTS, *MANAGED])
def test_numpy_takes_pinned_and_managed_memory(place):
    np = pytest.importorskip("numpy")
    buffer = on(place)
    array = np.from_dlpack(buffer)
    assert array.ctypes.data == buffer.ptr and array.tolist() == buffer.tolist()
