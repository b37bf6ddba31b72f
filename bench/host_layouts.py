"""Reads layouts.tsv for the host benchmark, and makes the arrays that it names."""

from __future__ import annotations

import fnmatch
import math
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from device_tables import numbers, strides_of

TABLE = pathlib.Path(__file__).with_name("layouts.tsv")
LINE_BYTES = 64


class Layout(NamedTuple):
    """One line of the table; strides in elements."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    dst_strides: tuple[int, ...]
    src_strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def small(self) -> bool:
        return self.name.startswith("small_")

    @property
    def contiguous(self) -> bool:
        """Whether the source is one already, which np.ascontiguousarray hands back as it is."""
        return self.src_strides == strides_of("C", self.shape)


def read_layouts(pattern: str = "*") -> list[Layout]:
    layouts = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, dtype, shape_text, dst, src = line.split("\t")
        if fnmatch.fnmatch(name, pattern):
            shape = numbers(shape_text)
            layouts.append(Layout(name, np.dtype(dtype), shape, strides_of(dst, shape), strides_of(src, shape)))
    return layouts


def in_words(layout: Layout) -> Layout:
    """The same bytes in elements that every library knows: one more axis of 32-bit words for items such as 12 bytes."""
    if layout.dtype.kind != "V":
        signed = {"u2": "i2", "u4": "i4"}.get(layout.dtype.str[1:])  # PyTorch knows few operations on unsigned ones
        return layout if signed is None else layout._replace(dtype=np.dtype(signed))
    words = layout.dtype.itemsize // 4
    dst, src = (tuple(words * s for s in strides) + (1,) for strides in layout[3:])
    return layout._replace(dtype=np.dtype("i4"), shape=(*layout.shape, words), dst_strides=dst, src_strides=src)


def random_bytes(count: int, rng: np.random.Generator) -> np.ndarray:
    """Every float in them is finite and below 2, since HPTT computes with what it moves."""
    words = rng.integers(0, 2**64, (count + 7) // 8, dtype=np.uint64)
    words &= np.uint64(0xBFFFFFFF_BFFFFFFF)
    return words.view(np.uint8)[:count]


def nbytes_of(layout: Layout, strides: tuple[int, ...]) -> int:
    return extent_of(layout, strides)[1] * layout.dtype.itemsize


def extent_of(layout: Layout, strides: tuple[int, ...]) -> tuple[int, int]:
    """The first element's place among all that the strides reach, and how many elements these span."""
    reach = [(n - 1) * s for n, s in zip(layout.shape, strides)]
    first = -sum(r for r in reach if r < 0)
    return first, first + sum(r for r in reach if r > 0) + 1


class Arenas:
    """Memory by name, which one layout after another uses: to fault in fresh pages takes longer than to copy.

    Each begins on a cache line, as what PyTorch, JAX and Strideport allocate does; NumPy's begins 16 bytes behind one.
    """

    def __init__(self, layouts: Iterable[Layout]) -> None:
        self.largest = max((nbytes_of(x, strides) for x in layouts for strides in x[3:]), default=0)
        self.named: dict[str, np.ndarray] = {}
        self.touched: dict[str, int] = {}

    def take(self, name: str, count: int) -> np.ndarray:
        if name not in self.named:
            memory = np.empty(self.largest + LINE_BYTES, np.uint8)  # pages that nobody touches cost nothing
            self.named[name] = memory[-memory.ctypes.data % LINE_BYTES :]
        touched = self.touched.get(name, 0)
        self.named[name][touched:count] = 0
        self.touched[name] = max(touched, count)
        return self.named[name][:count]

    def source(self, layout: Layout, noise: np.ndarray) -> np.ndarray:
        """All the bytes that the strides reach, filled from `noise`."""
        memory = self.take("source", nbytes_of(layout, layout.src_strides))
        for begin in range(0, memory.size, noise.size):
            piece = memory[begin : begin + noise.size]
            piece[:] = noise[: piece.size]
        return memory

    def output(self, name: str, layout: Layout) -> np.ndarray:
        """All the bytes that the strides reach."""
        return self.take(name, nbytes_of(layout, layout.dst_strides))


def array_in(memory: np.ndarray, layout: Layout, strides: tuple[int, ...]) -> np.ndarray:
    size = layout.dtype.itemsize
    first = extent_of(layout, strides)[0]
    return np.ndarray(layout.shape, layout.dtype, memory, first * size, tuple(s * size for s in strides))


class Base(NamedTuple):
    """The dense array that a source is a view of, for libraries without strides, and the way from it to the view.

    The axes of the base are those of the view with a stride, outermost first. They are cut to `slices`; those in
    `flips` are turned round; `axes` has them in the view's order; `broadcast` are the view's axes without a stride.
    """

    shape: tuple[int, ...]
    slices: tuple[slice, ...]
    flips: tuple[int, ...]
    axes: tuple[int, ...]
    broadcast: tuple[int, ...]

    @property
    def permuted_only(self) -> bool:
        whole = all(s.stop == n and s.step == 1 for s, n in zip(self.slices, self.shape))
        return whole and not self.flips and not self.broadcast


def base_of(layout: Layout) -> Base | None:
    """None where the source is no such view."""
    strides = layout.src_strides
    order = sorted((a for a, s in enumerate(strides) if s), key=lambda a: -abs(strides[a]))
    shape: list[int] = []
    slices: list[slice] = []
    pitch = None
    for position, axis in enumerate(order):
        extent, step = layout.shape[axis], 1
        span = abs(strides[axis])
        if position == len(order) - 1:  # steps lie in the innermost axis
            step, span = span, 1
        whole = extent * step if pitch is None else pitch // span
        if whole < (extent - 1) * step + 1 or (pitch is not None and pitch % span):
            return None
        shape.append(whole)
        slices.append(slice(0, min(whole, extent * step), step))
        pitch = span
    flips = tuple(p for p, axis in enumerate(order) if strides[axis] < 0)
    axes = tuple(order.index(axis) for axis in range(len(strides)) if strides[axis])
    return Base(tuple(shape), tuple(slices), flips, axes, tuple(a for a, s in enumerate(strides) if not s))
