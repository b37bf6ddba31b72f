"""Copies the named layouts of layouts.tsv, beside NumPy's copyto and a plain copy of the same bytes.

One thread on one core, interleaved A B A B, random data, poisoned output, every result checked. Run it as

    python bench/copy_layouts.py [--only PATTERN] [--seconds S] [--out FILE]

Each side works on objects of its own, made beforehand: ndarrays for NumPy, Buffers for `strideport.copy`. An ndarray as
an argument of `strideport.copy` is imported on each call, which shows only in the small layouts; `--arrays` times that.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import os
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import strideport

TABLE = pathlib.Path(__file__).with_name("layouts.tsv")


class Layout(NamedTuple):
    """One line of the table; strides in elements."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    dst_strides: tuple[int, ...]
    src_strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize


def read_layouts(pattern: str) -> list[Layout]:
    layouts = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, dtype, shape_text, dst, src = line.split("\t")
        if not fnmatch.fnmatch(name, pattern):
            continue
        shape = tuple(map(int, shape_text.split(",")))
        layouts.append(Layout(name, np.dtype(dtype), shape, strides_of(dst, shape), strides_of(src, shape)))
    return layouts


def strides_of(text: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if text != "C":
        return tuple(map(int, text.split(",")))
    return tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))


def make_array(layout: Layout, strides: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The array of these strides, and the bytes of all its memory, filled at random."""
    reach = [(n - 1) * s for n, s in zip(layout.shape, strides)]
    first = -sum(r for r in reach if r < 0)
    count = first + sum(r for r in reach if r > 0) + 1
    size = layout.dtype.itemsize
    memory = rng.integers(0, 256, count * size, dtype=np.uint8)
    array = np.ndarray(layout.shape, layout.dtype, memory, first * size, tuple(s * size for s in strides))
    return array, memory


def strideport_call(dst: np.ndarray, src: np.ndarray, arrays: bool) -> Callable[[int], None]:
    to, source = (dst, src) if arrays else (strideport.asbuffer(dst), strideport.asbuffer(src))

    def call(repeat: int) -> None:
        for _ in range(repeat):
            strideport.copy(to, source)

    return call


def numpy_call(dst: np.ndarray, src: np.ndarray) -> Callable[[int], None]:
    def call(repeat: int) -> None:
        for _ in range(repeat):
            np.copyto(dst, src)

    return call


def seconds_of(call: Callable[[int], None], repeat: int) -> float:
    # The time of this thread, which makes the whole copy: on a busy machine it leaves out the time of others.
    begin = time.thread_time_ns()
    call(repeat)
    return (time.thread_time_ns() - begin) / 1e9 / repeat


class Result(NamedTuple):
    layout: Layout
    ours: list[float]
    numpy: list[float]
    plain: list[float]


def measure(layout: Layout, arrays: bool, seconds: float, rng: np.random.Generator) -> Result:
    dst, dst_memory = make_array(layout, layout.dst_strides, rng)
    src, _ = make_array(layout, layout.src_strides, rng)
    ours, theirs = strideport_call(dst, src, arrays), numpy_call(dst, src)
    check(layout, ours, theirs, dst_memory)
    plain_src = rng.integers(0, 256, layout.nbytes, dtype=np.uint8)
    plain = numpy_call(np.empty_like(plain_src), plain_src)
    plain(1)
    repeat = max(1, int(2e-4 / seconds_of(theirs, 1)))
    result = Result(layout, [], [], [])
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(result.ours) < 7:
        for call, times in ((ours, result.ours), (theirs, result.numpy), (plain, result.plain)):
            times.append(seconds_of(call, repeat))
    return result


def check(layout: Layout, ours: Callable, theirs: Callable, dst_memory: np.ndarray) -> None:
    """Both must turn the same poisoned memory into the same bytes, gaps included."""
    outputs = []
    for call in (ours, theirs):
        dst_memory[:] = 0xA5
        call(1)
        outputs.append(dst_memory.copy())
    if not np.array_equal(*outputs):
        raise SystemExit(f"{layout.name}: the result differs from NumPy's")


def line(result: Result) -> str:
    layout = result.layout
    ours, theirs, plain = (statistics.median(times) for times in result[1:])
    ratio, best = theirs / ours, min(result.numpy) / min(result.ours)
    low, high = np.quantile(result.ours, [0.25, 0.75])
    gigabytes = layout.nbytes / ours / 1e9
    return (f"{layout.name:28} {layout.nbytes / 2**20:8.3f} {ours * 1e6:10.2f} {100 * (high - low) / ours:5.0f}% "
            f"{gigabytes:8.2f} {2 * gigabytes:8.2f} {plain / ours:8.2f} {ratio:8.2f} {best:8.2f}")


HEADER = (f"{'layout':28} {'MiB':>8} {'us':>10} {'iqr':>6} {'GB/s':>8} {'r+w':>8} {'of plain':>8} {'x numpy':>8} "
          f"{'x (min)':>8}")


def machine() -> str:
    cpu = platform.processor()
    for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            cpu = text.split(":", 1)[1].strip()
            break
    return f"{cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}"


def single_core() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="a pattern of layout names")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each layout")
    parser.add_argument("--arrays", action="store_true", help="hand ndarrays, not Buffers, to strideport.copy")
    parser.add_argument("--out", type=argparse.FileType("w"), help="write the table to this file too")
    options = parser.parse_args()
    single_core()
    strideport.set_num_threads(1)
    rng = np.random.default_rng()

    def show(text: str) -> None:
        print(text, flush=True)
        if options.out:
            print(text, file=options.out, flush=True)

    show(f"# {datetime.date.today()}  {machine()}")
    show(f"# strideport {strideport.__version__}, one thread, beside NumPy {np.__version__}; Python {platform.python_version()}")
    show(f"# python bench/copy_layouts.py {' '.join(sys.argv[1:])}".rstrip())
    show("# medians of CPU time; iqr: spread of ours; of plain: rate beside a plain copy of the same bytes; x: numpy's time over ours")
    show(HEADER)
    for layout in read_layouts(options.only):
        show(line(measure(layout, options.arrays, options.seconds, rng)))


if __name__ == "__main__":
    main()
