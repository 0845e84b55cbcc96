"""Table and figure of the page of coverage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.rows import LEVELS, Row, read_rows
from validstats.validity import binomial_acceptance

DOMAINS = {
    "batch": "Batch: 90 % of the new rows",
    "holdout": "Holdout: all answers under attack",
    "dsl": "DSL: a coefficient, 1,000 labels",
    "mi": "MI: learned intervals, exact tests",
}


def clopper_pearson(hits: int, trials: int, confidence: float = 0.99) -> tuple[float, float]:
    """Return the exact two-sided binomial interval.

    Parameters
    ----------
    hits, trials : int
        Successes and trials.
    confidence : float, default 0.99
        Its level.
    """
    interval = stats.binomtest(hits, trials).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def markdown(rows: list[Row]) -> str:
    """Return a summary of each guarantee and level, and every setting below it."""
    lines = [
        "| guarantee | nominal | settings | lowest | median | significantly below at 1e-3 | naive: median | naive method |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- |",
    ]
    for guarantee, level in dict.fromkeys((r.guarantee, r.level) for r in rows):
        chosen = [r for r in rows if (r.guarantee, r.level) == (guarantee, level)]
        shares = [r.coverage for r in chosen]
        below = sum(not binomial_acceptance(r.hits, r.trials, r.level).accepted for r in chosen)
        naive = [r.naive_hits / r.naive_trials for r in chosen if r.naive_trials]
        lines.append(
            f"| {guarantee} | {level:.0%} | {len(chosen)} | {min(shares):.1%} | {np.median(shares):.1%} | {below} "
            f"| {f'{np.median(naive):.1%}' if naive else ''} | {chosen[0].naive} |"
        )
    lines += ["", "| domain | setting | nominal | achieved | exact 99 % interval | replicates | naive |"]
    lines += ["| :--- | :--- | ---: | ---: | :---: | ---: | ---: |"]
    for r in rows:
        low, high = clopper_pearson(r.hits, r.trials)
        naive = f"{r.naive_hits / r.naive_trials:.1%}" if r.naive_trials else ""
        lines.append(
            f"| {r.domain} | {r.setting} | {r.level:.0%} | {r.coverage:.1%} | {low:.1%} to {high:.1%} | {r.trials:,} | {naive} |"
        )
    return "\n".join(lines) + "\n"


def figure(rows: list[Row]) -> Any:
    """Draw one panel a domain: every setting as a dot with its exact interval, the naive method beside it."""
    from matplotlib.figure import Figure

    from validstats.plotting._style import COLOURS, tidy_axes

    drawn = Figure(figsize=(11, 4.1), layout="constrained")
    shown = {domain: title for domain, title in DOMAINS.items() if any(r.domain == domain for r in rows)}
    panels = drawn.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for ax, (domain, title) in zip(panels, shown.items()):
        for place, level in enumerate(LEVELS):
            chosen = sorted(
                (r for r in rows if (r.domain, r.level) == (domain, level)), key=lambda r: r.coverage
            )
            ax.hlines(level, place - 0.46, place + 0.46, color=COLOURS["truth"], linewidth=1.4, zorder=3)
            spread = np.linspace(-0.38, -0.04, max(len(chosen), 1))
            for x, r in zip(place + spread, chosen):
                ax.vlines(
                    x, *clopper_pearson(r.hits, r.trials), color=COLOURS["ours"], linewidth=1, alpha=0.35
                )
                ax.plot(x, r.coverage, "o", color=COLOURS["ours"], markersize=2.8)
            naive = sorted(r.naive_hits / r.naive_trials for r in chosen if r.naive_trials)
            ax.plot(
                place + np.linspace(0.06, 0.4, len(naive)),
                naive,
                "s",
                color=COLOURS["naive"],
                markersize=2.4,
                alpha=0.8,
            )
        ax.set_title(title, fontsize=9.5, loc="left", color=COLOURS["truth"])
        ax.set_xticks(range(len(LEVELS)), [f"{level:.0%}" for level in LEVELS])
        ax.set(ylim=(-0.02, 1.02), xlim=(-0.6, len(LEVELS) - 0.4))
        tidy_axes(ax)
    drawn.axes[0].set_ylabel("how often the statement held")
    drawn.axes[0].set_yticks([0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])
    drawn.supxlabel("nominal level (black line)", fontsize=9.5)
    marks = [
        drawn.axes[0].plot([], [], mark, color=COLOURS[name])[0]
        for mark, name in (("o", "ours"), ("s", "naive"))
    ]
    labels = [
        "validstats, one dot a setting, exact 99 % binomial interval",
        "the naive method",
    ]
    drawn.legend(marks, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9.5)
    return drawn


def write_report(folder: Path) -> str:
    """Write the table and the figure from the rows of a folder."""
    rows = read_rows(folder / "validity.csv")
    table = markdown(rows)
    (folder / "validity.md").write_text(table, encoding="utf-8")
    figure(rows).savefig(folder / "validity.png", dpi=130)
    return table
