"""Means of scores in [0, 1] with a continuous judge: cells of the judge beside a regression on it.

``python -m benchmarks.dsl_scores --output DIR`` writes ``dsl_scores.md``: coverage of 95 % intervals of the mean of the law
and mean widths over those of the regression, 4,000 units, 100 to 1,000 labels. Residual cells compare ``y - (s - mean of
s in the cell)`` in place of ``y``; "normal" is ``infer(interval="normal")``, the interval of regressions, on every fourth
data set with 300 and 400 labels. A second table says how far every interval must reach that allows for rare labels at the end of the range.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import integrate, stats
from scipy.special import expit

from validstats import DesignSupervised
from validstats.dsl.fit.cell_intervals import cell_interval, cell_sums
from validstats.dsl.fit.cells import form_cells

UNITS = 4000
LABELS = (100, 300, 400, 1000)
SURPRISES = (0.1, 0.2, 0.35, 0.6, 1.0, 3.5)
"""T of scores whose judge has r = .99: .6 with 300 labels, 2 with 1,000; r = .9: 3.5 with 300."""
Law = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, float]]
"""Draws outcomes and the judge's scores, and knows the mean."""


def smooth(
    rng: np.random.Generator, correlation: float, share: float = 0.0, best_tenth: bool = False
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return logistic scores and a judge whose logits correlate with theirs; a share of gross errors, zeros, if asked."""
    z, noise = rng.normal(size=UNITS), rng.normal(size=UNITS)
    logit = correlation * z + np.sqrt(1 - correlation**2) * noise
    wrong = rng.random(UNITS) < share
    if not best_tenth:
        return np.where(wrong, 0.0, expit(z)), expit(logit), 0.5 * (1 - share)
    wrong &= logit > BEST_TENTH
    lost = share * _mean_of_the_best_tenth(correlation)
    return np.where(wrong, 0.0, expit(z)), expit(logit), 0.5 - lost


BEST_TENTH = float(stats.norm.isf(0.1))


@cache
def _mean_of_the_best_tenth(correlation: float) -> float:
    """Return the mean of the score on the tenth that the judge rates best, as a part of the whole mean."""
    error = float(np.sqrt(1 - correlation**2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)

    def density(v: float) -> float:
        inner = float(weights @ expit(correlation * v + error * nodes)) / np.sqrt(2 * np.pi)
        return inner * float(stats.norm.pdf(v))

    return float(integrate.quad(density, BEST_TENTH, 12.0)[0])


def zeros(rng: np.random.Generator, share: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return scores between .99 and 1 with a few zeros that the judge does not see."""
    regular = 1 - 0.01 * rng.random(UNITS)
    judge = np.clip(regular + 0.002 * rng.normal(size=UNITS), 0, 1)
    return np.where(rng.random(UNITS) < share, 0.0, regular), judge, 0.995 * (1 - share)


def useless(rng: np.random.Generator, a: float, b: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return Beta scores and a judge that is noise."""
    return rng.beta(a, b, UNITS), rng.random(UNITS), a / (a + b)


LAWS: dict[str, Law] = {
    "smooth scores, judge r = .9": partial(smooth, correlation=0.9),
    "smooth scores, judge r = .99": partial(smooth, correlation=0.99),
    "smooth, r = .9, .5 % zeros": partial(smooth, correlation=0.9, share=0.005),
    "smooth, r = .99, .5 % zeros": partial(smooth, correlation=0.99, share=0.005),
    "smooth, r = .99, 3 % zeros in the best tenth": partial(
        smooth, correlation=0.99, share=0.03, best_tenth=True
    ),
    "near 1, .5 % zeros": partial(zeros, share=0.005),
    "near 1, 1.2 % zeros": partial(zeros, share=0.012),
    "near 1, 5 % zeros": partial(zeros, share=0.05),
    "Beta(20, 2), useless judge": partial(useless, a=20, b=2),
    "Beta(2, 2), useless judge": partial(useless, a=2, b=2),
    "Beta(.3, .3), useless judge": partial(useless, a=0.3, b=0.3),
}


def intervals(y: np.ndarray, judge: np.ndarray, labelled: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the three intervals of one data set."""
    n = int(labelled.sum())
    probability = np.full(UNITS, n / UNITS)
    cells = form_cells(probability, (judge,))

    def by_cells(values: np.ndarray) -> tuple[float, float]:
        sums = cell_sums(values[labelled], cells.cell, labelled, probability, cells.n_cells)
        found = cell_interval(sums)
        return float(found.conf_low), float(found.conf_high)

    middle = (np.bincount(cells.cell, judge) / np.bincount(cells.cell))[cells.cell]
    X = np.column_stack([np.ones(UNITS), judge])
    known = X[labelled]
    slopes = np.linalg.lstsq(known, y[labelled], rcond=None)[0]
    leverage = np.einsum("ij,jk,ik->i", known, np.linalg.inv(known.T @ known), known)
    residual = (y[labelled] - known @ slopes) / (1 - leverage)
    estimate = float(np.mean(X @ slopes))
    error = np.sqrt(np.sum(residual**2) / n**2 + np.var(X @ slopes) / UNITS)
    half = float(stats.t.isf(0.025, n - 2) * error)
    return {
        "cells": by_cells(y),
        "residual cells": by_cells(y - (judge - middle)),
        "regression": (estimate - half, estimate + half),
    }


def normal_interval(y: np.ndarray, judge: np.ndarray, labelled: np.ndarray) -> tuple[float, float]:
    """Return what ``interval="normal"`` gives."""
    study = DesignSupervised(random_state=0).fit(pd.DataFrame({"judge": judge}), surrogate="judge")
    labels = pd.Series(np.where(labelled, y, np.nan), name="score")
    found = study.calibrate(labels).infer("score", model="mean", outcome_range=(0.0, 1.0), interval="normal")
    return float(found.conf_low[0]), float(found.conf_high[0])


def measure(law: Law, n_labels: int, replicates: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return coverage and mean width over that of the regression, by interval."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[bool, float, float]]] = {}
    for k in range(replicates):
        y, judge, mean = law(rng)
        labelled = np.zeros(UNITS, dtype=bool)
        labelled[rng.choice(UNITS, n_labels, replace=False)] = True
        ends = intervals(y, judge, labelled)
        base = ends["regression"][1] - ends["regression"][0]
        if k % 4 == 0 and n_labels in (300, 400):
            ends["normal"] = normal_interval(y, judge, labelled)
        for name, (low, high) in ends.items():
            found.setdefault(name, []).append((low <= mean <= high, high - low, base))
    return {
        k: (float(np.mean([h for h, _, _ in v])), sum(w for _, w, _ in v) / sum(b for _, _, b in v))
        for k, v in found.items()
    }


def least_reach(surprises: float, coverage: float) -> float:
    """Return the least reach of an interval toward an end of the range, over the normal one's, where no label lies there.

    Labels at the end are ``N``, Poisson with mean ``a``; one moves the estimate by ``d = 1 / sqrt(T)`` of its standard
    errors, so that the error is ``Z - d (N - a)``. An interval that reaches ``h`` where ``N = 0`` misses with
    probability ``exp(-a) Phi(a d - h)`` at least, for every ``a``: ``h >= a d - z(exp(a) (1 - coverage))``.
    """
    a = np.linspace(0.0, -np.log(1 - coverage), 2001)[:-1]
    reach = a / np.sqrt(surprises) - stats.norm.ppf((1 - coverage) * np.exp(a))
    return float(np.max(reach) / stats.norm.isf((1 - coverage) / 2))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_scores", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names = ("cells", "residual cells", "normal", "regression")
    text = [
        f"Made by `python -m benchmarks.dsl_scores --replicates {arguments.replicates} --seed {arguments.seed}`; coverage, "
        "and width over that of the regression on the judge (normal: every fourth data set, 300 and 400 labels).",
        "",
        "| scores | labels | " + " | ".join(names) + " |",
        "| :--- | ---: |" + " ---: |" * len(names),
    ]
    for law, make in LAWS.items():
        for n_labels in LABELS:
            found = measure(make, n_labels, arguments.replicates, arguments.seed)
            values = " | ".join(f"{found[n][0]:.3f}, {found[n][1]:.2f}" if n in found else "" for n in names)
            text.append(f"| {law} | {n_labels:,} | {values} |")
    text += [
        "",
        "Least reach, over that of the normal interval, of every interval that covers although labels at the end of the "
        "range are rare and none was drawn, by the number T of labels that weigh as much as one there:",
        "",
        "| coverage | " + " | ".join(f"T = {t:g}" for t in SURPRISES) + " |",
        "| ---: |" + " ---: |" * len(SURPRISES),
    ]
    for coverage in (0.95, 0.935):
        cells = " | ".join(f"{max(least_reach(t, coverage), 1.0):.2f}" for t in SURPRISES)
        text.append(f"| {coverage:g} | {cells} |")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_scores.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
