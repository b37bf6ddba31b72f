"""The tables of the exchange benchmark: a line a row, what was won and lost, and which aims are met."""

from __future__ import annotations

from typing import Any, NamedTuple

from host_table import counts, geomean, verdict


class Table(NamedTuple):
    title: str
    peers: tuple[str, ...]
    reference: str  # the peer of the standard library, whose ratio is shown


TABLES = {
    "import": Table("in: asbuffer(x), or from_dlpack(x) where the row says so",
                    ("memoryview", "np.asarray", "np.from_dlpack", "torch", "jax", "tvm_ffi", "nanobind"),
                    "memoryview"),
    "export": Table("out: the same call on everyone's object over the same memory, ours from asbuffer",
                    ("stdlib", "numpy", "torch", "jax", "tvm_ffi"), "stdlib"),
    "view": Table("views and attributes", ("memoryview", "numpy", "torch"), "memoryview"),
}

COLUMNS = """\
# ns a call, medians; iqr: the spread of ours. Each time holds the loop around the call, as timeit's does, and the end
# of the object that the call made. x: the peer's time over ours; verdict: against the best peer, ties within 8 %.
# Before it is timed every result is asked for the address of its memory. Under a peer: no, it refuses the object; copy,
# it copies; same, it hands back the object itself; -, it has no such call, or its library is not there.
# In, the peers are memoryview(x), np.asarray(x), np.from_dlpack(x), torch.from_dlpack(x), jax.dlpack.from_dlpack(x),
# tvm_ffi.from_dlpack(x), and a function of nanobind's whose argument is an nb::ndarray; own is what
# the protocol asks of the producer: x.__dlpack_device__(), but of an ndarray, whose type says that its memory is the
# host's, then x.__dlpack__(max_version=(1,0)), and the end of its capsule. Out, stdlib is a bytearray for 100 bytes,
# otherwise a memoryview. aim: what the project set out for; the figure behind it is what there is."""


def ours(result: dict) -> float:
    return result["times"]["strideport"]["median"]


def ratios(result: dict) -> dict[str, float]:
    """Each peer's time over ours."""
    times = result["times"]
    return {name: times[name]["median"] / ours(result) for name in TABLES[result["table"]].peers if name in times}


def best(result: dict) -> float | None:
    return min(ratios(result).values(), default=None)


def aim(result: dict) -> tuple[str, bool] | None:
    """In words, and whether it is met; None where there is none, or nothing to hold it against."""
    if result["aim"] is None:
        return None
    kind, most, of = result["aim"]
    if kind == "absolute":
        return f"<= {most:g} ns: {ours(result):.0f}", ours(result) <= most
    if of not in result["times"]:
        return None
    theirs = result["times"][of]["median"]
    if kind == "beyond":
        return f"<= {of} + {most:g} ns: + {ours(result) - theirs:.0f}", ours(result) - theirs <= most
    return f"<= {most:g} of {of}: {ours(result) / theirs:.2f}", ours(result) / theirs <= most


def aim_text(result: dict) -> str:
    known = aim(result)
    return "" if known is None else f"  {known[0]} {'met' if known[1] else 'short'}"


def shown(number: float) -> str:
    return f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def columns_of(table: Table, results: list[dict]) -> list[str]:
    """Peers that take part in a row, or refused one; the producer's own time behind them."""
    there = {name for result in results for name in (*result["times"], *result["refused"])}
    return [name for name in (*table.peers, "own") if name in there]


def header(table: Table, columns: list[str]) -> str:
    text = f"{table.title.split(':')[0]:32} {'strideport':>10} {'iqr':>4}"
    text += "".join(f" {name:>{max(8, len(name))}}" for name in columns)
    return f"{text} {'x ' + table.reference:>12} {'x best':>7} {'verdict':>7}  aim"


def line(result: dict, columns: list[str]) -> str:
    times, refused, known = result["times"], result["refused"], ratios(result)
    text = f"{result['name']:32} {shown(ours(result)):>10}"
    text += f" {100 * times['strideport']['iqr'] / ours(result):3.0f}%"
    for name in columns:
        cell = shown(times[name]["median"]) if name in times else refused.get(name, "-")
        text += f" {cell:>{max(8, len(name))}}"
    for ratio, width in ((known.get(TABLES[result["table"]].reference), 12), (best(result), 7)):
        text += f" {'-' if ratio is None else format(ratio, '.2f'):>{width}}"
    return (text + f" {verdict(best(result)):>7}" + aim_text(result)).rstrip()


def blocks(results: list[dict]) -> list[str]:
    """One interpreter's tables."""
    lines = []
    for name, table in TABLES.items():
        part = [result for result in results if result["table"] == name]
        if part:
            columns = columns_of(table, part)
            lines += ["", f"# {table.title}", header(table, columns), *(line(result, columns) for result in part)]
    return lines


def summary(results: list[dict]) -> list[str]:
    """Geometric means of the ratios, and wins, ties and losses."""
    lines = []
    for name, table in TABLES.items():
        part = [result for result in results if result["table"] == name]
        if not part:
            continue
        lines.append(f"geometric means, {table.title}:")
        for peer in table.peers:
            values = [known[peer] for result in part if peer in (known := ratios(result))]
            if values:
                lines.append(f"  over {peer:22} {geomean(values):>7}   {counts(values)}")
        values = [value for result in part if (value := best(result)) is not None]
        lines.append(f"  over the best peer of each  {geomean(values):>7}   {counts(values)}")
        lines += losses(part)
    return lines


def losses(results: list[dict]) -> list[str]:
    lost = [(value, r) for r in results if (value := best(r)) is not None and verdict(value) == "loss"]
    lines = []
    for value, result in sorted(lost, key=lambda pair: pair[0]):
        known = ratios(result)
        lines.append(f"  lost: {result['name']}, {1 / value:.2f} times as long as {min(known, key=known.__getitem__)}")
    return lines


def aims(title: str, held: list[tuple[str, tuple[str, bool] | None]]) -> list[str]:
    """`held`: a row's name and its aim. How many are met, and those that are not."""
    known = [(name, *pair) for name, pair in held if pair is not None]
    if not known:
        return []
    met = sum(is_met for _, _, is_met in known)
    lines = [f"aims, {title}: {met} of {len(known)} met"]
    return lines + [f"  short: {name}, {text}" for name, text, is_met in known if not is_met]


# --- C++ -------------------------------------------------------------------------------------------------------------

# Of bench/exchange_cost.cpp: what each row is, and the most nanoseconds that it is to take.
COST_ROWS: dict[str, tuple[str, float | None]] = {
    "view_of_tensor": ("view_dlpack, borrowed", 10),
    "import_alone": ("import_dlpack, versioned", 10),
    "import_and_end": ("... and the end of the Buffer", None),
    "tvm_ffi_import": ("tvm-ffi FromDLPackVersioned and end", None),
    "export_and_delete": ("export_dlpack and deleter", 20),
    "tvm_ffi_export": ("tvm-ffi ToDLPackVersioned and deleter", None),
    "round_trip": ("export_dlpack, import_dlpack, end", None),
    "malloced_tensor": ("a tensor by hand: malloc, fill, free", None),
    "create": ("BufferView::create", None),
    "slice": ("slice of a BufferView", None),
    "slice_of_buffer": ("slice of a Buffer", None),
}


def costs(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Google Benchmark's report: by row and rank, the median in nanoseconds."""
    known: dict[str, dict[str, float]] = {}
    for entry in report["benchmarks"]:
        if entry.get("aggregate_name") == "median":
            name, rank = entry["run_name"].split("/")
            known.setdefault(name, {})[rank.removeprefix("rank:")] = entry.get("alone_ns", entry["cpu_time"])
    return {name: dict(sorted(known[name].items())) for name in COST_ROWS if name in known}


def cost_aims(known: dict[str, dict[str, float]]) -> list[tuple[str, tuple[str, bool] | None]]:
    held: list[tuple[str, tuple[str, bool] | None]] = []
    for name, by_rank in known.items():
        most = COST_ROWS[name][1]
        if most is not None:
            held += [(f"{COST_ROWS[name][0]}, rank {rank}", (f"<= {most:g} ns: {time:.1f}", time <= most))
                     for rank, time in by_rank.items()]
    return held


def cost_lines(known: dict[str, dict[str, float]]) -> list[str]:
    lines = ["", "# C++ (bench/exchange_cost.cpp), ns, medians: float32 in C order",
             f"{'':40} {'rank 1':>8} {'rank 2':>8} {'rank 4':>8}  aim"]
    for name, (title, most) in COST_ROWS.items():
        times = known.get(name, {})
        if times:
            cells = "".join(f" {times[rank]:8.1f}" if rank in times else f" {'-':>8}" for rank in "124")
            verdicts = "" if most is None else (
                f"  <= {most:g} ns: {'met' if max(times.values()) <= most else 'short'}")
            lines.append(f"{title:40}{cells}{verdicts}")
    return lines
