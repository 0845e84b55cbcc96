"""Learners of the caller: fit parameters, words as labels, classes that a learner does not know, pipelines, metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.preprocessing import StandardScaler

from validstats import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchShares,
    BatchTotal,
    DesignSupervised,
    Envelope,
    ErrorCount,
    ReusableHoldout,
    Selection,
    Simultaneous,
)
from validstats.holdout import HoldoutSearchCV, Ledger, SelectFromHoldout
from validstats.pipeline import Pipeline, make_pipeline

N = 200
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 2))
Y = X[:, 0] + 0.5 * rng.normal(size=N)
CODES = (Y > 0).astype(int)
WORDS = np.where(Y > 0, "pass", "fail")
WEIGHT = rng.uniform(0.1, 5, N)
ROWS = pd.DataFrame(X, columns=["a", "b"], index=[f"row-{i}" for i in rng.permutation(N)])


def predictor(learner: Any, target: Any, **options: Any) -> BatchPredictor:
    return BatchPredictor(learner, target, random_state=0, confidence_level=0.8, **options)


def mean_of(learner: Any) -> BatchPredictor:
    return predictor(learner, BatchMean(), bounds=(-6, 6))


class OnlyCodes(LogisticRegression):
    """A classifier that takes the classes 0, 1, ... alone, as boosting libraries do."""

    def fit(self, X, y, sample_weight=None):
        found = np.unique(y)
        if found.dtype.kind not in "iu" or not np.array_equal(found, np.arange(len(found))):
            raise ValueError(f"Invalid classes: {found}")
        return super().fit(X, y, sample_weight)


class Watched(LinearRegression):
    """A learner with a fit parameter that has no rows."""

    def fit(self, X, y, sample_weight=None, eval_set=None):
        self.eval_set_ = eval_set
        return super().fit(X, y, sample_weight)


def test_fit_parameters_with_labels_go_with_their_rows() -> None:
    weight = pd.Series(WEIGHT, index=ROWS.index)
    expected = mean_of(LinearRegression()).fit(ROWS, Y, sample_weight=WEIGHT).estimator_.coef_
    for given in (weight, weight.sample(frac=1, random_state=1), WEIGHT.tolist()):
        found = mean_of(LinearRegression()).fit(ROWS, Y, sample_weight=given).estimator_.coef_
        np.testing.assert_array_equal(found, expected)
    plain = mean_of(LinearRegression()).fit(ROWS, Y).estimator_.coef_
    assert not np.allclose(plain, expected)
    with pytest.raises(ValueError, match=r"sample_weight has 200 labels .*to_numpy"):
        mean_of(LinearRegression()).fit(ROWS, Y, sample_weight=weight.add_suffix("x"))


def test_what_has_no_rows_reaches_the_learner_as_it_is() -> None:
    kept = [(X[:5], Y[:5])]
    assert mean_of(Watched()).fit(X, Y, eval_set=kept).estimator_.eval_set_ is kept


def test_a_fitted_learner_takes_no_fit_parameters() -> None:
    frozen = FrozenEstimator(LinearRegression().fit(X, Y))
    with pytest.raises(TypeError, match=r"'sample_weight': .*fitted already.*weights= with w_max="):
        mean_of(frozen).fit(X, Y, sample_weight=WEIGHT)


def test_metadata_are_routed_to_the_learner() -> None:
    expected = mean_of(LinearRegression()).fit(X, Y, sample_weight=WEIGHT).estimator_.coef_
    with sklearn.config_context(enable_metadata_routing=True):
        asked = mean_of(LinearRegression().set_fit_request(sample_weight=True))
        np.testing.assert_array_equal(asked.fit(X, Y, sample_weight=WEIGHT).estimator_.coef_, expected)
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            mean_of(LinearRegression()).fit(X, Y, sample_weight=WEIGHT)
        scored = asked.set_score_request(sample_weight=True)
        found = cross_validate(scored, X, Y, params={"sample_weight": WEIGHT}, error_score="raise")
        assert len(found["test_score"]) == 5


def test_a_holdout_fits_with_the_parameters_of_its_training_rows() -> None:
    def value(**given):
        asked = ReusableHoldout(queries=5, metric="log_loss", random_state=0).fit(X, WORDS, **given)
        return asked.calibrate(X, WORDS, check_reuse=False).infer(LogisticRegression()).value

    weighted = LogisticRegression().fit(X, WORDS, sample_weight=WEIGHT)
    plain = ReusableHoldout(queries=5, metric="log_loss", random_state=0).fit(X, WORDS)
    assert value(sample_weight=WEIGHT) == pytest.approx(
        plain.calibrate(X, WORDS, check_reuse=False).infer(weighted).value, abs=0.02
    )
    assert value(sample_weight=WEIGHT) != value()


def fit_holdout(learner, **given):
    asked = ReusableHoldout(queries=5, metric="log_loss", random_state=0).fit(X, WORDS, **given)
    return asked.calibrate(X, WORDS, check_reuse=False).infer(learner).value


def fit_study(learner, **given):
    rows = pd.DataFrame({"x": X[:, 1], "machine": CODES})
    model = DesignSupervised(learner, n_repeats=1, n_folds=2, random_state=0)
    model.fit(rows, surrogate="machine", **given)
    return model.calibrate({"y": np.where(np.arange(N) % 2, CODES, np.nan)}).infer("y ~ x").params


def fit_search(learner, release="number", order=slice(None), **given):
    grid = {"C": [0.1, 1.0]}
    asked = ReusableHoldout(queries=5, ledger=Ledger.in_memory(secret=b"fit"), random_state=0)
    asked.fit(OTHERS, CODES).calibrate(OTHERS, CODES, check_reuse=False)
    start = np.zeros(N, dtype=int) if release == "bit" else None
    search = HoldoutSearchCV(learner, grid, asked, release=release, start=start)
    y = pd.Series(CODES, index=ROWS.index)[order]
    return search.fit(ROWS, y, **given).best_estimator_.coef_


def fit_selection(learner, **given):
    asked = ReusableHoldout(queries=9, ledger=Ledger.in_memory(secret=b"fit"), random_state=0)
    others = OTHERS.to_numpy()
    asked.fit(others, CODES).calibrate(others, CODES, check_reuse=False)
    return SelectFromHoldout(learner, asked).fit(X, CODES, **given).support_


OTHERS = pd.DataFrame(X + 3e-3 * np.random.default_rng(5).normal(size=X.shape), columns=["a", "b"])
FITS = {"BatchPredictor": lambda learner, **given: predictor(learner, BatchShares()).fit(X, WORDS, **given)}
FITS |= {"ReusableHoldout": fit_holdout, "DesignSupervised": fit_study}
FITS |= {"HoldoutSearchCV": fit_search, "SelectFromHoldout": fit_selection}


@pytest.mark.parametrize("name", FITS)
def test_a_name_that_nobody_takes_is_refused_with_those_that_are_taken(name) -> None:
    with pytest.raises(
        TypeError,
        match=rf"^{name}.fit\(\) got 'sampel_weight', which LogisticRegression.fit does not take; it "
        r"takes 'sample_weight'.*Did you mean 'sample_weight'\?",
    ):
        FITS[name](LogisticRegression(), sampel_weight=WEIGHT)


@pytest.mark.parametrize("name", FITS)
def test_every_fit_routes_what_the_learner_requests(name) -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        FITS[name](LogisticRegression().set_fit_request(sample_weight="importance"), importance=WEIGHT)
        with pytest.raises(ValueError, match="not explicitly set as requested"):
            FITS[name](LogisticRegression(), sample_weight=WEIGHT)
        with pytest.raises(TypeError, match="not routed to any"):
            FITS[name](LogisticRegression().set_fit_request(sample_weight=False), sample_weight=WEIGHT)
        coded = OnlyCodes().set_fit_request(sample_weight="importance")
        if name in ("BatchPredictor", "ReusableHoldout"):
            FITS[name](coded, importance=WEIGHT)


def test_an_argument_of_ours_is_named_where_it_was_meant() -> None:
    with pytest.raises(TypeError, match=r"fit\(\) itself takes 'batches', .*Did you mean 'weights'\?"):
        predictor(LogisticRegression(), BatchShares()).fit(X, WORDS, wieghts=WEIGHT)
    with pytest.raises(
        TypeError, match=r"'calibration': the learner is fitted already .*batches, strata and ids"
    ):
        mean_of(FrozenEstimator(LinearRegression().fit(X, Y))).fit(X, Y, calibration=0.5)


@pytest.mark.parametrize("release", ["number", "bit"])
def test_a_search_fits_with_labels_and_weights_of_its_rows(release) -> None:
    weight = pd.Series(WEIGHT, index=ROWS.index)
    expected = fit_search(LogisticRegression(), release, sample_weight=WEIGHT)
    order = np.random.default_rng(1).permutation(ROWS.index)
    found = fit_search(LogisticRegression(), release, order, sample_weight=weight[order])
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(fit_search(LogisticRegression(), release), expected)


@pytest.mark.share(3)
@pytest.mark.parametrize(
    "target",
    [BatchMean(), BatchTotal(), BatchQuantile(0.5), Envelope(above=0.5), Selection(above=0.5, max_false=3)]
    + [Simultaneous(miss=0.2), ErrorCount(), BatchShares()],
    ids=repr,
)
def test_words_with_a_positive_one_are_the_numbers_zero_and_one(target) -> None:
    def answer(model):
        result = model.infer(X[:20])
        return [str(v) for v in result.tidy().iloc[:, 2:].to_numpy().ravel()]

    expected = answer(predictor(LogisticRegression(), target).fit(X, CODES))
    assert answer(predictor(LogisticRegression(), target, positive="pass").fit(X, WORDS)) == expected
    frozen = [FrozenEstimator(LogisticRegression().fit(X, y)) for y in (CODES, WORDS)]
    expected = answer(predictor(frozen[0], target).fit(X, CODES))
    assert answer(predictor(frozen[1], target, positive="pass").fit(X, WORDS)) == expected


def test_words_that_become_known_later_are_read_alike() -> None:
    model = predictor(LogisticRegression(), Selection(above=0.5, max_false=3), positive="pass").fit(X, WORDS)
    result = model.infer(X[:50])
    assert result.false_claims(WORDS[:50]).tolist() == result.false_claims(CODES[:50]).tolist()
    with pytest.raises(ValueError, match="positive was changed from 'pass' to 'fail'"):
        model.set_params(positive="fail").infer(X[:50])


def test_words_without_a_positive_one_are_refused_or_shares() -> None:
    for target in (BatchMean(), BatchTotal(), BatchQuantile(0.5)):
        with pytest.raises(ValueError, match=r"'fail', 'pass'.*positive='pass'"):
            predictor(LogisticRegression(), target).fit(X, WORDS)
    with pytest.raises(ValueError, match="positive='yes' is no level of y; the levels are 'fail', 'pass'"):
        predictor(LogisticRegression(), BatchMean(), positive="yes").fit(X, WORDS)


def test_verdicts_in_place_of_rows_are_words_and_a_missing_one_is_a_half() -> None:
    words, codes = (
        predictor(None, BatchMean(), bounds=(0, 1), positive=positive).calibrate(v, v).infer(v[:50]).conf_high
        for v, positive in ((WORDS, "pass"), (CODES, None))
    )
    np.testing.assert_array_equal(words, codes)
    silent = np.where(np.arange(N) % 9 == 0, None, WORDS)
    half = np.where(np.arange(N) % 9 == 0, 0.5, CODES)
    found = predictor(None, BatchMean(), bounds=(0, 1), positive="pass").calibrate(silent, WORDS)
    expected = predictor(None, BatchMean(), bounds=(0, 1)).calibrate(half, CODES)
    np.testing.assert_array_equal(found.infer(silent[:50]).conf_high, expected.infer(half[:50]).conf_high)


@pytest.mark.parametrize("classes", [("fail", "pass"), (1, 2), (-1, 1)])
def test_classes_that_a_learner_does_not_take_are_coded(classes) -> None:
    y = np.array(classes)[CODES]
    with pytest.raises(ValueError, match="Invalid classes"):
        OnlyCodes().fit(X, y)
    for target in (BatchShares(), Simultaneous(miss=0.1)):
        coded, plain = (
            predictor(learner, target).fit(X, y) for learner in (OnlyCodes(), LogisticRegression())
        )
        assert coded.classes_.tolist() == list(classes)
        assert coded.infer(X[:20]).tidy().equals(plain.infer(X[:20]).tidy())
        assert coded.predict(X).tolist() == plain.predict(X).tolist()
    if classes == (1, 2):
        means = [
            predictor(learner, BatchMean()).fit(X, y).infer(X[:20]).conf_high
            for learner in (OnlyCodes(), LogisticRegression())
        ]
        np.testing.assert_array_equal(*means)


@pytest.mark.parametrize("classes", [("fail", "pass"), (1, 2)])
def test_xgboost_takes_words_as_classes(classes) -> None:
    learner = pytest.importorskip("xgboost").XGBClassifier(n_estimators=5, n_jobs=1)
    y = np.array(classes)[CODES]
    with pytest.raises(ValueError, match="Invalid classes"):
        learner.fit(X, y)
    kept = {"sample_weight": WEIGHT, "verbose": False}
    words, codes = (predictor(learner, BatchShares()).fit(X, labels, **kept) for labels in (y, CODES))
    assert words.classes_.tolist() == list(classes)
    np.testing.assert_array_equal(words.infer(X[:20]).conf_high, codes.infer(X[:20]).conf_high)
    held = ReusableHoldout(queries=5, metric="log_loss", random_state=0).fit(X, y, sample_weight=WEIGHT)
    assert np.isfinite(held.calibrate(X, y, check_reuse=False).infer(learner).value)


def test_a_holdout_codes_classes_too() -> None:
    for metric in ("accuracy", "log_loss"):
        values = [
            ReusableHoldout(queries=5, metric=metric, random_state=0)
            .fit(X, WORDS)
            .calibrate(X, WORDS, check_reuse=False)
            .infer(learner)
            .value
            for learner in (OnlyCodes(), LogisticRegression())
        ]
        assert values[0] == pytest.approx(values[1], abs=0.02)


def test_several_outcomes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"y must have one label a row, got shape \(200, 2\)"):
        mean_of(LinearRegression()).fit(X, np.column_stack([Y, Y]))


def test_a_pipeline_has_the_verbs_of_its_last_step() -> None:
    y = pd.Series(Y, index=ROWS.index)
    scaled = StandardScaler().fit(ROWS)
    by_hand = mean_of(LinearRegression()).fit(scaled.transform(ROWS), Y).infer(scaled.transform(ROWS[:20]))
    pipeline = make_pipeline(StandardScaler(), mean_of(LinearRegression()))
    for labels in (y, y.sample(frac=1, random_state=1), Y):
        np.testing.assert_allclose(pipeline.fit(ROWS, labels).infer(ROWS[:20]).conf_high, by_hand.conf_high)
    again = pipeline.calibrate(ROWS, y.iloc[::-1]).infer(ROWS[:20]).conf_high
    np.testing.assert_allclose(again, pipeline.calibrate(ROWS, y).infer(ROWS[:20]).conf_high)
    assert not hasattr(make_pipeline(StandardScaler(), LinearRegression()), "infer")
    for nothing in ("passthrough", None):
        steps = [("nothing", nothing), ("scale", StandardScaler()), ("last", mean_of(LinearRegression()))]
        found = Pipeline(steps).fit(ROWS, y).infer(ROWS[:20])
        np.testing.assert_allclose(found.conf_high, by_hand.conf_high)
    sets = make_pipeline(StandardScaler(), predictor(LinearRegression(), Simultaneous(miss=0.1))).fit(ROWS, y)
    result = sets.infer(ROWS[:50])
    np.testing.assert_array_equal(result.contains(y[:50]), result.contains(y[:50].iloc[::-1]))
    assert sets.predict_interval(ROWS[:3]).shape == (3, 2)
    assert result.named is not None


@dataclass(frozen=True)
class Answer:
    n: int


class Last(BaseEstimator):
    """An estimator whose results do not name rows."""

    named = "its own"

    def fit(self, X, y=None):
        return self

    def infer(self, X):
        return Answer(len(X)) if len(X) > 2 else self


def test_results_that_name_no_rows_leave_a_pipeline_as_they_are() -> None:
    pipeline = make_pipeline(StandardScaler(), Last()).fit(ROWS)
    assert pipeline.infer(ROWS[:3]) == Answer(3)
    assert pipeline.infer(ROWS[:2]).named == "its own"


@pytest.mark.parametrize(("name", "plain"), [("neg_log_loss", "log_loss"), ("neg_brier_score", "brier")])
def test_metrics_have_the_names_and_signs_of_scikit_learn(name, plain) -> None:
    def answer(metric):
        ledger = Ledger.in_memory(secret=b"learners")
        asked = ReusableHoldout(queries=5, metric=metric, ledger=ledger, random_state=0).fit(X, CODES)
        return asked.calibrate(X, CODES, check_reuse=False).infer(LogisticRegression())

    negative, loss = answer(name), answer(plain)
    assert negative.value == pytest.approx(-loss.value, abs=1e-9)
    assert (negative.conf_low, negative.conf_high) == pytest.approx(
        (-loss.conf_high, -loss.conf_low), abs=1e-9
    )
    scorer = sklearn.metrics.get_scorer(name)
    fitted = LogisticRegression().fit(X, CODES)
    assert negative.value == pytest.approx(scorer(fitted, X, CODES), abs=0.05)


def test_metrics_without_a_bound_say_what_to_pass() -> None:
    asked = ReusableHoldout(queries=5, metric="neg_mean_squared_error", random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match=r"has no bound.*squared_error\(bound=\.\.\.\)"):
        asked.calibrate(X, Y, check_reuse=False)
