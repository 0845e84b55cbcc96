"""Several levels at once, claims of several conditions, shapes of one's own, and what is said of empty sets and remedies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.oracles import batch as oracle
from validstats.batch import (
    BatchLevels,
    BatchMean,
    BatchPredictor,
    BatchTotal,
    Envelope,
    RandomisedAPSScore,
    Selection,
    Simultaneous,
)
from validstats.batch.laws import rank_envelope
from validstats.exceptions import UninformativeWarning

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(500, 3)), columns=list("abc"))
Y = (2 * X["a"] + RNG.normal(size=500)).to_numpy()
NAMES = np.array(["low", "middle", "high"])[np.digitize(Y, [-1.0, 1.0])]
PAST, NEW = slice(0, 400), slice(400, 500)
LINE = FrozenEstimator(LinearRegression().fit(X, Y))
CLASSES = FrozenEstimator(LogisticRegression().fit(X, NAMES))


def predictor(target, learner=LINE, labels=Y, **options):
    model = BatchPredictor(learner, target, random_state=0, check_reuse=False, **options)
    return model.calibrate(X[PAST], labels[PAST])


@pytest.mark.share(2)
@pytest.mark.parametrize(
    ("target", "options"),
    [
        (BatchMean(), {"bounds": (-20, 20)}),
        (Simultaneous(0.2), {}),
        (Selection(above=0, max_false=9), {}),
        (Envelope(), {}),
    ],
    ids=repr,
)
def test_every_level_has_the_answer_that_it_has_alone(target, options) -> None:
    model = predictor(target, **options)
    found = model.infer(X[NEW], confidence_level=(0.9, 0.8, 0.95))
    assert isinstance(found, BatchLevels) and found.levels == pytest.approx((0.8, 0.9, 0.95))
    for level, result in zip((0.8, 0.9, 0.95), found, strict=True):
        alone = model.infer(X[NEW], confidence_level=level)
        assert result.tidy().equals(alone.tidy()) and found.at(level) is result
    tidy = found.tidy()
    assert len(tidy) == 3 * len(alone.tidy()) and set(tidy["confidence_level"].round(12)) == {0.8, 0.9, 0.95}
    assert "in at least 80, 90 and 95 % of analyses" in found.guarantee.holds
    assert all(text in str(found.summary()) for text in ("80 %", "90 %", "95 %"))
    with pytest.raises(KeyError, match="the levels are"):
        found.at(0.5)


def test_wrong_levels_are_refused() -> None:
    model = predictor(BatchMean(), bounds=(-20, 20))
    for levels in ((0.8, 1.0), ("0.9", 0.8), ()):
        with pytest.raises((TypeError, ValueError), match=r"confidence_level|between 0 and 1"):
            model.infer(X[NEW], confidence_level=levels)
    assert not isinstance(model.infer(X[NEW], confidence_level=[0.8]), BatchLevels)
    with pytest.raises(ValueError, match="not read with fdr"):
        predictor(Selection(above=0, fdr=0.1)).infer(X[NEW], confidence_level=(0.8, 0.9))


CONDITIONS = {
    "both limits": (Selection(above=[0.5, "b"], max_false=3), lambda y, b: (y > 0.5) & (y > b)),
    "between columns": (Selection(above="b", below=[3, 2.5], max_false=3), lambda y, b: (y > b) & (y < 2.5)),
    "outside": (Selection(above=2, below=-2, max_false=3), lambda y, b: (y > 2) | (y < -2)),
    "numbers": (Selection(above=(0, 1), max_false=3), lambda y, b: y > 1),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_claims_of_several_conditions(name) -> None:
    target, holds = CONDITIONS[name]
    result = predictor(target).infer(X[NEW])
    false = result.selected & ~holds(Y[NEW], X["b"].to_numpy()[NEW])
    assert result.selected.any() and result.false_claims(Y[NEW])[0] == false.sum()
    # the threshold is an order statistic of the strengths of false claims
    model = predictor(target)
    past = holds(Y[PAST], X["b"].to_numpy()[PAST])
    assert np.array_equal(np.isneginf(model.calibration_.scores), past)


def test_claims_of_one_of_several_classes() -> None:
    target = Selection(label=("low", "high"), max_false=2)
    result = predictor(target, CLASSES, NAMES).infer(X[NEW])
    assert result.selected.any()
    assert result.false_claims(NAMES[NEW])[0] == (result.selected & (NAMES[NEW] == "middle")).sum()
    odds = CLASSES.predict_proba(X[NEW])[:, np.flatnonzero(CLASSES.classes_ != "middle")].sum(axis=1)
    assert np.allclose(result.predictions, odds) and "'low' or 'high'" in result.answer
    with pytest.raises(ValueError, match="'huge' is not among the classes"):
        predictor(Selection(label=("low", "huge"), max_false=2), CLASSES, NAMES)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Selection(above=1, below=1, max_false=1), "are both 1"),
        (Selection(above=[], max_false=1), "at least one limit"),
        (Selection(above=[1, None], max_false=1), "must be a number, a column"),
        (Selection(label=(), max_false=1), "at least one class"),
    ],
)
def test_claims_that_say_nothing_are_refused(target, text) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        predictor(target, CLASSES if target.label is not None else LINE)


@pytest.mark.parametrize(("n", "m"), [(6, 3), (5, 4)])
@pytest.mark.parametrize("side", ["upper", "two-sided"])
def test_a_shape_of_ones_own_keeps_its_probability_by_enumeration(n, m, side) -> None:
    band = rank_envelope(n, m, 0.3, side, shape=lambda k, m: 1.0 + (k == 2))
    exact = oracle.probability(n, m, lambda r: all(a <= k <= b for a, k, b in zip(band.lower, r, band.upper)))
    assert float(exact) == pytest.approx(band.probability, abs=1e-12) and exact >= 0.7


def test_a_shape_of_ones_own_is_sharp_where_it_puts_its_level() -> None:
    sharp = rank_envelope(2000, 50, 0.1, "upper", shape=lambda k, m: 1.0 if k == 10 else 0.01)
    equal = rank_envelope(2000, 50, 0.1, "upper")
    assert sharp.upper[40] < equal.upper[40] and sharp.upper[41] > equal.upper[41]
    same = rank_envelope(2000, 50, 0.1, "upper", shape=lambda k, m: 1 / k)
    assert np.array_equal(same.upper, rank_envelope(2000, 50, 0.1, "upper", shape="largest").upper)
    with pytest.raises(ValueError, match="must be positive"):
        rank_envelope(20, 5, 0.1, shape=lambda k, m: k - 1.0)


def test_envelopes_bound_false_claims_of_every_kind() -> None:
    for target, holds in [
        (Envelope("upper", below=-1), lambda y: y < -1),
        (Envelope("upper", above=1, below=-1, shape=lambda k, m: 1 / k), lambda y: (y > 1) | (y < -1)),
    ]:
        curve = predictor(target, confidence_level=0.9).infer(X[NEW]).discoveries()
        strengths = target.claim().strengths(predictor(target)._scorer.outputs(X[NEW]))
        false = [int(((strengths > t) & ~holds(Y[NEW])).sum()) for t in curve.threshold]
        assert (np.array(false) <= curve.max_false).all() and (curve.max_false < curve.selected).any()


def test_empty_sets_are_explained() -> None:
    model = predictor(Simultaneous(0.5), CLASSES, NAMES, conformity_score="probability", confidence_level=0.5)
    result = model.infer(X[NEW])
    assert np.array_equal(result.empty, ~result.sets.any(axis=1)) and result.empty.any()
    assert f"{result.empty.sum()} of 100 sets are empty" in str(result.summary()).replace("\n", " ")
    assert result.tidy()["empty_sets"][0] == result.empty.sum()
    full = predictor(Simultaneous(0.05), CLASSES, NAMES, conformity_score=RandomisedAPSScore()).infer(X[NEW])
    assert "sets are empty" not in str(full.summary()) or full.empty.any()


def test_the_summary_of_an_infinite_total_says_what_each_remedy_gives() -> None:
    with pytest.warns(UninformativeWarning, match="In order"):
        result = predictor(BatchTotal()).infer(X[NEW])
    assert len(result.remedies) == 4 and all("[" in remedy for remedy in result.remedies)
    words = ("bounds=(low, high)", "batches of at most", "median", 'method="asymptotic"')
    assert all(word in remedy for word, remedy in zip(words, result.remedies, strict=True))
    text = " ".join(str(result.summary()).split())
    assert "What would help, in order: (1) state bounds" in text
    low, high = result.textbook[0, 0]
    assert f"[{low:.4g}, {high:.4g}]" in result.remedies[-1]


def test_bounds_that_differ_by_batch_make_one_note() -> None:
    model = predictor(BatchMean(), bounds=(-60, 60))
    result = model.infer(X[NEW], batches=np.repeat(np.arange(5), 20))
    assert str(result.summary()).count("standard deviations") == 1
