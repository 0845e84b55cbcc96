"""Numbers of the page with sliders: how often the usual answer and ours are right, as one thing changes.

``python -m benchmarks.live`` simulates six questions and writes ``docs/javascripts/live_data.js``, which the page reads without a
network. Everything is drawn afresh in each replicate; the seeds are fixed.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from benchmarks.readme import ROOT
from validstats import evals, independence_test
from validstats.batch.laws import batch_coverage_probability, textbook_interval, unit_interval
from validstats.holdout import audit_looks

DATA = ROOT / "docs/javascripts/live_data.js"
SEED = 31


class Point(NamedTuple):
    """One place of the slider: shares of right answers, and what stands beside them."""

    place: str
    usual: float
    ours: float
    words: str


class Slider(NamedTuple):
    """One question of the page."""

    title: str
    knob: str
    usual: str
    ours: str
    promised: float
    places: tuple[float, ...]
    run: Callable[[float, np.random.Generator], Point]


def _judged(
    labels: int, passed_bad: float, rng: np.random.Generator, replicates: int = 40
) -> tuple[float, float, float]:
    """Shares of right intervals by the judge alone and corrected, and the mean length of the latter."""
    right, corrected, lengths = 0, 0, []
    for _ in range(replicates):
        good = rng.random(800) < 0.7
        judge = np.where(good, rng.random(800) < 0.95, rng.random(800) < passed_bad).astype(int)
        human = np.full(800, np.nan)
        asked = rng.choice(800, labels, replace=False)
        human[asked] = good[asked]
        answers = pd.DataFrame({"item": np.arange(800), "judge": judge, "human": human})
        found: Any = evals.evaluate(answers, judge="judge", human="human", item="item", random_state=0)
        low, high = proportion_confint(judge.sum(), 800, method="wilson")
        right += low <= 0.7 <= high
        corrected += found.conf_low <= 0.7 <= found.conf_high
        lengths.append(found.conf_high - found.conf_low)
    return right / replicates, corrected / replicates, float(np.mean(lengths))


def labels(value: float, rng: np.random.Generator) -> Point:
    """Number of human labels beside a lenient judge."""
    usual, ours, length = _judged(int(value), 0.4, rng)
    return Point(f"{value:.0f}", usual, ours, f"our interval is {100 * length:.0f} points long")


def judge(value: float, rng: np.random.Generator) -> Point:
    """Share of bad answers that the judge lets pass."""
    usual, ours, length = _judged(100, value, rng)
    return Point(f"{value:.0%}", usual, ours, f"our interval is {100 * length:.0f} points long")


def looks(value: float, rng: np.random.Generator) -> Point:
    """Number of models that were scored on the same 1,000 rows, all equally good; the best is reported."""
    k, n, p = int(value), 1000, 0.8
    best = rng.binomial(n, p, (2000, k)).max(axis=1)
    low, high = proportion_confint(best, n, method="wilson")
    intervals = {int(b): audit_looks(n, b / n, decimals=3, looks=k) for b in np.unique(best[:200])}
    held = np.mean([intervals[int(b)].conf_low <= p <= intervals[int(b)].conf_high for b in best[:200]])
    high_bias = 100 * (best.mean() / n - p)
    return Point(
        f"{k}",
        float(np.mean((low <= p) & (p <= high))),
        float(held),
        f"the best score is {abs(high_bias):.1f} points too high",
    )


def batch_size(value: float, rng: np.random.Generator) -> Point:
    """Rows of a batch of which 90 % are to be in their sets; exact, 200 calibration rows."""
    n, m = 200, int(value)
    k = math.ceil(0.9 * m)
    usual = batch_coverage_probability(n, m, k, math.ceil(0.9 * (n + 1)))
    rank = next(r for r in range(1, n + 2) if batch_coverage_probability(n, m, k, r) >= 0.9)
    return Point(
        f"{m}",
        usual,
        batch_coverage_probability(n, m, k, rank),
        f"threshold: score number {rank} of {n}, not {math.ceil(0.9 * (n + 1))}",
    )


def shock(value: float, rng: np.random.Generator) -> Point:
    """What days of one week share, in standard deviations of a day; totals of a week from 60 past ones."""
    held = np.zeros(2)
    for _ in range(400):
        days = rng.normal(size=(61, 7)) + value * rng.normal(size=(61, 1))
        past, new = days[:-1], days[-1].sum()
        low, high = textbook_interval(past.ravel(), 7, "0.1")
        whole = unit_interval(past.sum(axis=1), "0.1")
        held += 7 * low <= new <= 7 * high, whole.low <= new <= whole.high
    return Point(f"{value:g}", held[0] / 400, held[1] / 400, "both from the same 420 days")


def curvature(value: float, rng: np.random.Generator) -> Point:
    """How far a relation is from a straight line to a V; share of data sets in which a dependence is found."""
    found = np.zeros(2)
    for _ in range(40):
        x = rng.normal(size=100)
        y = (1 - value) * x + value * 1.5 * np.abs(x) + rng.normal(size=100)
        test = independence_test(x, y, n_permutations=199, random_state=0)
        found += stats.pearsonr(x, y).pvalue <= 0.05, test.p_value <= 0.05
    return Point(f"{value:.0%}", found[0] / 40, found[1] / 40, "100 rows, tests at 5 %")


SLIDERS = {
    "labels": Slider(
        "A pass rate with a judge", "human labels",
        "judge alone", "corrected",
        0.95, (20, 40, 80, 160, 320), labels),
    "judge": Slider(
        "A judge that lets bad answers pass", "share that it lets pass",
        "judge alone", "corrected by 100 labels",
        0.95, (0.0, 0.1, 0.2, 0.4, 0.7), judge),
    "looks": Slider(
        "The best of many scores", "models scored on the same 1,000 rows",
        "interval of a single look", "interval after so many looks",
        0.95, (1, 2, 5, 10, 20, 40), looks),
    "batch": Slider(
        "At least 90 % of a batch", "rows of the batch",
        "split conformal", "Simultaneous",
        0.9, (10, 20, 50, 100, 200, 400), batch_size),
    "shock": Slider(
        "The total of next week", "what days of a week share",
        "textbook, days as units", "whole weeks",
        0.9, (0.0, 0.2, 0.4, 0.6, 1.0, 1.5), shock),
    "curve": Slider(
        "Is there any dependence?", "from a line to a V",
        "correlation", "independence_test",
        math.nan, (0.0, 0.25, 0.5, 0.75, 1.0), curvature),
}  # fmt: skip


def main() -> None:
    """Simulate and write."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, slider in SLIDERS.items():
            generators = np.random.default_rng([SEED, len(found)]).spawn(len(slider.places))
            points = [slider.run(place, rng) for place, rng in zip(slider.places, generators)]
            told = slider._asdict() | {"points": [p._asdict() for p in points]}
            del told["run"], told["places"]
            told["promised"] = None if math.isnan(slider.promised) else slider.promised
            found[name] = told
            print(name, points, flush=True)
    text = json.dumps(found, indent=1, default=float)
    DATA.write_text(
        f"// Written by python -m benchmarks.live\nwindow.validstatsLive = {text};\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
