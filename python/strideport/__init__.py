"""memoryview, for every device.

`Buffer` is a memoryview that knows devices, strides of any kind and every element type; `asbuffer` makes one of
anything that exposes memory: the buffer protocol, DLPack, the array interface. No copy, and no dependency.
"""

from __future__ import annotations

import collections.abc as _abc

from strideport._core import Buffer, DeviceError

_abc.Sequence.register(Buffer)  # and with that, sequence patterns in `match` take a Buffer

__all__ = ["Buffer", "DeviceError"]
