"""Checks that ``infer`` makes of its own assumptions: rows of one batch, order of past batches, covariates."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator

from validstats.batch import BatchMean, BatchPredictor, BatchQuantile
from validstats.batch.checks import check_covariates, check_order, check_within, plural
from validstats.batch.laws import DriftTest
from validstats.exceptions import DependentRowsWarning, DriftWarning

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


def found(p_value, scores=(0.5, 1.0), batches=None, **values):
    """A calibration whose one test has found what it is told."""
    test = SimpleNamespace(p_value=p_value, **values)
    return SimpleNamespace(
        once=lambda key, make: test,
        scores=np.array(scores),
        batches=batches,
        seed=0,
        batch_name="county",
    )


def said(call) -> tuple[str, list[str]]:
    """What a check returns, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = call()
    return answer, [str(w.message) for w in caught if w.category in (DriftWarning, DependentRowsWarning)]


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (0.01, "move together (p = 0.01, variance ratio 2.57)"),
        (0.0101, "no sign that they move together (p = 0.0101, variance ratio 2.57)"),
    ],
)
def test_rows_of_one_batch_alarm_at_one_in_a_hundred(p_value, text) -> None:
    def checked(remedy="do this", **options):
        calibration = found(p_value, variance_ratio=2.5678, intraclass_correlation=0.314, **options)
        return said(lambda: check_within(calibration, None, "key", "bus", remedy))

    answer, warned = checked()
    assert answer == text and len(warned) == (p_value == 0.01)
    if warned:
        assert warned[0].startswith("Rows of one bus move together; calibrate on whole buses: do this (perm")
        assert "p = 0.01, variance ratio 2.57, intraclass correlation 0.31" in warned[0]
    # whole batches are the units already, or there is nothing to be done about it
    assert checked(batches=np.zeros(2)) == checked(remedy=None) == (text, [])


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (0.01, "they trend or follow one another (p = 0.01)"),
        (0.0101, "no sign of a trend or a memory (p = 0.0101)"),
    ],
)
def test_the_order_of_past_batches_alarms_at_one_in_a_hundred(p_value, text) -> None:
    calibration = found(p_value, statistic=-0.4567)
    answer, warned = said(lambda: check_order(calibration))
    assert answer == text and len(warned) == (p_value == 0.01)
    if warned:
        assert warned[0].startswith("The past counties trend") and "rank correlation -0.46" in warned[0]
    assert said(lambda: check_order(calibration, silent=True)) == (text, [])
    unknown = found(p_value, scores=(0.5, -np.inf), statistic=0.5)
    assert said(lambda: check_order(unknown)) == ("not tested: scores of true claims are minus infinity", [])


def compared(known, new, batches=None, names=(0, 1)):
    """The check of covariates of a calibration and of asked rows by themselves."""
    calibration = SimpleNamespace(covariates=dict(zip(names, known.T)), seed=7)
    drawn = []

    def rows(rng):
        drawn.append(rng.random())
        return dict(zip(names, new.T))

    asked = SimpleNamespace(n=len(new), compared=rows)
    answer, warned = said(lambda: check_covariates(calibration, asked, batches))
    assert all(u == np.random.default_rng([7, 2]).random() for u in drawn)
    return answer, warned


def test_twenty_rows_a_side_are_compared_and_no_fewer() -> None:
    known, new = X[:50, :2], X[50:100, :2] + 3.0
    for a, b, tested in ((20, 20, True), (19, 50, False), (50, 19, False), (50, 20, True)):
        answer, warned = compared(known[:a], new[:b])
        assert (answer is not None) == bool(warned) == tested
        if tested:
            assert "permutation test of 2 columns, p = 0.00249, on 20 random rows a side" in warned[0]
            assert str(answer) == "unlike the calibration rows (p = 0.00249)"
    assert compared(X[:0, :0], new) == (None, [])


def test_the_column_that_names_the_batches_is_left_out_by_name_and_by_position() -> None:
    known, new = X[:50, :2], X[50:100, :2] + [0.0, 3.0]
    for names, batches in (((0, 1), 1), (("a", "week"), "week")):
        answer, warned = compared(known, new, batches, names)
        assert not warned and str(answer).startswith("no sign of drift (p = ")
    for batches, columns in (
        (None, "2 columns,"),
        (True, "2 columns,"),
        ("week", "2 columns,"),
        (0, "1 column,"),
    ):
        answer, warned = compared(known, new, batches)
        assert len(warned) == 1 and f"permutation test of {columns}" in warned[0]  # True is no position
    assert compared(known[:, 1:], new[:, 1:], "week", ("week",)) == (None, [])


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("day", "days"), ("county", "counties"), ("bus", "buses"), ("box", "boxes"), ("quiz", "quizes"), ("batch", "batches"),
        ("brush", "brushes"), ("row", "rows"), ("y", "ys"), ("holiday", "holidays"),
    ],
)  # fmt: skip
def test_plurals(one, many) -> None:
    assert plural(one) == many
