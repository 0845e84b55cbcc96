"""First stages: variance of a regression with cross-fitted predictions over that with the true expectation.

``python -m benchmarks.dsl_first_stage --output DIR`` writes ``dsl_first_stage.md``: 4,000 rows, 400 labels, five curved laws,
six levels, a linear law and noise, and a law of two machine labels that every learner finds hard; the intercept and the slope
of a linear regression.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from validstats.dsl.labels import CrossFitter, FoldPlan

ROWS, LABELS = 4000, 400
LEARNERS = ("linear", "stack", "boosting")


def laws(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield name, covariate, machine labels and the part of the outcome that they carry."""
    x, u, v, level = rng.normal(size=ROWS), rng.random(ROWS), rng.random(ROWS), rng.integers(0, 6, ROWS)
    dummies = (level[:, None] == np.arange(1, 6)).astype(float)
    yield "sine", x, u[:, None], 1.5 * (1 + x) * np.sin(3 * np.pi * u)
    yield "step", x, u[:, None], 3.0 * (u > 0.6)
    yield "U", x, u[:, None], 12 * (u - 0.5) ** 2
    yield "saturating", x, u[:, None], 3 * (1 - np.exp(-8 * u))
    yield "six levels", x, dummies, np.array([0, 2, -1, 1.5, -2, 0.5])[level]
    yield "linear", x, u[:, None], 3 * (u - 0.5)
    yield "none", x, u[:, None], 0 * u
    yield "two machine labels", x, np.column_stack([u, v]), 2 * np.sign((u - 0.5) * (v - 0.5))


def variances(x: np.ndarray, y: np.ndarray, labelled: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the estimated variances of intercept and slope with one prediction."""
    X, w = np.column_stack([np.ones(ROWS), x]), labelled * (ROWS / LABELS)
    bread = np.linalg.inv(X.T @ X / ROWS)
    adjusted = prediction + w * (y - prediction)
    b = bread @ (X.T @ adjusted) / ROWS
    influence = (X * (adjusted - X @ b)[:, None]) @ bread
    return np.sum(influence**2, axis=0) / ROWS**2


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_first_stage", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--replicates", type=int, default=6)
    arguments = parser.parse_args()
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for r in range(arguments.replicates):
        rng = np.random.default_rng(r)
        for law, x, machine, part in laws(rng):
            mean = 1 + 0.5 * x + part
            y = mean + 0.5 * rng.normal(size=ROWS)
            labelled = np.zeros(ROWS, dtype=bool)
            labelled[rng.choice(ROWS, LABELS, replace=False)] = True
            folds = FoldPlan.of_rows(ROWS, 5, 1, rng).folds[0][None]
            best = variances(x, y, labelled, mean)
            for learner in LEARNERS:
                began = time.perf_counter()
                fitter = CrossFitter(
                    learner=learner, folds=folds, labelled=labelled, n_surrogates=machine.shape[1]
                )
                prediction = fitter.regress("y", y[labelled], np.column_stack([machine, x]))[0, 0]
                seconds = time.perf_counter() - began
                found.setdefault((law, learner), []).append(
                    np.r_[variances(x, y, labelled, prediction), best, seconds]
                )
    text = [
        f"Made by `python -m benchmarks.dsl_first_stage --replicates {arguments.replicates}`; variance over that with "
        "the true expectation, intercept / slope (seconds for five folds).",
        "",
        "| law | " + " | ".join(LEARNERS) + " |",
        "| :--- |" + " ---: |" * len(LEARNERS),
    ]
    for law in dict.fromkeys(k[0] for k in found):
        cells = []
        for learner in LEARNERS:
            m = np.mean(found[law, learner], axis=0)
            cells.append(f"{m[0] / m[2]:.2f} / {m[1] / m[3]:.2f} ({m[4]:.2f} s)")
        text.append(f"| {law} | " + " | ".join(cells) + " |")
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_first_stage.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
