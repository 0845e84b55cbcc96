"""Public calls of regressions from machine labels beside their limit: where the time goes, and what it cannot go below.

``python -m benchmarks.dsl_limits --output DIR [--sizes N ...]`` writes ``dsl_limits.md``. The limit of a call is what its arrays cost
when nothing else is done: each column read once, the design written once, the learner fitted to each training set and evaluated once
in every row, one pass of products for each step of Newton's method, and one for the variance. Seconds are those of the processor, the
least of several calls in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.dsl import by_class, ours_on_arrays, simulate, statsmodels_formula, statsmodels_gold, table_of
from validstats import DesignSupervised
from validstats.dsl import estimators
from validstats.dsl.labels.crossfit import StackedLearner
from validstats.dsl.regression import assembly, preparation, solution

CALLS = tuple(
    (task, estimator) for task in ("mean", "linear", "logit") for estimator in ("gold", "ppi++", "tuned")
)
PHASES = ("reading", "formula and design", "first stage", "estimate", "result")
"""What the time of a call is divided into; the first stage is fits of the learner and their predictions."""

STEPS = 6
"""Steps of Newton's method that a logit takes from zero here."""


@contextmanager
def timed(owner: Any, name: str, seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Add the processor seconds of a function to a phase."""
    function: Callable[..., Any] = getattr(owner, name)

    def measured(*arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            seconds[phase] += time.process_time() - began

    with patch.object(owner, name, measured):
        yield


def phases(table: tuple[pd.DataFrame, pd.Series], task: str, estimator: str) -> dict[str, float]:
    """Return the processor seconds of a public call and of its phases."""
    frame, labels = table
    seconds = dict.fromkeys((*PHASES, "fits", "completions"), 0.0)
    formula = "y" if task == "mean" else "y ~ x1 + x2"
    with ExitStack() as stack:
        for owner, name, phase in (
            (preparation, "predicting", "fits"),
            (assembly.FormulaCoder, "_completions", "completions"),
            (solution, "estimate", "estimate"),
            (estimators, "infer_share", "estimate"),
        ):
            stack.enter_context(timed(owner, name, seconds, phase))
        began = time.process_time()
        fitted = (
            DesignSupervised(estimator=estimator, random_state=0).fit(frame, surrogate="q").calibrate(labels)
        )  # type: ignore[arg-type]
        seconds["reading"] = time.process_time() - began
        with (
            timed(preparation.FrameStudy, "sample", seconds, "formula and design"),
            timed(preparation.FrameStudy, "labels_alone", seconds, "formula and design"),
        ):
            fitted.infer(formula, model=task).confidence_interval()  # type: ignore[arg-type]
        seconds["call"] = time.process_time() - began
    seconds["first stage"] = seconds["fits"] + seconds["completions"]
    seconds["formula and design"] -= seconds["completions"]
    rest = seconds["call"] - sum(seconds[phase] for phase in PHASES[:-1])
    return {**{phase: seconds[phase] for phase in PHASES[:-1]}, "result": rest, "call": seconds["call"]}


def limit(data: dict[str, np.ndarray], task: str, estimator: str) -> float:
    """Return the processor seconds of the arrays alone, see the module."""
    X, q, labelled = data["X"], data["q"], data["labelled"]
    y = np.where(labelled, data["y"], np.nan)
    began = time.process_time()
    rows = np.flatnonzero(~np.isnan(y))
    known = y[rows]
    for column in (q,) if task == "mean" else (q, X[:, 1], X[:, 2]):
        column.sum()
    if task == "mean":
        for values in (known,) if estimator == "gold" else (known, q):
            centred = values - values.mean()
            centred @ centred
        return time.process_time() - began
    design = X.copy()
    predicted = q
    if estimator == "tuned":
        predicted = first_stage(np.column_stack([q, design[:, 1:]]), known, rows)
    for x, target in (
        ((design[rows], known),) if estimator == "gold" else ((design[rows], known), (design, predicted))
    ):
        b = np.zeros(x.shape[1])
        for _ in range(STEPS if task == "logit" else 1):
            mean = expit(x @ b) if task == "logit" else x @ b
            weighted = x * (mean * (1.0 - mean))[:, None] if task == "logit" else x
            b = b + np.linalg.solve(x.T @ weighted, x.T @ (target - mean))
        scores = x * (target - (expit(x @ b) if task == "logit" else x @ b))[:, None]
        scores.T @ scores
    return time.process_time() - began


def first_stage(features: np.ndarray, known: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return predictions by three times five fits of the learner, each evaluated in a fifth of the rows."""
    total = np.zeros(len(features))
    for repeat in range(3):
        fold = np.random.default_rng(repeat).integers(0, 5, len(features))
        for k in range(5):
            training = fold[rows] != k
            learner = StackedLearner((0,)).fit(features[rows][training], known[training])
            inside = np.flatnonzero(fold == k)
            total[inside] += learner.predict(features[inside])
    return total / 3.0


def line(n: int, task: str, estimator: str, times: int) -> str:
    """Return one line of the table."""
    data = simulate(n)
    table = table_of(data)
    phases(table, task, estimator)
    found, limits = [], []
    for _ in range(times):
        found.append(phases(table, task, estimator))
        limits.append(limit(data, task, estimator))
    best = min(found, key=lambda seconds: seconds["call"])
    name = "default" if estimator == "tuned" else estimator
    cells = [f"{1e3 * best[phase]:.2f}" for phase in PHASES]
    call, least = best["call"], min(limits)
    return f"| {task}, {name} | {n:,} | {1e3 * call:.2f} | {1e3 * least:.2f} | {call / least:.1f} | {' | '.join(cells)} |"


def fresh_frame(frame: pd.DataFrame) -> Any:
    """The rows as they are now: what is written into the frame later is not seen."""
    return frame.reset_index(drop=True)


def read_column(frame: pd.DataFrame, name: str) -> Any:
    """One column as an array, with one pass to see that it is complete."""
    return np.isfinite(frame[name].to_numpy().sum())


def read_labels(labels: pd.Series) -> Any:
    """The labels as an array of one's own, which of them are there, and where."""
    values = labels.to_numpy().astype(np.float64)
    return np.flatnonzero(~np.isnan(values))


PIECES = ("frame as it is", "columns", "labels", "rest of the same on arrays", "sum")
"""What a call from a data frame cannot do without."""
FLOORS = (("mean", "ppi++", ("q",)), ("mean", "gold", ()), ("linear", "gold", ("x1", "x2")))
"""Calls that are taken apart, with the columns that they read."""


def floor(n: int, task: str, estimator: Literal["ppi++", "gold"], columns: Sequence[str], times: int) -> str:
    """Return one line of the table of what a call from a data frame cannot do without, beside peers for the labels alone."""
    data = simulate(n)
    frame, labels = table_of(data)
    work: dict[str, Callable[[], Any]] = {
        "call": lambda: by_class((frame, labels), task, estimator),
        PIECES[0]: lambda: fresh_frame(frame),
        PIECES[1]: lambda: [read_column(frame, name) for name in columns],
        PIECES[2]: lambda: read_labels(labels),
        PIECES[3]: lambda: ours_on_arrays(data, task, estimator),
        "arrays": lambda: statsmodels_gold(data, task),
        "formula": lambda: statsmodels_formula((frame, labels), task),
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(times + 1):
        for name, function in work.items():
            began = time.process_time()
            function()
            seconds[name].append(time.process_time() - began)
    least = {name: min(found[1:]) for name, found in seconds.items()}
    least["sum"] = sum(least[name] for name in PIECES[:-1])
    cells = [f"{1e3 * least[name]:.2f}" for name in ("call", *PIECES, "arrays", "formula")]
    return f"| {task}, {estimator} | {n:,} | {' | '.join(cells)} |"


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dsl_limits", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--times", type=int, default=15)
    arguments = parser.parse_args()
    lines = [
        f"Made by `python -m benchmarks.dsl_limits --sizes {' '.join(map(str, arguments.sizes))}`: milliseconds of the processor for "
        "fit, calibrate, infer and the interval, the least of some calls, 10 % of the rows labelled. The limit is what the arrays of the "
        "call cost when nothing else is done: each column read once, the design written once, 15 fits of the learner and one prediction a "
        "row and repeat (default), one pass of products a step of Newton's method, one for the variance. A mean has no first stage: labels "
        "are compared within cells of equal verdict. What a call by the labels alone or PPI++ takes beyond its limit hardly grows from a "
        "thousand to ten thousand rows: checks of what was passed, the formula, the columns of the frame one by one, small linear "
        "algebra, and the words of the guarantee. The figures of a page are those of one run: beside other work all of them are larger, "
        "those of the limit too, and ratios compare.",
        "",
        "| call | n | ms | limit | ratio | " + " | ".join(PHASES) + " |",
        "| :--- |" + " ---: |" * (4 + len(PHASES)),
    ]
    for n in arguments.sizes:
        for task, estimator in CALLS:
            lines.append(
                line(n, task, estimator, arguments.times if n < 100_000 else max(arguments.times // 3, 3))
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        "What calls from a data frame cannot do without, in milliseconds, each piece measured between calls: the rows as they "
        "are now, columns as arrays, the labels with which of them are there, and the same estimator on arrays without checks, words "
        "or a result. What a call takes beyond that sum is the checks of what was passed, the design, the formula, the guarantee, the "
        "warnings about few, skewed or clustered labels, and the result that keeps what further questions need. Arrays that are split "
        "into labelled and other rows already, as `ppi_mean_ci` of ppi-python and statsmodels take them, need none of the first three "
        "pieces. Beside them what the labels alone take in statsmodels: on such arrays, and by a formula from the same data frame.",
        "",
        f"| call | n | ms | {' | '.join(PIECES)} | statsmodels on arrays | statsmodels by formula |",
        "| :--- |" + " ---: |" * (4 + len(PIECES)),
    ]
    for n in arguments.sizes:
        for task, estimator, columns in FLOORS:
            lines.append(floor(n, task, estimator, columns, 3 * arguments.times))
            print(lines[-1], flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "dsl_limits.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
