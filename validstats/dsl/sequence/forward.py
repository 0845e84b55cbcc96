"""Steps of sequential labelling as pure functions: predict from the past only, and look at the pseudo-outcomes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from validstats._typing import AnyArray, Float1D, Float2D

__all__ = ["forward_predictions", "predict_upcoming", "regression_look"]


def regression_look(regressors: Float2D, pseudo_outcome: Float1D) -> tuple[Float1D, Float1D]:
    """Return least-squares coefficients and the variances of their influence values."""
    # Mean squares of the influence values ``J^-1 x (y - x'b)``.
    gram = regressors.T @ regressors / len(regressors)
    scale = np.sqrt(np.diag(gram))
    if np.any(scale == 0.0) or np.linalg.cond(gram / np.outer(scale, scale)) > 1e12:
        raise ValueError(
            "The columns of design are collinear among the visited units; drop the redundant ones."
        )
    inverse = np.linalg.inv(gram)
    estimate = inverse @ (regressors.T @ pseudo_outcome) / len(regressors)
    influence = (regressors * (pseudo_outcome - regressors @ estimate)[:, None]) @ inverse
    return estimate, np.mean(influence**2, axis=0)


def forward_predictions(
    learner: Any, features: Float2D, outcome: Float1D, blocks: AnyArray, fallback: Float1D
) -> Float1D:
    """Predict every block of units from the labels of earlier blocks only."""
    prediction = np.array(fallback, dtype=float)
    labelled = ~np.isnan(outcome)
    for block in np.unique(blocks):
        past = (blocks < block) & labelled
        if past.sum() >= 10:
            now = blocks == block
            prediction[now] = predict_upcoming(clone(learner), features[past], outcome[past], features[now])
    return prediction


def predict_upcoming(model: Any, features: Float2D, outcome: Float1D, upcoming: Float2D) -> Float1D:
    """Fit a learner on earlier labels and predict upcoming units."""
    if is_classifier(model):
        if len(np.unique(outcome)) < 2:
            return np.full(len(upcoming), float(outcome[0]))
        model.fit(features, outcome.astype(np.int64))
        return np.asarray(model.predict_proba(upcoming)[:, 1], dtype=float)
    return np.asarray(model.fit(features, outcome).predict(upcoming), dtype=float)
