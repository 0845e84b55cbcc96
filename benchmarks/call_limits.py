"""Default calls of batches, holdout and mutual information beside their limit: ``python -m benchmarks.call_limits --output DIR``.

The limit of a call is what its arrays cost when nothing else is done, and is named in the table. Seconds are those of the processor,
the least of several calls in turn. Writes ``DOMAIN_call_limits.md`` for each domain; regressions have ``benchmarks.dsl_limits``. Means of
batches of a hundred sizes, beside those of one size, have a table of the steps that are compiled.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KDTree

from benchmarks.batch import N_TEST, forget_ranks, regression
from benchmarks.dsl_limits import timed
from validstats.batch import BatchMean, BatchPredictor, Simultaneous
from validstats.batch.laws import envelope, ranks, swap
from validstats.holdout import Ledger, ReusableHoldout
from validstats.mi import LearnedMI

COMPILED = (
    ("sums of random subsets", swap, "subset_sum_counts"),
    ("limits of tails", swap.SubsetCounts, "tails"),
    ("quantiles of bands", envelope.special, "betaincinv"),
    ("probabilities of bands", envelope, "band_probability_by_limits"),
    ("subsets of a batch", swap, "random_subsets"),
    ("search", swap, "rejected_mean"),
)
"""Steps of a mean by exchanges that are compiled or calls of numpy on arrays: name, owner, function."""
REMEMBERED = (
    swap._limit_nodes, swap._subset_weights, swap._quadrature, swap._sorted_uniforms, envelope._spread_band,
    ranks._smallest_informative_n,
)  # fmt: skip
"""What one call leaves behind for the next one."""


@dataclass(frozen=True)
class Timed:
    """A public call and its limit, both ready to be run."""

    name: str
    n: int
    call: Callable[[], Any]
    limit: Callable[[], Any]
    what: str  # what the limit does


def batch_calls(n: int) -> list[Timed]:
    """Sets for every row of a batch, and an interval for its mean; the learner is fitted before."""
    X, y = regression(n)
    X_test, _ = regression(N_TEST, seed=2)
    learner = LinearRegression().fit(*regression(1_000, seed=1))

    def estimator(target: Any, **options: Any) -> BatchPredictor:
        made = BatchPredictor(LinearRegression(), target, random_state=0, confidence_level=0.9, **options)
        return made.fit(*regression(1_000, seed=1))

    sets: Any = estimator(Simultaneous(0.1))
    mean = estimator(BatchMean(), bounds=(-50, 50))

    def threshold() -> Any:
        forget_ranks()
        return sets.calibrate(X, y).infer(X_test).intervals

    def threshold_limit() -> Any:
        scores = np.abs(y - learner.predict(X))
        scores.partition(int(0.9 * n))
        return learner.predict(X_test) + scores[int(0.9 * n)]

    def mean_limit() -> Any:
        scores = y - learner.predict(X)
        scores.sort()
        return learner.predict(X_test[:100]).mean() + scores[[n // 20, -n // 20]]

    predictions = "both predictions of the learner"
    return [
        Timed("sets for 1,000 rows", n, threshold, threshold_limit, f"{predictions}, one partition of scores"),
        Timed(
            "interval for a mean of 100", n, lambda: mean.calibrate(X, y).infer(X_test[:100]), mean_limit,
            f"{predictions}, one sort of scores",
        ),
    ]  # fmt: skip


def holdout_calls(n: int) -> list[Timed]:
    """Locking rows away, and one answered question about them."""
    rng = np.random.default_rng(n)
    y, predictions = rng.integers(0, 2, (2, n))
    X = rng.normal(size=(n, 5))

    def locked() -> ReusableHoldout:
        return ReusableHoldout(queries=100, ledger=Ledger.in_memory(secret=b"benchmark")).calibrate(X, y)

    holdout = locked()
    words = X.view(np.uint64)
    return [
        Timed(
            "lock five columns away", n, locked, lambda: (words.copy() ^ y[:, None].view(np.uint64)).sum(axis=0),
            "every byte of the rows read and mixed once",
        ),
        Timed(
            "one answer", n, lambda: holdout.infer(predictions, guess=0.5),
            lambda: (y == predictions).mean(), "labels and predictions compared once",
        ),
    ]  # fmt: skip


def mi_calls(n: int) -> list[Timed]:
    """Estimate and interval of one pair of columns and of five beside five."""
    estimator = LearnedMI().fit()
    listed = []
    for dim in (1, 5):
        rng = np.random.default_rng(dim)
        x = rng.normal(size=(n, dim))
        y = 0.6 * x + 0.8 * rng.normal(size=(n, dim))
        listed.append(
            Timed(
                f"LearnedMI, {dim} x {dim}", n, _bound(estimator, x, y), _mi_limit(estimator, x, y),
                "ranks of every column, one search of neighbours, the products of the networks",
            )
        )  # fmt: skip
    return listed


def _bound(estimator: LearnedMI, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    return lambda: estimator.infer(x, y, certify=False)


def _mi_limit(estimator: LearnedMI, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    stages = [estimator.weights_, *filter(None, [estimator.weights_.first])]
    layers = [
        matrix
        for stage in stages
        for _, parameters in stage.members
        for name, matrix in parameters.items()
        if name.endswith("weight") and matrix.ndim == 2
    ]

    def run() -> Any:
        scores = rankdata(np.hstack([x, y]), axis=0)
        KDTree(scores, metric="chebyshev", leaf_size=32).query(scores, 4)
        return [matrix @ np.ones(matrix.shape[1]) for matrix in layers]

    return run


DOMAINS: dict[str, tuple[Callable[[int], list[Timed]], tuple[int, ...]]] = {
    "batch": (batch_calls, (10_000, 100_000, 1_000_000)),
    "holdout": (holdout_calls, (10_000, 100_000, 1_000_000)),
    "mi": (mi_calls, (100, 1_000, 10_000)),
}
"""Calls of each domain, and the rows that they get."""


def least(function: Callable[[], Any], times: int) -> float:
    """Least processor milliseconds of several calls, after one that is not counted."""
    function()
    found = []
    for _ in range(times):
        began = time.process_time()
        function()
        found.append(time.process_time() - began)
    return 1e3 * min(found)


def line(timed: Timed, times: int) -> str:
    """One line of a table."""
    call, limit = least(timed.call, times), least(timed.limit, times)
    cells = (timed.name, f"{timed.n:,}", f"{call:.2f}", f"{limit:.2f}", f"{call / limit:.1f}", timed.what)
    return f"| {' | '.join(cells)} |"


def table(domain: str, times: int, sizes: tuple[int, ...] | None = None) -> str:
    """The table of a domain."""
    calls, usual = DOMAINS[domain]
    rows = [line(timed, times) for n in sizes or usual for timed in calls(n)]
    head = (
        "Made by `python -m benchmarks.call_limits`: milliseconds of the processor, the least of some calls. The limit is what the "
        "arrays of the call cost when nothing else is done.\n\n| call | n | ms | limit | ratio | what the limit does |\n"
        "| :--- | ---: | ---: | ---: | ---: | :--- |\n"
    )
    return head + "\n".join(rows) + "\n"


def phases(call: Callable[[], Any]) -> dict[str, float]:
    """Processor milliseconds of the compiled steps of a call that finds nothing remembered, and of the whole of it."""
    for function in REMEMBERED:
        function.cache_clear()
    seconds = {name: 0.0 for name, _, _ in COMPILED}
    with ExitStack() as stack:
        for name, owner, function in COMPILED:
            stack.enter_context(timed(owner, function, seconds, name))
        began = time.process_time()
        call()
        seconds["call"] = time.process_time() - began
    return {name: 1e3 * found for name, found in seconds.items()}


def table_of_sizes(times: int, n: int = 100_000) -> str:
    """The table of the steps of means of 100 batches of 20 to 119 rows, and of as many of 70 rows."""
    X, y = regression(n)
    new, _ = regression(7_000, seed=2)
    made = BatchPredictor(
        LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9, bounds=(-50, 50)
    )
    mean = made.fit(*regression(1_000, seed=1)).calibrate(X, y)
    mean.infer(new[:100])
    learner = LinearRegression().fit(*regression(1_000, seed=1))
    columns = []
    for sizes in (np.full(100, 70), np.arange(20, 120)):
        batches, rows = np.repeat(np.arange(100), sizes), new[: sizes.sum()]
        found = [
            phases(lambda rows=rows, batches=batches: mean.calibrate(X, y).infer(rows, batches=batches))
            for _ in range(times)
        ]
        best = min(found, key=lambda seconds: seconds["call"])
        best["both predictions and a sort"] = least(
            lambda rows=rows: np.sort(y - learner.predict(X)) + learner.predict(rows).sum(), times
        )
        columns.append(best)
    names = [*(name for name, _, _ in COMPILED), "both predictions and a sort"]
    lines = [
        f"The same for means of 100 batches with {n:,} calibration rows, where nothing is remembered from a call before: steps that "
        "are compiled or calls on whole arrays, and the call. Of 100 sizes each has its band, its subsets and its search; one simulation "
        "serves all of them, which draws as many rows as the largest batch has.",
        "",
        "| step | 100 batches of 70 rows | of 20 to 119 rows | ratio |",
        "| :--- | ---: | ---: | ---: |",
    ]
    one, many = columns
    for name in names:
        lines.append(f"| {name} | {one[name]:.2f} | {many[name]:.2f} | {many[name] / one[name]:.1f} |")
    sums = [sum(column[name] for name in names) for column in columns]
    lines.append(f"| these steps | {sums[0]:.2f} | {sums[1]:.2f} | {sums[1] / sums[0]:.1f} |")
    lines.append(f"| call | {one['call']:.2f} | {many['call']:.2f} | {many['call'] / one['call']:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the arguments and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.call_limits", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--domains", nargs="+", choices=tuple(DOMAINS), default=tuple(DOMAINS))
    arguments = parser.parse_args()
    for domain in arguments.domains:
        found = table(domain, arguments.times)
        if domain == "batch":
            found += "\n" + table_of_sizes(arguments.times)
        (arguments.output / f"{domain}_call_limits.md").write_text(found, encoding="utf-8")
        print(found, flush=True)


if __name__ == "__main__":
    main()
