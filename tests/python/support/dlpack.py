"""DLPack by hand: the structs, capsules with counting deleters, and producers, all in ctypes.

Written from the DLPack specification (dlpack.h 1.3), not from any library's implementation of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

CPU, CUDA = 1, 2
READ_ONLY, IS_COPIED, SUBBYTE_PADDED = 1, 2, 4
INT, UINT, FLOAT, OPAQUE, BFLOAT, COMPLEX, BOOL = range(7)


class DLDevice(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("id", ctypes.c_int32)]


class DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class DLManagedTensor(ctypes.Structure):
    pass


class DLManagedTensorVersioned(ctypes.Structure):
    pass


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
DLManagedTensor._fields_ = [("dl_tensor", DLTensor), ("manager_ctx", ctypes.c_void_p), ("deleter", Deleter)]
DLManagedTensorVersioned._fields_ = [
    ("major", ctypes.c_uint32),
    ("minor", ctypes.c_uint32),
    ("manager_ctx", ctypes.c_void_p),
    ("deleter", Deleter),
    ("flags", ctypes.c_uint64),
    ("dl_tensor", DLTensor),
]

NAMES = {True: b"dltensor_versioned", False: b"dltensor"}
USED_NAMES = {True: b"used_dltensor_versioned", False: b"used_dltensor"}

_api = ctypes.pythonapi
_new = _api.PyCapsule_New
_new.argtypes, _new.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p], ctypes.py_object
_pointer = _api.PyCapsule_GetPointer
_pointer.argtypes, _pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
_name = _api.PyCapsule_GetName
_name.argtypes, _name.restype = [ctypes.py_object], ctypes.c_char_p
_set_name = _api.PyCapsule_SetName
_set_name.argtypes, _set_name.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int


def capsule_name(capsule: object) -> bytes:
    return _name(capsule)


class Tensor:
    """A DLPack tensor of our own, over `memory`, with a deleter that counts. Everything lives as long as this."""

    def __init__(
        self,
        memory: bytearray | None = None,
        shape: Sequence[int] = (4,),
        strides: Sequence[int] | None = None,
        *,
        versioned: bool = True,
        dtype: tuple[int, int, int] = (INT, 32, 1),
        device: tuple[int, int] = (CPU, 0),
        byte_offset: int = 0,
        flags: int = 0,
        version: tuple[int, int] = (1, 0),
        deleter: bool = True,
        data: int | None = -1,
        ndim: int | None = None,
        null_shape: bool = False,
        name: bytes | None = b"",
    ):
        self.memory = bytearray(64) if memory is None else memory
        self.deleted = 0
        self.versioned = versioned
        self._array = (ctypes.c_uint8 * len(self.memory)).from_buffer(self.memory)
        self.address = ctypes.addressof(self._array)
        self._shape = (ctypes.c_int64 * max(1, len(shape)))(*shape)
        self._strides = (ctypes.c_int64 * max(1, len(shape)))(*strides) if strides is not None else None
        self._deleter = Deleter(self._count) if deleter else Deleter()
        self.managed = DLManagedTensorVersioned() if versioned else DLManagedTensor()
        if versioned:
            self.managed.major, self.managed.minor = version
            self.managed.flags = flags
        self.managed.deleter = self._deleter
        tensor = self.managed.dl_tensor
        tensor.data = self.address if data == -1 else data
        tensor.device = DLDevice(*device)
        tensor.ndim = len(shape) if ndim is None else ndim
        tensor.dtype = DLDataType(*dtype)
        if not null_shape:
            tensor.shape = ctypes.cast(self._shape, ctypes.POINTER(ctypes.c_int64))
        if self._strides is not None:
            tensor.strides = ctypes.cast(self._strides, ctypes.POINTER(ctypes.c_int64))
        tensor.byte_offset = byte_offset
        self._name = NAMES[versioned] if name == b"" else name
        self.capsule = _new(ctypes.addressof(self.managed), self._name, None)

    def _count(self, address: int) -> None:
        assert address == ctypes.addressof(self.managed), "the deleter gets the managed tensor"
        self.deleted += 1

    @property
    def used(self) -> bool:
        """A consumer has claimed the capsule."""
        return capsule_name(self.capsule) == USED_NAMES[self.versioned]


class Producer:
    """An object with __dlpack__ and nothing else. `accepts` are the keywords that it knows; calls are recorded."""

    def __init__(
        self,
        tensor: Tensor | object,
        accepts: Sequence[str] = ("stream", "max_version", "dl_device", "copy"),
        device: tuple[int, int] = (CPU, 0),
    ):
        self.tensor = tensor
        self.accepts = frozenset(accepts)
        self.device = device
        self.calls: list[dict] = []

    def __dlpack__(self, **keywords: object) -> object:
        self.calls.append(keywords)
        unknown = set(keywords) - self.accepts
        if unknown:
            raise TypeError(f"__dlpack__() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        return self.tensor.capsule if isinstance(self.tensor, Tensor) else self.tensor

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


class Failing:
    """A producer whose __dlpack__ runs `action`."""

    def __init__(self, action: Callable[..., object]):
        self.action = action

    def __dlpack__(self, **keywords: object) -> object:
        return self.action(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (CPU, 0)


class Taken:
    """What a consumer sees in a capsule: it claims it and calls the deleter when told."""

    def __init__(self, capsule: object):
        name = capsule_name(capsule)
        self.versioned = {v: k for k, v in NAMES.items()}[name]
        self.address = _pointer(capsule, name)
        kind = DLManagedTensorVersioned if self.versioned else DLManagedTensor
        self.managed = kind.from_address(self.address)
        self._used = USED_NAMES[self.versioned]
        _set_name(capsule, self._used)
        t = self.managed.dl_tensor
        self.version = (self.managed.major, self.managed.minor) if self.versioned else None
        self.flags = self.managed.flags if self.versioned else None
        self.data, self.byte_offset = t.data, t.byte_offset
        self.device, self.dtype = (t.device.type, t.device.id), (t.dtype.code, t.dtype.bits, t.dtype.lanes)
        self.shape = tuple(t.shape[i] for i in range(t.ndim))
        self.strides = tuple(t.strides[i] for i in range(t.ndim)) if t.strides or not t.ndim else None

    def delete(self) -> None:
        """Drops the GIL around the call, as ctypes does for every CFUNCTYPE."""
        self.managed.deleter(self.address)
