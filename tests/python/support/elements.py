"""Element types as each protocol's specification spells them: one row a type, written by hand, no code of the library.

The spellings are those of PEP 3118 and the struct module, dlpack.h 1.3, and NumPy's array interface, version 3. They
hold on machines whose byte order is little-endian, and whose long double has 16 bytes where a row says so.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

from support import dlpack as dl

LITTLE = sys.byteorder == "little"
WIDE_LONG_DOUBLE = ctypes.sizeof(ctypes.c_longdouble) == 16
FLOAT8 = ("e3m4", "e4m3", "e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu")  # codes 7 to 14
FLOAT6_E2M3, FLOAT6_E3M2, FLOAT4 = 15, 16, 17


@dataclass(frozen=True)
class Element:
    """A type. None where a protocol has no spelling for it; `formats` may have several, the first is what goes in."""

    name: str
    itemsize: int
    formats: tuple[str, ...] | None
    dlpack: tuple[int, int, int] | None
    typestr: str | None
    descr: tuple | None = None

    def __str__(self) -> str:
        return self.name


def _number(name: str, size: int, formats: str, code: int, kind: str) -> Element:
    order = "|" if size == 1 else "<"
    return Element(name, size, tuple(formats.split()), (code, 8 * size, 1), f"{order}{kind}{size}")


def _foreign(name: str, size: int, formats: str, kind: str) -> Element:
    """Big-endian: a type of its own, which DLPack does not have."""
    return Element(name, size, tuple(formats.split()), None, f">{kind}{size}")


ELEMENTS = (
    _number("bool", 1, "?", dl.BOOL, "b"),
    _number("int8", 1, "b", dl.INT, "i"),
    _number("int16", 2, "h <h", dl.INT, "i"),
    _number("int32", 4, "i <i <l", dl.INT, "i"),
    _number("int64", 8, "q l <q n", dl.INT, "i"),
    _number("uint8", 1, "B", dl.UINT, "u"),
    _number("uint16", 2, "H <H", dl.UINT, "u"),
    _number("uint32", 4, "I <I <L", dl.UINT, "u"),
    _number("uint64", 8, "Q L <Q N", dl.UINT, "u"),
    _number("float16", 2, "e <e", dl.FLOAT, "f"),
    _number("float32", 4, "f <f", dl.FLOAT, "f"),
    _number("float64", 8, "d <d", dl.FLOAT, "f"),
    _number("complex64", 8, "Zf F <Zf", dl.COMPLEX, "c"),
    _number("complex128", 16, "Zd D <Zd", dl.COMPLEX, "c"),
    Element("complex32", 4, ("Ze",), (dl.COMPLEX, 32, 1), None),  # NumPy's smallest complex has 8 bytes
    _foreign("big int16", 2, ">h", "i"),
    _foreign("big int32", 4, ">i >l", "i"),
    _foreign("big int64", 8, ">q", "i"),
    _foreign("big uint16", 2, ">H", "u"),
    _foreign("big uint32", 4, ">I >L", "u"),
    _foreign("big uint64", 8, ">Q", "u"),
    _foreign("big float16", 2, ">e", "f"),
    _foreign("big float32", 4, ">f", "f"),
    _foreign("big float64", 8, ">d", "f"),
    _foreign("big complex64", 8, ">Zf >F", "c"),
    _foreign("big complex128", 16, ">Zd >D", "c"),
    Element("longdouble", 16, ("g",), None, "<f16"),
    Element("clongdouble", 32, ("Zg", "G"), None, "<c32"),
    Element("bytes3", 3, ("3s",), None, "|S3"),
    Element("text2", 8, ("2w", "<2w", "=2w"), None, "<U2"),
    Element("big text2", 8, (">2w",), None, ">U2"),
    Element("void5", 5, ("5x",), None, "|V5"),
    Element(
        "struct",
        12,
        ("T{<i:a:<d:b:}", "T{^i:a:^d:b:}", "T{^i:a:d:b:}", "T{i:a:=d:b:}"),
        None,
        "|V12",
        (("a", "<i4"), ("b", "<f8")),
    ),
    Element("bfloat16", 2, None, (dl.BFLOAT, 16, 1), None),
    *(Element(f"float8_{kind}", 1, None, (7 + i, 8, 1), None) for i, kind in enumerate(FLOAT8)),
    Element("float6_e2m3fn x4", 3, None, (FLOAT6_E2M3, 6, 4), None),
    Element("float6_e3m2fn x4", 3, None, (FLOAT6_E3M2, 6, 4), None),
    Element("float4_e2m1fn x2", 1, None, (FLOAT4, 4, 2), None),
    Element("int4 x2", 1, None, (dl.INT, 4, 2), None),
    Element("uint4 x2", 1, None, (dl.UINT, 4, 2), None),
    Element("float32 x4", 16, None, (dl.FLOAT, 32, 4), None),
    Element("handle", 8, None, (dl.OPAQUE, 64, 1), None),
)
HERE = tuple(e for e in ELEMENTS if LITTLE and (WIDE_LONG_DOUBLE or "longdouble" not in e.name))
