"""Predictions from anywhere in place of a model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from validstats import BatchMean, BatchPredictor, BatchQuantile, BatchTotal, ErrorCount, Simultaneous

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 2))
Y = np.clip(X[:, 0] + RNG.normal(size=500), -6, 6)
MODEL = LinearRegression().fit(X[:100], Y[:100])
PREDICTED = MODEL.predict(X)
OPTIONS = {"bounds": (-6, 6), "confidence_level": 0.9, "random_state": 0}


@pytest.mark.parametrize("target", [BatchMean(), BatchQuantile(0.5), Simultaneous(miss=0.1)], ids=repr)
@pytest.mark.parametrize("dress", [np.asarray, list, pd.Series, pl.Series, lambda v: v[:, None]])
def test_predictions_stand_for_the_model_that_made_them(target, dress) -> None:
    given = BatchPredictor(None, target, **OPTIONS).calibrate(dress(PREDICTED[100:400]), Y[100:400])
    model = BatchPredictor(FrozenEstimator(MODEL), target, **OPTIONS).calibrate(X[100:400], Y[100:400])
    ours, theirs = given.infer(dress(PREDICTED[400:])), model.infer(X[400:])
    assert repr(ours.to_dict()["terms"]) == repr(theirs.to_dict()["terms"])
    np.testing.assert_allclose(given.predict(dress(PREDICTED[400:])), PREDICTED[400:])


def test_it_clones_and_prints() -> None:
    model = clone(BatchPredictor(None, BatchMean(), **OPTIONS))
    assert model.estimator is None and "BatchPredictor(" in repr(model)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (X[100:400], ValueError, "predictions given as X must be one-dimensional"),
        (
            np.where(np.arange(300) == 3, np.nan, PREDICTED[100:400]),
            ValueError,
            "predictions given as X has 1 missing",
        ),
        (["a"] * 300, TypeError, "predictions given as X must be numeric"),
    ],
)
def test_what_is_no_prediction_is_refused(values, error, words) -> None:
    with pytest.raises(error, match=words):
        BatchPredictor(None, BatchMean(), **OPTIONS).calibrate(values, Y[100:400])


def test_errors_of_given_classes_are_counted() -> None:
    verdict, truth = (PREDICTED > 0).astype(int), (Y > 0).astype(int)
    result = BatchPredictor(None, ErrorCount(), confidence_level=0.9, random_state=0)
    result = result.calibrate(verdict[:400], truth[:400]).infer(verdict[400:])
    errors = (verdict[400:] != truth[400:]).sum()
    assert result.conf_low[0, 0] <= errors <= result.conf_high[0, 0]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        BatchMean(),
        BatchMean("upper"),
        BatchMean("lower"),
        BatchMean(method="asymptotic"),
        BatchTotal(),
        BatchQuantile([0.1, 0.5]),
    ],
    ids=str,
)
def test_ends_keep_their_order_where_a_learner_predicts_beyond_the_bounds(target, whole) -> None:
    """A frozen learner that is far off: residuals lie within a unit, predictions of new rows beyond the bounds."""
    rng = np.random.default_rng(0)
    y = rng.uniform(-1, 1, 240)
    model = BatchPredictor(None, target, bounds=(-1, 1), confidence_level=0.8, random_state=0)
    weeks = {"batches": np.repeat(np.arange(60), 4)} if whole else {}
    model.calibrate(np.clip(y + rng.normal(0, 0.1, 240), -1, 1), y, **weeks)
    for beyond in (-3.0, 3.0):
        for m in (1, 4):
            result = model.infer(np.full(m, beyond))
            low, high = result.conf_low, result.conf_high
            most = m if isinstance(target, BatchTotal) else 1
            assert np.all(low <= result.estimate) and np.all(result.estimate <= high)
            assert np.all(low >= -most) and np.all(high <= most)
            assert not np.any(result.textbook[..., 0] > result.textbook[..., 1])
