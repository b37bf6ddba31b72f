"""Measures the rows of exchange_rows.py under one interpreter, as a process of its own: exchange.py starts it.

What is timed is an expression in a compiled loop, its names local, and its result dropped at once, so that each time
holds the end of the object too. The time of the loop itself stays in it, as in timeit, and is printed. By the CPU time
of the process, which leaves out what other processes took, with the garbage collector off; contestants take turns,
about a millisecond each. Prints one line of JSON for the interpreter, and one a row.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import statistics
import sys
import time
import warnings
from typing import Any

import exchange_calls
import exchange_rows

SAMPLE_NS = 1_000_000
REFUSALS = (AttributeError, BufferError, NotImplementedError, RuntimeError, TypeError, ValueError)


class Racer:
    """An expression, and the nanoseconds that it took, a sample after another."""

    def __init__(self, expression: str, names: dict[str, Any]) -> None:
        source = f"def loop(passes, {', '.join(names)}):\n    for _ in passes:\n        {expression}\n"
        scope: dict[str, Any] = {}
        exec(source, scope)  # a function of its own: the interpreter specialises the code for these very objects
        self.loop, self.values = scope["loop"], tuple(names.values())
        self.times: list[float] = []
        self.passes, elapsed = 100, 0
        while elapsed < SAMPLE_NS // 4:
            self.passes *= 2
            elapsed = self.elapsed()
        self.passes = max(1, self.passes * SAMPLE_NS // elapsed)

    def elapsed(self) -> int:
        passes = itertools.repeat(None, self.passes)
        begin = time.process_time_ns()
        self.loop(passes, *self.values)
        return max(1, time.process_time_ns() - begin)

    def take_turn(self) -> None:
        self.times.append(self.elapsed() / self.passes)

    def summary(self) -> dict[str, float]:
        low, middle, high = statistics.quantiles(self.times, n=4)
        return {"median": middle, "iqr": high - low}


def race(racers: dict[str, Racer], seconds: float) -> dict[str, dict[str, float]]:
    gc.collect()
    gc.disable()
    for _ in range(max(5, int(seconds * 1e9 / SAMPLE_NS))):
        for racer in racers.values():
            racer.take_turn()
    gc.enable()
    return {name: racer.summary() for name, racer in racers.items()}


def checked(row: exchange_rows.Row, call: exchange_rows.Call) -> str | None:
    """None where the call does what the row says; else why it does not stand in it."""
    try:
        result = eval(call.expression, dict(call.names))
        if result is call.subject and result is not None and row.table != "view":
            return "same"
        return None if call.seen(result) == row.expected else "copy"
    except REFUSALS:
        if call.column == "strideport":
            raise
        return "no"


def measure(row: exchange_rows.Row, seconds: float) -> dict:
    refused = {}
    racers = {}
    for call in row.calls:
        problem = checked(row, call)
        if problem is None:
            racers[call.column] = Racer(call.expression, call.names)
        elif call.column == "strideport":
            raise SystemExit(f"{row.table} {row.name}: the result is a {problem}")
        else:
            refused[call.column] = problem
    return {"table": row.table, "name": row.name, "aim": row.aim, "times": race(racers, seconds), "refused": refused}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*")
    parser.add_argument("--seconds", type=float, default=0.1, help="for each contestant of a row")
    parser.add_argument("--text", action="store_true", help="a line of text for each row instead")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # PyTorch's, of memory that it must not write to
    floor = race({"loop": Racer("pass", {"x": None}), "call": Racer("f(x)", {"f": callable, "x": None})},
                 options.seconds)
    print(json.dumps({"versions": exchange_calls.versions(), "floor": floor}), flush=True)
    for row in exchange_rows.rows(options.only):
        result = measure(row, options.seconds)
        if options.text:
            times = "  ".join(f"{name} {time['median']:.0f}" for name, time in result["times"].items())
            print(f"{row.table:6} {row.name:32} {times}", flush=True)
        else:
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
