"""Reads device_layouts.tsv for the benchmarks."""

from __future__ import annotations

import fnmatch
import math
import pathlib
from typing import NamedTuple

import numpy as np

TABLE = pathlib.Path(__file__).with_name("device_layouts.tsv")


class DeviceLayout(NamedTuple):
    """One line of the table; strides and offsets in elements, of dst and of src."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], tuple[int, ...]]
    offsets: tuple[int, int]

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.count * self.dtype.itemsize

    @property
    def strideport_dtype(self) -> str:
        """The element type's name; items that NumPy calls void are so many bytes."""
        return f"{self.dtype.itemsize}s" if self.dtype.kind == "V" else self.dtype.name


def read_layouts(pattern: str = "*", scale: float = 1.0) -> list[DeviceLayout]:
    """The layouts whose names match. A scale below 1 cuts the longest extents, and leaves the strides."""
    layouts = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, dtype, shape_text, dst, src, offsets = line.split("\t")
        if not fnmatch.fnmatch(name, pattern):
            continue
        full = numbers(shape_text)
        strides = (strides_of(dst, full), strides_of(src, full))
        layouts.append(DeviceLayout(name, np.dtype(dtype), cut(full, scale), strides, numbers(offsets)))
    return layouts


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def strides_of(text: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if text != "C":
        return numbers(text)
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def cut(shape: tuple[int, ...], scale: float) -> tuple[int, ...]:
    wanted = max(1, int(math.prod(shape) * scale))
    extents = list(shape)
    while math.prod(extents) > wanted:
        longest = extents.index(max(extents))
        extents[longest] = max(1, extents[longest] // 2)
    return tuple(extents)
