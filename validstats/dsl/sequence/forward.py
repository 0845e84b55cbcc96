"""Steps of sequential labelling as pure functions: predict from the past only, and look at the pseudo-outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from validstats._typing import AnyArray, Float1D, Float2D

__all__ = [
    "ENOUGH_EXPECTED",
    "ENOUGH_SEEN",
    "FEWEST_TO_LEARN",
    "Look",
    "crossed_predictions",
    "effective_units",
    "forward_predictions",
    "predict_upcoming",
    "regression_look",
]

ENOUGH_SEEN, ENOUGH_EXPECTED = 20.0, 15.0
"""Units that must carry a coefficient before its sequence begins: as seen, and as probabilities let expect."""
# With fewer the sequence is too short while rare labels are still to come: .69 of 100 for .9 where 3 % are positive and
# a tenth is labelled, from 500 units on. From these on it held in every setting that was tried.
# tests/validity/test_dsl_sequential.py

FEWEST_TO_LEARN = 10
"""Labels from which predictions are learned."""
_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Look:
    """Coefficients after some units."""

    estimate: Float1D  # shape (p,)
    variance: Float1D  # mean squares of the influence values, shape (p,)
    influence: Float2D  # of every unit, shape (n, p)
    multiplier: Float2D  # what an error of a unit's pseudo-outcome is multiplied by, shape (n, p)


def regression_look(regressors: Float2D, pseudo_outcome: Float1D) -> Look:
    """Return least-squares coefficients and their influence values ``J^-1 x (y - x'b)``."""
    gram = regressors.T @ regressors / len(regressors)
    scale = np.sqrt(np.diag(gram))
    if np.any(scale == 0.0) or np.linalg.cond(gram / np.outer(scale, scale)) > 1e12:
        raise ValueError(
            "The columns of design are collinear among the visited units; drop the redundant ones."
        )
    inverse = np.linalg.inv(gram)
    estimate = inverse @ (regressors.T @ pseudo_outcome) / len(regressors)
    multiplier = regressors @ inverse
    influence = multiplier * (pseudo_outcome - regressors @ estimate)[:, None]
    return Look(
        estimate=estimate,
        variance=np.mean(influence**2, axis=0),
        influence=influence,
        multiplier=multiplier,
    )


def effective_units(look: Look, error: Float1D, probability: Float1D) -> tuple[Float1D, Float1D]:
    """Return how many units carry the variance of each coefficient: as seen, and as probabilities let expect."""
    # As seen: ``(sum u^2)^2 / sum u^4`` of influence values u. Rare labels of small probability carry the variance
    # and may not have been drawn yet, so that those drawn look alike; so fourth powers are also those to be expected,
    # ``sum a^4 / pi^3`` times the mean of e^4, and squares at least ``sum a^2 / pi`` times the mean of e^2, with errors
    # e of labelled units, NaN elsewhere, as if they did not depend on the probability pi, and multipliers a.
    found = error[~np.isnan(error)]
    squares, fourths = np.sum(look.influence**2, axis=0), np.sum(look.influence**4, axis=0)
    if not len(found):
        return np.zeros(len(look.estimate)), np.zeros(len(look.estimate))
    a2, p = look.multiplier**2, probability[:, None]
    expected_squares = np.maximum(squares, np.sum(a2 / p, axis=0) * np.mean(found**2))
    expected_fourths = np.sum(a2**2 / p**3, axis=0) * np.mean(found**4)
    seen = np.divide(squares**2, fourths, out=np.zeros_like(squares), where=fourths > 0.0)
    expected = np.divide(
        expected_squares**2, expected_fourths, out=np.full_like(squares, np.inf), where=expected_fourths > 0.0
    )
    return seen, expected


def forward_predictions(
    learner: Any, features: Float2D, outcome: Float1D, blocks: AnyArray, fallback: Float1D
) -> Float1D:
    """Predict every block of units from the labels of earlier blocks only."""
    prediction = np.array(fallback, dtype=float)
    labelled = ~np.isnan(outcome)
    for block in np.unique(blocks):
        past = (blocks < block) & labelled
        if past.sum() >= FEWEST_TO_LEARN:
            now = blocks == block
            prediction[now] = predict_upcoming(clone(learner), features[past], outcome[past], features[now])
    return prediction


def crossed_predictions(learner: Any, features: Float2D, outcome: Float1D) -> Float1D:
    """Predict labelled units, each fifth of them from the labels of the others."""
    prediction = np.empty(len(outcome))
    fold = np.arange(len(outcome)) % _FOLDS  # units stand in random order
    for k in range(_FOLDS):
        others = fold != k
        prediction[~others] = predict_upcoming(
            clone(learner), features[others], outcome[others], features[~others]
        )
    return prediction


def predict_upcoming(model: Any, features: Float2D, outcome: Float1D, upcoming: Float2D) -> Float1D:
    """Fit a learner on earlier labels and predict upcoming units."""
    if is_classifier(model):
        if len(np.unique(outcome)) < 2:
            return np.full(len(upcoming), float(outcome[0]))
        model.fit(features, outcome.astype(np.int64))
        return np.asarray(model.predict_proba(upcoming)[:, 1], dtype=float)
    return np.asarray(model.fit(features, outcome).predict(upcoming), dtype=float)
