"""Calibration: strata, covariate shift, further rows, reused rows, changed targets, seeds."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from tests.batch.learners import frozen
from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchTotal,
    Compositional,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.exceptions import DataReuseWarning, NotCalibratedError


def test_strata_use_the_product_law(data):
    X, y = data
    group = np.where(X[:, 1] > 0, "hi", "lo")
    for target in (
        Simultaneous(),
        BatchMean(method="rank-sum"),
        BatchTotal(method="rank-sum"),
        BatchQuantile(),
        ErrorCount(tolerance=1.0),
        Selection(above=0.0, max_false=4),
        Selection(above=0.0, fdr=0.2),
        Envelope(),
        Compositional(lambda j, acc, s: acc + s),
    ):
        estimator = frozen(target, bounds=(-15, 15)).calibrate(X[:600], y[:600], strata=group[:600])
        result = estimator.infer(X[600:700], strata=group[600:700])
        assert result.answers[0].informative
        assert "within each stratum" in str(result.guarantee)
        with pytest.raises(ValueError, match="gives no strata"):
            estimator.infer(X[600:700])
        with pytest.raises(ValueError, match="were not calibrated"):
            estimator.infer(X[600:602], strata=["hi", "new"])
    sets = frozen(Simultaneous()).calibrate(X[:600], y[:600], strata=group[:600])
    result = sets.infer(X[600:700], strata=group[600:700])
    assert len(set(result.answers[0].threshold)) == 2
    assert result.answers[0].probability >= 0.9
    assert "hi: " in str(sets.summary())


def test_covariate_shift_by_rejection(data):
    X, y = data
    weights = 1 / (1 + np.exp(-X[:, 0]))
    estimator = frozen(Simultaneous()).calibrate(X[:800], y[:800], weights=weights[:800], w_max=1.0)
    assert estimator.calibration_.n_supplied == 800
    assert 300 < estimator.calibration_.n < 500
    assert f"{estimator.calibration_.n} of 800 rows were kept" in str(estimator.guarantee_)
    calibrate = frozen(Simultaneous()).calibrate
    with pytest.raises(ValueError, match="w_max is required"):
        calibrate(X, y, weights=weights)
    with pytest.raises(ValueError, match=r"must lie in \[0, w_max\]"):
        calibrate(X, y, weights=weights, w_max=0.5)
    with pytest.raises(ValueError, match="kept none"):
        calibrate(X, y, weights=np.zeros(900), w_max=1.0)
    with pytest.raises(ValueError, match="without weights"):
        calibrate(X, y, w_max=1.0)
    with pytest.raises(ValueError, match="cannot add rows"):
        estimator.update(X[:3], y[:3])


def test_update_adds_revealed_rows(data):
    X, y = data
    estimator = frozen(Simultaneous()).calibrate(X[:100], y[:100])
    estimator.update(X[100:200], y[100:200])
    together = frozen(Simultaneous()).calibrate(X[:200], y[:200])
    assert estimator.calibration_.n == estimator.guarantee_.n_reference == 200
    np.testing.assert_array_equal(estimator.infer(X[200:250]).intervals, together.infer(X[200:250]).intervals)


def test_reused_rows_warn(data):
    X, y = data
    estimator = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(
        X[:300], y[:300]
    )
    with pytest.warns(DataReuseWarning, match="also used to train"):
        estimator.calibrate(X[:300], y[:300])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.calibrate(X[300:600], y[300:600])
        estimator.set_params(check_reuse=False).calibrate(X[:300], y[:300])


def test_before_calibration(data):
    X, y = data
    estimator = BatchPredictor(LinearRegression(), BatchMean(), confidence_level=0.9)
    for verb in ("predict", "infer"):
        with pytest.raises(NotCalibratedError, match=verb):
            getattr(estimator, verb)(X)
    with pytest.raises(NotCalibratedError, match="FrozenEstimator"):
        estimator.calibrate(X, y)
    with pytest.raises(NotCalibratedError):
        estimator.summary()


def test_a_changed_target_is_followed_by_the_next_calibration(data):
    X, y = data
    estimator = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(
        X[:300], y[:300]
    )
    estimator.set_params(target=Selection(above=0.0, max_false=3)).calibrate(X[300:500], y[300:500])
    direct = BatchPredictor(
        FrozenEstimator(estimator.estimator_),
        Selection(above=0.0, max_false=3),
        random_state=0,
        confidence_level=0.9,
    )
    direct.calibrate(X[300:500], y[300:500])
    np.testing.assert_array_equal(estimator.select(X[500:600]), direct.select(X[500:600]))
    estimator.set_params(target=Simultaneous(), conformity_score="cqr")
    with pytest.raises(ValueError, match="fit again"):
        estimator.calibrate(X[300:500], y[300:500])


def test_sparse_rows(data):
    from scipy import sparse

    X, y = data
    estimator = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(
        sparse.csr_array(X), y
    )
    dense = BatchPredictor(LinearRegression(), Simultaneous(), random_state=0, confidence_level=0.9).fit(X, y)
    np.testing.assert_allclose(
        estimator.infer(sparse.csr_array(X)).intervals, dense.infer(X).intervals, rtol=1e-6
    )


def test_the_seed_of_a_calibration_is_that_of_a_fresh_generator() -> None:
    X, y = np.arange(40.0).reshape(-1, 1), np.arange(40.0)
    by_int, by_generator = (
        BatchPredictor(
            FrozenEstimator(LinearRegression().fit(X, y)),
            Simultaneous(),
            random_state=seed,
            confidence_level=0.9,
        )
        .calibrate(X, y)
        .calibration_.seed
        for seed in (7, np.random.default_rng(7))
    )
    assert by_int == by_generator
