"""CPython's Py_buffer through ctypes: what an exporter really fills in, NULLs included."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

SIMPLE, WRITABLE, FORMAT, ND, STRIDES = 0, 1, 4, 8, 0x18
C_CONTIGUOUS, F_CONTIGUOUS, ANY_CONTIGUOUS, INDIRECT = 0x38, 0x58, 0x98, 0x118
FULL, FULL_RO = INDIRECT | WRITABLE | FORMAT, INDIRECT | FORMAT

# Every bit that a request can have, named or not: an exporter must look at whole masks, never at single bits.
_BITS = (0x01, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100)
ALL_REQUESTS = tuple(sum(bit for i, bit in enumerate(_BITS) if n >> i & 1) for n in range(1 << len(_BITS)))


class PyBuffer(ctypes.Structure):
    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    ]


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes, _get.restype = [ctypes.py_object, ctypes.POINTER(PyBuffer), ctypes.c_int], ctypes.c_int
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes, _release.restype = [ctypes.POINTER(PyBuffer)], None


@dataclass(frozen=True)
class Fields:
    """A Py_buffer's fields as values; None where the pointer is NULL."""

    buf: int | None
    len: int
    itemsize: int
    readonly: bool
    ndim: int
    format: bytes | None
    shape: tuple[int, ...] | None
    strides: tuple[int, ...] | None
    suboffsets: tuple[int, ...] | None


def _values(pointer: object, n: int) -> tuple[int, ...] | None:
    return tuple(pointer[i] for i in range(n)) if pointer else None


def acquire(obj: object, flags: int) -> PyBuffer:
    """The caller calls `release`. Raises what the exporter raises."""
    buffer = PyBuffer()
    _get(obj, ctypes.byref(buffer), flags)
    return buffer


def release(buffer: PyBuffer) -> None:
    _release(ctypes.byref(buffer))


def fields_of(buffer: PyBuffer) -> Fields:
    n = buffer.ndim
    return Fields(
        buffer.buf,
        buffer.len,
        buffer.itemsize,
        bool(buffer.readonly),
        n,
        buffer.format,
        _values(buffer.shape, n),
        _values(buffer.strides, n),
        _values(buffer.suboffsets, n),
    )


def request(obj: object, flags: int) -> Fields:
    """The fields for one request."""
    buffer = acquire(obj, flags)
    try:
        return fields_of(buffer)
    finally:
        release(buffer)


def outcome(obj: object, flags: int) -> Fields | type[BaseException]:
    """The fields, or the type of the exception: what two exporters can be compared by."""
    try:
        return request(obj, flags)
    except Exception as error:  # noqa: BLE001 - the type is the result
        return type(error)


def address(obj: object) -> int:
    """Where the first element lies."""
    return request(obj, FULL_RO).buf or 0
