"""One piece of memory, offered through one protocol and received through one: hand-made with ctypes on both sides.

`OFFERS` maps a protocol's name to a function that makes an object of a `Memory`; `TAKES` maps it to one that says what
a consumer in C sees of an object, as a `Seen`. Nothing of it is the library's code but the object that is asked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from support import dlpack as dl
from support import pybuffer as pb
from support.elements import Element

VERSIONED, LEGACY, EXCHANGE = "DLPack", "legacy DLPack", "exchange API"
BUFFER, INTERFACE, STRUCT, CUDA = "buffer", "array interface", "array struct", "CUDA array interface"
SPEAKS_DLPACK = (VERSIONED, LEGACY, EXCHANGE)
NOT_SWAPPED, ALIGNED, WRITABLE, HAS_DESCR = 0x200, 0x100, 0x400, 0x800


@dataclass(frozen=True)
class Seen:
    """What a consumer sees. `spelled` is the protocol's own word for the type."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    spelled: object
    readonly: bool


_held: list[dl.Tensor] = []  # for good: a deleter may run late, and on another thread, where nobody waits for its end


class Memory:
    """Elements in memory of our own: strides in bytes, the first element `offset` bytes in."""

    def __init__(
        self,
        element: Element,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        block: object,
        offset: int = 0,
        *,
        readonly: bool = False,
        device: tuple[int, int] = (dl.CPU, 0),
    ):
        self.device = device
        self.element, self.shape, self.strides, self.block = element, shape, strides, block
        self.readonly = readonly
        self.address = (block if isinstance(block, int) else ctypes.addressof(block)) + offset
        self.kept: list[object] = []

    def seen(self, spelled: object, readonly: bool) -> Seen:
        return Seen(self.address, self.shape, self.strides, spelled, readonly)

    @cached_property
    def sizes(self) -> tuple[ctypes.Array, ctypes.Array]:
        n = len(self.shape)
        return (ctypes.c_ssize_t * max(1, n))(*self.shape), (ctypes.c_ssize_t * max(1, n))(*self.strides)

    def tensor(self, versioned: bool) -> dl.Tensor:
        element = self.element
        assert element.dlpack is not None and not any(s % element.itemsize for s in self.strides)
        tensor = dl.Tensor(
            bytearray(1),
            self.shape,
            tuple(s // element.itemsize for s in self.strides),
            versioned=versioned,
            dtype=element.dlpack,
            data=self.address,
            device=self.device,
            flags=dl.READ_ONLY if versioned and self.readonly else 0,
        )
        _held.append(tensor)
        return tensor


# Offers ---------------------------------------------------------------------------------------------------------------

_from_buffer = ctypes.pythonapi.PyMemoryView_FromBuffer
_from_buffer.argtypes, _from_buffer.restype = [ctypes.POINTER(pb.PyBuffer)], ctypes.py_object


def offer_buffer(memory: Memory) -> object:
    """A memoryview of a Py_buffer by hand: any format, no exporter. The caller keeps `memory` alive."""
    element, raw = memory.element, pb.PyBuffer()
    assert element.formats is not None
    raw.buf, raw.itemsize, raw.readonly, raw.ndim = memory.address, element.itemsize, memory.readonly, len(memory.shape)
    raw.len = element.itemsize
    for extent in memory.shape:
        raw.len *= extent
    text = ctypes.create_string_buffer(element.formats[0].encode())
    raw.format = ctypes.cast(text, ctypes.c_char_p)
    raw.shape = ctypes.cast(memory.sizes[0], ctypes.POINTER(ctypes.c_ssize_t))
    raw.strides = ctypes.cast(memory.sizes[1], ctypes.POINTER(ctypes.c_ssize_t))
    memory.kept += [raw, text]
    return _from_buffer(ctypes.byref(raw))


class Interface:
    def __init__(self, memory: Memory):
        element = memory.element
        self.memory = memory
        self.__array_interface__ = {
            "version": 3,
            "typestr": element.typestr,
            "shape": memory.shape,
            "strides": memory.strides,
            "data": (memory.address, memory.readonly),
        }
        if element.descr is not None:
            self.__array_interface__["descr"] = list(element.descr)


class PyArrayInterface(ctypes.Structure):
    """NumPy's, as its documentation of `__array_struct__` has it."""

    _fields_ = [
        ("two", ctypes.c_int),
        ("nd", ctypes.c_int),
        ("typekind", ctypes.c_char),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_int),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("data", ctypes.c_void_p),
        ("descr", ctypes.py_object),
    ]


class Struct:
    def __init__(self, memory: Memory):
        element = memory.element
        assert element.typestr is not None
        self.memory = memory
        flags = ALIGNED | (0 if element.typestr[0] == ">" else NOT_SWAPPED) | (0 if memory.readonly else WRITABLE)
        self.c = PyArrayInterface(2, len(memory.shape), element.typestr[1].encode(), element.itemsize, flags)
        if element.descr is not None:
            self.c.flags |= HAS_DESCR
            self.descr = list(element.descr)
            self.c.descr = self.descr
        extents = ctypes.POINTER(ctypes.c_ssize_t)
        self.c.shape, self.c.strides = (ctypes.cast(sizes, extents) for sizes in memory.sizes)
        self.c.data = memory.address
        self.__array_struct__ = dl._new(ctypes.addressof(self.c), None, None)


_SetError = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)


class Table(ctypes.Structure):
    """DLPackExchangeAPI: the header, then the functions of dlpack.h 1.3 in its order."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("prev_api", ctypes.c_void_p),
        ("allocate", ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3, _SetError)),
        ("from_object", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(ctypes.c_void_p))),
        ("to_object", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))),
        ("fill", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(dl.DLTensor))),
        (
            "current_stream",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p)),
        ),
    ]


# int f(PyObject*): calls fileno(). What that raises is set as a C function would set it, with -1; what it returns is
# returned. A ctypes callback can do neither: an exception that leaves it is printed, and forgotten.
c_function = ctypes.pythonapi.PyObject_AsFileDescriptor


class Exchanging:
    """The base of types with a table. Instances have `tensor()`, and `__dlpack__` for consumers that know no tables."""

    device = (dl.CPU, 0)
    asked_by_table = 0
    asked_by_method = 0

    def tensor(self) -> dl.Tensor:
        raise NotImplementedError

    def __dlpack__(self, **keywords: object) -> object:
        self.asked_by_method += 1
        return self.tensor().capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


def exchanging_type(
    *,
    from_object: Callable[[object, object], int] | None = None,
    major: int = 1,
    minor: int = 3,
    null: tuple[str, ...] = (),
    capsule_name: bytes | None = b"dlpack_exchange_api",
    prev_api: int | None = None,
) -> type:
    """A new class with a table of its own; the functions named in `null` are NULL."""

    def by_table(obj: Exchanging, out: object) -> int:
        obj.asked_by_table += 1
        out[0] = ctypes.addressof(obj.tensor().managed)
        return 0

    def stream(device: int, index: int, out: object) -> int:
        out[0] = None
        return 0

    table = Table(major, minor, prev_api)
    types = dict(Table._fields_)
    if from_object is c_function:
        table.from_object = ctypes.cast(c_function, types["from_object"])
    else:
        table.from_object = types["from_object"](from_object or by_table)
    table.current_stream = types["current_stream"](stream)
    table.allocate = types["allocate"](lambda *_: -1)
    table.to_object = types["to_object"](lambda *_: -1)
    table.fill = ctypes.cast(c_function, types["fill"])  # a TypeError: there is no fileno()
    for name in null:
        setattr(table, name, types[name]())
    capsule = dl._new(ctypes.addressof(table), capsule_name, None)
    return type("Exchanging", (Exchanging,), {"__dlpack_c_exchange_api__": capsule, "table": table})


_Offering = exchanging_type()


class OffersTable(_Offering):
    def __init__(self, memory: Memory):
        self.memory, self.device = memory, memory.device

    def tensor(self) -> dl.Tensor:
        return self.memory.tensor(True)


class CudaInterface:
    def __init__(self, memory: Memory):
        self.memory = memory
        self.__cuda_array_interface__ = {
            "version": 3,
            "typestr": memory.element.typestr,
            "shape": memory.shape,
            "strides": memory.strides,
            "data": (memory.address, memory.readonly),
            "stream": None,
        }
        if memory.element.descr is not None:
            self.__cuda_array_interface__["descr"] = list(memory.element.descr)


OFFERS: dict[str, Callable[[Memory], object]] = {
    BUFFER: offer_buffer,
    VERSIONED: lambda memory: dl.Producer(memory.tensor(True), device=memory.device),
    LEGACY: lambda memory: dl.Producer(memory.tensor(False), accepts=("stream",), device=memory.device),
    EXCHANGE: OffersTable,
    INTERFACE: Interface,
    STRUCT: Struct,
    CUDA: CudaInterface,
}


# Takes ----------------------------------------------------------------------------------------------------------------


def take_buffer(obj: object) -> Seen:
    fields = pb.request(obj, pb.FULL_RO)
    assert fields.suboffsets is None and fields.buf is not None and fields.format is not None
    assert (fields.shape is None, fields.strides is None) == (fields.ndim == 0, fields.ndim == 0)
    return Seen(fields.buf, fields.shape or (), fields.strides or (), fields.format.decode(), fields.readonly)


def _tensor_seen(managed: ctypes.Structure, flags: int) -> Seen:
    t = managed.dl_tensor
    kind = (t.dtype.code, t.dtype.bits, t.dtype.lanes)
    itemsize = kind[1] * kind[2] // 8
    shape = tuple(t.shape[i] for i in range(t.ndim))
    strides = tuple(t.strides[i] * itemsize for i in range(t.ndim))
    return Seen((t.data or 0) + t.byte_offset, shape, strides, kind, bool(flags & dl.READ_ONLY))


def take_versioned(obj: object) -> Seen:
    out = dl.Taken(obj.__dlpack__(max_version=(1, 3)))
    assert out.versioned
    seen = _tensor_seen(out.managed, out.flags)
    out.delete()
    return seen


def take_legacy(obj: object) -> Seen:
    out = dl.Taken(obj.__dlpack__())
    assert not out.versioned
    seen = _tensor_seen(out.managed, 0)
    out.delete()
    return seen


def take_exchange(obj: object) -> Seen:
    table = Table.from_address(dl._pointer(type(obj).__dlpack_c_exchange_api__, b"dlpack_exchange_api"))
    out = ctypes.c_void_p()
    table.from_object(obj, ctypes.byref(out))  # PYFUNCTYPE raises what the function set
    managed = dl.DLManagedTensorVersioned.from_address(out.value)
    seen = _tensor_seen(managed, managed.flags)
    managed.deleter(out.value)
    return seen


def _described(table: dict) -> Seen:
    kind, (address, readonly) = table["typestr"], table["data"]
    strides = table["strides"]
    if strides is None:
        steps, step = [], int(kind[2:]) * (4 if kind[1] == "U" else 1)
        for extent in reversed(table["shape"]):
            steps.append(step)
            step *= extent
        strides = tuple(reversed(steps))
    descr = table.get("descr")
    spelled = (kind, tuple(descr)) if kind[1] == "V" and descr and descr[0][0] else kind
    return Seen(address, table["shape"], strides, spelled, readonly)


def take_struct(obj: object) -> Seen:
    capsule = obj.__array_struct__
    c = PyArrayInterface.from_address(dl._pointer(capsule, None))
    assert c.two == 2
    sizes = [extents[: c.nd] if c.nd else [] for extents in (c.shape, c.strides)]
    kind, order = c.typekind.decode(), "<" if c.flags & NOT_SWAPPED else ">"
    spelled = f"{'|' if c.itemsize == 1 or kind in 'SV' else order}{kind}{c.itemsize}"
    words = (spelled, tuple(c.descr)) if c.flags & HAS_DESCR else spelled
    return Seen(c.data, tuple(sizes[0]), tuple(sizes[1]), words, not c.flags & WRITABLE)


TAKES: dict[str, Callable[[object], Seen]] = {
    BUFFER: take_buffer,
    VERSIONED: take_versioned,
    LEGACY: take_legacy,
    EXCHANGE: take_exchange,
    INTERFACE: lambda obj: _described(obj.__array_interface__),
    STRUCT: take_struct,
    CUDA: lambda obj: _described(obj.__cuda_array_interface__),
}
