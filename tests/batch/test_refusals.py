"""What users do that would give a wrong number without a word: each is refused by name, or answered rightly."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from validstats import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch import ErrorScore
from validstats.exceptions import DataReuseWarning
from validstats.reporting import joint_statement

N, M = 200, 20
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(N, 2))
Y = X[:, 0] + _RNG.normal(size=N)
NEW = _RNG.normal(size=(M, 2))
LINE = LinearRegression().fit(X, Y)
CLASSES = np.where(Y > 0, 2, 1)
TWO = np.repeat([0, 1], M // 2)


def frozen(target, model=LINE, **options):
    return BatchPredictor(
        FrozenEstimator(model), target, random_state=0, **{"confidence_level": 0.9, **options}
    )


def calibrated(target, **options):
    return frozen(target, **options).calibrate(X, Y)


TARGETS = [BatchMean(), Simultaneous(0.1), Selection(above=0, max_false=1), ErrorCount(tolerance=1.0)]


class Broken(RegressorMixin, BaseEstimator):
    """A learner whose predictions are ordinary for many rows and spoilt for a few."""

    def __init__(self, spoil=None):
        self.spoil = spoil

    def fit(self, X, y):
        self.n_features_in_ = 2
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        found = np.array(X)[:, 0]
        return found if len(found) > M else self.spoil(found)


def first_is(value):
    return lambda found: np.where(np.arange(len(found)) == 0, value, found)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("target", [*TARGETS, Selection(above=0, fdr=0.2), Envelope(above=0.0)], ids=str)
def test_predictions_of_a_batch_that_are_not_finite_are_refused(target, value):
    model = frozen(target, Broken(first_is(value))).calibrate(X, Y)
    with pytest.raises(ValueError, match="1 of the 20 rows of X are NaN or infinite"):
        model.infer(NEW)


@pytest.mark.parametrize("spoil", [lambda found: found[:1], lambda found: np.append(found, 0.0)])
def test_predictions_of_another_number_are_refused(spoil):
    model = frozen(BatchMean(), Broken(spoil)).calibrate(X, Y)
    with pytest.raises(ValueError, match="predictions for the 20 rows of X"):
        model.infer(NEW)


def test_several_predictions_a_row_are_refused():
    model = frozen(Simultaneous(), Broken(lambda found: np.column_stack([found, found])))
    with pytest.raises(ValueError, match="one value a row of X"):
        model.calibrate(X, Y).infer(NEW)


@pytest.mark.parametrize("score", [None, "normalised"])
def test_predictions_in_a_matrix_of_one_column_are_a_vector(score):
    column = LinearRegression().fit(X, Y[:, None])
    for target in [Simultaneous(0.1)] if score else TARGETS:
        ours, plain = (
            frozen(target, model, conformity_score=score, calibration_size=0.5).fit(X, Y).infer(NEW).tidy()
            for model in (column, LINE)
        )
        pd.testing.assert_frame_equal(ours, plain)
    framed = BatchPredictor(LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9).fit(
        X, pd.DataFrame({"y": Y})
    )
    assert framed.calibration_.scores.shape == (60,)


def test_a_calibration_does_not_change_with_the_arrays_that_it_was_made_of():
    y, strata = Y.copy(), np.repeat([0, 1], N // 2)
    model = frozen(BatchQuantile(0.5)).calibrate(X, y, strata=strata)
    y[:], strata[:] = 0.0, 0
    again = frozen(BatchQuantile(0.5)).calibrate(X, Y, strata=np.repeat([0, 1], N // 2))
    np.testing.assert_array_equal(
        model.infer(NEW, strata=TWO).conf_low,
        again.infer(NEW, strata=TWO).conf_low,
    )


def test_code_that_writes_into_what_it_is_given_does_not_change_the_caller():
    def into_labels(model, rows, labels):
        labels -= model.predict(rows)
        return labels

    def into_rows(model, rows, labels):
        rows[:] = 0.0
        return labels

    def into_frame(model, rows, labels):
        rows["a"] = 0.0
        return labels

    x, y, frame = X.copy(), Y.copy(), pd.DataFrame(X, columns=["a", "b"])
    scores = frozen(BatchQuantile(0.5), conformity_score=into_labels).calibrate(x, y).calibration_.scores
    np.testing.assert_allclose(scores, Y - LINE.predict(X))
    with pytest.raises(ValueError, match="read-only"):
        frozen(BatchQuantile(0.5), conformity_score=into_rows).calibrate(x, y)
    frozen(BatchQuantile(0.5), conformity_score=into_frame).calibrate(frame, y)
    np.testing.assert_array_equal(frame.to_numpy(), X)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Selection(above=0, max_false=1), Selection(above=1, max_false=1)),
        (ErrorCount(tolerance=1.0), ErrorCount(tolerance=2.0)),
        (BatchMean(), BatchQuantile(0.5)),
        (Envelope(), Envelope(above=0.0)),
    ],
    ids=str,
)
def test_a_target_that_needs_other_scores_needs_another_calibration(before, after):
    model = calibrated(before).set_params(target=after)
    for use in (lambda: model.infer(NEW), lambda: model.update(X, Y)):
        with pytest.raises(ValueError, match=r"target or the score was changed.*calibrate"):
            use()
    fresh = calibrated(after).infer(NEW)
    assert str(model.calibrate(X, Y).infer(NEW)) == str(fresh)


def test_a_target_may_be_changed_where_the_scores_stay_the_same():
    wider = calibrated(Simultaneous(0.2)).set_params(target__miss=0.1).infer(NEW)
    np.testing.assert_array_equal(wider.intervals, calibrated(Simultaneous(0.1)).infer(NEW).intervals)
    with pytest.raises(ValueError, match="miss"):
        calibrated(Simultaneous(0.2)).set_params(target__miss=5).infer(NEW)


def test_error_counts_need_scores_of_zero_and_one():
    with pytest.raises(ValueError, match="ErrorCount counts scores of one"):
        calibrated(ErrorCount(), conformity_score="absolute").infer(NEW)
    own = calibrated(
        ErrorCount(), conformity_score=lambda m, rows, y: np.abs(y - m.predict(rows)) > 1.0
    ).infer(NEW)
    assert own.conf_high == calibrated(ErrorCount(tolerance=1.0)).infer(NEW).conf_high


def test_the_tolerance_of_an_error_score_is_kept_and_given_once():
    by_score = calibrated(ErrorCount(), conformity_score=ErrorScore(tolerance=1.0)).infer(NEW)
    assert by_score.conf_high == calibrated(ErrorCount(tolerance=1.0)).infer(NEW).conf_high < M
    with pytest.raises(ValueError, match=r"tolerance is 2\.0 in the target and 1\.0 in the score"):
        calibrated(ErrorCount(tolerance=2.0), conformity_score=ErrorScore(tolerance=1.0))


def test_a_tolerance_is_no_option_of_classifiers():
    model = LogisticRegression().fit(X, CLASSES)
    with pytest.raises(ValueError, match="tolerance"):
        frozen(ErrorCount(tolerance=0.5), model).calibrate(X, CLASSES)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("target", [ErrorCount(), Simultaneous()], ids=str)
def test_missing_labels_among_texts_are_no_errors_but_refused(missing, target):
    labels = np.where(Y > 0, "b", "a").astype(object)
    model = frozen(target, LogisticRegression().fit(X, labels))
    labels[:50] = missing
    with pytest.raises(ValueError, match="y has 50 missing"):
        model.calibrate(X, labels)


def test_classes_in_any_order_have_their_own_probability():
    class Shares(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_, self.n_features_in_ = np.array(["b", "c", "a"]), 2
            return self

        def predict_proba(self, X):
            return np.tile([0.5, 0.3, 0.2], (len(X), 1))

        def predict(self, X):
            return np.full(len(X), "b")

    labels = np.array(["a", "b", "c", "z"] * 50)
    model = frozen(Simultaneous(), Shares().fit(X, labels)).calibrate(X, labels)
    np.testing.assert_allclose(model.calibration_.scores[:4], [0.8, 0.5, 0.7, np.inf])


def test_weights_are_checked_before_they_are_shared_out():
    model = BatchPredictor(LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9)
    with pytest.raises(ValueError, match="weights has 300"):
        model.fit(X, Y, weights=np.ones(300), w_max=1.0)
    masked = np.ma.MaskedArray(np.ones(N), np.arange(N) < 3)
    with pytest.raises(ValueError, match="weights has 3 missing"):
        model.fit(X, Y, weights=masked, w_max=1.0)


def test_options_of_p_values_belong_to_rates():
    with pytest.raises(ValueError, match="randomised"):
        calibrated(Selection(above=0, max_false=1, randomised=True))
    with pytest.raises(TypeError, match="randomised"):
        calibrated(Selection(above=0, fdr=0.1, randomised="no"))


def test_a_false_discovery_rate_has_no_confidence_level():
    model = calibrated(Selection(above=0, fdr=0.1))
    result = model.infer(NEW, batches=TWO)
    assert result.guarantee.confidence_level is None and not result.confidence_level
    assert result.glance()["confidence_level"].isna().all()
    for shown in (result, model):
        assert "Confidence level" not in shown.summary().as_text()
    assert "joint=True" not in str(result) and "The expectation is over" in result.guarantee.paragraph()
    number = calibrated(Selection(above=0, max_false=1)).infer(NEW)
    assert "Confidence level" in number.summary().as_text()
    assert joint_statement([result.guarantee, number.guarantee]) is None
    assert "Of the 3 statements, the 2" in joint_statement([result.guarantee, *[number.guarantee] * 2])
    for options in ({"joint": True}, {"confidence_level": 0.5}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} is not read with fdr"):
            model.infer(NEW, batches=TWO, **options)


def test_an_envelope_gives_functions_copies_and_refuses_those_that_fall():
    envelope = calibrated(Envelope(), bounds=(-9, 9)).infer(NEW)
    before = envelope.quantile(0.5)

    def writes(scores):
        scores *= 0.0
        return 0.0

    envelope.bounds(writes)
    np.testing.assert_array_equal(envelope.quantile(0.5), before)
    with pytest.raises(ValueError, match="function must be non-decreasing"):
        envelope.bounds(lambda scores: -scores[M // 2])
    with pytest.raises(ValueError, match="function is NaN"):
        envelope.bounds(lambda scores: np.nan)
    unbounded = calibrated(Envelope()).infer(NEW)
    found = unbounded.bounds(lambda scores: scores[0] * 0.0 + scores[-1] * 0.0)
    np.testing.assert_array_equal(found, [[-np.inf, np.inf]])


def test_an_envelope_answers_only_what_its_scores_can():
    labels, claims = calibrated(Envelope()).infer(NEW), calibrated(Envelope(above=0.0)).infer(NEW)
    with pytest.raises(ValueError, match="threshold"):
        labels.count_above(np.nan)
    assert labels.count_above(-np.inf)[0, 1] == M
    with pytest.raises(ValueError, match="above"):
        labels.discoveries()
    with pytest.raises(ValueError, match=r"those of claims, whose mean says nothing; use discoveries\(\)"):
        claims.mean()
    assert "Claims with FDP" in str(claims.summary()) and "Mean, lower" in str(labels.summary())
    few = frozen(Envelope(above=-99.0)).calibrate(X[:5], Y[:5])
    assert "Claims with FDP" in str(few.infer(NEW).summary())


def test_an_envelope_of_one_row_says_nothing():
    with pytest.warns(UserWarning, match="statement"):
        result = frozen(Envelope()).calibrate(X[:1], Y[:1]).infer(NEW[:3])
    assert not result.informative and np.isinf(result.tidy()["conf_high"]).all()


def test_labels_are_compared_with_sets_of_their_own_kind():
    names = np.where(Y > 0, "b", "a")
    result = frozen(Simultaneous(), LogisticRegression().fit(X, names)).calibrate(X, names).infer(NEW)
    with pytest.raises(TypeError, match="y has labels"):
        result.contains(np.arange(M))
    assert result.contains(np.full(M, "a", dtype=object)).shape == (M,)
    intervals = calibrated(Simultaneous()).infer(NEW)
    with pytest.raises(ValueError, match="y has 1 missing"):
        intervals.contains(first_is(np.nan)(np.zeros(M)))
    chosen = calibrated(Selection(above=0, max_false=1)).infer(NEW)
    for y in (np.zeros(1), first_is(np.nan)(np.zeros(M))):
        with pytest.raises(ValueError, match="y"):
            chosen.false_claims(y)
    with pytest.raises(ValueError, match="y must have one label"):
        chosen.plot(y=[1.0])


@pytest.mark.parametrize("unit", ["ns", "s", "D"])
def test_batches_and_strata_of_dates_are_named_by_their_dates(unit):
    days = np.array(["2020-01-01", "2020-01-02"] * (M // 2), dtype=f"datetime64[{unit}]")
    strata = np.array(["2020-01-01", "2020-01-02"] * (N // 2), dtype="datetime64[s]")
    result = frozen(BatchQuantile(0.5)).calibrate(X, Y, strata=strata).infer(NEW, batches=days, strata=days)
    assert result.batches == ("2020-01-01", "2020-01-02")
    assert json.loads(json.dumps(result.to_dict()))["terms"][0]["batch"] == "2020-01-01"


def test_conformity_scores_are_not_stretched():
    with pytest.raises(ValueError, match="y has 1"):
        calibrated(Simultaneous()).conformity_scores(X, [1.0])


def test_rows_of_the_training_that_come_by_update_are_noticed():
    model = BatchPredictor(LinearRegression(), BatchMean(), random_state=0, confidence_level=0.9).fit(X, Y)
    with pytest.warns(DataReuseWarning):
        model.update(X, Y)


def test_every_method_that_was_used_is_named():
    sizes = np.repeat([0, 1], [1, M - 1])
    result = frozen(BatchMean(), bounds=(-9, 9)).calibrate(X, Y).infer(NEW, batches=sizes)
    assert result.glance()["method"].tolist() == ["rank, swap"]


def test_bounds_of_labels_are_not_those_of_a_callable_score():
    with pytest.raises(ValueError, match=r"bounds are those of the labels.*CallableScore"):
        frozen(BatchMean(), conformity_score=lambda m, rows, y: y, bounds=(-99, 99)).calibrate(X, Y)


def test_strata_are_an_assumption_under_covariate_shift_too():
    strata = np.repeat([0, 1], N // 2)
    model = frozen(BatchQuantile(0.5)).calibrate(X, Y, strata=strata, weights=np.ones(N), w_max=1.0)
    assert "within each stratum a batch differs" in model.guarantee_.check[0]
    assert "Within each stratum calibration rows are independent" in model.guarantee_.paragraph()


def test_parameters_that_were_changed_after_the_calibration_are_checked():
    with pytest.raises(ValueError, match="n_resamples"):
        calibrated(BatchMean()).set_params(n_resamples=0).infer(NEW)


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="strata=7 is no position"):
        calibrated(BatchQuantile(0.5), strata=7)


def test_joint_is_yes_or_no_and_says_nothing_about_one_batch():
    model = calibrated(BatchQuantile(0.5))
    with pytest.raises(TypeError, match="joint"):
        model.infer(NEW, joint="no")
    assert "at once" not in model.infer(NEW, joint=True).guarantee.holds
    assert "for all 2 batches at once" in model.infer(NEW, batches=TWO, joint=True).guarantee.holds


def test_a_joint_statement_says_that_it_counts_one_of_several_batches():
    model = calibrated(BatchQuantile(0.5))
    alone, one, together = (
        model.infer(NEW, **options).guarantee
        for options in ({"batches": TWO}, {}, {"batches": TWO, "joint": True})
    )
    assert joint_statement([alone, one]).endswith("is counted for one of them.")
    assert joint_statement([together, one]).endswith("error levels).")
