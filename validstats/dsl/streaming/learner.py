"""Cross-fitting over chunks: learners see the labelled rows, and predict each chunk as it passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from validstats._typing import Float1D, Float2D, Int1D
from validstats.dsl.sequence import predict_upcoming
from validstats.dsl.streaming.chunks import fold_of_rows

__all__ = ["FirstStage", "fit_first_stage"]


@dataclass(frozen=True, kw_only=True)
class FirstStage:
    """Learners of the folds, each fitted without the labels of its fold."""

    learners: tuple[Any, ...]  # from features of shape (m, q) to predictions of shape (m,)
    offsets: Int1D  # number of rows before each chunk
    seed: int  # of the folds

    def predict_chunk(self, features: Float2D, index: int) -> Float1D:
        """Return the cross-fitted predictions of a whole chunk."""
        return self.predict_rows(features, int(self.offsets[index]) + np.arange(len(features)))

    def predict_rows(self, features: Float2D, positions: Int1D) -> Float1D:
        """Return the cross-fitted predictions of rows at the given positions of the data set."""
        folds = fold_of_rows(positions, len(self.learners), self.seed)
        prediction = np.empty(len(features))
        for k, learner in enumerate(self.learners):
            if np.any(folds == k):
                prediction[folds == k] = learner(features[folds == k])
        return prediction


@dataclass(frozen=True)
class _FoldPredictor:
    model: Any

    def __call__(self, features: Float2D) -> Float1D:
        if hasattr(self.model, "predict_proba"):
            return np.asarray(self.model.predict_proba(features)[:, 1], dtype=np.float64)
        return np.asarray(self.model.predict(features), dtype=np.float64)


def fit_first_stage(
    features: Float2D,
    labels: Float1D,
    positions: Int1D,
    offsets: Int1D,
    learner: Any,
    n_folds: int,
    seed: int,
) -> FirstStage:
    """Fit one learner a fold on the labelled rows outside it."""
    if learner is None:
        from sklearn.linear_model import LinearRegression, LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        binary = bool(np.all(np.isin(labels, (0.0, 1.0))))
        learner = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=1000) if binary else LinearRegression()
        )
    folds = fold_of_rows(positions, n_folds, seed)
    learners = []
    for k in range(n_folds):
        outside = folds != k
        if outside.sum() < 2 or np.all(outside):
            raise ValueError(
                f"Fold {k} of {n_folds} has {int((~outside).sum())} of the {len(folds)} labelled rows; label "
                "more rows, or use fewer folds."
            )
        fitted = clone(learner)
        predict_upcoming(fitted, features[outside], labels[outside], features[:1])
        learners.append(_FoldPredictor(fitted))
    return FirstStage(learners=tuple(learners), offsets=offsets, seed=seed)
