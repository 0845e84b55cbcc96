"""scikit-learn's contract in full, and what users do with estimators: clone, search, pipelines, pickle, frames."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)


@parametrize_with_checks(
    [
        BatchPredictor(LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9),
        BatchPredictor(Ridge(), Simultaneous(), random_state=0, confidence_level=0.9),
        BatchPredictor(LogisticRegression(), ErrorCount(), random_state=0, confidence_level=0.9),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def regression():
    X, y = make_regression(400, 4, noise=20.0, random_state=0)
    return X, y / 50


@pytest.fixture(scope="module")
def classification():
    return make_classification(400, 6, random_state=0)


def predictor(target=None, learner=None, **kwargs):
    return BatchPredictor(
        learner or LinearRegression(),
        target or Simultaneous(),
        random_state=0,
        **{"confidence_level": 0.9, **kwargs},
    )


def test_clone_keeps_every_parameter():
    estimator = predictor(conformity_score="absolute", bounds=(0, None), strata="group", n_resamples=99)
    copy = clone(estimator)
    assert copy is not estimator
    assert copy.get_params(deep=False).keys() == estimator.get_params(deep=False).keys()
    assert copy.get_params()["conformity_score"] == "absolute"
    assert copy.get_params()["target__miss"] == 0.1
    copy.set_params(target__miss=0.2, conformity_score="signed", estimator__fit_intercept=False)
    assert (copy.target.miss, copy.get_params()["conformity_score"]) == (0.2, "signed")
    assert estimator.target.miss == 0.1


def test_estimator_type_follows_the_learner():
    assert is_regressor(predictor())
    assert is_classifier(predictor(learner=LogisticRegression()))


def test_cross_val_score_and_search(regression):
    X, y = regression
    scores = cross_val_score(predictor(), X, y, cv=3)
    assert scores.shape == (3,)
    assert np.all(scores > 0.5)
    search = GridSearchCV(predictor(learner=Ridge()), {"estimator__alpha": [0.1, 1e4]}, cv=3).fit(X, y)
    assert search.best_params_ == {"estimator__alpha": 0.1}
    assert search.best_estimator_.infer(X[:50]).informative


def test_pipelines_inside_and_outside(regression):
    X, y = regression
    inside = predictor(learner=make_pipeline(StandardScaler(), Ridge())).fit(X, y)
    outside = make_pipeline(StandardScaler(), predictor(learner=Ridge())).fit(X, y)
    assert inside.predict_interval(X[:20]).shape == (20, 2)
    assert outside.predict(X[:20]).shape == (20,)
    assert outside[-1].infer(outside[:-1].transform(X[:20])).answers[0].covered == 18


@pytest.mark.parametrize(
    "target",
    [BatchMean(), BatchQuantile((0.2, 0.8)), Simultaneous(), Selection(above=1.0, max_false=2), Envelope()],
    ids=repr,
)
def test_pickle(regression, target):
    X, y = regression
    estimator = predictor(target).fit(X, y)
    again = pickle.loads(pickle.dumps(estimator))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = estimator.infer(X[:40]), again.infer(X[:40])
    assert str(first) == str(second)
    assert str(pickle.loads(pickle.dumps(first))) == str(first)


def frame(kind, X, extra):
    columns = {f"x{j}": X[:, j] for j in range(X.shape[1])} | extra
    return pd.DataFrame(columns) if kind == "pandas" else pl.DataFrame(columns)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames(regression, kind):
    X, y = regression
    labels = pd.Series(y) if kind == "pandas" else pl.Series(y)
    estimator = predictor().fit(frame(kind, X[:300], {}), labels[:300])
    assert estimator.feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    result = estimator.infer(frame(kind, X[300:], {}), batches=np.repeat(["b", "a"], 50))
    table = result.tidy()
    assert isinstance(table, pd.DataFrame if kind == "pandas" else pl.DataFrame)
    assert list(table["batch"]) == ["a", "b"]
    plain = predictor().fit(X[:300], y[:300]).infer(X[300:], batches=np.repeat(["b", "a"], 50))
    np.testing.assert_allclose(result.intervals, plain.intervals, rtol=1e-8)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_columns_name_batches_and_strata(regression, kind):
    X, y = regression
    group = np.arange(400) % 2
    data = frame(kind, X, {"group": group, "batch": np.repeat([0, 1, 2, 3], 100)})
    estimator = predictor(strata="group").fit(data, y)
    result = estimator.infer(data, batches="batch")
    assert result.batches == (0, 1, 2, 3)
    arrays = (
        predictor().fit(data, y, strata=group).infer(data, batches=np.repeat([0, 1, 2, 3], 100), strata=group)
    )
    np.testing.assert_array_equal(result.intervals, arrays.intervals)


def test_wrong_columns_are_refused(regression):
    X, y = regression
    estimator = predictor().fit(frame("pandas", X, {}), y)
    with pytest.raises(ValueError, match="feature names"):
        estimator.infer(pd.DataFrame(X, columns=list("abcd")))
    with pytest.raises(ValueError, match="features"):
        predictor().fit(X, y).infer(X[:, :2])


def test_inputs_are_not_changed(regression):
    X, y = (a.copy() for a in regression)
    before = X.copy(), y.copy()
    estimator = predictor().fit(X, y)
    estimator.calibrate(X[:30], y[:30] + 1.0)
    estimator.infer(X)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_same_seed_same_answer(regression):
    X, y = regression
    target = BatchMean(method="phi-band")
    results = [str(predictor(target, bounds=(-20, 20)).fit(X, y).infer(X[:50])) for _ in range(2)]
    assert results[0] == results[1]
    estimator = predictor(target, bounds=(-20, 20)).fit(X, y)
    assert str(estimator.infer(X[:50])) == str(estimator.infer(X[:50])) == results[0]


def test_recalibration_replaces_and_is_idempotent(regression):
    X, y = regression
    estimator = predictor().fit(X[:200], y[:200])
    first = estimator.calibrate(X[200:], y[200:]).calibration_
    second = estimator.calibrate(X[200:], y[200:]).calibration_
    assert first is not second
    assert (first.seed, first.n) == (second.seed, second.n)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_frozen_learner_uses_every_row(regression):
    X, y = regression
    learner = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X[:200], y[:200])
    fitted = predictor(learner=FrozenEstimator(learner)).fit(X[200:], y[200:])
    calibrated = predictor(learner=FrozenEstimator(learner)).calibrate(X[200:], y[200:])
    assert fitted.calibration_.n == calibrated.calibration_.n == 200
    np.testing.assert_array_equal(fitted.calibration_.scores, calibrated.calibration_.scores)
    np.testing.assert_allclose(fitted.predict(X[:5]), learner.predict(X[:5]))


def test_classifier_targets(classification):
    X, y = classification
    sets = predictor(learner=LogisticRegression()).fit(X, y).infer(X[:100])
    assert sets.sets.shape == (100, 2)
    assert sets.contains(y[:100]).mean() >= 0.9
    share = predictor(BatchMean(method="rank-sum"), LogisticRegression()).fit(X, y).infer(X[:100])
    assert 0 <= share.conf_low[0, 0] < y[:100].mean() < share.conf_high[0, 0] <= 1
    chosen = predictor(Selection(above=0.5, max_false=3), LogisticRegression()).fit(X, y)
    assert chosen.select(X[:100]).dtype == bool
    assert not hasattr(chosen, "predict_interval")
    assert chosen.predict_proba(X[:3]).shape == (3, 2)


def test_text_labels():
    X, y = make_classification(300, 6, n_informative=4, n_classes=3, random_state=1)
    names = np.array(["cat", "dog", "eel"])[y]
    estimator = predictor(learner=LogisticRegression()).fit(X, names)
    assert estimator.classes_.tolist() == ["cat", "dog", "eel"]
    assert estimator.infer(X[:60]).contains(names[:60]).sum() >= 50
    errors = predictor(ErrorCount(), LogisticRegression()).fit(X, names).infer(X[:60])
    assert 0 < errors.conf_high[0, 0] <= 60
    with pytest.raises(ValueError, match="binary labels"):
        predictor(BatchMean(), LogisticRegression()).fit(X, names)
