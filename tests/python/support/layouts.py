"""Structures for the tests: what CPython's reference exporter can be made into, by name, and random ones."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

try:
    from _testbuffer import ND_FORTRAN, ND_PIL, ND_WRITABLE, ndarray
except ImportError:  # CPython's test modules may be left out
    ndarray, ND_FORTRAN, ND_PIL, ND_WRITABLE = None, 0, 0, 0


def values(fmt: str, count: int) -> list:
    """`count` different, representable values of one element format."""
    code = fmt.lstrip("@=<>!")
    if code == "?":
        return [bool(i % 3) for i in range(count)]
    if code == "c":
        return [bytes([i % 256]) for i in range(count)]
    if code.endswith("s"):
        return [struct.pack(fmt, f"{i:x}".encode()) for i in range(count)]
    if code in ("e", "f", "d"):
        return [i * 0.5 - 3 for i in range(count)]
    if len(code) > 1:
        return [struct.unpack(fmt, bytes((i + j) % 100 for j in range(struct.calcsize(fmt)))) for i in range(count)]
    return [i % 127 for i in range(count)]


@dataclass(frozen=True)
class Exporter:
    """A named _testbuffer.ndarray."""

    name: str
    fmt: str
    shape: tuple[int, ...]
    strides: tuple[int, ...] = ()  # in items; empty means contiguous
    offset: int = 0  # in items
    items: int | None = None  # in the allocation; None means just enough
    flags: int = 0
    key: tuple | None = None  # slices taken of it afterwards

    def make(self):
        size = struct.calcsize(self.fmt)
        count = self.items if self.items is not None else max(1, math.prod(self.shape))
        data = values(self.fmt, count)
        kwargs = {}
        if self.strides:
            kwargs = {"strides": [s * size for s in self.strides], "offset": self.offset * size}
        nd = ndarray(
            data if self.shape else data[0], shape=list(self.shape), format=self.fmt, flags=self.flags, **kwargs
        )
        return nd if self.key is None else nd[self.key]

    def __str__(self) -> str:
        return self.name


def exporters() -> Iterator[Exporter]:
    """Over 60 of them: ranks 0 to 5, every kind of layout, format and writability."""
    writable = ND_WRITABLE
    shapes = ((), (1,), (7,), (2, 3), (1, 5), (3, 1), (2, 3, 4), (1, 1, 1), (2, 1, 3, 2), (2, 2, 1, 2, 2))
    for shape in shapes:
        for order, flag in (("C", 0), ("F", ND_FORTRAN)):
            if order == "F" and len(shape) < 2:
                continue
            yield Exporter(f"{order}{shape}", "i", shape, flags=flag | writable)
            yield Exporter(f"{order}{shape} readonly", "h", shape, flags=flag)
    for shape in ((0,), (0, 3), (3, 0), (2, 0, 4), (7, 0, 7)):
        yield Exporter(f"empty{shape}", "i", shape, items=4, flags=writable)
        yield Exporter(f"empty F{shape}", "i", shape, items=4, flags=ND_FORTRAN)
    for fmt in (
        "b",
        "B",
        "c",
        "?",
        "H",
        "l",
        "L",
        "q",
        "Q",
        "e",
        "f",
        "d",
        "n",
        "N",
        "P",
        "<i",
        ">i",
        "=q",
        "!H",
        "3s",
        "bhq",
        "<bhq",
        "4xi",
        "2f",
    ):
        yield Exporter(f"format {fmt}", fmt, (4,), flags=writable)
    yield Exporter("step 2", "i", (3,), (2,), 0, 6, writable)
    yield Exporter("reversed", "i", (4,), (-1,), 3, 4, writable)
    yield Exporter("reversed by 2", "h", (3,), (-2,), 5, 6)
    yield Exporter("broadcast", "i", (4,), (0,), 0, 1)
    yield Exporter("broadcast rows", "i", (3, 4), (0, 1), 0, 4)
    yield Exporter("padded rows", "i", (3, 4), (6, 1), 0, 18, writable)
    yield Exporter("flipped both", "i", (3, 4), (-4, -1), 11, 12, writable)
    yield Exporter("permuted 3d", "i", (4, 2, 3), (1, 12, 4), 0, 24, writable)
    yield Exporter("overlapping", "B", (3, 4), (1, 1), 0, 6)
    yield Exporter("unit dim, wild stride", "i", (1, 4), (100, 1), 0, 4, writable)
    yield Exporter("one element, wild strides", "i", (1, 1), (-7, 13), 2, 4)
    yield Exporter("empty, wild stride", "i", (0, 4), (99, 1), 0, 4)
    pil = ND_PIL
    for shape in ((3,), (2, 3), (2, 3, 4), (0, 3), (1, 1)):
        yield Exporter(f"PIL{shape}", "i", shape, items=max(1, math.prod(shape)), flags=pil | writable)
    yield Exporter("PIL readonly", "B", (2, 3), flags=pil)
    yield Exporter("PIL rows reversed", "i", (3, 4), flags=pil | writable, key=(slice(None, None, -1), slice(None)))
    yield Exporter("PIL columns reversed", "i", (3, 4), flags=pil | writable, key=(slice(None), slice(None, None, -1)))
    yield Exporter("PIL sliced", "q", (4, 5), flags=pil, key=(slice(1, 4, 2), slice(4, 0, -2)))
    yield Exporter("sliced C", "i", (4, 6), flags=writable, key=(slice(1, 4), slice(0, 6, 2)))
    yield Exporter("sliced F", "i", (4, 6), flags=ND_FORTRAN, key=(slice(None, None, -1), slice(2, 5)))


@dataclass(frozen=True)
class Structure:
    """Numbers that describe a view into an allocation of `memory` bytes. Strides and offset in bytes."""

    memory: int
    itemsize: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    def bounds(self) -> tuple[int, int]:
        """First byte reached and one past the last, by the plainest rule there is. Nothing if empty."""
        if 0 in self.shape:
            return (0, 0)
        low = self.offset + sum(min(0, (n - 1) * s) for n, s in zip(self.shape, self.strides))
        high = self.offset + sum(max(0, (n - 1) * s) for n, s in zip(self.shape, self.strides))
        return (low, high + self.itemsize)

    def fits(self) -> bool:
        low, high = self.bounds()
        return all(n >= 0 for n in self.shape) and 0 <= low and high <= self.memory

    def offsets(self) -> list[int]:
        """The odometer: the byte offset of every element, in C order."""
        out = [self.offset] if 0 not in self.shape else []
        for n, s in zip(self.shape, self.strides):
            out = [o + i * s for o in out for i in range(n)]
        return out


def random_structure(
    rng: random.Random,
    max_ndim: int = 4,
    max_extent: int = 4,
    itemsizes: Sequence[int] = (1, 2, 4, 8),
    aligned: bool = False,
) -> Structure:
    """A valid one: strides of either sign, zero strides, gaps, overlaps, empty and unit dims, slack at both ends."""
    itemsize = rng.choice(itemsizes)
    ndim = rng.randint(0, max_ndim)
    shape = tuple(rng.choice((0, 1, 1) if rng.random() < 0.15 else range(1, max_extent + 1)) for _ in range(ndim))
    strides, step = [0] * ndim, itemsize
    for axis in rng.sample(range(ndim), ndim):
        kind = rng.random()
        if kind < 0.08:
            stride = 0
        elif kind < 0.15:
            stride = rng.randint(-9, 9) * (itemsize if aligned else 1)
        else:
            stride = step + (rng.randint(0, 2) * itemsize if rng.random() < 0.3 else 0)
        strides[axis] = -stride if rng.random() < 0.25 else stride
        step = max(step, abs(stride) * max(1, shape[axis]))
    unplaced = Structure(0, itemsize, shape, tuple(strides), 0)
    low, high = unplaced.bounds()
    before = rng.randint(0, 3) * (itemsize if aligned else 1)
    return Structure(high - low + before + rng.randint(0, 5), itemsize, shape, tuple(strides), before - low)


def spoiled(rng: random.Random, good: Structure) -> Structure:
    """`good` with one number made wrong, so that it does not fit its memory any more."""
    while True:
        shape, strides = list(good.shape), list(good.strides)
        memory, offset = good.memory, good.offset
        kind = rng.randrange(6)
        axis = rng.randrange(len(shape)) if shape else None
        if kind == 0 and axis is not None:
            shape[axis] = -rng.choice((1, 2, 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63))
        elif kind == 1 and axis is not None:
            strides[axis] = rng.choice((1, -1)) * rng.choice((1 << 10, 1 << 32, (1 << 63) - 1, 1 << 63))
        elif kind == 2 and axis is not None:
            shape[axis] += rng.choice((100, 1 << 31, 1 << 62))
        elif kind == 3:
            offset = rng.choice((-1, memory, memory + 1, 1 << 40))
        elif kind == 4:
            memory = rng.randint(0, max(0, memory - 1))
        else:
            offset += rng.choice((-1, 1)) * rng.randint(1, 64)
        bad = Structure(memory, good.itemsize, tuple(shape), tuple(strides), offset)
        if not bad.fits():
            return bad
