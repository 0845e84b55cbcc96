"""What a result about batches says does not change with the arrays that the caller goes on working on."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchShares,
    Envelope,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import DriftTest
from validstats.batch.scores import AbsoluteScore

CASES: dict[str, tuple[Any, Callable[[], Any]]] = {
    "sets": (LinearRegression(), lambda: Simultaneous(0.2)),
    "sets of classes": (LogisticRegression(), lambda: Simultaneous(0.2)),
    "sets around predictions": (None, lambda: Simultaneous(0.2)),
    "mean": (LinearRegression(), BatchMean),
    "mean of predictions": (None, BatchMean),
    "quantile": (LinearRegression(), BatchQuantile),
    "shares": (LogisticRegression(), BatchShares),
    "selection": (LinearRegression(), lambda: Selection(above=0.0, max_false=5)),
    "envelope": (None, Envelope),
}


def told(case: str, kind: str, then_write: bool) -> tuple[Any, ...]:
    """Everything that a result says, after the caller wrote over all that was passed, or not."""
    rng = np.random.default_rng(3)
    learner, target = CASES[case]
    classes = isinstance(learner, LogisticRegression)
    X, new = np.asfortranarray(rng.normal(size=(300, 3))), np.asfortranarray(rng.normal(size=(60, 3)) + 0.3)
    y = X[:, 0] + rng.normal(size=300)
    y = (y > 0).astype(float) if classes else y
    if learner is not None:
        learner = FrozenEstimator(learner.fit(X.copy(), y))
    arrays = [X, y, new] if learner is not None else [X[:, 0].copy(), y, new[:, 0].copy()]
    of = (
        (lambda a: a)
        if kind == "array"
        else (lambda a: pd.DataFrame(a, copy=False) if a.ndim > 1 else pd.Series(a, copy=False))
    )
    rows, labels, asked = map(of, arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = BatchPredictor(learner, target(), random_state=0, confidence_level=0.9)
        result = model.calibrate(rows, labels).infer(asked)
        again = pickle.loads(pickle.dumps(result))
        if then_write:
            for array in arrays:
                array[...] = 0
        said = [(str(r.summary(details=True)), r.checks, str(r.to_dict())) for r in (result, again, result)]
        sets = [
            repr(getattr(result, name, None))
            for name in ("intervals", "naive_intervals", "sets", "naive_sets")
        ]
    assert said[0] == said[1] == said[2]
    return said[0], sets


@pytest.mark.share(3)
@pytest.mark.parametrize("kind", ["array", "frame"])
@pytest.mark.parametrize("case", CASES)
def test_results_do_not_change_with_what_was_passed(case: str, kind: str) -> None:
    before, after = (told(case, kind, write) for write in (False, True))
    assert before[0][1]  # the covariates were compared
    assert after == before


class Widened(AbsoluteScore):
    """A score whose intervals depend on what it has learned."""

    more = 0.0

    def interval(self, outputs, threshold, label_bounds):
        return super().interval(outputs, threshold + self.more, label_bounds)


@pytest.mark.parametrize("read_at_once", [True, False])
def test_usual_intervals_are_those_of_the_score_and_predictions_of_their_time(read_at_once: bool) -> None:
    rng = np.random.default_rng(4)
    predicted, new = rng.normal(size=200), rng.normal(size=50)
    y = predicted + rng.normal(size=200)
    model = BatchPredictor(None, Simultaneous(0.2), conformity_score=Widened(), random_state=0)
    result = model.calibrate(predicted, y).infer(new)
    threshold = np.sort(np.abs(y - predicted))[161 - 1]  # ceil(0.8 * 201) = 161
    expected = np.column_stack([new - threshold, new + threshold])
    if read_at_once:
        np.testing.assert_allclose(result.naive_intervals, expected, rtol=1e-12)
    new[:], model.score_.more = 7.0, 3.0
    np.testing.assert_allclose(result.naive_intervals, expected, rtol=1e-12)
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again.naive_intervals, result.naive_intervals)
    assert vars(again.naive_late).keys() == {"values"}


def drift_by_definition(known: np.ndarray, new: np.ndarray, rng: np.random.Generator) -> float:
    """The permutation test, one permutation after the other, with the energy distance as it is defined."""
    n, size = len(known), len(known) + len(new)
    rng.permutation(size)  # that of the screen
    pooled = np.vstack([known, new])
    z = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    distances = np.array([[np.linalg.norm(a - b) for b in z] for a in z])

    def energy(side: np.ndarray) -> float:
        one, other = side == 1, side == 0
        across = distances[np.ix_(one, other)].mean()
        return 2 * across - distances[np.ix_(one, one)].mean() - distances[np.ix_(other, other)].mean()

    first = np.repeat([1.0, 0.0], [n, size - n])
    observed, reached = energy(first), 0
    for drawn in range(1, 401):
        reached += energy(rng.permuted(first)) >= observed - 1e-9
        if reached == 10:
            return 10 / drawn
    return (1 + reached) / 401


@pytest.mark.parametrize(("columns", "shift"), [(1, 0.3), (1, 0.9), (3, 0.45), (3, 0.9)])
def test_the_drift_test_draws_what_its_definition_draws(columns: int, shift: float) -> None:
    decided = 0
    for seed in range(3):
        rng = np.random.default_rng([seed, columns])
        known, new = (
            np.round(rng.normal(size=(25, columns)), 1),
            np.round(rng.normal(size=(20, columns)) + shift, 1),
        )
        test = DriftTest.of(known, new, np.random.default_rng(seed))
        if test.screened is None:
            decided += 1
            assert test.p_value == drift_by_definition(known, new, np.random.default_rng(seed))
    assert decided


def test_an_alarm_is_known_before_the_p_value_and_agrees_with_it() -> None:
    found = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        columns = 1 + seed % 2
        known, new = rng.normal(size=(40, columns)), rng.normal(size=(40, columns)) + rng.uniform(0, 0.9)
        test, alone = (DriftTest.of(known, new, np.random.default_rng(seed)) for _ in range(2))
        alarm = test.at_most(0.01)
        assert test.p_value == alone.p_value
        assert alarm == (test.p_value <= 0.01) == alone.at_most(0.01)
        found.append(test.p_value)
    assert min(found) <= 0.005 and sum(0.005 < p <= 0.04 for p in found) >= 10
