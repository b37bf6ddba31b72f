"""Types for annotations: what `asbuffer` and `DType` take."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union, runtime_checkable

from strideport._core import Buffer
from strideport._dtype import DType

__all__ = ["BufferLike", "DTypeLike"]


@runtime_checkable
class SupportsDLPack(Protocol):
    """A producer of DLPack tensors, as the array API standard has it."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, int]: ...


@runtime_checkable
class SupportsArrayInterface(Protocol):
    """NumPy's array interface."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


@runtime_checkable
class SupportsArrayStruct(Protocol):
    """NumPy's array interface in C."""

    @property
    def __array_struct__(self) -> Any: ...


if TYPE_CHECKING:
    from typing_extensions import Buffer as SupportsBuffer  # every type checker has it, installed or not
elif sys.version_info >= (3, 12):
    from collections.abc import Buffer as SupportsBuffer
else:
    import array
    import mmap

    SupportsBuffer: TypeAlias = Union[bytes, bytearray, memoryview, "array.array[Any]", mmap.mmap]

BufferLike: TypeAlias = Buffer | SupportsBuffer | SupportsDLPack | SupportsArrayInterface | SupportsArrayStruct
"""Whatever exposes memory."""

DTypeLike: TypeAlias = DType | str | type | Any
"""Whatever names an element type; the dtype objects of other libraries have no common type."""
