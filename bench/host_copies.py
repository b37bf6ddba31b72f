"""Copies the named layouts of layouts.tsv in host memory, beside memcpy, NumPy, PyTorch, JAX and HPTT.

    bash bench/run.sh [--only PATTERN] [--seconds S] [--threads N] [--out STEM] [--torch]

One thread, then all; each in a process of its own (host_measure.py), with every contestant in it. Prints the table, and
saves it as STEM.txt and the plot as STEM.png.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import host_plot
import host_table

BENCH = pathlib.Path(__file__).parent
SECONDS = 0.6  # for each layout
SECONDS_OF_MORE_THREADS = 0.25


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            cpu = text.split(":", 1)[1].strip()
            break
    return f"{cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}"


def command() -> str:
    """What repeats the run; of HPTT's library the name alone, since its folder is this machine's."""
    library = os.environ.get("HPTT_LIB")
    setting = [] if not library else [f"HPTT_LIB={pathlib.Path(library).name}"]
    return shlex.join([*setting, "bash", "bench/run.sh", *sys.argv[1:]])


def measured(threads: int, options: argparse.Namespace) -> Iterator[dict]:
    """The versions of the peers first, then one result for each layout."""
    seconds = options.seconds or (SECONDS if threads == 1 else SECONDS_OF_MORE_THREADS)
    arguments = ["--threads", str(threads), "--only", options.only, "--seconds", str(seconds)]
    # As many cores as threads, from the start: PyTorch and JAX count them when they are loaded, and JAX takes all.
    pin = functools.partial(os.sched_setaffinity, 0, sorted(os.sched_getaffinity(0))[-threads:])
    with subprocess.Popen([sys.executable, str(BENCH / "host_measure.py"), *arguments], stdout=subprocess.PIPE,
                          preexec_fn=pin, text=True) as process:
        for text in process.stdout:
            yield json.loads(text)
    if process.returncode:
        raise SystemExit(f"the measurement with {threads} thread(s) ended with {process.returncode}")


def run(threads: int, options: argparse.Namespace, show: Callable[[str], None]) -> list[dict]:
    lines = measured(threads, options)
    versions = next(lines)
    peers = host_table.present(versions)
    absent = ", ".join(name for name in host_table.PEERS if name not in peers)
    show("")
    show(f"# {'one thread, pinned to one core, CPU time' if threads == 1 else f'{threads} threads'}: "
         + ", ".join(f"{name} {version}" for name, version in versions.items())
         + (f"; left out, since not there: {absent}" if absent else ""))
    show(host_table.header(peers, threads == 1))
    results = []
    for result in lines:
        results.append(result)
        show(host_table.line(result, peers, threads == 1))
    if results:
        show("")
    for text in host_table.summary(results, peers):
        show(text)
    return results


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", metavar="PATTERN", help="the layouts whose names match")
    parser.add_argument("--seconds", type=float, metavar="S", help="for each layout; the largest take longer")
    parser.add_argument("--threads", type=int, metavar="N", help="this number alone; otherwise one, then all")
    parser.add_argument("--out", type=pathlib.Path, metavar="STEM",
                        help="saves STEM.txt and STEM.png; bench/results/<date>-host otherwise, "
                        "or, for a part of the whole, build/bench/<date>-host")
    parser.add_argument("--torch", action="store_true", help="run.sh installs PyTorch; no matter here")
    return parser.parse_args()


def main() -> None:
    options = parse()
    today = datetime.date.today()
    whole = options.only == "*" and options.threads is None and options.seconds is None
    stem = options.out or BENCH.parent / ("bench/results" if whole else "build/bench") / f"{today}-host"
    stem.parent.mkdir(parents=True, exist_ok=True)
    every = len(os.sched_getaffinity(0))
    threads = [options.threads] if options.threads else sorted({1, every})
    with open(f"{stem}.txt", "w") as out:

        def show(text: str) -> None:
            print(text, flush=True)
            print(text, file=out, flush=True)

        show(f"# {today}  {machine()}; Python {platform.python_version()}")
        show(f"# {command()}")
        show(host_table.COLUMNS)
        tables = {count: run(count, options, show) for count in threads}
    tables = {count: results for count, results in tables.items() if results}
    if not tables:
        raise SystemExit(f"no layout matches {options.only!r}")
    if not host_plot.save(pathlib.Path(f"{stem}.png"), f"{today}, {machine()}\n{command()}", tables):
        print("the plot is left out: matplotlib is not installed")


if __name__ == "__main__":
    main()
