"""Checks that ``infer`` makes of its own assumptions: rows of one batch, order of past batches, covariates."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator

from validstats.batch import BatchMean, BatchPredictor, BatchQuantile
from validstats.batch.laws import DriftTest
from validstats.exceptions import DriftWarning

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = RNG.normal(size=400)


def frozen(target, **options):
    learner = FrozenEstimator(DummyRegressor(strategy="constant", constant=0.0).fit([[0.0]], [0.0]))
    return BatchPredictor(learner, target, random_state=0, confidence_level=0.9, **options)


def drift_warnings(call) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught if w.category is DriftWarning]


@pytest.mark.parametrize("form", ["array", "frame", "sparse", "list"])
def test_new_rows_that_moved_are_noticed_in_every_form(form) -> None:
    def of(rows):
        named = pd.DataFrame(rows, columns=list("abc")).assign(kind="x")
        return {"array": rows, "frame": named, "sparse": sparse.csr_matrix(rows), "list": rows.tolist()}[form]

    model = frozen(BatchQuantile()).calibrate(of(X[:300]), Y[:300])
    assert not drift_warnings(lambda: model.infer(of(X[300:])))
    moved = X[300:] + [0.0, 0.0, 1.0]
    found = drift_warnings(lambda: model.infer(of(moved)))
    assert len(found) == 1 and "permutation test of 3 columns" in found[0] and "weights=" in found[0]
    assert "unlike the calibration rows" in str(model.infer(of(moved)).summary())
    assert "no sign of drift" in str(model.infer(of(X[300:])).summary())


def test_predictions_from_anywhere_are_compared_too() -> None:
    model = BatchPredictor(None, BatchQuantile(), random_state=0).calibrate(X[:300, 0], Y[:300])
    assert drift_warnings(lambda: model.infer(X[300:, 0] + 1))
    assert not drift_warnings(lambda: model.infer(X[300:, 0]))


def test_nothing_is_compared_where_nothing_can_be() -> None:
    few = frozen(BatchQuantile()).calibrate(X[:300], Y[:300])
    assert few.infer(X[:19] + 9).checks == ()  # too few rows to tell
    wide = np.ones((300, 501))
    assert frozen(BatchQuantile()).calibrate(wide, Y[:300]).infer(2 * wide).checks == ()
    strata = np.arange(300) % 2
    by_stratum = frozen(BatchQuantile()).calibrate(X[:300], Y[:300], strata=strata)
    assert by_stratum.infer(X[:100] + 9, strata=strata[:100]).checks == ()


def test_a_column_that_names_batches_is_no_covariate() -> None:
    frame = pd.DataFrame(X, columns=list("abc")).assign(week=np.arange(400) // 40)
    model = frozen(BatchQuantile()).calibrate(frame[:300], Y[:300])
    assert not drift_warnings(lambda: model.infer(frame[300:], batches="week"))
    assert drift_warnings(lambda: model.infer(frame[300:]))  # there it is a covariate that moved


def test_missing_and_constant_values_do_not_disturb_the_comparison() -> None:
    spoilt = X.copy()
    spoilt[::7, 0] = np.nan
    spoilt[:, 1] = 4.0
    assert 0 < DriftTest.of(spoilt[:200], spoilt[200:], RNG).p_value <= 1
    spoilt[200:, 2] += 1.5
    assert DriftTest.of(spoilt[:200], spoilt[200:], RNG).p_value <= 0.01


def test_past_batches_that_trend_are_noticed() -> None:
    week = np.repeat(np.arange(40), 10)
    model = frozen(BatchMean()).calibrate(X, Y + 0.3 * week, batches=pd.Series(week, name="week"))
    with pytest.warns(DriftWarning, match="past weeks trend"):
        result = model.infer(X[:10])
    assert dict(result.checks)["Order of weeks"].startswith("they trend")
    steady = frozen(BatchMean()).calibrate(X, Y, batches=week)
    assert not drift_warnings(lambda: steady.infer(X[:10]))


@pytest.mark.parametrize(
    ("one", "many"), [("day", "days"), ("county", "counties"), ("bus", "buses"), (None, "batches")]
)
def test_batches_are_called_by_the_name_of_their_column(one, many) -> None:
    week = pd.Series(np.repeat(np.arange(40), 10), name=one)
    model = frozen(BatchMean()).calibrate(X, Y, batches=week)
    assert f"Past {many}" in str(model.summary()) and f"Order of {many}" in str(model.infer(X[:10]).summary())
