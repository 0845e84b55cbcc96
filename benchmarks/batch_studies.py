"""The long versions of the two studies: the paper's simulation 4.1, and k of m on the RAND experiment.

Run with ``python -m benchmarks.batch_studies`` (minutes); ``--quick`` takes a tenth of the replicates.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator

from validstats.batch import BatchPredictor, Simultaneous
from validstats.batch.laws import batch_coverage_probability, simultaneous_rank
from validstats.datasets import load_randhie
from validstats.runtime.replicates import map_replicates

ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


def paper_replicate(rng: np.random.Generator, index: int) -> list[float]:
    """One repeat of simulation 4.1: coverage and width of our sets at three levels and of split conformal sets."""
    fixed = np.random.default_rng(1234)
    mean, coefficients = fixed.normal(size=20), fixed.normal(size=(3, 20)) / np.sqrt(20)
    x = mean + np.sqrt(5.0) * rng.normal(size=(500, 20))
    a, b, c = (x @ k for k in coefficients)
    y = a + b**2 + rng.normal(size=500) * np.abs(c)
    forest = RandomForestRegressor(100, random_state=0).fit(x[:200], y[:200])
    estimator = BatchPredictor(FrozenEstimator(forest), Simultaneous(0.1), confidence_level=0.9).calibrate(
        x[200:400], y[200:400]
    )
    row = []
    for level in (0.9, 0.95, 0.99):
        result = estimator.infer(x[400:], confidence_level=level)
        row += [result.contains(y[400:]).mean(), result.sizes_of_sets().mean()]
    return [*row, result.contains(y[400:], naive=True).mean(), result.sizes_of_sets(naive=True).mean()]


def paper_study(n_replicates: int, n_jobs: int | None) -> str:
    """Simulation 4.1 as a Markdown table."""
    rows = np.array(map_replicates(paper_replicate, n_replicates, 41, n_jobs=n_jobs, verbose=True))
    names = [f"batch, alpha = {alpha}" for alpha in ("0.1", "0.05", "0.01")] + ["split conformal"]
    exact = [simultaneous_rank(200, 100, 0.1, alpha)[1].probability for alpha in ("0.1", "0.05", "0.01")]
    exact.append(batch_coverage_probability(200, 100, 90, 181))
    lines = [
        "| method | mean coverage | P(coverage >= 0.9) | exact | mean width |",
        "| :-- | --: | --: | --: | --: |",
    ]
    for i, name in enumerate(names):
        coverage, width = rows[:, 2 * i], rows[:, 2 * i + 1]
        hit = coverage >= 0.9
        se = np.sqrt(hit.mean() * (1 - hit.mean()) / n_replicates)
        lines.append(
            f"| {name} | {coverage.mean():.4f} | {hit.mean():.3f} ({se:.3f}) | {exact[i]:.4f} | {width.mean():.2f} |"
        )
    return "\n".join(lines)


def randhie_split(rng: np.random.Generator, index: int) -> list[float]:
    """One split: 2,190 training rows, 500 calibration rows, 160 batches of 100; frequency at each level."""
    X, y = load_randhie(return_X_y=True)
    order = rng.permutation(len(y))
    train, calibration, rest = order[:2190], order[2190:2690], order[2690 : 2690 + 16000]
    values = X.to_numpy()
    learner = HistGradientBoostingRegressor(loss="poisson", random_state=0).fit(values[train], y[train])
    scores = np.sort(np.abs(y[calibration] - learner.predict(values[calibration])))
    errors = np.abs(y[rest] - learner.predict(values[rest])).reshape(160, 100)
    ranks = [simultaneous_rank(500, 100, 0.1, alpha)[1].rank for alpha in ALPHAS] + [451]
    return [float(((errors <= scores[rank - 1]).sum(axis=1) >= 90).mean()) for rank in ranks]


def randhie_study(n_splits: int, n_jobs: int | None) -> str:
    """The k-of-m study as a Markdown table, with standard errors over splits."""
    rows = np.array(map_replicates(randhie_split, n_splits, 0, n_jobs=n_jobs, verbose=True))
    exact = [simultaneous_rank(500, 100, 0.1, alpha)[1].probability for alpha in ALPHAS]
    exact.append(batch_coverage_probability(500, 100, 90, 451))
    names = [f"{1 - alpha:.2f}" for alpha in ALPHAS] + ["split conformal"]
    lines = ["| level | exact probability | observed | se |", "| :-- | --: | --: | --: |"]
    for i, name in enumerate(names):
        se = rows[:, i].std(ddof=1) / np.sqrt(n_splits)
        lines.append(f"| {name} | {exact[i]:.4f} | {rows[:, i].mean():.3f} | {se:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Run both studies and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_studies", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the replicates")
    parser.add_argument("--jobs", type=int, default=None, help="number of joblib workers")
    arguments = parser.parse_args()
    scale = 10 if arguments.quick else 1
    print("Simulation 4.1 of Lee, Tchetgen Tchetgen and Dobriban (2024)\n")
    print(paper_study(500 // scale, arguments.jobs))
    print("\nRAND health insurance experiment, at least 90 of 100 covered\n")
    print(randhie_study(20 // min(scale, 2), arguments.jobs))


if __name__ == "__main__":
    main()
