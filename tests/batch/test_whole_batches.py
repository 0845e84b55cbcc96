"""Whole past batches as units, class shares, and what a classifier's labels are, through the predictor."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchShares,
    BatchTotal,
    Compositional,
    Envelope,
    ErrorCount,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import unit_interval
from validstats.exceptions import DependentRowsWarning, UninformativeWarning

RNG = np.random.default_rng(0)
SIZES = RNG.integers(20, 60, size=60)
WEEK = np.repeat(np.arange(60), SIZES)
X = RNG.normal(size=(WEEK.size, 2))
Y = 10 + X[:, 0] + 0.8 * RNG.normal(size=60)[WEEK] + RNG.normal(size=WEEK.size)
PAST = WEEK < 59
NEW = ~PAST


def frozen(target, **options):
    learner = FrozenEstimator(LinearRegression().fit(X[PAST][:5], X[PAST][:5, 0] + 10))
    return BatchPredictor(learner, target, confidence_level=0.9, random_state=0, **options)


@pytest.mark.parametrize("scale", ["size", "sqrt", "one"])
@pytest.mark.parametrize("kind", [BatchMean, BatchTotal])
def test_a_total_is_the_prediction_plus_an_order_statistic_of_past_totals(kind, scale) -> None:
    model = frozen(kind(scale=scale)).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST])
    result = model.infer(X[NEW])
    residuals = Y - model.predict(X)
    size = np.bincount(WEEK).astype(float)
    s = {"size": size, "sqrt": np.sqrt(size), "one": np.ones(60)}[scale]
    ordered = np.sort((np.bincount(WEEK, residuals) / s)[:59])
    # k = floor(0.05 * 60) = 3
    factor = 1 if kind is BatchTotal else 1 / size[59]
    expected = [model.predict(X[NEW]).sum() + s[59] * ordered[k] for k in (2, 56)]
    assert [result.conf_low[0, 0], result.conf_high[0, 0]] == pytest.approx([factor * e for e in expected])
    assert result.answers[0].probability == pytest.approx(1 - 6 / 60)
    assert result.n_reference == 59 and result.guarantee.n_reference == 59
    text = str(result.summary())
    assert "Past batches" in text and "rows inside may" in text


def test_every_target_of_one_number_has_whole_batches_and_the_others_say_so() -> None:
    errors = frozen(ErrorCount(tolerance=1.0, side="two-sided")).calibrate(
        X[PAST], Y[PAST], batches=WEEK[PAST]
    )
    wrong = np.abs(Y - errors.predict(X)) > 1.0
    shares = (np.bincount(WEEK, wrong) / np.bincount(WEEK))[:59]
    bound = unit_interval(shares, "0.1")
    found = errors.infer(X[NEW])
    m = int(NEW.sum())
    assert found.conf_high[0, 0] == np.floor(m * bound.high + 1e-9)
    assert found.conf_low[0, 0] == np.ceil(m * bound.low - 1e-9)
    median = frozen(BatchQuantile(0.5)).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST]).infer(X[NEW])
    medians = [np.quantile(Y[w == WEEK], 0.5, method="inverted_cdf") for w in range(59)]
    assert median.conf_high[0, 0] == np.sort(medians)[56]
    sets = frozen(Simultaneous(0.2)).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST]).infer(X[NEW])
    needed = [
        np.quantile(np.abs(Y - sets_model_predictions())[w == WEEK], 0.8, method="inverted_cdf")
        for w in range(59)
    ]
    assert sets.answers[0].threshold[0] == pytest.approx(np.sort(needed)[53])
    chosen = (
        frozen(Selection(above=11.0, max_false=2))
        .calibrate(X[PAST], Y[PAST], batches=WEEK[PAST])
        .infer(X[NEW])
    )
    assert chosen.answers[0].probability == pytest.approx(54 / 60)
    for target in (Envelope(), Compositional(lambda j, acc, s: acc + s), Selection(above=0.0, fdr=0.1)):
        with pytest.raises(TypeError, match="has no version for whole batches"):
            frozen(target).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST]).infer(X[NEW])


def sets_model_predictions():
    return frozen(BatchMean()).estimator.predict(X)


@pytest.mark.parametrize(
    "made", [lambda w: w, list, pd.Series, lambda w: w.astype(str), lambda w: w.astype(object)]
)
def test_new_batches_are_named_by_any_container(made) -> None:
    model = frozen(BatchTotal()).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST])
    names = np.full(NEW.sum(), "next week", dtype=object)
    named = model.infer(X[NEW], batches=made(names))
    assert np.array_equal(named.conf_low, model.infer(X[NEW]).conf_low) and named.batches == ("next week",)


@pytest.mark.parametrize("whole", [False, True])
def test_normal_theory_stands_beside_means_totals_and_shares(whole) -> None:
    named = np.where(Y > 10, "high", "low")
    classifier = FrozenEstimator(LogisticRegression().fit(X[PAST], named[PAST]))
    shares = BatchPredictor(classifier, BatchShares(), confidence_level=0.9, random_state=0)
    batches = WEEK[PAST] if whole else None
    for model, y in (
        (frozen(BatchMean()), Y),
        (frozen(BatchTotal()), Y),
        (frozen(BatchMean(), bounds=(0, 20)), Y),
        (shares, named),
    ):
        result = model.calibrate(X[PAST], y[PAST], batches=batches).infer(X[NEW])
        assert (
            np.isfinite(result.textbook).all() and (result.textbook[..., 0] < result.textbook[..., 1]).all()
        )
        assert "Textbook" in str(result.summary()) and result.plot().textbook is not None


def test_no_batch_is_on_both_sides() -> None:
    model = BatchPredictor(LinearRegression(), BatchTotal(), confidence_level=0.8, random_state=0)
    model.fit(X[PAST], Y[PAST], batches=WEEK[PAST])
    calibrated = set(np.unique(model.calibration_.batches))
    trained = set(model._scorer.training_batches.tolist())
    assert not calibrated & trained and calibrated | trained == set(range(59))
    with pytest.raises(ValueError, match=r"trained the learner.*whole and on one side"):
        model.calibrate(X[PAST], Y[PAST], batches=WEEK[PAST])
    known = sorted(calibrated)[0]
    with pytest.raises(ValueError, match="are calibrated already"):
        model.update(X[known == WEEK], Y[known == WEEK], batches=WEEK[known == WEEK])
    assert model.update(X[NEW], Y[NEW], batches=WEEK[NEW]).calibration_.n_units == len(calibrated) + 1
    with pytest.raises(ValueError, match="needs batches exactly where"):
        model.update(X[NEW], Y[NEW])


def test_unusable_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="batches of one row are rows"):
        frozen(BatchMean()).calibrate(X, Y, batches=np.arange(Y.size))
    with pytest.raises(ValueError, match="without strata"):
        frozen(BatchMean()).calibrate(X, Y, batches=WEEK, strata=WEEK % 2)
    with pytest.raises(ValueError, match="without weights"):
        frozen(BatchMean()).calibrate(X, Y, batches=WEEK, weights=np.ones(Y.size), w_max=1.0)


def test_the_fitted_scale_takes_variances_from_training_batches() -> None:
    model = BatchPredictor(
        LinearRegression(), BatchTotal(scale="fitted"), confidence_level=0.8, random_state=0
    )
    model.fit(X[PAST], Y[PAST], batches=WEEK[PAST])
    shock, row = model.calibration_.variances
    assert 0.2 < shock < 1.5 and 0.8 < row < 1.3
    with pytest.raises(ValueError, match='scale="fitted" needs training rows'):
        frozen(BatchTotal(scale="fitted")).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST]).infer(X[NEW])


def test_too_few_batches_say_how_many_are_needed_and_what_else_there_is() -> None:
    few = WEEK < 10
    model = frozen(BatchTotal()).calibrate(X[few], Y[few], batches=WEEK[few])
    with pytest.warns(UninformativeWarning, match=r"number of past batches .* is 19.*asymptotic"):
        result = model.infer(X[NEW])
    assert not result.informative and np.isinf(result.conf_high).all()
    text = frozen(BatchTotal(method="asymptotic")).calibrate(X[few], Y[few], batches=WEEK[few]).infer(X[NEW])
    assert text.informative and np.isfinite(text.conf_high).all() and text.guarantee.kind == "asymptotic"
    assert "for large samples" in text.guarantee.holds


@pytest.mark.slow
def test_rows_of_one_batch_that_move_together_are_noticed() -> None:
    model = frozen(BatchMean(), unit="row", bounds=(0, 20)).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST])
    with pytest.warns(
        DependentRowsWarning, match=r'one batch move together; calibrate on whole batches: set unit="batch"'
    ):
        model.infer(X[NEW])
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "week": WEEK})
    learner = FrozenEstimator(DummyRegressor(strategy="constant", constant=10.0).fit(frame, Y))
    by_name = BatchPredictor(learner, BatchMean(), bounds=(0, 20), random_state=0).calibrate(
        frame[PAST], Y[PAST]
    )
    with pytest.warns(
        DependentRowsWarning, match="one week move together; calibrate on whole weeks: pass batches='week'"
    ):
        by_name.infer(frame[NEW], batches="week")
    assert pickle.loads(pickle.dumps(by_name))._labelled is None
    quiet = np.random.default_rng(1).normal(size=Y.size) + 10
    independent = frozen(BatchMean(), unit="row", bounds=(0, 20)).calibrate(
        X[PAST], quiet[PAST], batches=WEEK[PAST]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", DependentRowsWarning)
        independent.infer(X[NEW])


@pytest.mark.parametrize("values", [(-1, 1), (1, 2), (0, 5), (False, True)])
def test_two_numeric_classes_keep_their_values(values) -> None:
    labels = (np.random.default_rng(2).random(Y.size) < 0.3).astype(int)
    plain = frozen_classifier(labels, BatchTotal()).infer(X[NEW])
    errors = BatchPredictor(
        FrozenEstimator(DummyRegressor(strategy="constant", constant=0).fit(X, labels)),
        ErrorCount(side="two-sided"),
        confidence_level=0.9,
        random_state=0,
    ).calibrate(X[PAST], labels[PAST])
    counts = errors.infer(X[NEW])
    assert (plain.conf_low == counts.conf_low).all() and (plain.conf_high == counts.conf_high).all()
    coded = frozen_classifier(np.array(values)[labels], BatchMean()).infer(X[NEW])
    assert coded.answers[0].method == "count"
    low, high = float(values[0]), float(values[1])
    m = NEW.sum()
    assert coded.conf_low == pytest.approx(low + (high - low) * plain.conf_low / m, abs=1e-12)
    assert coded.conf_high == pytest.approx(low + (high - low) * plain.conf_high / m, abs=1e-12)


def frozen_classifier(labels, target, **options):
    learner = FrozenEstimator(LogisticRegression().fit(X, labels))
    model = BatchPredictor(learner, target, confidence_level=0.9, random_state=0, **options)
    return model.calibrate(X[PAST], labels[PAST])


def test_wider_bounds_than_the_classes_are_believed_and_narrower_ones_refused() -> None:
    labels = (np.random.default_rng(2).random(Y.size) < 0.3).astype(int)
    wide = frozen_classifier(labels, BatchMean(), bounds=(0, 2)).infer(X[NEW])
    assert wide.answers[0].method == "bet" or wide.answers[0].method == "swap"
    with pytest.raises(ValueError, match="outside the stated bounds"):
        frozen_classifier(labels, BatchMean(), bounds=(0, 0.5))


def test_text_has_shares_and_no_mean() -> None:
    labels = np.array(["no", "yes", "maybe"])[np.random.default_rng(3).integers(0, 3, size=Y.size)]
    for target in (BatchMean(), BatchQuantile(0.5)):
        with pytest.raises(ValueError, match="BatchShares"):
            frozen_classifier(labels, target)
    result = frozen_classifier(labels, BatchShares()).infer(X[NEW])
    assert result.terms == ("share of maybe", "share of no", "share of yes")
    truth = np.array([(labels[NEW] == name).mean() for name in ("maybe", "no", "yes")])
    assert ((result.conf_low[0] <= truth) & (truth <= result.conf_high[0])).all()
    assert np.isfinite(result.textbook).all() and result.naive[0].sum() == pytest.approx(1)
    whole = BatchPredictor(
        FrozenEstimator(LogisticRegression().fit(X, labels)),
        BatchShares(),
        confidence_level=0.5,
        random_state=0,
    ).calibrate(X[PAST], labels[PAST], batches=WEEK[PAST])
    assert whole.infer(X[NEW]).informative


def test_bets_use_bounds_of_all_rows_and_not_of_seen_scores() -> None:
    """The largest prediction of the calibration limits its scores, so its bound stands, whatever the batch predicts."""
    model = frozen(BatchMean(method="bet"), bounds=(0, 25)).calibrate(X[PAST], Y[PAST])
    predictions = model.predict(X[PAST])
    assert model.calibration_.own_bounds == (0 - predictions.max(), 25 - predictions.min())
    first, again = (model.infer(X[NEW]).conf_high[0, 0] for _ in range(2))
    assert first == again and len(model.calibration_.answers) >= 1


def test_a_summary_of_the_predictor_reports_its_batches() -> None:
    whole = str(frozen(BatchMean()).calibrate(X[PAST], Y[PAST], batches=WEEK[PAST]).summary())
    assert "move together (p = 0.002" in whole and "Order of batches" in whole
    rows = str(
        frozen(Selection(above=11.0, max_false=2), unit="row")
        .calibrate(X[PAST], Y[PAST], batches=WEEK[PAST])
        .summary()
    )
    assert "Rows of one batch" in rows and "Order of batches" not in rows


def test_means_of_strata_take_equal_parts_of_the_level() -> None:
    """Bets in strata share one random order, so that only the union bound holds for them together."""
    strata = np.where(X[:, 1] > 0, "a", "b")
    model = frozen(BatchMean(method="bet"), bounds=(0, 25)).calibrate(X[PAST], Y[PAST], strata=strata[PAST])
    both = model.infer(X[NEW], strata=strata[NEW])
    ends, share = [], []
    for name in ("a", "b"):
        inside = strata == name
        alone = frozen(BatchMean(method="bet"), bounds=(0, 25)).calibrate(X[PAST & inside], Y[PAST & inside])
        ends.append(alone.infer(X[NEW & inside], confidence_level=0.95).conf_high[0, 0])
        share.append((NEW & inside).sum() / NEW.sum())
    # the bounds of all rows' scores are at least those of a stratum's, so the parts are a little wider
    assert both.conf_high[0, 0] >= np.dot(ends, share) - 1e-9
    assert both.conf_high[0, 0] <= np.dot(ends, share) + 0.1
