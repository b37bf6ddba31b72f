"""New memory on devices, pinned and managed; addresses; errors of devices; what there is."""

import json
import pickle
import subprocess
import sys

import pytest
import strideport as sp
from support.devices import DEVICES, FIRST, PLACES, each_device, each_place, kind_of, needs_devices, other_device

pytestmark = needs_devices


@pytest.mark.parametrize("order", "CFAK")
@each_place
def test_empty_gives_memory_of_its_own(place, order):
    buffer = sp.empty((3, 4, 5), "int16", device=place, order=order)
    assert buffer.device == place and buffer.shape == (3, 4, 5) and not buffer.readonly and buffer.obj is None
    assert buffer.strides == ((2, 6, 24) if order == "F" else (40, 10, 2))
    assert buffer.ptr % (64 if place == "cpu" else 256) == 0
    other = sp.empty((3, 4, 5), "int16", device=place)
    assert other.ptr != buffer.ptr


@each_place
def test_empty_like_keeps_shape_type_and_order(place):
    like = sp.asbuffer(bytes(range(48))).cast("T{H:a:xxi:b:}", (2, 3)).T
    made = sp.empty_like(like, device=place)
    assert made.device == place and made.shape == (3, 2) and made.format == like.format and made.strides == (8, 24)
    assert sp.empty_like(like, device=place, order="C").strides == (16, 8)
    assert sp.empty_like(made).device == "cpu"
    sp.copy(made, like)
    assert made == like


def test_pinned_memory_is_of_the_driver_that_there_is():
    pinned = sp.empty((4,), "uint8", pinned=True)
    assert pinned.device == ("cuda_host:0" if sp.why_no_device("cuda") is None else "simulated_host:0")
    pinned[...] = b"abcd"
    assert bytes(memoryview(pinned)) == b"abcd"
    for device in DEVICES:
        on_device = sp.empty((2, 2), "uint8", device=device)
        for made in (sp.empty_like(on_device, pinned=True), on_device.to("cpu", pinned=True), on_device.to(pinned=True)):
            assert made.device == f"{kind_of(device)}_host:0"
        host = f"{kind_of(device)}_host:0"
        assert sp.empty((4,), "uint8", pinned=True, device=device).device == host
        assert sp.empty((4,), "uint8", pinned=True, device=host).device == host
        assert sp.empty_like(pinned, pinned=True, device=device).device == host
        assert sp.asbuffer(b"abcd").to(device, pinned=True).device == host
        for call in (lambda kind: sp.empty(4, "uint8", pinned=True, device=kind), lambda kind: pinned.to(kind, pinned=True)):
            with pytest.raises(ValueError, match="managed"):
                call(f"{kind_of(device)}_managed")


@each_device
def test_more_than_the_device_has_is_a_memory_error_and_nothing_is_lost(device):
    total = sp.device_info(device)["total_bytes"]
    for size in (total + 1, 2 * total, 1 << 60):
        with pytest.raises(sp.DeviceMemoryError) as caught:
            sp.empty(size, "uint8", device=device)
        error = caught.value
        assert isinstance(error, sp.DeviceError) and isinstance(error, MemoryError) and isinstance(error, RuntimeError)
        assert error.code == 2 and str(error)  # CUDA_ERROR_OUT_OF_MEMORY
    assert sp.asbuffer(b"still works").to(device).tobytes() == b"still works"


@each_device
def test_bytes_that_overflow_are_value_errors(device):
    with pytest.raises(ValueError):
        sp.empty((2**40, 2**40), "uint8", device=device)
    with pytest.raises(ValueError):
        sp.empty((-1,), "uint8", device=device)


def test_errors_have_a_code_and_survive_pickling():
    assert sp.DeviceError.code == 0 and sp.DeviceMemoryError.code == 0
    assert sp.DeviceError("x").code == 0 and issubclass(sp.DeviceMemoryError, (sp.DeviceError, MemoryError))
    with pytest.raises(sp.DeviceError) as caught:
        sp.empty(1 << 60, "uint8", device=FIRST[0])
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value) and again.code == caught.value.code and str(again) == str(caught.value)


@pytest.mark.parametrize("place", ["simulated:77", "simulated_host:77", "simulated_managed:77"])
def test_devices_that_are_not_there_are_errors(place):
    with pytest.raises((sp.DeviceError, ValueError, BufferError), match="77"):
        sp.empty(4, "uint8", device=place)
    with pytest.raises((sp.DeviceError, ValueError, BufferError), match="77"):
        sp.asbuffer(b"abcd").to(place)


# from_pointer -----------------------------------------------------------------------------------------------------------


@each_place
def test_pointers_are_wrapped(place):
    memory = sp.asbuffer(bytes(range(96))).cast("i", (4, 6)).to(place, copy=True)
    buffer = sp.from_pointer(memory.ptr, (4, 6), "int32", device=place, owner=memory)
    assert buffer.device == place and buffer.obj is memory and buffer == memory
    strided = sp.from_pointer(memory.ptr + 4, (4, 2), "int32", (24, 8), device=place, readonly=True)
    assert strided.readonly and strided == memory[:, 1:5:2]
    buffer[0, 0] = 5
    assert memory[0, 0] == 5


@each_device
def test_addresses_are_checked_against_the_driver(device):
    memory = sp.empty(4096, "uint8", device=device)
    cases = (
        ((4096, 4), dict(device=device), "does not know"),
        ((memory.ptr, 4), dict(device=other_device(device)), "driver says"),
        ((memory.ptr, 4), dict(device=f"{kind_of(device)}_host"), "driver says"),
        ((bytearray_address(), 4), dict(device=device), "does not know"),
    )
    for (ptr, shape), keywords, word in cases:
        with pytest.raises(BufferError, match=word):
            sp.from_pointer(ptr, shape, "uint8", **keywords)
    with pytest.raises(ValueError):
        sp.from_pointer(memory.ptr, 1 << 40, "uint8", device=device)  # past the end of the allocation
    with pytest.raises(ValueError):
        sp.from_pointer(memory.ptr, (2,), "uint8", (-(1 << 40),), device=device)
    with pytest.raises(TypeError, match="references"):
        sp.from_pointer(memory.ptr, 4, "O", device=device)
    with pytest.raises((sp.DeviceError, BufferError, ValueError)):
        sp.from_pointer(memory.ptr, 4, "uint8", device=f"{kind_of(device)}:77")
    assert sp.from_pointer(0, 0, "uint8", device=device).tobytes() == b""


def bytearray_address():
    import ctypes

    data = bytearray(64)
    bytearray_address.kept = data
    return ctypes.addressof(ctypes.c_char.from_buffer(data))


# What there is ----------------------------------------------------------------------------------------------------------


def test_devices_are_listed_host_first():
    found = sp.devices()
    assert found[0] == "cpu" and len(set(found)) == len(found) and all(type(name) is str for name in found)
    assert [name for name in found if name.startswith("simulated")] == sorted(
        name for name in found if name.startswith("simulated")
    )


@pytest.mark.parametrize("device", ["cpu", *DEVICES])
def test_device_info(device):
    info = sp.device_info(device)
    assert info["device"] == device and info["simulated"] == device.startswith("simulated")
    assert info["total_bytes"] > 0 and info["name"]
    if device == "cpu":
        assert info["driver_version"] is None and info["compute_capability"] is None
    else:
        sp.empty(16, "uint8", device=device)
        info = sp.device_info(device)
        assert 0 <= info["free_bytes"] <= info["total_bytes"]
        assert len(info["compute_capability"]) == 2 and "." in info["driver_version"]
    if device.startswith("simulated"):
        assert "simulated" in info["name"]
    json.dumps(info)


def test_device_info_judges_its_argument():
    with pytest.raises(sp.DeviceError, match="77"):
        sp.device_info("simulated:77")
    with pytest.raises(ValueError):
        sp.device_info("cuda_host")
    with pytest.raises(ValueError):
        sp.device_info("mars")
    with pytest.raises(TypeError):
        sp.device_info(5)


def test_why_no_device():
    assert sp.why_no_device(FIRST[0]) is None and sp.why_no_device("cpu") is None
    for kind in (0, 4, 99, 2**31 - 1):  # of DLPack's, or nobody's
        assert "does not know" in sp.why_no_device((kind, 3))
    reason = sp.why_no_device()
    assert reason is None or len(reason) > 10
    with pytest.raises(ValueError):
        sp.why_no_device("mars")


def test_the_command_line_names_simulated_devices_as_such():
    out = subprocess.run([sys.executable, "-m", "strideport", "info"], capture_output=True, text=True, check=True).stdout
    for device in DEVICES:
        line = next(line for line in out.splitlines() if line.strip().startswith(f"{device}: "))
        assert ("simulated in host memory, no GPU" in line) == device.startswith("simulated")
    if reason := sp.why_no_device("cuda"):
        assert f"  cuda: {reason}" in out
    everything = json.loads(
        subprocess.run(
            [sys.executable, "-m", "strideport", "info", "--json"], capture_output=True, text=True, check=True
        ).stdout
    )
    assert set(DEVICES) < set(everything["devices"])
    assert sp.show_config("dicts")["devices"].keys() == everything["devices"].keys()


def test_places_have_names():
    assert {kind_of(place) for place in PLACES} - {None} <= {"simulated", "cuda"}
