"""Scores: thresholds invert to sets of labels, by name, as objects and as callables."""

from __future__ import annotations

import math
import warnings
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.batch.learners import frozen
from validstats.batch import (
    APSScore,
    BatchMean,
    BatchPredictor,
    CallableScore,
    ClassScore,
    CQRScore,
    NormalisedScore,
    ProbabilityScore,
    RandomisedAPSScore,
    RAPSScore,
    Simultaneous,
)


@pytest.mark.parametrize(
    "score",
    [
        "absolute",
        "signed",
        "label",
        NormalisedScore(LinearRegression()),
        CQRScore(LinearRegression(), HistGradientBoostingRegressor(max_iter=10)),
    ],
    ids=str,
)
def test_regression_scores_invert_to_their_region(data, score):
    """A row's label lies in its set exactly if its score is at most the threshold."""
    X, y = data
    estimator = BatchPredictor(
        LinearRegression(), Simultaneous(0.2), conformity_score=score, random_state=0, confidence_level=0.9
    ).fit(X[:700], y[:700])
    result = estimator.infer(X[700:])
    inside = estimator.conformity_scores(X[700:], y[700:]) <= result.answers[0].threshold
    np.testing.assert_array_equal(result.contains(y[700:]), inside)
    assert 0.6 < inside.mean() < 1


@pytest.mark.parametrize("score", ["probability", "aps"])
def test_classification_scores_invert_to_their_set(data, score):
    X, y = data
    labels = np.digitize(y, [-0.7, 0.7])
    estimator = BatchPredictor(
        LogisticRegression(), Simultaneous(0.1), conformity_score=score, random_state=0, confidence_level=0.9
    )
    estimator.fit(X[:700], labels[:700])
    result = estimator.infer(X[700:])
    inside = estimator.conformity_scores(X[700:], labels[700:]) <= result.answers[0].threshold
    np.testing.assert_array_equal(result.contains(labels[700:]), inside)
    with pytest.raises(TypeError, match="no intervals"):
        estimator.predict_interval(X[:5])


def test_score_objects_and_callables(data):
    X, y = data
    for score in ("normalised", "cqr"):
        result = BatchPredictor(
            LinearRegression(), Simultaneous(), conformity_score=score, random_state=0, confidence_level=0.9
        )
        result = result.fit(X[:150], y[:150]).infer(X[:50])
        assert result.intervals.shape == (50, 2)
    squared = CallableScore(lambda model, X, y: (y - model.predict(X)) ** 2, bounds=(0, 1e3))
    for score in (squared, lambda model, X, y: (y - model.predict(X)) ** 2):
        result = (
            frozen(BatchMean(side="upper"), conformity_score=score)
            .calibrate(X[:500], y[:500])
            .infer(X[500:550])
        )
        assert 0 < result.conf_high[0, 0] < 100
    with pytest.raises(ValueError, match="outside its stated bounds"):
        frozen(BatchMean(), conformity_score=CallableScore(lambda model, X, y: y, bounds=(0, 1))).calibrate(
            X, y
        )
    with pytest.raises(ValueError, match="does not work with a regressor"):
        frozen(Simultaneous(), conformity_score=APSScore()).calibrate(X, y)
    with pytest.raises(ValueError, match="score must be one of"):
        frozen(Simultaneous(), conformity_score="abs").calibrate(X, y)
    with pytest.raises(ValueError, match="needs labelled rows"):
        frozen(Simultaneous(), conformity_score="normalised").calibrate(X, y)


def test_unseen_class_is_never_covered(data):
    X, y = data
    labels = (y > 0).astype(int)
    estimator = BatchPredictor(
        LogisticRegression(), Simultaneous(), random_state=0, confidence_level=0.9
    ).fit(X, labels)
    assert estimator.conformity_scores(X[:2], np.array([7, 7])).tolist() == [math.inf, math.inf]


def test_labels_of_other_kinds(data):
    X, y = data
    estimator = frozen(Simultaneous())
    expected = estimator.calibrate(X, y).calibration_.scores
    for labels in (y.tolist(), y.astype(object), y[:, None]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_array_equal(estimator.calibrate(X, labels).calibration_.scores, expected)
    for bad in (np.where(y > 0, np.inf, y), np.array(["a"] * 900)):
        with pytest.raises((TypeError, ValueError), match="y"):
            estimator.calibrate(X, bad)
    with pytest.raises(ValueError, match="y to be passed"):
        estimator.calibrate(X, None)


@pytest.mark.parametrize("score", [ProbabilityScore(), APSScore(), RAPSScore(0.1, 1), RandomisedAPSScore()])
def test_sets_of_two_thresholds_come_from_one_computation_of_the_scores(score) -> None:
    outputs = np.random.default_rng(3).dirichlet(np.ones(4), size=50)
    first, second = np.full(50, 0.7), np.linspace(0.1, 1.2, 50)
    alone = [score.label_set(outputs, threshold) for threshold in (first, second)]
    with patch.object(score, "class_scores", wraps=score.class_scores) as computed:
        both = score.label_sets(outputs, first, second)
    assert computed.call_count == 1
    assert all(np.array_equal(one, other) for one, other in zip(alone, both, strict=True))


def test_a_score_with_sets_of_its_own_is_asked_for_each() -> None:
    class Everything(ProbabilityScore):
        def label_set(self, outputs, threshold):
            return np.ones(outputs.shape, dtype=bool) | super().label_set(outputs, threshold)

    assert all(found.all() for found in Everything().label_sets(np.full((3, 2), 0.5), 0.0, 1.0))
    assert ClassScore().label_sets(np.full((3, 2), 0.5), 0.0, 1.0) == (None, None)
