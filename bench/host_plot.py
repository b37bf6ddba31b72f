"""The plot of the host benchmark: every layout's rate, ours and the peers', a panel for each number of threads."""

from __future__ import annotations

import pathlib

import host_table

MARKS = {"memcpy": ("|", "0.35"), "numpy": ("s", "tab:orange"), "torch": ("^", "tab:red"), "jax": ("D", "tab:purple"),
         "hptt": ("v", "tab:green")}


def save(path: pathlib.Path, title: str, tables: dict[int, list[dict]]) -> bool:
    """False where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = {threads: [r for r in results if not r["small"]] or results for threads, results in tables.items()}
    names = [result["name"] for result in max(shown.values(), key=len)]
    size = (2.6 + 5.2 * len(shown), 1.6 + 0.165 * len(names))
    figure, axes = pyplot.subplots(1, len(shown), figsize=size, sharex=True, sharey=True, squeeze=False,
                                   layout="constrained")
    for panel, (threads, results) in zip(axes[0], shown.items()):
        draw(panel, threads, results, {name: place for place, name in enumerate(names)})
    axes[0][0].set_yticks(range(len(names)), names, fontsize=7)
    axes[0][0].set_ylim(len(names) - 0.3, -0.7)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9,
                  title=title, title_fontsize=9)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def draw(panel, threads: int, results: list[dict], places: dict[str, int]) -> None:
    for name, (mark, colour) in MARKS.items():
        points = [(host_table.rate(r, name), places[r["name"]]) for r in results if name in r["times"]["warm"]]
        if points:
            filled = {} if mark == "|" else {"facecolors": "none"}
            panel.scatter(*zip(*points), marker=mark, color=colour, s=26, linewidths=1.1, label=name, **filled)
    ours = [(host_table.rate(r, "strideport"), places[r["name"]]) for r in results]
    panel.scatter(*zip(*ours), marker="o", color="tab:blue", s=24, label="strideport", zorder=3)
    panel.set_xscale("log")
    panel.set_title("one thread" if threads == 1 else f"{threads} threads", fontsize=9)
    panel.set_xlabel("GB/s read and written, warm output")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.grid(axis="y", linewidth=0.3)
    panel.grid(axis="x", which="both", linewidth=0.3)
    panel.tick_params(axis="x", labelsize=8)
