"""Arguments of the predictor: levels as typed, parameters and data that are refused."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from tests.batch.learners import Identity, frozen
from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    Compositional,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import simultaneous_rank


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"confidence_level": 90}, ValueError, "Did you mean 0.9"),
        ({"confidence_level": 1.0}, ValueError, "confidence_level"),
        ({"confidence_level": "high"}, TypeError, "confidence_level"),
        ({"bounds": (1, 0)}, ValueError, "bounds"),
        ({"bounds": (0, 1)}, ValueError, "outside the stated bounds"),
        ({"target": "mean"}, TypeError, "target must be a target"),
        ({"target": BatchMean(side="both")}, ValueError, "side must be one of"),
        ({"target": BatchMean(method="best")}, ValueError, "method must be one of"),
        ({"target": BatchQuantile(1.5)}, ValueError, "q must be"),
        ({"target": Simultaneous(miss=1)}, ValueError, "miss must be"),
        ({"target": Selection(above=0)}, ValueError, "either max_false or fdr"),
        ({"target": Selection(above=0, max_false=1, fdr=0.1)}, ValueError, "either max_false or fdr"),
        ({"target": Selection(above=math.nan, max_false=1)}, ValueError, "above"),
        ({"target": Compositional(None)}, TypeError, "step must be callable"),
        ({"n_resamples": 0}, ValueError, "n_resamples"),
        ({"calibration_size": 900}, ValueError, "leaves no row"),
        ({"calibration_size": 1.5}, ValueError, "calibration_size"),
        ({"calibration_size": "half"}, TypeError, "calibration_size"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_bad_parameters(data, change, error, message):
    X, y = data
    estimator = BatchPredictor(
        LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9
    ).set_params(**change)
    with pytest.raises(error, match=message):
        estimator.fit(X, y)


def test_bad_data(data):
    X, y = data
    estimator = frozen(Simultaneous()).calibrate(X[:100], y[:100])
    broken = y.copy()
    broken[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        frozen(Simultaneous()).calibrate(X, broken)
    with pytest.raises(ValueError, match="same number of rows"):
        frozen(Simultaneous()).calibrate(X, y[:-1])
    with pytest.raises(ValueError, match="one label for each"):
        estimator.infer(X, batches=[1, 2])
    with pytest.raises(ValueError, match="no rows"):
        estimator.infer(X[:0])
    with pytest.raises(TypeError, match="names a column"):
        estimator.infer(X, batches="batch")
    with pytest.raises(ValueError, match="Reshape"):
        estimator.infer(X[:, 0])
    with pytest.raises(ValueError, match="one label for each"):
        estimator.infer(X).contains(y[:3])
    with pytest.raises(ValueError, match="defines its own score"):
        frozen(Selection(above=0, max_false=1), conformity_score="absolute").calibrate(X, y)


def test_predictions_that_are_not_numbers_are_refused(data):
    X, y = data

    class Broken(Identity):
        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match="predictions"):
        BatchPredictor(FrozenEstimator(Broken()), Simultaneous(), confidence_level=0.9).calibrate(X, y)


def test_levels_are_read_as_typed(data):
    X, y = data
    results = [
        frozen(Simultaneous(0.1), confidence_level=level).calibrate(X[:45], y[:45]).infer(X[45:50])
        for level in (0.9, Fraction(9, 10))
    ]
    assert results[0].answers[0].ranks == results[1].answers[0].ranks == (45,)
    assert results[0].answers[0].probability == 0.9


def test_cached_ranks_do_not_loosen_the_checks_of_arguments() -> None:
    simultaneous_rank(200, 1, 0.1, "0.1")
    for m in (True, 1.0, np.ones(1), [1]):
        with pytest.raises(TypeError, match="m must be an integer"):
            simultaneous_rank(200, m, 0.1, "0.1")
