"""Table and figure of the page of coverage."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.validity.rows import LEVELS, Row, read_rows
from validstats.validity import binomial_acceptance

DOMAINS = {
    "batch": "Batch predictive inference",
    "holdout": "Reusable holdout",
    "dsl": "Design-based supervised learning",
    "mi": "Mutual information",
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
    """Return a summary with one line a guarantee, and every setting below it."""
    return "\n".join([*summary_table(rows), "", *settings_tables(rows)]) + "\n"


def _by_guarantee(rows: list[Row]) -> dict[str, list[Row]]:
    rows = sorted(rows, key=lambda r: list(DOMAINS).index(r.domain))
    return {
        name: [r for r in rows if r.guarantee == name] for name in dict.fromkeys(r.guarantee for r in rows)
    }


def summary_table(rows: list[Row], page: str = "") -> list[str]:
    """Return one line a guarantee, each with a link to its settings on the page of its domain.

    Parameters
    ----------
    rows : list of Row
        What was simulated.
    page : str, default ""
        Address of that page, with ``{domain}`` in place of the domain; this page if empty.
    """
    lines = [
        "| guarantee | settings | nominal | lowest | median | rejected at 1e-3 | naive: median | naive method | version |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | :--- | :--- |",
    ]
    found = _by_guarantee(rows)
    return lines + [
        _summary_line(name, own, page.format(domain=own[0].domain)) for name, own in found.items()
    ]


def settings_tables(rows: list[Row]) -> list[str]:
    """Return a heading and a table of settings for each guarantee.

    Parameters
    ----------
    rows : list of Row
        What was simulated.
    """
    tables = [_settings_table(name, own) for name, own in _by_guarantee(rows).items()]
    return [line for i, table in enumerate(tables) for line in ([""] if i else []) + table]


def _summary_line(guarantee: str, rows: list[Row], page: str) -> str:
    levels = sorted({r.level for r in rows})
    of = [[r for r in rows if r.level == level] for level in levels]
    lowest = [min(r.coverage for r in chosen) for chosen in of]
    median = [float(np.median([r.coverage for r in chosen])) for chosen in of]
    naive = [[r.naive_hits / r.naive_trials for r in chosen if r.naive_trials] for chosen in of]
    below = sum(not binomial_acceptance(r.hits, r.trials, r.level).accepted for r in rows)
    cells = [
        f"[{guarantee}]({page}#{anchor(guarantee)})",
        str(len({r.setting for r in rows})),
        _shares(levels, digits=0),
        _shares(lowest),
        _shares(median),
        f"{below} of {len(rows)}",
        _shares([float(np.median(shares)) for shares in naive]) if all(naive) else "",
        rows[0].naive,
        ", ".join(sorted({r.version for r in rows})),
    ]
    return f"| {' | '.join(cells)} |"


def anchor(heading: str) -> str:
    """Return the anchor that Markdown makes of a heading.

    Parameters
    ----------
    heading : str
        Text of the heading.
    """
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def _shares(values: list[float], digits: int = 1) -> str:
    return " / ".join(f"{100 * value:.{digits}f}" for value in values) + " %"


def _settings_table(guarantee: str, rows: list[Row]) -> list[str]:
    """Return a heading and one line a setting, a column a nominal level."""
    levels = sorted({r.level for r in rows})
    lines = [f"### {guarantee[0].upper()}{guarantee[1:]}", ""]
    lines.append(
        "| setting | "
        + " | ".join(f"{level:.0%}" for level in levels)
        + f" | replicates | {rows[0].naive or 'naive'} |"
    )
    lines.append("| :--- |" + " ---: |" * (len(levels) + 1) + " ---: |")
    for setting in dict.fromkeys(r.setting for r in rows):
        of = {r.level: r for r in rows if r.setting == setting}
        cells = [_cell(of[level]) if level in of else "" for level in levels]
        trials = sorted({r.trials for r in of.values()})
        naive = [f"{r.naive_hits / r.naive_trials:.1%}" for r in of.values() if r.naive_trials]
        wrong = ", ".join(naive if len(set(naive)) > 1 else naive[:1])
        lines.append(
            f"| {setting} | {' | '.join(cells)} | {' to '.join(f'{t:,}' for t in trials)} | {wrong} |"
        )
    return lines


def _cell(row: Row) -> str:
    low, high = clopper_pearson(row.hits, row.trials)
    return f"{row.coverage:.1%} ({low:.1%} to {high:.1%})"


def figure(rows: list[Row]) -> Any:
    """Draw one line a guarantee and one column a nominal level: each setting a dot, ours above the naive method."""
    from matplotlib.figure import Figure

    from validstats.plotting._style import COLOURS

    lines = _lines(rows)
    drawn = Figure(figsize=(11, 1.5 + 0.34 * len(lines)), layout="constrained")
    panels = drawn.subplots(1, len(LEVELS), sharey=True, squeeze=False)[0]
    for ax, level in zip(panels, LEVELS, strict=True):
        for place, (_, guarantee) in enumerate(lines):
            if guarantee is not None:
                _strip(ax, place, [r for r in rows if (r.guarantee, r.level) == (guarantee, level)])
        _finish(ax, level, len(lines))
    panels[0].set_yticks(
        range(len(lines)), [text if name is None else f"{fill(text, 48)}  " for text, name in lines]
    )
    for label, (_, guarantee) in zip(panels[0].get_yticklabels(), lines, strict=True):
        label.set_fontsize(9 if guarantee else 9.5)
        label.set_fontweight("normal" if guarantee else "bold")
    drawn.supxlabel("how often the statement held", fontsize=9.5)
    marks = [
        panels[0].plot([], [], mark, color=COLOURS[name], markersize=4.5)[0]
        for mark, name in (("o", "ours"), ("|", "naive"))
    ]
    marks.append(panels[0].plot([], [], color=COLOURS["truth"], linewidth=1.4)[0])
    told = [
        "validstats, a dot a setting; line: exact 99 % interval of the lowest",
        "the naive method",
        "nominal",
    ]
    drawn.legend(marks, told, loc="outside upper left", ncols=3, frameon=False, fontsize=9.5)
    return drawn


def _lines(rows: list[Row]) -> list[tuple[str, str | None]]:
    """Name the lines from top to bottom: a heading (None) for each domain, then its guarantees."""
    lines: list[tuple[str, str | None]] = []
    for domain, title in DOMAINS.items():
        found = list(dict.fromkeys(r.guarantee for r in rows if r.domain == domain))
        if found:
            lines.append((title, None))
        lines += [(guarantee, guarantee) for guarantee in found]
    return lines


def _strip(ax: Any, place: int, rows: list[Row]) -> None:
    from validstats.plotting._style import COLOURS

    if not rows:
        return
    naive = [r.naive_hits / r.naive_trials for r in rows if r.naive_trials]
    ax.plot(
        naive,
        np.full(len(naive), place + 0.2),
        "|",
        color=COLOURS["naive"],
        markersize=6,
        alpha=0.7,
        zorder=2,
    )
    lowest = min(rows, key=lambda r: r.coverage)
    ax.hlines(
        place - 0.14,
        *clopper_pearson(lowest.hits, lowest.trials),
        color=COLOURS["ours"],
        linewidth=1.6,
        alpha=0.5,
    )
    shares = [r.coverage for r in rows]
    ax.plot(
        shares,
        np.full(len(shares), place - 0.14),
        "o",
        color=COLOURS["ours"],
        markersize=4.5,
        alpha=0.45,
        markeredgewidth=0,
    )
    ax.vlines(rows[0].level, place - 0.42, place + 0.42, color=COLOURS["truth"], linewidth=1.4, zorder=3)


def _finish(ax: Any, level: float, n_lines: int) -> None:
    from validstats.plotting._style import COLOURS, tidy_axes

    ax.set_title(f"promised: {100 * level:.0f} %", fontsize=10, loc="left", color=COLOURS["truth"])
    ax.set(xlim=(-0.03, 1.03), ylim=(n_lines - 0.4, -0.6))
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "50 %", "", "100 %"])
    tidy_axes(ax, grid="x")
    ax.spines["left"].set_visible(False)


def write_report(folder: Path) -> str:
    """Write the table and the figure from the rows of a folder."""
    rows = read_rows(folder / "validity.csv")
    table = markdown(rows)
    (folder / "validity.md").write_text(table, encoding="utf-8")
    figure(rows).savefig(folder / "validity.png", dpi=130)
    return table
