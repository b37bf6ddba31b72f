"""What the device benchmarks compare with: PyTorch (eager and compiled), CuPy and JAX, each where it is installed."""

from __future__ import annotations

import ctypes
import datetime
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import numpy as np

import strideport as sp


def installed(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


torch, cupy, jax = installed("torch"), installed("cupy"), installed("jax")
if torch is not None and not torch.cuda.is_available():
    torch = None
if jax is not None:
    jax.config.update("jax_enable_x64", True)

NAMES = ("torch", "compiled", "cupy", "jax")
REFUSALS = (RuntimeError, TypeError, ValueError, NotImplementedError, KeyError, AttributeError)


def describe(device: str) -> str:
    index = int(device.partition(":")[2] or 0)
    if device.startswith("cuda") and torch is not None:
        return f"{torch.cuda.get_device_name(index)}, CUDA {torch.version.cuda}"
    return device


def versions() -> str:
    known = [f"{name} {module.__version__}" for name, module in (("torch", torch), ("cupy", cupy), ("jax", jax)) if module]
    return ", ".join(known) or "no peer: none is installed"


def table(script: str, columns: str, out: TextIO | None, device: str) -> Callable[[str], None]:
    """Begins a table, on the screen and in `out`: what ran when and where, what the columns are. Gives what adds to it."""

    def show(text: str) -> None:
        print(text, flush=True)
        if out:
            print(text, file=out, flush=True)

    show(f"# {datetime.date.today()}  {describe(device)}")
    show(f"# strideport {sp.__version__}, beside {versions()}")
    show(f"# python bench/{script} {' '.join(sys.argv[1:])}".rstrip())
    show(f"# {columns}")
    return show


def plain_copy(dst: sp.Buffer, src: sp.Buffer, stream: sp.Stream) -> Callable[[], object]:
    """cuMemcpyAsync of one block, straight from the driver; a simulated device has no library to call."""
    handle = stream.handle
    if any(side.device.startswith("simulated") for side in (dst, src)):
        return lambda: sp.copy(dst, src, stream=handle)
    driver = ctypes.CDLL("libcuda.so.1")
    context = ctypes.c_void_p()
    index = int(next(side.device for side in (dst, src) if side.device.startswith("cuda:")).partition(":")[2])
    check(driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), index), "cuDevicePrimaryCtxRetain")
    check(driver.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    arguments = ctypes.c_uint64(dst.ptr), ctypes.c_uint64(src.ptr), ctypes.c_size_t(dst.nbytes), ctypes.c_void_p(handle)
    return lambda: check(driver.cuMemcpyAsync(*arguments), "cuMemcpyAsync")


def check(error: int, function: str) -> None:
    if error:
        raise RuntimeError(f"{function} failed with error {error}")


def gather_bytes(memory: sp.Buffer, offsets: np.ndarray) -> np.ndarray:
    """The bytes at these offsets, gathered on the device where PyTorch can."""
    if torch is None or memory.device.startswith("simulated"):
        return np.asarray(memory.to("cpu"))[offsets]
    return torch.from_dlpack(memory)[torch.from_numpy(offsets).to("cuda")].cpu().numpy()


def copies(layout, dst: sp.Buffer, src: sp.Buffer, stream: sp.Stream, compiled: bool) -> Iterator[tuple[str, Callable, bool]]:
    """Each peer's way of doing the same copy: its name, the call, and whether it makes an output of its own."""
    if dst.device.startswith("simulated") or layout.dtype.kind == "V":
        return
    if torch is not None and min(min(s) for s in layout.strides) >= 0:  # it has no negative strides
        yield from torch_copies(layout, dst, src, stream, compiled)
    if cupy is not None:
        yield "cupy", cupy_copy(layout, dst, src, stream), False
    if jax is not None and (call := jax_transpose(layout, src)) is not None:
        yield "jax", call, True


def torch_copies(layout, dst: sp.Buffer, src: sp.Buffer, stream: sp.Stream, compiled: bool) -> Iterator[tuple[str, Callable, bool]]:
    to, source = torch.from_dlpack(dst), torch.from_dlpack(src)
    external = torch.cuda.ExternalStream(stream.handle)

    def on_stream(function: Callable) -> Callable[[], None]:
        def call() -> None:
            with torch.cuda.stream(external):
                function(to, source)

        return call

    yield "torch", on_stream(lambda d, s: d.copy_(s)), False
    if compiled:
        yield "compiled", on_stream(torch.compile(lambda d, s: d.copy_(s))), False


def cupy_copy(layout, dst: sp.Buffer, src: sp.Buffer, stream: sp.Stream) -> Callable[[], None]:
    external = cupy.cuda.ExternalStream(stream.handle)

    def array(view: sp.Buffer, strides: tuple[int, ...]):
        # Negative strides reach below `ptr`, which CuPy's memory pointer does not check.
        memory = cupy.cuda.UnownedMemory(view.ptr, view.nbytes, view)
        byte_strides = tuple(s * layout.dtype.itemsize for s in strides)
        return cupy.ndarray(layout.shape, layout.dtype, cupy.cuda.MemoryPointer(memory, 0), byte_strides)

    to, source = (array(view, strides) for view, strides in zip((dst, src), layout.strides))

    def call() -> None:
        with external:
            cupy.copyto(to, source)

    return call


def jax_transpose(layout, src: sp.Buffer) -> Callable[[], object] | None:
    """JAX has permuted arrays only: a dense source whose axes are in another order, written in C order."""
    order = sorted(range(len(layout.shape)), key=lambda axis: -layout.strides[1][axis])
    dense = tuple(layout.shape[axis] for axis in order)
    expected = 1
    for axis in reversed(order):
        if layout.strides[1][axis] != expected:
            return None
        expected *= layout.shape[axis]
    inverse = tuple(order.index(axis) for axis in range(len(order)))
    if any(layout.offsets) or inverse == tuple(range(len(order))):  # a copy in the same order XLA may leave out
        return None
    base = sp.from_pointer(src.ptr, dense, src.dtype, device=src.device, owner=src)
    array = jax.numpy.from_dlpack(base)
    transpose = jax.jit(lambda x: jax.numpy.transpose(x, inverse))
    return lambda: transpose(array).block_until_ready()
