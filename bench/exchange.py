"""Takes objects in and hands them out, in nanoseconds, beside memoryview, NumPy, PyTorch, JAX, tvm-ffi and nanobind.

    bash bench/run.sh --exchange [--only PATTERN] [--seconds S] [--out STEM] [--torch]

Every interpreter of the machine, each in a process of its own (exchange_measure.py) on one core, with every contestant
in it; then the same in C++ (exchange_cost.cpp). Prints the tables, and saves them as STEM.txt.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import pathlib
import shlex
import subprocess
from collections.abc import Callable

import exchange_table
from host_copies import machine

BENCH = pathlib.Path(__file__).parent
SECONDS = 0.2  # for each contestant of a row
REPETITIONS = 9  # of each row in C++
REPETITION_SECONDS = 0.05


def command(options: argparse.Namespace) -> str:
    """What repeats the run."""
    words = ["bash", "bench/run.sh", "--exchange"]
    for name, default in (("only", "*"), ("seconds", SECONDS), ("out", None)):
        value = getattr(options, name)
        words += [] if value == default else [f"--{name}", str(value)]
    words += ["--torch"] if options.torch else []
    return shlex.join(words)


def on_one_core() -> Callable[[], None]:
    return functools.partial(os.sched_setaffinity, 0, sorted(os.sched_getaffinity(0))[-1:])


def measure(interpreter: str, options: argparse.Namespace) -> list[dict]:
    """What exchange_measure.py says, the interpreter's line first."""
    arguments = ["--only", options.only, "--seconds", str(options.seconds)]
    paths = (options.build / "python", options.build / "bench")  # the latter holds nanobind's module
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    with subprocess.Popen([interpreter, str(BENCH / "exchange_measure.py"), *arguments], stdout=subprocess.PIPE,
                          preexec_fn=on_one_core(), env=environment, text=True) as process:
        lines = [json.loads(text) for text in process.stdout or ()]
    if process.returncode:
        raise SystemExit(f"the measurement under {interpreter} ended with {process.returncode}")
    return lines


def costs(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    arguments = ["--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}",
                 f"--benchmark_min_time={REPETITION_SECONDS}", "--benchmark_enable_random_interleaving=true",
                 "--benchmark_report_aggregates_only=true"]
    done = subprocess.run([str(options.build / "bench/exchange_cost"), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, preexec_fn=on_one_core(), check=True)
    return exchange_table.costs(json.loads(done.stdout))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--exchange", action="store_true", help="this table")
    parser.add_argument("--only", default="*", metavar="PATTERN",
                        help="the rows whose name matches, or those of a table: import, export, view, c++")
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="S", help="for each contestant of a row")
    parser.add_argument("--out", type=pathlib.Path, metavar="STEM",
                        help="saves STEM.txt; bench/results/<date>-exchange otherwise, or, for a part of the whole, "
                        "build/bench/<date>-exchange")
    parser.add_argument("--torch", action="store_true", help="run.sh installs PyTorch; no matter here")
    parser.add_argument("--build", type=pathlib.Path, required=True, help=argparse.SUPPRESS)  # run.sh gives these
    parser.add_argument("--interpreter", action="append", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


def interpreters(options: argparse.Namespace, show: Callable[[str], None]) -> list[str]:
    """Shows each one's tables as they are ready; what there is to say of them all in the end."""
    closing: list[str] = []
    for interpreter in options.interpreter:
        about, *results = measure(interpreter, options)
        if not results:
            continue
        versions, floor = about["versions"], about["floor"]
        title = f"CPython {versions.pop('CPython')}"
        show("")
        show(f"# {title}, one core, CPU time: " + ", ".join(f"{name} {known}" for name, known in versions.items()))
        loop, call = (floor[name]["median"] for name in ("loop", "call"))
        show(f"# the loop alone takes {loop:.1f} ns a call, and {call:.1f} with a function in C that does next to "
             "nothing, callable(x)")
        for text in exchange_table.blocks(results):
            show(text)
        held = [(result["name"], exchange_table.aim(result)) for result in results]
        closing += ["", f"# {title}", *exchange_table.summary(results), *exchange_table.aims(title, held)]
    return closing


def main() -> None:
    options = parse()
    today = datetime.date.today()
    whole = options.only == "*" and options.seconds == SECONDS
    stem = options.out or BENCH.parent / ("bench/results" if whole else "build/bench") / f"{today}-exchange"
    stem.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{stem}.txt", "w") as out:

        def show(text: str) -> None:
            print(text, flush=True)
            print(text, file=out, flush=True)

        show(f"# {today}  {machine()}")
        show(f"# {command(options)}")
        show(exchange_table.COLUMNS)
        closing = interpreters(options, show)
        if options.only in ("*", "c++"):
            known = costs(options)
            for text in exchange_table.cost_lines(known):
                show(text)
            closing += ["", *exchange_table.aims("C++", exchange_table.cost_aims(known))]
        elif not closing:
            raise SystemExit(f"no row matches {options.only!r}")
        for text in closing:
            show(text)


if __name__ == "__main__":
    main()
