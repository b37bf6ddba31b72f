"""Other libraries meet device memory: a result, or an error that is one of theirs or ours, never a crash."""

import subprocess
import sys

import pytest
import strideport as sp
from support.children import run_python
from support.devices import DEVICES, HOSTS, MANAGED, each_device, needs_devices
from support.peers import peer

pytestmark = needs_devices


def on(place):
    return sp.asbuffer(bytes(range(64))).cast("f", (4, 4)).to(place, copy=True)


@each_device
def test_numpy(device):
    np = peer("numpy")
    buffer = on(device)
    for call in (np.asarray, np.array, np.atleast_1d, lambda b: np.add(b, 1), lambda b: np.zeros((4, 4), "f") + b):
        with pytest.raises(TypeError, match=r'\.to\("cpu"\)'):
            call(buffer)
    assert np.asarray(buffer.to("cpu")).tolist() == buffer.tolist()
    target = np.zeros((4, 4), "f4")
    sp.copy(target[::-1, ::-1], buffer)
    assert target[::-1, ::-1].tolist() == buffer.tolist()


@pytest.mark.parametrize("place", [*HOSTS, *MANAGED])
def test_pyarrow_and_pillow_read_pinned_memory(place):
    buffer = on(place)
    arrow = peer("pyarrow")
    assert arrow.py_buffer(buffer).to_pybytes() == buffer.tobytes()
    assert arrow.py_buffer(buffer).address == buffer.ptr


@each_device
def test_pyarrow_is_told_the_way(device):
    arrow = peer("pyarrow")
    with pytest.raises(BufferError, match=r'\.to\("cpu"\)'):
        arrow.py_buffer(on(device))


@pytest.mark.parametrize("device", [device for device in DEVICES if device.startswith("simulated")])
def test_jax_knows_no_simulated_device(device):
    """In a child: what JAX does with a device that it cannot know is its own affair, but it must not end this process."""
    peer("jax")
    out = run_python(
        f"""
        import jax, jax.numpy as jnp
        import strideport as sp
        buffer = sp.asbuffer(bytes(range(64))).cast("f", (4, 4)).to({device!r})
        for call in (lambda: jax.dlpack.from_dlpack(buffer), lambda: jnp.from_dlpack(buffer)):
            try:
                call()
            except Exception as error:
                assert "12" in str(error), error
            else:
                raise AssertionError("JAX took simulated memory")
        there = sp.from_dlpack(jnp.arange(12.0).reshape(3, 4), device={device!r})
        assert there.device == {device!r} and there.tolist() == jnp.arange(12.0).reshape(3, 4).tolist()
        pinned = buffer.to("cpu", pinned=True)
        assert jnp.from_dlpack(pinned).tolist() == buffer.tolist()
        """,
        JAX_PLATFORMS="cpu",
    )
    assert out.returncode == 0


@each_device
def test_tvm_ffi_carries_any_device(device):
    tvm_ffi = peer("tvm_ffi")
    buffer = on(device)
    tensor = tvm_ffi.from_dlpack(buffer)
    back = sp.from_dlpack(tensor)
    assert back.ptr == buffer.ptr and back.device == device and back == buffer


def test_torch_tensors_go_to_devices():
    torch = peer("torch")
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    for device in DEVICES:
        assert sp.from_dlpack(tensor, device=device).tolist() == tensor.tolist()
        assert sp.asbuffer(tensor).to(device, order="F").tolist() == tensor.tolist()
    for place in HOSTS:
        pinned = on(place)
        if place.startswith("simulated"):
            assert torch.from_dlpack(pinned).tolist() == pinned.tolist()


def test_importing_the_package_starts_no_driver():
    code = "import strideport, sys, threading; print(threading.active_count(), open('/proc/self/maps').read().count('libcuda'))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["1", "0"]
