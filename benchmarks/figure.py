"""Growth curves of the page of benchmarks: time and peak memory against size, one column of panels a domain."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks._runner import Measurement
from validstats.plotting._style import COLOURS, tidy_axes


@dataclass(frozen=True)
class Panel:
    """The task whose growth a domain shows, the words above it, and what n counts."""

    task: str
    title: str
    work: str
    size: str


PANELS = {
    "batch": Panel(
        "calibrate and infer, order statistic", "Batch", "Calibrate, 1,000 intervals", "calibration rows"
    ),
    "holdout": Panel("one answered question", "Holdout", "Lock rows away, answer once", "rows"),
    "dsl": Panel("linear", "DSL", "Linear regression, 10 % labelled", "rows"),
    "mi": Panel("1 x 1", "Mutual information", "One pair of columns", "rows"),
}
"""Domain -> what its panels show."""

NAMES = {
    "validstats, reuse check off": "validstats, no reuse check",
    "validstats, default, with its table": "validstats, with its table",
    "validstats, calibrate and answer": "validstats, default",
    "the learner's two predictions alone": "predictions alone",
    "statsmodels, expert labels alone": "statsmodels, labels alone",
    "ppi-python, PPI++": "ppi-python",
}
"""Names that would not fit into a panel."""

OURS = (("-", "o"), ("--", "o"), (":", "o"), ("-.", "o"))
PEERS = (("#b5722f", "s"), ("#7d68a6", "^"), ("#5f8a4f", "D"), ("#a8475a", "v"))
TEXT, DPI = "#3c4852", 144
FLOOR = 0.01
"""Mebibytes: what takes less is drawn here, since a page of memory is not much smaller."""


def is_ours(implementation: str) -> bool:
    """Tell whether an implementation is of this package."""
    return implementation.startswith("validstats")


def peak_mebibytes(m: Measurement) -> float:
    """Return the larger of allocated memory and of the growth of resident memory."""
    return max((v for v in (m.peak_mebibytes, m.resident_mebibytes) if not math.isnan(v)), default=math.nan)


def styles(implementations: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give ours the house colour in several strokes, and each peer a colour and a marker of its own."""
    ours = [name for name in implementations if is_ours(name)]
    peers = [name for name in implementations if not is_ours(name)]
    found: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(ours):
        stroke, marker = OURS[i % len(OURS)]
        found[name] = {"color": COLOURS["ours"], "linestyle": stroke, "marker": marker, "linewidth": 2.0}
    for i, name in enumerate(peers):
        colour, marker = PEERS[i % len(PEERS)]
        found[name] = {"color": colour, "linestyle": "-", "marker": marker, "linewidth": 1.3}
    return found


def figure(measurements: Sequence[Measurement]) -> Any:
    """Draw seconds against n above and peak memory against n below, one column a domain that has its task."""
    from matplotlib.figure import Figure

    shown = {domain: rows for domain in PANELS if (rows := chosen(measurements, domain))}
    drawn = Figure(figsize=(10, 7.2))
    grid = drawn.add_gridspec(
        2, max(1, len(shown)), left=0.108, right=0.985, top=0.765, bottom=0.105, wspace=0.1, hspace=0.13
    )
    panels = grid.subplots(sharex="col", sharey="row", squeeze=False)
    for (above, below), (domain, rows) in zip(panels.T, shown.items()):
        _draw_column(above, below, rows, PANELS[domain])
    if shown:
        _label(panels)
    drawn.text(
        0.985,
        0.012,
        f"× the next size failed or went beyond the limits.  Less than {FLOOR} MiB is drawn at {FLOOR} MiB.",
        ha="right",
        fontsize=8.5,
        color=COLOURS["reference"],
    )
    return drawn


def chosen(measurements: Sequence[Measurement], domain: str) -> list[Measurement]:
    """Return the rows of the task that a domain shows."""
    return [m for m in measurements if m.domain == domain and m.task == PANELS[domain].task]


def _draw_column(above: Any, below: Any, rows: Sequence[Measurement], panel: Panel) -> None:
    for name, style in styles(list(dict.fromkeys(m.implementation for m in rows))).items():
        mine = sorted((m for m in rows if m.implementation == name), key=lambda m: m.n)
        _draw(above, mine, lambda m: m.median_seconds, style, NAMES.get(name, name))
        _draw(below, mine, lambda m: max(peak_mebibytes(m), FLOOR), style, name)
    left, write = above.get_position().x0, above.figure.text
    write(left, 0.985, panel.title, va="top", fontsize=11, fontweight="bold", color=COLOURS["truth"])
    write(left, 0.95, panel.work, va="top", fontsize=8.5, color=TEXT)
    above.legend(
        loc="upper left", bbox_to_anchor=(left, 0.92), bbox_transform=above.figure.transFigure, frameon=False,
        fontsize=8.5, labelcolor=TEXT, borderpad=0, borderaxespad=0, handlelength=2.8, labelspacing=0.35,
    )  # fmt: skip
    below.set_xlabel(panel.size, fontsize=9, color=TEXT)


def _draw(
    ax: Any, rows: Sequence[Measurement], value: Callable[[Measurement], float], style: Any, label: str
) -> None:
    points = [(m.n, value(m)) for m in rows if not m.error and not math.isnan(value(m))]
    if not points:
        return
    ax.plot(*zip(*points), markersize=3.8, label=label, **style)
    if rows[-1].error:
        ax.plot(*points[-1], "x", color=style["color"], markersize=8, markeredgewidth=2, zorder=4)


def _label(panels: Any) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    for row, (title, text) in zip(panels, (("time of one call", seconds), ("peak memory", mebibytes))):
        for ax in row:
            ax.set(xscale="log", yscale="log")
            tidy_axes(ax, grid="both")
            ax.tick_params(labelsize=8.5)
            low, high = (round(math.log10(n)) for n in ax.dataLim.intervalx)
            ax.xaxis.set_major_locator(FixedLocator([10.0**k for k in range(low, high + 1)]))
            ax.yaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_minor_locator(NullLocator())
        low, high = row[0].get_ylim()
        powers = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        row[0].yaxis.set_major_locator(
            FixedLocator([10.0**k for k in powers if k % 2 == 0 or len(powers) < 7])
        )
        row[0].yaxis.set_major_formatter(FuncFormatter(lambda v, _, text=text: text(v)))
        row[0].set_ylabel(title, fontsize=9, color=TEXT)
        row[0].yaxis.set_label_coords(-0.44, 0.5)


def seconds(value: float) -> str:
    """Write a power of ten of seconds."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= unit * 0.999:
            return f"{value / unit:,.0f} {name}"
    return f"{value:.0e} s"


def mebibytes(value: float) -> str:
    """Write a power of ten of mebibytes."""
    return f"{value:,.0f} MiB" if value >= 0.999 else f"{value:.10g} MiB"
