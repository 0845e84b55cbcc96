"""Targets and scores own what is said of them: subclasses keep it, and a new target needs no entry elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator

from validstats.batch import (
    BatchMean,
    BatchPredictor,
    BatchQuantile,
    BatchTotal,
    CallableScore,
    Compositional,
    Envelope,
    ErrorCount,
    ErrorScore,
    ProbabilityScore,
    Selection,
    Simultaneous,
    plan_batch,
)
from validstats.cli.batch import targets_by_name

RNG = np.random.default_rng(5)
X, NEW = RNG.uniform(-1, 1, size=(60, 1)), RNG.uniform(-1, 1, size=(8, 1))
Y = np.clip(X[:, 0] + RNG.normal(scale=0.2, size=60), -1, 1)


class Line(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return X[:, 0]


class Halves(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.array([4, 9])
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] > 0).astype(int)]

    def predict_proba(self, X):
        p = (X[:, 0] + 1) / 2
        return np.column_stack([1 - p, p])


def predictor(target, learner=None, **options):
    model = Line() if learner is None else learner
    return BatchPredictor(FrozenEstimator(model.fit(X, Y)), target, random_state=0, **options)


class OwnFunction(Compositional):
    """A user's subclass."""


class OwnEnvelope(Envelope):
    pass


class OwnSelection(Selection):
    pass


class OwnTotal(BatchTotal):
    pass


class OwnErrors(ErrorCount):
    pass


def add(position, accumulated, score):
    return accumulated + score


@pytest.mark.parametrize(
    ("own", "parent"),
    [
        (OwnFunction(add), Compositional(add)),
        (OwnEnvelope(), Envelope()),
        (OwnEnvelope(above=0.1), Envelope(above=0.1)),
        (OwnSelection(above=0.0, max_false=2), Selection(above=0.0, max_false=2)),
        (OwnSelection(above=0.0, fdr=0.2), Selection(above=0.0, fdr=0.2)),
        (OwnTotal(), BatchTotal()),
        (OwnErrors(tolerance=0.3), ErrorCount(tolerance=0.3)),
    ],
    ids=lambda target: type(target).__name__,
)
def test_a_subclass_keeps_guarantee_numbers_and_headings(own, parent) -> None:
    bounds = (None, None) if isinstance(parent, Selection) and parent.fdr else (-1, 1)
    ours, theirs = (predictor(t, bounds=bounds).fit(X, Y).infer(NEW) for t in (own, parent))
    assert ours.guarantee == theirs.guarantee
    assert ours.title == theirs.title and type(ours) is type(theirs)
    assert ours.tidy().equals(theirs.tidy())
    assert plan_batch(own, m=5).smallest_n == plan_batch(parent, m=5).smallest_n


def test_assumptions_speak_of_what_the_law_rests_on() -> None:
    monotone = "never decreases"
    assert any(monotone in point for point in predictor(OwnFunction(add)).fit(X, Y).guarantee_.check)
    assert not any(monotone in point for point in predictor(BatchMean()).fit(X, Y).guarantee_.check)
    bounded = "every label lies in [-1, 1]"
    assert bounded in predictor(BatchQuantile(), bounds=(-1, 1)).fit(X, Y).guarantee_.check
    assert bounded not in predictor(OwnSelection(max_false=1), bounds=(-1, 1)).fit(X, Y).guarantee_.check
    before = "question, score, level and method were chosen before"
    assert predictor(BatchMean()).fit(X, Y).guarantee_.check[1].startswith(before)
    assert predictor(OwnEnvelope()).fit(X, Y).guarantee_.check[1].startswith("score and level were chosen")


class Maximum(BatchQuantile):
    """The largest label of a batch: everything that a new target needs is here."""

    title = "Largest labels"

    def __init__(self, side="upper"):
        self.side = side

    @property
    def q(self):
        return 1.0


def test_a_new_target_needs_no_entry_elsewhere() -> None:
    model = predictor(Maximum(), confidence_level=0.8).fit(X, Y)
    result, whole = model.infer(NEW), predictor(BatchQuantile(1.0, "upper"), confidence_level=0.8).fit(X, Y)
    assert result.conf_high[0, 0] == whole.infer(NEW).conf_high[0, 0]
    assert "Largest labels" in str(result)
    assert plan_batch(Maximum(), n=60, confidence_level=0.8).largest_m == 15


class OwnError(ErrorScore):
    pass


class OwnProbability(ProbabilityScore):
    pass


class OwnCallable(CallableScore):
    pass


def test_a_subclass_of_a_score_compares_labels_as_its_parent_does() -> None:
    labels = np.where(X[:, 0] > 0, 9, 4)
    for own, parent, target in (
        (OwnError(), ErrorScore(), ErrorCount()),
        (OwnProbability(), ProbabilityScore(), Simultaneous()),
    ):
        ours, theirs = (
            predictor(target, Halves(), conformity_score=score).fit(X, labels).calibration_
            for score in (own, parent)
        )
        np.testing.assert_array_equal(ours.scores, theirs.scores)
    with pytest.raises(ValueError, match="a callable score does not read"):
        predictor(BatchMean(), bounds=(0, 1), conformity_score=OwnCallable(lambda m, r, y: y)).fit(X, Y)
    with pytest.raises(ValueError, match="not read with a classifier"):
        predictor(ErrorCount(), Halves(), conformity_score=OwnError(tolerance=1.0)).fit(X, labels)


def test_the_command_line_asks_the_targets_for_their_names() -> None:
    named = targets_by_name()
    assert {"mean", "total", "quantile", "sets", "errors", "selection"} <= set(named)
    assert all(kind.command == name for name, kind in named.items())
    for kind in named.values():
        parameters = {p for p in kind.command_options.values() if p is not None}
        assert parameters <= set(kind().get_params()), kind
        required = {option for choice in kind.command_required for option in choice.split("|")}
        assert required <= set(kind.command_options), kind
