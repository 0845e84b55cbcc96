"""Shares with a judge and few labels: coverage and width of every interval on a grid of 600 settings.

``python -m benchmarks.dsl_shares --output DIR`` writes ``dsl_shares.csv`` (one row a setting and interval) and
``dsl_shares.md``. The grid: 20 to 300 labels, true shares .5 to .999, ten judges from perfect to useless, an infinite
population and a finite one of 500 units. Widths are relative to Wilson's interval of the labels alone, with the finite
correction where the target is finite. Every interval is computed for all replicates of a setting at once.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from validstats.dsl.fit.cell_intervals import CellSums, cell_counts, cell_interval

LABELS = (20, 50, 100, 200, 300)
SHARES = (0.5, 0.7, 0.9, 0.95, 0.99, 0.999)
JUDGES = (
    (1.0, 1.0),
    (0.5, 0.5),
    (0.7, 0.4),
    (0.85, 0.15),
    (0.93, 0.45),
    (0.97, 0.5),
    (0.98, 0.02),
    (0.995, 0.005),
    (0.8, 0.001),
    (0.999, 0.2),
)
"""True and false positive rates of the judge."""

FINITE = 500
"""Units of the finite population."""


@dataclass(frozen=True)
class Setting:
    """A share, a judge, a number of labels and a target.

    Attributes
    ----------
    n_units : float
        Units of the population; infinite where verdict shares are known.
    finite : bool
        Whether the target is the share among these units.
    """

    n: int
    share: float
    sensitivity: float
    false_positives: float
    n_units: float
    finite: bool

    @property
    def kappa(self) -> float:
        """Cohen's kappa of the judge with the truth."""
        p, t, f = self.share, self.sensitivity, self.false_positives
        flagged = p * t + (1 - p) * f
        agreement = p * t + (1 - p) * (1 - f)
        chance = p * flagged + (1 - p) * (1 - flagged)
        return (agreement - chance) / (1 - chance)

    @property
    def useless(self) -> bool:
        """Whether verdicts say nothing about the truth."""
        return self.sensitivity == self.false_positives


@dataclass(frozen=True)
class ShareRow:
    """Coverage and width of one interval in one setting."""

    n: int
    share: float
    sensitivity: float
    false_positives: float
    n_units: float
    finite: bool
    kappa: float
    interval: str
    replicates: int
    coverage: float
    width_over_wilson: float
    failures: int
    outside: int


@dataclass(frozen=True)
class Draws:
    """Labels of all replicates: counts of shape (R, 2), unflagged and flagged, and the target."""

    ones: np.ndarray
    n: np.ndarray
    verdict_share: np.ndarray
    target: np.ndarray
    setting: Setting

    @property
    def sums(self) -> CellSums:
        """The sums of the two verdict cells."""
        s = self.setting
        probability = s.n / s.n_units if np.isfinite(s.n_units) else 1e-9
        return cell_counts(
            self.ones, self.n, self.verdict_share, probability, finite=s.finite, n_units=s.n_units
        )


def grid(n_units: float = np.inf, finite: bool = False) -> list[Setting]:
    """Return the 300 settings of one target."""
    return [
        Setting(n, p, *judge, n_units, finite) for n, p, judge in itertools.product(LABELS, SHARES, JUDGES)
    ]


def full_grid() -> list[Setting]:
    """Return the 600 settings: verdict shares known, and a finite population of 500 units."""
    return grid() + grid(float(FINITE), True)


def draw(setting: Setting, rng: np.random.Generator, replicates: int) -> Draws:
    """Draw labels; classes are (0, unflagged), (1, unflagged), (0, flagged), (1, flagged)."""
    p, t, f = setting.share, setting.sensitivity, setting.false_positives
    law = np.array([(1 - p) * (1 - f), p * (1 - t), (1 - p) * f, p * t])
    if not np.isfinite(setting.n_units):
        counts = rng.multinomial(setting.n, law, size=replicates)
        flagged = law[2] + law[3]
        share = np.broadcast_to(np.array([1 - flagged, flagged]), (replicates, 2))
        target = np.full(replicates, p)
    else:
        size = int(setting.n_units)
        units = rng.multinomial(size, law, size=replicates)
        counts = np.array([rng.multivariate_hypergeometric(u, setting.n) for u in units])
        flagged = (units[:, 2] + units[:, 3]) / size
        share = np.column_stack([1 - flagged, flagged])
        target = (units[:, 1] + units[:, 3]) / size if setting.finite else np.full(replicates, p)
    n = np.column_stack([counts[:, 0] + counts[:, 1], counts[:, 2] + counts[:, 3]])
    return Draws(counts[:, [1, 3]], n, share, target, setting)


def wilson(draws: Draws, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of the labels alone, ``n / (1 - n / N)`` of them where the target is finite."""
    s = draws.setting
    n = s.n / (1.0 - s.n / s.n_units) if s.finite else float(s.n)
    share = draws.ones.sum(axis=1) / s.n
    z = stats.norm.isf((1 - level) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def clopper_pearson(draws: Draws, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the Clopper-Pearson interval of the labels alone."""
    k, n, tail = draws.ones.sum(axis=1), draws.setting.n, (1 - level) / 2
    low = np.where(k == 0, 0.0, stats.beta.ppf(tail, np.maximum(k, 1), n - k + 1))
    high = np.where(k == n, 1.0, stats.beta.isf(tail, k + 1, np.maximum(n - k, 1)))
    return low, high


def post_stratified_normal(draws: Draws, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the normal interval of the post-stratified share: what regression and tuning give for many labels."""
    s = draws.setting
    n = np.maximum(draws.n, 1)
    rate = draws.ones / n
    pooled = draws.ones.sum(axis=1, keepdims=True) / s.n
    rate = np.where(draws.n == 0, pooled, rate)
    estimate = np.sum(draws.verdict_share * rate, axis=1)
    factor = 1.0 - s.n / s.n_units if s.finite else 1.0
    variance = np.sum(draws.verdict_share**2 * rate * (1 - rate) / n, axis=1) * factor
    if not s.finite and np.isfinite(s.n_units):
        between = np.sum(draws.verdict_share * rate**2, axis=1) - estimate**2
        variance = variance + between / s.n_units
    half = stats.norm.isf((1 - level) / 2) * np.sqrt(variance)
    return estimate - half, estimate + half


def cells(draws: Draws, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of cells of equal verdict."""
    found = cell_interval(draws.sums, level, binary=True)
    return found.conf_low, found.conf_high


INTERVALS: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "cells": cells,
    "Wilson, labels alone": wilson,
    "Clopper-Pearson, labels alone": clopper_pearson,
    "normal, post-stratified": post_stratified_normal,
}


def measure(
    setting: Setting,
    rng: np.random.Generator,
    replicates: int,
    level: float = 0.95,
    intervals: Sequence[str] = tuple(INTERVALS),
) -> list[ShareRow]:
    """Return one row an interval, all on the same data sets."""
    draws = draw(setting, rng, replicates)
    low, high = wilson(draws, level)
    reference = np.mean(high - low)
    rows = []
    for name in intervals:
        low, high = INTERVALS[name](draws, level)
        inside = (low <= draws.target + 1e-12) & (draws.target - 1e-12 <= high)
        rows.append(
            ShareRow(
                **asdict(setting),
                kappa=setting.kappa,
                interval=name,
                replicates=replicates,
                coverage=float(np.mean(inside)),
                width_over_wilson=float(np.mean(high - low) / reference),
                failures=int(np.sum(~np.isfinite(low + high))),
                outside=int(np.sum((low < -1e-12) | (high > 1 + 1e-12))),
            )
        )
    return rows


def summary(rows: Sequence[ShareRow], level: float = 0.95) -> list[str]:
    """Return a Markdown table with one line an interval."""
    lines = [
        "| interval | lowest coverage | mean | below "
        f"{level - 0.01:.2f} | width / Wilson, all | kappa > .6 | useless judge | ends out of range | failures |",
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys(r.interval for r in rows):
        own = [r for r in rows if r.interval == name]
        coverage = np.array([r.coverage for r in own])
        width = np.array([r.width_over_wilson for r in own])
        good = np.array([r.kappa > 0.6 for r in own])
        useless = np.array([r.sensitivity == r.false_positives for r in own])
        lines.append(
            f"| {name} | {coverage.min():.3f} | {coverage.mean():.3f} | {np.mean(coverage < level - 0.01):.1%} "
            f"| {width.mean():.3f} (max {width.max():.2f}) | {width[good].mean():.3f} (max {width[good].max():.2f}) "
            f"| {width[useless].mean():.3f} | {sum(r.outside > 0 for r in own)} | {sum(r.failures > 0 for r in own)} |"
        )
    return lines


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_shares", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=20_240)
    arguments = parser.parse_args()
    rows: list[ShareRow] = []
    for k, setting in enumerate(full_grid()):
        rng = np.random.default_rng([arguments.seed, k])
        rows += measure(setting, rng, arguments.replicates, arguments.level)
    arguments.output.mkdir(parents=True, exist_ok=True)
    with (arguments.output / "dsl_shares.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(asdict(rows[0])))
        writer.writeheader()
        writer.writerows(asdict(r) for r in rows)
    parts = {
        "All 600 settings": rows,
        "Verdict shares known (300)": [r for r in rows if not r.finite],
        "Finite population of 500 units (300)": [r for r in rows if r.finite],
    }
    text = [
        f"Made by `python -m benchmarks.dsl_shares --replicates {arguments.replicates} --level {arguments.level} "
        f"--seed {arguments.seed}`."
    ]
    for title, part in parts.items():
        text += ["", f"## {title}", "", *summary(part, arguments.level)]
    (arguments.output / "dsl_shares.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
