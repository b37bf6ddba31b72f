"""What the exchange benchmark compares: who takes an object in without a copy, each where it is installed.

A consumer is an expression over `f` (the function) and `x` (the object), as it is timed, and a way to ask the result
for the address of its memory, by which the benchmark tells a view from a copy before it times anything.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import strideport as sp


def installed(name: str) -> Any:
    """None where it is not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        return None


numpy, torch, jax, tvm_ffi = (installed(name) for name in ("numpy", "torch", "jax", "tvm_ffi"))
if jax is not None:
    importlib.import_module("jax.dlpack")
# bench/exchange_nanobind.cpp, which bench/run.sh builds for the interpreter that has all the peers.
nanobind = installed("exchange_nanobind")


def versions() -> dict[str, str]:
    known = {"strideport": sp.__version__, "CPython": sys.version.split()[0]}
    for name, module in (("numpy", numpy), ("torch", torch), ("jax", jax), ("tvm_ffi", tvm_ffi)):
        if module is not None:
            known[name] = module.__version__
    if nanobind is not None:
        known["nanobind"] = nanobind.version
    return known


# --- Addresses -------------------------------------------------------------------------------------------------------

PY_BUFFER_BYTES = 80
PyBUF_FULL_RO = 0x011C


def exported_address(exporter: object) -> int:
    """`buf` of what an object exports: of CPython's own call, with nothing of ours or NumPy's between."""
    view = (ctypes.c_void_p * (PY_BUFFER_BYTES // 8))()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(exporter), view, PyBUF_FULL_RO)
    address = view[0] or 0
    ctypes.pythonapi.PyBuffer_Release(view)
    return address


def capsule_address(capsule: object) -> int:
    """Of the first element of a DLPack capsule's tensor, of either kind."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    versioned = "dltensor_versioned" in repr(capsule)
    begin = get(capsule, b"dltensor_versioned" if versioned else b"dltensor") + (32 if versioned else 0)
    return ctypes.c_uint64.from_address(begin).value + ctypes.c_uint64.from_address(begin + 40).value


def address_of(thing: Any) -> int:
    """Where the elements begin; TypeError for what is no view of anything."""
    if isinstance(thing, sp.Buffer):
        return thing.ptr
    for module, ask in ((torch, "data_ptr"), (jax, "unsafe_buffer_pointer"), (tvm_ffi, "data_ptr")):
        if module is not None and hasattr(thing, ask):
            return getattr(thing, ask)()
    if numpy is not None and isinstance(thing, numpy.ndarray):
        return thing.__array_interface__["data"][0]
    if type(thing).__name__ == "PyCapsule":
        return capsule_address(thing)
    return exported_address(thing)


# --- Consumers -------------------------------------------------------------------------------------------------------


class Consumer(NamedTuple):
    name: str
    function: Callable
    address: Callable[[Any, Any], int] = lambda result, _: address_of(result)


def consumers(through_dlpack: bool = False) -> list[Consumer]:
    """Those that are installed; `through_dlpack`: only those that ask for a capsule first, or for nothing else."""
    known = [] if through_dlpack else [Consumer("memoryview", memoryview)]
    if numpy is not None:
        known += [] if through_dlpack else [Consumer("np.asarray", numpy.asarray)]
        known.append(Consumer("np.from_dlpack", numpy.from_dlpack))
    if torch is not None:
        known.append(Consumer("torch", torch.from_dlpack))
    if jax is not None:
        known.append(Consumer("jax", jax.dlpack.from_dlpack))
    if tvm_ffi is not None:
        known.append(Consumer("tvm_ffi", tvm_ffi.from_dlpack))
    if nanobind is not None:
        known.append(Consumer("nanobind", nanobind.take, lambda _, x: nanobind.address(x)))
    return known


# --- Producers that no library has -----------------------------------------------------------------------------------


class Wrapped:
    """Has what `inner` has through one protocol alone."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class DLPackOnly(Wrapped):
    """`__dlpack__` and `__dlpack_device__` in Python, as wrappers of arrays write them."""

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.inner.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class InterfaceOnly(Wrapped):
    """`__array_interface__`, a dict that it keeps."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.__array_interface__ = inner.__array_interface__


class StructOnly(Wrapped):
    @property
    def __array_struct__(self) -> Any:
        return self.inner.__array_struct__
