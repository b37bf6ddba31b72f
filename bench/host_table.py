"""The table of the host benchmark: one line a layout, what was won and lost, and geometric means."""

from __future__ import annotations

import math
from collections.abc import Iterable

TIE = 1.08  # within 8 % either way nobody has won
PEERS = ("numpy", "torch", "jax", "hptt")

COLUMNS = """\
# GB/s: bytes read and written, warm output; iqr: the spread of our times; memcpy: our rate over that of a memcpy of as
# many bytes; x: the peer's time over ours; verdict: against the best peer, ties within 8 %. After the bar: into a new
# output, contiguous() beside np.ascontiguousarray, torch's contiguous() and JAX, which makes its output always and so
# stands on both sides; "is one": the source is contiguous, and nobody copies; -: above 300 MiB, and not looked at. no:
# the peer refuses the layout (PyTorch: negative strides; JAX: copies that XLA would leave out, outputs with strides;
# HPTT: all but permutations of 4, 8 and 16 bytes)."""


def present(peers: Iterable[str]) -> list[str]:
    return [name for name in PEERS if name in peers]


def duration(seconds: float) -> str:
    for unit, scale in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def ratios(result: dict, group: str) -> dict[str, float]:
    """Each peer's time over ours."""
    times = result["times"].get(group, {})
    return {name: times[name]["median"] / times["strideport"]["median"] for name in PEERS if name in times}


def best(result: dict, group: str) -> float | None:
    return min(ratios(result, group).values(), default=None)


def verdict(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return "win" if ratio > TIE else "loss" if ratio < 1 / TIE else "tie"


def rate(result: dict, name: str) -> float:
    """GB/s read and written, warm output."""
    return 2 * result["nbytes"] / result["times"]["warm"][name]["median"] / 1e9


def of_memcpy(result: dict) -> float | None:
    """None for a small layout, where it would compare the calls of two libraries and no memory."""
    times = result["times"]["warm"]
    return None if result["small"] else times["memcpy"]["median"] / times["strideport"]["median"]


def header(peers: list[str], new: bool) -> str:
    text = f"{'layout':30} {'MiB':>7} {'time':>8} {'iqr':>4} {'GB/s':>6} {'memcpy':>6}"
    text += "".join(f" {'x ' + name:>7}" for name in peers) + f" {'verdict':>7}"
    if new:
        makers = [name for name in peers if name != "hptt"]
        text += f" | {'new out':>8}" + "".join(f" {'x ' + name:>7}" for name in makers) + f" {'verdict':>7}"
    return text


def cells(result: dict, group: str, peers: list[str]) -> str:
    known = ratios(result, group)
    text = "".join(f" {known[name]:7.2f}" if name in known else f" {'no':>7}" for name in peers)
    return text + f" {verdict(best(result, group)):>7}"


def line(result: dict, peers: list[str], new: bool) -> str:
    ours = result["times"]["warm"]["strideport"]
    fraction = of_memcpy(result)
    text = f"{result['name']:30} {result['nbytes'] / 2**20:7.3g} {duration(ours['median']):>8}"
    text += f" {100 * ours['iqr'] / ours['median']:3.0f}% {rate(result, 'strideport'):6.1f}"
    text += f" {'-' if fraction is None else format(fraction, '.2f'):>6}" + cells(result, "warm", peers)
    if not new:
        return text
    if "new" not in result["times"]:
        return text + f" | {'is one' if result['contiguous'] else '-':>8}"
    made = result["times"]["new"]["strideport"]["median"]
    return text + f" | {duration(made):>8}" + cells(result, "new", [name for name in peers if name != "hptt"])


def geomean(values: Iterable[float]) -> str:
    values = list(values)
    return format(math.exp(sum(map(math.log, values)) / len(values)), ".2f") if values else "-"


def counts(values: list[float]) -> str:
    verdicts = [verdict(value) for value in values]
    return " ".join(f"{verdicts.count(kind):4} {kind}" for kind in ("win", "tie", "loss"))


def group_summary(results: list[dict], group: str, peers: list[str]) -> list[str]:
    lines = []
    for name in peers:
        values = [known[name] for r in results if name in (known := ratios(r, group))]
        if values:
            lines.append(f"  over {name:22} {geomean(values):>7}   {counts(values)}")
    values = [value for r in results if (value := best(r, group)) is not None]
    lines.append(f"  over the best peer of each  {geomean(values):>7}   {counts(values)}")
    return lines


def losses(results: list[dict], group: str) -> list[str]:
    lost = [(value, r) for r in results if (value := best(r, group)) is not None and verdict(value) == "loss"]
    lines = []
    for value, result in sorted(lost, key=lambda pair: pair[0]):
        known = ratios(result, group)
        lines.append(f"  lost: {result['name']}, {value:.2f} of {min(known, key=known.__getitem__)}'s rate")
    return lines


def summary(results: list[dict], peers: list[str]) -> list[str]:
    """Geometric means of the ratios, and wins, ties and losses; calls on small arrays by themselves."""
    lines = []
    for title, part in (("small layouts left out", [r for r in results if not r["small"]]),
                        ("small layouts", [r for r in results if r["small"]])):
        for group, name in (("warm", "warm output"), ("new", "new output")):
            chosen = [r for r in part if group in r["times"]]
            if chosen:
                lines.append(f"geometric means, {name}, {title}:")
                lines += group_summary(chosen, group, peers) + losses(chosen, group)
        fractions = [fraction for r in part if (fraction := of_memcpy(r)) is not None]
        if fractions:
            lines.append(f"geometric mean of the rate over memcpy's: {geomean(fractions)}")
    return lines
