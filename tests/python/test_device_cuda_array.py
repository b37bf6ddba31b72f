"""The CUDA Array Interface, in (versions 2 and 3) and out (version 3), with hand-made objects."""

import gc
import weakref

import pytest
import strideport as sp
from support.devices import (
    DEVICES,
    MANAGED,
    PLACES,
    each_device,
    needs_devices,
    other_device,
    wait_until_gone,
)

pytestmark = needs_devices

DATA = bytes(range(240))
ON_DEVICES = [
    place
    for place in [*DEVICES, *MANAGED]
    if place.startswith("cuda") or sp.why_no_device("cuda") is not None  # see test_simulated_memory...
]


class Array:
    """Another library's array."""

    def __init__(self, interface, owner=None):
        self.__cuda_array_interface__ = interface
        self.owner = owner


class Missing:
    """Stands for a key that is left out."""


def interface_of(memory, **changes):
    entries = {
        "version": 3,
        "shape": (15, 4),
        "typestr": "<i4",
        "data": (memory.ptr, False),
        "strides": None,
        "stream": None,
        **changes,
    }
    return {key: value for key, value in entries.items() if value is not Missing}


def array_of(memory, **changes):
    return Array(interface_of(memory, **changes), memory)


def on(place):
    return sp.asbuffer(DATA).cast("i", (15, 4)).to(place, copy=True)


# Out -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ON_DEVICES)
def test_device_memory_has_the_interface(place):
    buffer = on(place)
    assert buffer.__cuda_array_interface__ == {
        "version": 3,
        "shape": (15, 4),
        "typestr": "<i4",
        "data": (buffer.ptr, False),
        "strides": None,
        "stream": None,
    }
    assert buffer.toreadonly().__cuda_array_interface__["data"] == (buffer.ptr, True)
    turned = buffer.T.__cuda_array_interface__
    assert turned["shape"] == (4, 15) and turned["strides"] == (4, 16)
    assert buffer[::-1].__cuda_array_interface__["strides"] == (-16, 4)
    empty = buffer[3:3].__cuda_array_interface__
    assert empty["data"] == (0, False) and empty["shape"] == (0, 4)


@pytest.mark.parametrize("place", ON_DEVICES)
def test_typestrs_and_structures(place):
    for name, typestr in (("uint8", "|u1"), (">d", ">f8"), ("?", "|b1"), ("Zf", "<c8"), ("e", "<f2")):
        assert sp.empty(2, name, device=place).__cuda_array_interface__["typestr"] == typestr
    structure = sp.empty(2, "T{<i:a:<f:b:}", device=place).__cuda_array_interface__
    assert structure["typestr"] == "|V8" and structure["descr"] == [("a", "<i4"), ("b", "<f4")]
    assert not hasattr(sp.empty(2, "bfloat16", device=place), "__cuda_array_interface__")


@pytest.mark.parametrize("place", [place for place in PLACES if place == "cpu" or "_host" in place])
def test_host_memory_has_none(place):
    buffer = on(place)
    assert not hasattr(buffer, "__cuda_array_interface__")
    with pytest.raises(AttributeError, match=place):
        buffer.__cuda_array_interface__


def test_simulated_memory_is_not_taken_for_cudas():
    """Where a CUDA device is, its libraries would use the address; where none is, nobody can be harmed."""
    for device in DEVICES:
        if device.startswith("simulated"):
            assert hasattr(on(device), "__cuda_array_interface__") == (sp.why_no_device("cuda") is not None)


@pytest.mark.parametrize("place", ON_DEVICES)
def test_pending_work_is_on_the_stream_that_the_interface_names(place):
    """The stream is None once nothing is pending, else the legacy default stream, which comes after what was pending."""
    if place in MANAGED:
        pytest.skip("streams belong to devices")
    data = bytes(range(256)) * 4096
    stream = sp.Stream(place)
    for _ in range(10):
        buffer = sp.empty(len(data), "uint8", device=place, stream=stream)
        for _ in range(3):
            sp.copy(buffer, data, stream)
        interface = buffer.__cuda_array_interface__
        assert interface["stream"] in (None, 1)
        copy = sp.empty(len(data), "uint8", device=place)
        unordered = sp.from_pointer(interface["data"][0], len(data), "uint8", device=place)
        sp.copy(copy, unordered, stream=interface["stream"])
        assert copy.tobytes() == data
    stream.synchronize()
    assert buffer.__cuda_array_interface__["stream"] is None


# In --------------------------------------------------------------------------------------------------------------------


@each_device
def test_arrays_come_in_without_a_copy(device):
    memory = on(device)
    array = array_of(memory)
    buffer = sp.asbuffer(array)
    assert buffer.ptr == memory.ptr and buffer.device == device and buffer.obj is array
    assert buffer.shape == (15, 4) and buffer.dtype == "int32" and not buffer.readonly
    assert buffer.tolist() == memory.tolist()
    buffer[3, 1] = -7
    assert memory[3, 1] == -7
    assert sp.check_buffer(array)
    assert sp.asbuffer(array_of(memory, data=(memory.ptr, True))).readonly
    with pytest.raises(BufferError, match="read-only"):
        sp.asbuffer(array_of(memory, data=(memory.ptr, True)), writable=True)
    assert sp.asbuffer(array, writable=False).readonly


@pytest.mark.parametrize("place", [place for place in PLACES if place != "cpu"])
def test_the_driver_says_where_the_memory_is(place):
    memory = on(place)
    assert sp.asbuffer(array_of(memory)).device.split(":")[0] == place.split(":")[0]
    assert sp.asbuffer(array_of(memory)).tolist() == memory.tolist()


@each_device
def test_layouts(device):
    memory = on(device)
    for view in (memory.T, memory[::2], memory[1], memory[:, ::-1], memory[2:3]):
        array = array_of(memory, shape=view.shape, strides=view.strides, data=(view.ptr, False))
        assert sp.asbuffer(array) == view and sp.asbuffer(array).strides == view.strides
    scalar = sp.asbuffer(array_of(memory, shape=()))
    assert scalar.shape == () and scalar.tolist() == memory[0, 0]
    assert sp.asbuffer(array_of(memory, shape=[15, 4], strides=[16, 4])) == memory  # lists, as some libraries give


@pytest.mark.parametrize("version", [2, 3, 4, 99])
@each_device
def test_versions_from_2_on_are_read(device, version):
    memory = on(device)
    assert sp.asbuffer(array_of(memory, version=version, stream=Missing)) == memory


@each_device
def test_version_2_knows_no_stream(device):
    memory = on(device)
    assert sp.asbuffer(array_of(memory, version=2, stream=0)) == memory


@each_device
def test_streams(device):
    memory = on(device)
    stream = sp.Stream(device)
    for handle in (None, 1, 2, stream.handle):
        buffer = sp.asbuffer(array_of(memory, stream=handle))
        assert buffer == memory and buffer.stream == handle


@each_device
def test_work_that_the_producer_queued_is_waited_for(device):
    data = bytes(range(256)) * 4096
    stream = sp.Stream(device)
    for _ in range(10):
        memory = sp.empty(len(data), "uint8", device=device)
        blind = sp.from_pointer(memory.ptr, len(data), "uint8", device=device)
        for _ in range(3):
            sp.copy(blind, data, stream)  # `memory` knows nothing of it
        array = array_of(memory, shape=(len(data),), typestr="|u1", stream=stream.handle)
        assert sp.asbuffer(array).tobytes() == data


@each_device
def test_a_stream_that_goes_after_the_import_is_no_matter(device):
    data = bytes(range(256)) * 4096
    memory = sp.empty(len(data), "uint8", device=device)
    stream = sp.Stream(device)
    sp.copy(memory, data, stream)
    buffer = sp.asbuffer(array_of(memory, shape=(len(data),), typestr="|u1", stream=stream.handle))
    del stream
    gc.collect()
    assert buffer.tobytes() == data and buffer.to("cpu", stream=1).tobytes() == data


BAD = {
    "no version": (dict(version=Missing), ValueError, "version"),
    "version 1": (dict(version=1), ValueError, "version"),
    "version str": (dict(version="3"), TypeError, "version"),
    "no shape": (dict(shape=Missing), ValueError, "shape"),
    "shape int": (dict(shape=60), TypeError, "shape"),
    "shape str": (dict(shape="ab"), TypeError, "shape"),
    "shape of str": (dict(shape=("4",)), TypeError, "shape"),
    "negative extent": (dict(shape=(-1, 4)), ValueError, "-1"),
    "too large": (dict(shape=(2**62, 4)), ValueError, None),
    "beyond the allocation": (dict(shape=(2**30, 4)), ValueError, None),
    "strides beyond": (dict(strides=(2**30, 4)), ValueError, None),
    "strides before": (dict(strides=(-(2**30), 4)), ValueError, None),
    "few strides": (dict(strides=(4,)), ValueError, "strides"),
    "strides str": (dict(strides="ab"), TypeError, "strides"),
    "no typestr": (dict(typestr=Missing), ValueError, "typestr"),
    "typestr int": (dict(typestr=4), TypeError, "typestr"),
    "typestr unknown": (dict(typestr="<z4"), ValueError, "z4"),
    "typestr object": (dict(typestr="|O8", shape=(15, 2)), BufferError, "references"),
    "no data": (dict(data=Missing), ValueError, "data"),
    "data None": (dict(data=None), ValueError, "data"),
    "data int": (dict(data=4096), ValueError, "data"),
    "data of one": (dict(data=(4096,)), ValueError, "data"),
    "data str": (dict(data=("x", False)), TypeError, "data"),
    "data negative": (dict(data=(-1, False)), ValueError, "data"),
    "data bytes": (dict(data=b"abc"), ValueError, "data"),
    "null": (dict(data=(0, False)), (BufferError, ValueError), None),
    "host address": (dict(data=(4096, False)), BufferError, "4096"),
    "mask": (dict(mask=object()), BufferError, "mask"),
    "stream 0": (dict(stream=0), ValueError, "stream 0"),
    "stream -1": (dict(stream=-1), ValueError, "stream"),
    "stream str": (dict(stream="1"), TypeError, "stream"),
    "stream float": (dict(stream=1.0), TypeError, "stream"),
    "stream True": (dict(stream=True), TypeError, "stream"),
    "stream 2**64": (dict(stream=2**64), ValueError, "stream"),
}


@pytest.mark.parametrize("case", BAD)
@each_device
def test_malformed_interfaces_are_refused(device, case):
    changes, error, word = BAD[case]
    memory = on(device)
    with pytest.raises(error, match=word):
        sp.asbuffer(array_of(memory, **changes))
    assert memory.tobytes() == DATA


def test_what_is_no_dict_is_a_type_error():
    for interface in (None, 5, [], "dict", object()):
        with pytest.raises(TypeError, match="dict"):
            sp.asbuffer(Array(interface))


@each_device
def test_what_raises_in_the_getter_comes_out(device):
    class Raising:
        @property
        def __cuda_array_interface__(self):
            raise KeyError("evil")

    with pytest.raises(KeyError, match="evil"):
        sp.asbuffer(Raising())


@each_device
def test_freed_memory_is_refused(device):
    if not device.startswith("simulated"):
        pytest.skip("a real pool keeps what is freed")
    memory = on(device)
    interface = interface_of(memory)
    memory.release()
    with pytest.raises(BufferError):
        sp.asbuffer(Array(interface))


def test_empty_arrays_have_no_address():
    for shape in ((0,), (3, 0, 2)):
        buffer = sp.asbuffer(Array({"version": 3, "shape": shape, "typestr": "<f4", "data": (0, False)}))
        assert buffer.shape == shape and buffer.nbytes == 0 and buffer.device in DEVICES and buffer.tobytes() == b""


@each_device
def test_the_array_and_its_dict_are_kept(device):
    class Owned:
        """Its dict alone keeps the memory."""

        @property
        def __cuda_array_interface__(self):
            memory = on(device)
            references.append(weakref.ref(memory))
            return {**interface_of(memory), "keep": memory}

    references = []
    array = Owned()
    references.append(weakref.ref(array))
    buffer = sp.asbuffer(array)
    del array
    gc.collect()
    assert all(reference() is not None for reference in references)
    assert buffer[4:].tobytes() == DATA[64:]
    view = buffer[1:]
    del buffer
    gc.collect()
    assert view.tobytes() == DATA[16:]
    del view
    assert all(wait_until_gone(reference) for reference in references)


@each_device
def test_cycles_through_device_memory_are_collected(device):
    class Cyclic(Array):
        pass

    array = Cyclic(interface_of(memory := on(device)), memory)
    array.buffer = sp.asbuffer(array)
    array.view = array.buffer[::2]
    reference = weakref.ref(array)
    del array, memory
    assert wait_until_gone(reference)


@each_device
def test_our_own_interface_comes_back(device):
    memory = on(device)
    if not hasattr(memory, "__cuda_array_interface__"):
        pytest.skip("simulated beside a GPU")
    for view in (memory, memory.T, memory[::-1, 1:], memory.toreadonly(), memory[5:5]):
        again = sp.asbuffer(Array(view.__cuda_array_interface__, view))
        assert again == view and again.readonly == view.readonly and again.shape == view.shape


@each_device
def test_dlpack_comes_first(device):
    memory, other = on(device), on(device)

    class Both(Array):
        def __dlpack__(self, **keywords):
            return other.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return other.__dlpack_device__()

    assert sp.asbuffer(Both(interface_of(memory))).ptr == other.ptr


@each_device
def test_copy_takes_such_arrays_on_both_sides(device):
    memory = on(device)
    source = on(other_device(device))
    memory[...] = sp.empty_like(memory)
    sp.copy(array_of(memory), array_of(source))
    assert memory == source
