"""memoryview, for every device.

`Buffer` is a memoryview that knows devices, strides of any kind and every element type; `asbuffer` makes one of
anything that exposes memory: the buffer protocol, DLPack, the CUDA Array Interface, the array interface. No copy, and no
dependency.
"""

from __future__ import annotations

import collections.abc as _abc

from strideport._core import (
    Buffer,
    DeviceError,
    DeviceMemoryError,
    Event,
    Stream,
    __version__,
    asbuffer,
    byte_range,
    check_buffer,
    contiguous_strides,
    copy,
    device_info,
    devices,
    empty,
    empty_like,
    explain,
    from_contiguous,
    from_dlpack,
    from_memory,
    from_pointer,
    get_buffer,
    get_contiguous,
    is_contiguous,
    item_pointer,
    num_threads,
    set_num_threads,
    size_from_format,
    to_contiguous,
    trim_host,
    why_no_device,
)
from strideport._dtype import DType

_abc.Sequence.register(Buffer)  # and with that, sequence patterns in `match` take a Buffer

__all__ = [
    "Buffer",
    "BufferLike",
    "DType",
    "DTypeLike",
    "DeviceError",
    "DeviceMemoryError",
    "Event",
    "Stream",
    "__version__",
    "asbuffer",
    "byte_range",
    "check_buffer",
    "contiguous_strides",
    "copy",
    "device_info",
    "devices",
    "empty",
    "empty_like",
    "explain",
    "from_contiguous",
    "from_dlpack",
    "from_memory",
    "from_pointer",
    "get_buffer",
    "get_contiguous",
    "is_contiguous",
    "item_pointer",
    "num_threads",
    "set_num_threads",
    "show_config",
    "size_from_format",
    "to_contiguous",
    "trim_host",
    "why_no_device",
]

_LATER = {"BufferLike": "_typing", "DTypeLike": "_typing", "show_config": "_config"}  # what few programs need


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'strideport' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"strideport.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
