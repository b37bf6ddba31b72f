"""`DType`: element types as values that equal their names."""

from __future__ import annotations

import sys

from strideport._core import _describe_element_type

TYPE_CHECKING = False  # typing itself would be most of the time that the import takes
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DType"]

_PYTHON_TYPES = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}
_FIRST_REGISTERED = 256  # NumPy's numbers of the dtypes that packages such as ml_dtypes register


_known: dict[str, DType] = {}


class DType(str):
    """An element type. A str that is the type's name, so it equals and hashes with that name.

    Parameters
    ----------
    spec : dtype-like
        A name ("float32", "bfloat16"), a NumPy typestr ("<f4"), a PEP 3118 format ("<i", "T{d:x:i:n:}"); a dtype of
        NumPy, ml_dtypes, PyTorch or JAX; bool, int, float or complex, with NumPy's widths; a ctypes type.

    Attributes
    ----------
    code : int or None
        DLPack's type code; None for what only a format spells, which is then the str itself.
    bits, lanes : int
        0 where `code` is None.
    itemsize : int
        Bytes of one element.
    format : str or None
        The PEP 3118 format; None where there is none, as for bfloat16.

    Raises
    ------
    ValueError
        For a str that names no element type.
    TypeError
        For an object that is none.
    """

    __slots__ = ("bits", "code", "format", "itemsize", "lanes")

    code: int | None
    bits: int
    lanes: int
    itemsize: int
    format: str | None  # type: ignore[assignment]  # str.format is of no use on a name

    def __new__(cls, spec: Any) -> DType:
        if type(spec) is cls:
            return spec
        if cls is DType and type(spec) is str and spec in _known:
            return _known[spec]
        text = _text_of(spec)
        name, code, bits, lanes, itemsize, format_ = _describe_element_type(text)
        self = str.__new__(cls, name)
        values = {"code": code, "bits": bits, "lanes": lanes, "itemsize": itemsize, "format": format_}
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        if cls is DType and text == name and code is not None and lanes == 1:
            _known[name] = self  # names are few, spellings and formats are not
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"DType is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"DType is immutable: cannot delete {name!r}")

    @property
    def name(self) -> str:
        """The name alone, as a plain str."""
        return str(self)

    def __str__(self) -> str:
        return str.__str__(self)

    def __repr__(self) -> str:
        return f"DType({str.__repr__(self)})"

    def __reduce__(self) -> tuple[type[DType], tuple[str]]:
        return DType, (str.__str__(self),)


def _format_of_memory(memory: Any) -> str:
    return memoryview(memory).format


def _text_of(spec: Any) -> str:
    """What the compiled half reads: a name, a typestr or a format."""
    if isinstance(spec, str):
        return str(spec)
    if spec in _PYTHON_TYPES if isinstance(spec, type) else False:
        return _PYTHON_TYPES[spec]
    numpy = sys.modules.get("numpy")  # without it there is no dtype of NumPy's to recognise
    if numpy is not None:
        if isinstance(spec, numpy.dtype):
            return _text_of_numpy(spec)
        if isinstance(spec, type) and issubclass(spec, numpy.generic):
            return _text_of_numpy(numpy.dtype(spec))
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None and isinstance(spec, type) and issubclass(spec, _ctypes_bases(ctypes)):
        return _format_of_memory(spec())
    text = _text_of_foreign(spec)
    if text is None:
        raise TypeError(f"{spec!r} is no element type: give a name, a format, or a dtype of NumPy, PyTorch or JAX")
    return text


def _text_of_numpy(dtype: Any) -> str:
    if dtype.num >= _FIRST_REGISTERED:
        return str(dtype.name)
    if dtype.kind in "mM":  # the int64 that they store; PEP 3118 has no more
        return str(dtype.str).partition("[")[0]
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return f"({','.join(map(str, shape))}){DType(base).format}"
    if dtype.fields is None:
        return str(dtype.str)
    numpy = sys.modules["numpy"]
    return _format_of_memory(numpy.empty(0, dtype))


def _ctypes_bases(ctypes: Any) -> tuple[type, ...]:
    return ctypes._SimpleCData, ctypes.Structure


def _text_of_foreign(spec: Any) -> str | None:
    """By the object's own words: torch.float32 prints its name, and JAX's scalar types hold a NumPy dtype."""
    if type(spec).__module__ == "torch" and type(spec).__name__ == "dtype":
        return str(spec).removeprefix("torch.")
    inner = getattr(spec, "dtype", None) if isinstance(spec, type) else None
    if inner is not None and hasattr(inner, "num") and hasattr(inner, "str"):
        return _text_of_numpy(inner)
    return None
