"""Means of scores in [0, 1] with a continuous judge: cells of the judge beside a regression on it.

``python -m benchmarks.dsl_scores --output DIR`` writes ``dsl_scores.md``: coverage of 95 % intervals of the mean of the law
and mean widths over those of the regression, 4,000 units, 100 to 1,000 labels. Residual cells compare ``y - (s - mean of
s in the cell)`` in place of ``y``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.special import expit

from validstats.dsl.fit.cell_intervals import cell_interval, cell_sums
from validstats.dsl.fit.cells import form_cells

UNITS = 4000
LABELS = (100, 300, 1000)
Law = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray, float]]
"""Draws outcomes and the judge's scores, and knows the mean."""


def smooth(rng: np.random.Generator, correlation: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return logistic scores and a judge whose logits correlate with theirs."""
    z, noise = rng.normal(size=UNITS), rng.normal(size=UNITS)
    return expit(z), expit(correlation * z + np.sqrt(1 - correlation**2) * noise), 0.5


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


def measure(law: Law, n_labels: int, replicates: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return coverage and mean width by interval."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[tuple[bool, float]]] = {}
    for _ in range(replicates):
        y, judge, mean = law(rng)
        labelled = np.zeros(UNITS, dtype=bool)
        labelled[rng.choice(UNITS, n_labels, replace=False)] = True
        for name, (low, high) in intervals(y, judge, labelled).items():
            found.setdefault(name, []).append((low <= mean <= high, high - low))
    return {
        k: (float(np.mean([h for h, _ in v])), float(np.mean([w for _, w in v]))) for k, v in found.items()
    }


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_scores", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    names = ("cells", "residual cells", "regression")
    text = [
        f"Made by `python -m benchmarks.dsl_scores --replicates {arguments.replicates} --seed {arguments.seed}`; coverage, "
        "and width over that of the regression on the judge.",
        "",
        "| scores | labels | " + " | ".join(names) + " |",
        "| :--- | ---: |" + " ---: |" * len(names),
    ]
    for law, make in LAWS.items():
        for n_labels in LABELS:
            found = measure(make, n_labels, arguments.replicates, arguments.seed)
            base = found["regression"][1]
            values = " | ".join(f"{found[n][0]:.3f}, {found[n][1] / base:.2f}" for n in names)
            text.append(f"| {law} | {n_labels:,} | {values} |")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_scores.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
