"""Claims of every kind, adaptive sets, and scales of learners that overfit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from validstats.batch import (
    APSScore,
    BatchMean,
    BatchPredictor,
    NormalisedScore,
    RandomisedAPSScore,
    RAPSScore,
    Selection,
    Simultaneous,
)
from validstats.batch.scores import ClaimScore
from validstats.exceptions import DataReuseWarning

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(900, 3)), columns=["a", "b", "limit"])
Y = X["a"].to_numpy() + 0.3 * RNG.normal(size=900)
MODEL = FrozenEstimator(LinearRegression().fit(X[:200], Y[:200]))


def selected(**claim):
    model = BatchPredictor(MODEL, Selection(**claim), confidence_level=0.8, random_state=0)
    return model.calibrate(X[200:700], Y[200:700]).infer(X[700:])


def test_a_claim_below_is_the_mirror_image_of_a_claim_above() -> None:
    below = selected(below=-0.5, max_false=4)
    mirror = (
        BatchPredictor(
            FrozenEstimator(LinearRegression().fit(X[:200], -Y[:200])),
            Selection(above=0.5, max_false=4),
            confidence_level=0.8,
            random_state=0,
        )
        .calibrate(X[200:700], -Y[200:700])
        .infer(X[700:])
    )
    assert (below.selected == mirror.selected).all() and below.selected.sum() > 10
    assert below.false_claims(Y[700:]) == mirror.false_claims(-Y[700:])
    assert "below -0.5" in below.answer


@pytest.mark.parametrize(
    ("claim", "true"),
    [
        ({"above": -0.5, "below": 0.5}, lambda y, x: (y > -0.5) & (y < 0.5)),
        ({"above": "limit"}, lambda y, x: y > x["limit"]),
        (
            {"above": lambda rows: rows["limit"] - 1.0, "below": 3.0},
            lambda y, x: (y > x["limit"] - 1) & (y < 3),
        ),
    ],
)
def test_claims_between_and_by_row_count_what_they_claim(claim, true) -> None:
    result = selected(**claim, max_false=5)
    wrong = (
        result.selected & ~true(Y[700:], X[700:]).to_numpy()
        if hasattr(true(Y[700:], X[700:]), "to_numpy")
        else result.selected & ~true(Y[700:], X[700:])
    )
    assert result.false_claims(Y[700:]) == wrong.sum() <= 5
    assert result.selected.sum() > 10
    assert selected(**claim, fdr=0.2).selected.sum() > 5


def test_a_class_is_claimed_by_name() -> None:
    labels = np.select([Y < -0.5, Y > 0.5], ["low", "high"], "middle")
    model = FrozenEstimator(LogisticRegression().fit(X[:200], labels[:200]))
    target = Selection(label="high", max_false=3)
    result = (
        BatchPredictor(model, target, confidence_level=0.8, random_state=0)
        .calibrate(X[200:700], labels[200:700])
        .infer(X[700:])
    )
    assert result.selected.sum() > 10
    assert result.false_claims(labels[700:]) == (result.selected & (labels[700:] != "high")).sum()
    with pytest.raises(ValueError, match="not among the classes"):
        BatchPredictor(model, Selection(label="huge", max_false=3)).calibrate(X[200:700], labels[200:700])


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"above": 1.0, "below": 1.0}, "above and below are both"),
        ({"above": 1.0, "label": "x"}, "got above, label"),
        ({"label": "x"}, "needs a classifier"),
    ],
)
def test_claims_that_say_nothing_are_refused(claim, message) -> None:
    with pytest.raises(ValueError, match=message):
        selected(**claim, max_false=2)
    with pytest.raises(ValueError, match="got none"):
        ClaimScore().check(False)


def test_regularised_sets_penalise_places_and_randomised_ones_lie_between_neighbours() -> None:
    p = np.array([[0.5, 0.3, 0.15, 0.05], [0.25, 0.25, 0.25, 0.25]])
    aps = APSScore().class_scores(p)
    assert aps[0] == pytest.approx([0.5, 0.8, 0.95, 1.0])
    raps = RAPSScore(penalty=0.1, free=2).class_scores(p)
    assert raps[0] == pytest.approx([0.5, 0.8, 1.05, 1.2])
    drawn = RandomisedAPSScore().class_scores(p)
    assert ((aps - p < drawn + 1e-12) & (drawn <= aps)).all()
    assert (drawn == RandomisedAPSScore().class_scores(p)).all()
    assert (RAPSScore(penalty=0.0, randomised=True).class_scores(p) == drawn).all()


@pytest.mark.parametrize("name", ["aps", "raps", "aps-randomised"])
def test_adaptive_sets_go_by_name_and_cover(name) -> None:
    labels = np.select([Y < -0.5, Y > 0.5], ["low", "high"], "middle")
    model = FrozenEstimator(LogisticRegression().fit(X[:200], labels[:200]))
    sets = BatchPredictor(
        model, Simultaneous(0.1), conformity_score=name, confidence_level=0.9, random_state=0
    )
    result = sets.calibrate(X[200:700], labels[200:700]).infer(X[700:])
    assert result.contains(labels[700:]).mean() >= 0.85
    assert result.sizes_of_sets().mean() < 3


def test_a_tree_that_knows_its_rows_by_heart_has_an_honest_scale() -> None:
    tree = DecisionTreeRegressor(random_state=0).fit(X[:400], Y[:400])
    score = NormalisedScore().fit(tree, X[:400], Y[:400])
    fresh = np.abs(Y[400:] - tree.predict(X[400:])).mean()
    scale = np.asarray(score.outputs(tree, X[400:]))[:, 1]
    assert 0.6 < scale.mean() / fresh < 1.6 and scale.min() >= score.floor_ > 0


def test_frozen_learners_take_a_reference_of_other_rows() -> None:
    model = BatchPredictor(
        MODEL, BatchMean(method="phi-band"), bounds=(-6, 6), confidence_level=0.9, random_state=0
    )
    other = Y[200:500] - MODEL.predict(X[200:500])
    plain = model.calibrate(X[500:700], Y[500:700]).infer(X[700:760])
    helped = model.calibrate(X[500:700], Y[500:700], reference=other).infer(X[700:760])
    assert (helped.conf_high - helped.conf_low)[0, 0] < (plain.conf_high - plain.conf_low)[0, 0]
    assert (model.calibration_.reference == other).all()


@pytest.mark.parametrize("score", ["normalised", "cqr", NormalisedScore(LinearRegression())], ids=str)
def test_the_score_of_a_frozen_learner_learns_from_reference_rows(score) -> None:
    past, other, new = slice(500, 700), slice(200, 500), slice(700, 900)
    model = BatchPredictor(MODEL, Simultaneous(0.1), conformity_score=score, random_state=0)
    with pytest.raises(ValueError, match=r"reference=\(X, y\)"):
        model.calibrate(X[past], Y[past])
    taught = model.calibrate(X[past], Y[past], reference=(X[other], Y[other])).infer(X[new])
    assert taught.contains(Y[new]).mean() >= 0.85 and np.isfinite(taught.intervals).all()
    with pytest.warns(DataReuseWarning):
        model.calibrate(X[other], Y[other], reference=(X[other], Y[other]))


def test_reference_rows_also_teach_rank_weights() -> None:
    options = {"bounds": (-6, 6), "confidence_level": 0.9, "random_state": 0}
    model = BatchPredictor(MODEL, BatchMean(method="phi-band"), **options)
    scores = Y[200:500] - MODEL.predict(X[200:500])
    by_scores = model.calibrate(X[500:700], Y[500:700], reference=scores).infer(X[700:760])
    by_rows = model.calibrate(X[500:700], Y[500:700], reference=(X[200:500], Y[200:500])).infer(X[700:760])
    np.testing.assert_allclose(np.sort(model.calibration_.reference), np.sort(scores), rtol=1e-12)
    # bounds of the scores of rows are known, which makes the weights better
    assert (by_rows.conf_high < by_scores.conf_high).all() and (by_rows.conf_low > by_scores.conf_low).all()


def test_reference_rows_are_refused_where_nothing_learns_from_them() -> None:
    fitted = BatchPredictor(LinearRegression(), Simultaneous(0.1), random_state=0).fit(X[:400], Y[:400])
    with pytest.raises(TypeError, match="frozen"):
        fitted.calibrate(X[400:700], Y[400:700], reference=(X[700:], Y[700:]))
    frozen = BatchPredictor(MODEL, Simultaneous(0.1), conformity_score="normalised")
    with pytest.raises(ValueError, match="a tuple of 3"):
        frozen.calibrate(X[400:700], Y[400:700], reference=(X[700:], Y[700:], 1))


@pytest.mark.parametrize("constant", [0.0, -3.0], ids=["zero", "negative"])
def test_scales_of_zero_are_held_up_by_the_floor(constant) -> None:
    """A scale that is 0 or below everywhere gives absolute residuals over one number, and the same order."""
    score = NormalisedScore(DummyRegressor(strategy="constant", constant=constant))
    model = BatchPredictor(MODEL, Simultaneous(0.1), conformity_score=score, random_state=0)
    result = model.calibrate(X[500:700], Y[500:700], reference=(X[200:500], Y[200:500])).infer(X[700:])
    plain = BatchPredictor(MODEL, Simultaneous(0.1), random_state=0).calibrate(X[500:700], Y[500:700])
    assert np.isfinite(model.calibration_.scores).all()
    np.testing.assert_allclose(result.intervals, plain.infer(X[700:]).intervals, rtol=1e-9)


def test_a_perfect_learner_has_a_scale_of_one() -> None:
    perfect = np.zeros(900)
    learner = DummyRegressor(strategy="constant", constant=0.0)
    model = BatchPredictor(learner, Simultaneous(0.1), conformity_score="normalised", random_state=0)
    result = model.fit(X[:700], perfect[:700]).infer(X[700:])
    assert model.score_.floor_ == 1.0 and (result.intervals == 0).all()
    other = model.calibrate(X[700:], perfect[700:] + 1e6).infer(X[:100])
    assert np.isfinite(other.intervals).all() and other.contains(np.full(100, 1e6)).all()


def test_a_frozen_learner_has_the_width_of_a_fitted_one() -> None:
    def width(model):
        result = model.infer(X[800:])
        return float((result.conf_high - result.conf_low)[0, 0])

    options = {"bounds": (-6, 6), "confidence_level": 0.9, "random_state": 0}
    fitted = BatchPredictor(LinearRegression(), BatchMean(), calibration_size=400, **options).fit(
        X[:800], Y[:800]
    )
    learner = FrozenEstimator(fitted.estimator_)
    rows = np.random.default_rng(0).permutation(800)
    frozen = BatchPredictor(learner, BatchMean(), **options).calibrate(X.iloc[rows[400:]], Y[rows[400:]])
    assert width(frozen) <= 1.1 * width(fitted)
