"""Copies the named layouts of device_layouts.tsv on a GPU, beside PyTorch, CuPy, JAX and a plain copy of the same bytes.

Timed with the device's own events, interleaved A B A B, medians; random data, poisoned output, a million elements of every
result checked. A peer that is not installed, or that refuses a layout, has no number. Run it as

    python bench/device_layouts.py [--only PATTERN] [--device cuda:0] [--seconds S] [--compile PATTERN] [--out FILE]

`--device simulated` runs all of it on the host, which checks this script and the layouts and times nothing worth having:
give `--scale 0.01` with it, which cuts every extent.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("STRIDEPORT_SIMULATED_DEVICES", "1")

import numpy as np

import device_peers
import strideport as sp
from device_tables import DeviceLayout, read_layouts

POISON = 0xA5


class Memory(NamedTuple):
    """Bytes on the device, and the view of a layout in them."""

    everything: sp.Buffer
    view: sp.Buffer
    first: int  # bytes from the start of `everything` to the element with all indices 0


def make_memory(layout: DeviceLayout, side: int, device: str, noise: sp.Buffer) -> Memory:
    strides = layout.strides[side]
    reach = [(n - 1) * s for n, s in zip(layout.shape, strides)]
    size = layout.dtype.itemsize
    first = (layout.offsets[side] - sum(r for r in reach if r < 0)) * size
    nbytes = first + (sum(r for r in reach if r > 0) + 1) * size
    everything = sp.empty(nbytes, "u1", device=device)
    for begin in range(0, nbytes, noise.nbytes):
        piece = everything[begin : begin + noise.nbytes]
        sp.copy(piece, noise[: piece.nbytes])
    byte_strides = tuple(s * size for s in strides)
    view = sp.from_pointer(everything.ptr + first, layout.shape, layout.strideport_dtype, byte_strides, device=device,
                           owner=everything)
    return Memory(everything, view, first)


def poison(memory: Memory, device: str) -> None:
    drop = sp.empty(1, "u1", device=device)
    sp.copy(drop, bytes([POISON]))
    broadcast = sp.from_pointer(drop.ptr, memory.everything.shape, "u1", (0,), device=device, owner=drop)
    sp.copy(memory.everything, broadcast)


def check(layout: DeviceLayout, dst: Memory, src: Memory, rng: np.random.Generator, who: str) -> None:
    """A million elements, or all of a small layout, compared byte by byte."""
    count = min(layout.count, 1_000_000)
    flat = rng.integers(0, layout.count, count) if count < layout.count else np.arange(count)
    index = np.unravel_index(flat, layout.shape)
    size = layout.dtype.itemsize
    picked = []
    for memory, strides in zip((dst, src), layout.strides):
        first = memory.first + size * sum(i.astype(np.int64) * s for i, s in zip(index, strides))
        picked.append(device_peers.gather_bytes(memory.everything, first[:, None] + np.arange(size)))
    if not np.array_equal(*picked):
        raise SystemExit(f"{layout.name}: the result of {who} is wrong")


class Contestant(NamedTuple):
    name: str
    call: Callable[[], object]
    own_output: bool  # it writes elsewhere than to dst, so there is nothing to check there


def contestants(layout: DeviceLayout, dst: Memory, src: Memory, stream: sp.Stream, compiled: bool) -> list[Contestant]:
    handle = stream.handle
    ours = Contestant("strideport", lambda: sp.copy(dst.view, src.view, stream=handle), False)
    return [ours, *(Contestant(*peer) for peer in device_peers.copies(layout, dst.view, src.view, stream, compiled))]


def seconds_of(stream: sp.Stream, call: Callable[[], object], repeat: int) -> float:
    start = stream.record()
    for _ in range(repeat):
        call()
    end = stream.record()
    end.synchronize()
    return end.seconds_since(start) / repeat


class Result(NamedTuple):
    layout: DeviceLayout
    plain: list[float]
    times: dict[str, list[float]]


def measure(layout: DeviceLayout, options: argparse.Namespace, noise: sp.Buffer, rng: np.random.Generator) -> Result:
    device, stream = options.device, sp.Stream(options.device)
    dst, src = (make_memory(layout, side, device, noise) for side in (0, 1))
    plain_dst, plain_src = (sp.empty(layout.nbytes, "u1", device=device) for _ in range(2))
    entries = contestants(layout, dst, src, stream, fnmatch.fnmatch(layout.name, options.compile))
    for entry in list(entries):
        if not entry.own_output:
            poison(dst, device)
        try:
            entry.call()
            stream.synchronize()
        except device_peers.REFUSALS as problem:
            if entry.name == "strideport":
                raise
            print(f"# {layout.name}: {entry.name} refuses: {str(problem).splitlines()[0][:90]}", file=sys.stderr)
            entries.remove(entry)
            continue
        if not entry.own_output:
            check(layout, dst, src, rng, entry.name)
    plain = device_peers.plain_copy(plain_dst, plain_src, stream)
    repeat = max(1, int(1e-3 / max(seconds_of(stream, plain, 1), 1e-6)))
    result = Result(layout, [], {entry.name: [] for entry in entries})
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end or len(result.plain) < 5:
        result.plain.append(seconds_of(stream, plain, repeat))
        for entry in entries:
            result.times[entry.name].append(seconds_of(stream, entry.call, repeat))
    return result


def line(result: Result) -> str:
    medians = {name: statistics.median(times) for name, times in result.times.items()}
    ours, plain = medians["strideport"], statistics.median(result.plain)
    low, high = np.quantile(result.times["strideport"], [0.25, 0.75])
    gigabytes = result.layout.nbytes / ours / 1e9
    text = (f"{result.layout.name:26} {result.layout.nbytes / 2**20:9.1f} {ours * 1e6:10.1f} {100 * (high - low) / ours:4.0f}% "
            f"{2 * gigabytes:8.0f} {plain / ours:8.3f}")
    for name in device_peers.NAMES:
        text += f" {medians[name] / ours:8.2f}" if name in medians else f" {'-':>8}"
    return text


def header() -> str:
    text = f"{'layout':26} {'MiB':>9} {'us':>10} {'iqr':>5} {'r+w GB/s':>8} {'of plain':>8}"
    return text + "".join(f" {'x ' + name:>8}" for name in device_peers.NAMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="a pattern of layout names")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each layout")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of elements of every layout")
    parser.add_argument("--compile", default="transpose_ragged_f32", help="the layouts that torch.compile has a try at")
    parser.add_argument("--out", type=argparse.FileType("w"), help="write the table to this file too")
    options = parser.parse_args()
    rng = np.random.default_rng()
    noise = sp.asbuffer(rng.integers(0, 256, 64 << 20 if options.scale == 1 else 1 << 20, dtype=np.uint8))
    noise = noise.to(options.device)

    columns = (
        "medians of device time; iqr: spread of ours; "
        "of plain: rate beside a plain copy of the same bytes; x: a peer's time over ours"
    )
    show = device_peers.table("device_layouts.py", columns, options.out, options.device)
    show(header())
    for layout in read_layouts(options.only, options.scale):
        show(line(measure(layout, options, noise, rng)))


if __name__ == "__main__":
    main()
