"""Learners that the tests of batches share."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from validstats.batch import (
    BatchPredictor,
)


class Identity(RegressorMixin, BaseEstimator):
    """A fitted learner that predicts its first column."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0]

    def __sklearn_is_fitted__(self):
        return True


def frozen(target, **kwargs):
    kwargs.setdefault("random_state", 0)
    return BatchPredictor(FrozenEstimator(Identity()), target, **{"confidence_level": 0.9, **kwargs})
