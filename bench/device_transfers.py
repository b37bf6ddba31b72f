"""Copies between host and device: pinned and pageable, both ways, contiguous and strided, beside PyTorch and CuPy.

Wall time from the call to the end of the copy on the stream, interleaved A B A B, medians; random data, poisoned output,
every result checked. "of DMA" is the rate beside one pinned contiguous copy of the same bytes in the same run. Run it as

    python bench/device_transfers.py [--only PATTERN] [--device cuda:0] [--mib 256] [--seconds S] [--out FILE]
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

os.environ.setdefault("STRIDEPORT_SIMULATED_DEVICES", "1")

import numpy as np

import device_peers
import strideport as sp

POISON = 0xA5


class HostLayout(NamedTuple):
    """A view of a C-contiguous host array, made by `view`; the device side is C-contiguous, or the other way round."""

    name: str
    view: Callable[[np.ndarray], np.ndarray]


def host_layouts() -> list[HostLayout]:
    return [
        HostLayout("contiguous", lambda a: a),
        HostLayout("transpose", lambda a: a.T),
        HostLayout("pitched_rows", lambda a: a[:, : a.shape[1] - 32]),
        HostLayout("half_of_each_row", lambda a: a[:, : a.shape[1] // 2]),
        HostLayout("short_rows_64", lambda a: a.reshape(-1, 32)[:, :16]),
        HostLayout("every_second_row", lambda a: a[::2]),
        HostLayout("every_second", lambda a: a[:, ::2]),
        HostLayout("every_sixteenth", lambda a: a[:, ::16]),
        HostLayout("reversed_rows", lambda a: a[::-1]),
        HostLayout("axes_021", lambda a: a.reshape(16, -1, a.shape[1]).transpose(0, 2, 1)),
    ]


class Case(NamedTuple):
    name: str
    host: np.ndarray  # over pinned or pageable memory
    buffer: sp.Buffer  # the same elements
    device: sp.Buffer
    to_device: bool


def cases(options: argparse.Namespace) -> Iterator[Case]:
    side = int((options.mib * 2**20 / 4) ** 0.5) // 64 * 64
    rng = np.random.default_rng()
    for pinned in (True, False):
        whole = np.empty((side, side), np.float32)
        if pinned:
            whole = sp.empty((side, side), "float32", device=pinned_of(options.device))
        for layout in host_layouts():
            for to_device in (True, False):
                name = f"{layout.name} {'pinned' if pinned else 'pageable'} {'h2d' if to_device else 'd2h'}"
                if not fnmatch.fnmatch(name, options.only):
                    continue
                array = np.asarray(whole)
                array.view(np.uint8)[:] = rng.integers(0, 256, (side, side * 4), dtype=np.uint8)
                view = layout.view(array)
                yield Case(name, view, strided_like(whole, view), sp.empty(view.shape, "float32", device=options.device), to_device)


def pinned_of(device: str) -> str:
    return device.partition(":")[0] + "_host:0"


def strided_like(whole: np.ndarray | sp.Buffer, view: np.ndarray) -> sp.Buffer:
    """The view as a Buffer that knows what memory it is in: an ndarray over pinned memory does not."""
    if isinstance(whole, np.ndarray):
        return sp.asbuffer(view)
    return sp.from_pointer(view.ctypes.data, view.shape, "float32", view.strides, device=whole.device, owner=whole)


def calls(case: Case, stream: sp.Stream) -> dict[str, Callable[[], None]]:
    """Each returns when the copy is done."""
    dst, src = (case.device, case.buffer) if case.to_device else (case.buffer, case.device)

    def ours() -> None:
        sp.copy(dst, src, stream=stream)
        stream.synchronize()

    found = {"strideport": ours}
    if case.device.device.startswith("simulated"):
        return found
    if device_peers.torch is not None and min(case.host.strides) > 0:
        torch = device_peers.torch
        on_host, on_device = torch.from_numpy(case.host), torch.from_dlpack(case.device)
        to, source = (on_device, on_host) if case.to_device else (on_host, on_device)

        def torch_call() -> None:
            to.copy_(source, non_blocking=True)
            torch.cuda.synchronize()

        found["torch"] = torch_call
    if device_peers.cupy is not None:
        array = device_peers.cupy.from_dlpack(case.device)

        def cupy_call() -> None:
            if case.to_device:
                array.set(case.host)
            else:
                case.host[...] = array.get()
            device_peers.cupy.cuda.runtime.deviceSynchronize()

        found["cupy"] = cupy_call
    return found


def dma_call(case: Case, stream: sp.Stream) -> Callable[[], None]:
    block = sp.empty(case.device.nbytes, "u1", device=pinned_of(case.device.device))
    other = sp.empty(case.device.nbytes, "u1", device=case.device.device)
    plain = device_peers.plain_copy(*((other, block) if case.to_device else (block, other)), stream)

    def call() -> None:
        plain()
        stream.synchronize()

    return call


def check(case: Case, who: str, call: Callable[[], None], rng: np.random.Generator) -> None:
    bits = rng.integers(0, 2**32, case.host.shape, dtype=np.uint32)
    if case.to_device:
        case.host.view(np.uint32)[...] = bits
        sp.copy(case.device, sp.asbuffer(np.full(case.host.shape, POISON, np.uint32).view(np.float32)))
        call()
        result = np.asarray(case.device.to("cpu")).view(np.uint32)
    else:
        sp.copy(case.device, sp.asbuffer(bits.view(np.float32)))
        case.host.view(np.uint32)[...] = POISON
        call()
        result = case.host.view(np.uint32)
    if not np.array_equal(result, bits):
        raise SystemExit(f"{case.name}: the result of {who} is wrong")


def seconds_of(call: Callable[[], None]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def line(case: Case, seconds: float, rng: np.random.Generator) -> str:
    stream = sp.Stream(case.device.device)
    entries = calls(case, stream)
    for who, call in entries.items():
        check(case, who, call, rng)
    dma = dma_call(case, stream)
    dma()
    times: dict[str, list[float]] = {"dma": [], **{who: [] for who in entries}}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["dma"]) < 5:
        times["dma"].append(seconds_of(dma))
        for who, call in entries.items():
            times[who].append(seconds_of(call))
    medians = {who: statistics.median(t) for who, t in times.items()}
    ours = medians["strideport"]
    text = (f"{case.name:34} {case.device.nbytes / 2**20:8.1f} {ours * 1e3:9.2f} {case.device.nbytes / ours / 1e9:8.2f} "
            f"{medians['dma'] / ours:8.2f}")
    for name in ("torch", "cupy"):
        text += f" {medians[name] / ours:8.2f}" if name in medians else f" {'-':>8}"
    dst, src = (case.device, case.buffer) if case.to_device else (case.buffer, case.device)
    route = next((row for row in sp.explain(dst, src).splitlines() if row.startswith("route:")), "")
    return f"{text}  {route}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="a pattern of names, such as 'transpose pinned*'")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--mib", type=float, default=256, help="size of the host array")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each case")
    parser.add_argument("--out", type=argparse.FileType("w"), help="write the table to this file too")
    options = parser.parse_args()
    rng = np.random.default_rng()

    columns = (
        "medians of wall time to the end of the copy; "
        "of DMA: rate beside one pinned contiguous copy; x: a peer's time over ours"
    )
    show = device_peers.table("device_transfers.py", columns, options.out, options.device)
    show(f"{'case':34} {'MiB':>8} {'ms':>9} {'GB/s':>8} {'of DMA':>8} {'x torch':>8} {'x cupy':>8}")
    for case in cases(options):
        show(line(case, options.seconds, rng))


if __name__ == "__main__":
    main()
