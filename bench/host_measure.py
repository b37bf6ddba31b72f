"""Measures the host's layouts with one number of threads, as a process of its own: host_copies.py starts it.

One thread is timed by the CPU time of the process, which leaves out what other processes took, and has one core;
more threads are timed by the clock. Contestants take turns. Each result is compared with NumPy's, gaps of the output
included, before it is timed. Prints one line of JSON for the peers, and one a layout.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import sys
import time
from collections.abc import Callable

import numpy as np

import host_layouts
import host_peers

POISON = 0xA5
NOISE_BYTES = (32 << 20) + 8 * 4999  # no power of two, so that rows of a large array differ
SAMPLE_SECONDS = 2e-4
SLOW_SECONDS = 0.15  # two samples of a copy that takes longer must do, and its check is one of them
# OpenMP's threads, PyTorch's and HPTT's, spin on the cores for up to 15 ms after their work. So on several threads a
# turn begins when they are through, and is longer.
SETTLE_SECONDS = 0.02
TURN_SECONDS = 0.01
COMPARED_BYTES = 4 << 20  # at a time
LARGE_BYTES = 300 << 20  # above it one thread and a warm output must do, which keeps the whole below ten minutes


class Racer:
    """A contestant that passed its check, and the seconds that its copies took."""

    def __init__(self, call: Callable, clock: Callable[[], int], checked: float | None = None) -> None:
        """`checked`: the seconds of a call that was like those to come; None makes another."""
        self.call = call
        self.clock = clock
        self.repeat = 1
        if checked is None or checked <= SLOW_SECONDS:
            checked = self.sample()
        self.times = [checked] if checked > SLOW_SECONDS else []
        self.spent = sum(self.times)
        self.repeat = max(1, int(SAMPLE_SECONDS / checked))

    def sample(self) -> float:
        call, repeat = self.call, self.repeat
        begin = self.clock()
        for _ in itertools.repeat(None, repeat):
            call()
        return max(1, self.clock() - begin) / 1e9 / repeat

    def take_turn(self, threads: int) -> None:
        end = self.spent
        if threads > 1:
            time.sleep(SETTLE_SECONDS)
            end += TURN_SECONDS
            if self.times and self.times[-1] < TURN_SECONDS:
                self.call()  # whose threads the sleep has put to sleep
        while True:
            seconds = self.sample()
            self.times.append(seconds)
            self.spent += seconds * self.repeat
            if self.spent >= end:
                break

    def done(self, seconds: float) -> bool:
        least = 5 if not self.times or self.times[0] < SLOW_SECONDS else 2
        return len(self.times) >= least and self.spent >= seconds

    def summary(self) -> dict[str, float]:
        low, middle, high = np.quantile(self.times, [0.25, 0.5, 0.75])
        return {"median": middle, "iqr": high - low}


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    cuts = range(0, a.size, COMPARED_BYTES)
    return a.size == b.size and all(np.array_equal(a[i : i + COMPARED_BYTES], b[i : i + COMPARED_BYTES]) for i in cuts)


class Expected:
    """What NumPy makes of a layout: the bytes of the poisoned output, and the elements in C order."""

    def __init__(self, memory: host_peers.Memory) -> None:
        self.layout = memory.layout
        to, source = memory.arrays(memory.layout)
        memory.dst_bytes[:] = POISON
        np.copyto(to, source)
        self.all_bytes = memory.dst_bytes
        self.elements = np.ascontiguousarray(to).reshape(-1).view(np.uint8)

    def check(self, peer: str, group: str, call: Callable, out: np.ndarray | None, clock: Callable[[], int]) -> float:
        """The seconds that the call took. `out`: what it writes to, where it does not make that itself."""
        if out is not None:
            out[:] = POISON
        begin = clock()
        result = call()
        seconds = (clock() - begin) / 1e9
        if out is not None:
            same = equal(out, self.all_bytes)
        else:
            array = np.asarray(result)
            same = array.flags.c_contiguous and equal(array.reshape(-1).view(np.uint8), self.elements)
        if not same:
            raise SystemExit(f"{self.layout.name}: the result of {peer} ({group}) differs from NumPy's")
        return seconds


def racers_of(peers: list, memory: host_peers.Memory, arenas: host_layouts.Arenas, groups: tuple[str, ...],
              clock: Callable) -> tuple[dict, dict]:
    """By group and peer: those that passed their check, and why the others refuse."""
    racers: dict = {}
    refused: dict = {group: {} for group in groups}
    expected = Expected(memory)
    for group, peer in itertools.product(groups, peers):
        if (group, peer.name) == ("new", "jax"):
            continue  # the same call as in the other group
        # An output of one's own: what streams past the caches would pay for the lines that another left in them.
        writes = group == "warm" and peer.name != "jax"
        own = memory._replace(dst_bytes=arenas.output(peer.name, memory.layout)) if writes else memory
        try:
            call = getattr(peer, group)(own)
            seconds = expected.check(peer.name, group, call, own.dst_bytes if writes else None, clock)
            # JAX compiled in that call, and the first of the new outputs has memory that no later one has to get.
            racers[group, peer.name] = Racer(call, clock, seconds if writes else None)
        except host_peers.REFUSALS as problem:
            if peer.name in ("strideport", "numpy"):
                raise
            refused[group][peer.name] = str(problem).splitlines()[0][:100]
    return racers, refused


def measure(layout: host_layouts.Layout, peers: list, arenas: host_layouts.Arenas, noise: np.ndarray,
            options: argparse.Namespace, clock: Callable[[], int]) -> dict:
    memory = host_peers.Memory(layout, arenas.source(layout, noise), arenas.output("expected", layout))
    both = options.threads == 1 and not layout.contiguous and layout.nbytes <= LARGE_BYTES
    groups = ("warm", "new") if both else ("warm",)
    racers, refused = racers_of(peers, memory, arenas, groups, clock)
    block = memory._replace(dst_bytes=arenas.output("memcpy", layout))
    racers["warm", "memcpy"] = Racer(host_peers.memcpy(block, options.threads), clock)
    share = options.seconds / len(racers)
    gc.disable()
    while running := [racer for racer in racers.values() if not racer.done(share)]:
        for racer in running:
            racer.take_turn(options.threads)
    gc.enable()
    times: dict = {group: {} for group in groups}
    for (group, name), racer in racers.items():
        times[group][name] = racer.summary()
    if "new" in groups and "jax" in times["warm"]:
        times["new"]["jax"] = times["warm"]["jax"]
    return {"name": layout.name, "nbytes": layout.nbytes, "small": layout.small,
            "contiguous": layout.contiguous, "times": times, "refused": refused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--only", default="*")
    parser.add_argument("--seconds", type=float, required=True, help="for each layout")
    options = parser.parse_args()
    clock = time.process_time_ns if options.threads == 1 else time.perf_counter_ns
    peers = host_peers.every_peer(options.threads)
    print(json.dumps({peer.name: peer.version for peer in peers}), flush=True)
    noise = host_layouts.random_bytes(NOISE_BYTES, np.random.default_rng())
    layouts = host_layouts.read_layouts(options.only)
    if options.threads > 1:  # a small one is one thread's in any case
        layouts = [layout for layout in layouts if not layout.small and layout.nbytes <= LARGE_BYTES]
    arenas = host_layouts.Arenas(layouts)
    for layout in layouts:
        result = measure(layout, peers, arenas, noise, options, clock)
        host_peers.forget(peers)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
