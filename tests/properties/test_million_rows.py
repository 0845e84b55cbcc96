"""A million rows: the right answer, and one bad value in the last of them is refused by name."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

from validstats import BatchPredictor, DesignSupervised, ReusableHoldout, mutual_info
from validstats.batch import BatchMean, Simultaneous

pytestmark = pytest.mark.slow

N = 1_000_000


class Column(RegressorMixin, BaseEstimator):
    """A learner that predicts its first column."""

    def fit(self, X, y):
        self.n_features_in_ = 1
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0]


@functools.cache
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    x.flags.writeable = False
    y = 0.6 * x + 0.8 * rng.normal(size=N)
    y.flags.writeable = False
    return x, y


def spoilt(values):
    bad = values.copy()
    bad[-1] = np.nan
    return bad


@pytest.mark.parametrize("target", [BatchMean(), Simultaneous(0.1)], ids=str)
def test_batch(target):
    x, y = rows()
    model = BatchPredictor(Column(), target, random_state=0, confidence_level=0.9).fit(x[:100, None], y[:100])
    new = np.random.default_rng(1).normal(size=500)
    result = model.calibrate(x[:, None], y).infer(new[:, None])
    if isinstance(target, BatchMean):
        low, high = result.tidy().iloc[0][["conf_low", "conf_high"]]
        assert low < 0.6 * new.mean() < high < low + 0.3
    else:
        inside = (
            np.abs(0.6 * new + 0.8 * np.random.default_rng(2).normal(size=500) - new)
            < (result.intervals[:, 1] - result.intervals[:, 0]) / 2
        )
        assert inside.mean() > 0.85
    with pytest.raises(ValueError, match="y"):
        model.calibrate(x[:, None], spoilt(y))


def test_regressions_with_machine_labels():
    x, y = rows()
    data = pd.DataFrame({"x": x, "machine": y + 0.5})
    labels = pd.Series(np.where(np.random.default_rng(3).random(N) < 0.002, y, np.nan), name="y")
    study = DesignSupervised(random_state=0, n_repeats=1).fit(data, surrogate="machine")
    study.calibrate(labels, sampling_probability=0.002)
    result = study.infer("y ~ x")
    assert np.all(np.abs(result.params - [0.0, 0.6]) < 4 * result.std_error) and np.all(
        result.std_error < 0.01
    )
    with pytest.raises(ValueError, match="machine"):
        DesignSupervised(random_state=0).fit(data.assign(machine=spoilt(y)), surrogate="machine").calibrate(
            labels
        )


def test_holdout():
    x, y = rows()
    holdout = ReusableHoldout(queries=10).calibrate(x[:, None], (y > 0).astype(int))
    answer = holdout.infer((x > 0).astype(int))
    truth = 0.5 + np.arcsin(0.6) / np.pi
    low, high = answer.bounds
    assert low <= truth <= high < low + 0.02
    with pytest.raises(ValueError, match="predictions"):
        holdout.infer(spoilt((x > 0).astype(float)))
    assert holdout.infer((x > 0).astype(int)).value == answer.value


@pytest.mark.parametrize("method", ["gaussian", "cca"])
def test_mutual_information(method):
    x, y = rows()
    assert abs(float(mutual_info(x, y, method=method)) + 0.5 * np.log(1 - 0.36)) < 0.003
    with pytest.raises(ValueError, match="y"):
        mutual_info(x, spoilt(y), method=method)


@pytest.mark.validity
@pytest.mark.parametrize("method", ["learned", "ksg"])
@pytest.mark.filterwarnings("ignore::validstats.exceptions.SupportWarning")
def test_mutual_information_by_neighbours(method):
    x, y = rows()
    assert abs(float(mutual_info(x, y, method=method)) + 0.5 * np.log(1 - 0.36)) < 0.02
