"""Learners that the command line offers, and predictions that the user already has."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

__all__ = ["PredictedClasses", "PredictedNumbers", "make_learner"]


class PredictedNumbers(RegressorMixin, BaseEstimator):
    """A regressor whose predictions stand in a column already."""

    def __init__(self, column: str) -> None:
        self.column = column

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing."""
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the column."""
        return np.asarray(X[self.column], dtype=np.float64)


class PredictedClasses(ClassifierMixin, BaseEstimator):
    """A classifier whose predictions stand in a column already."""

    def __init__(self, column: str, classes: tuple[Any, ...]) -> None:
        self.column = column
        self.classes = classes

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing."""
        self.classes_ = np.asarray(self.classes)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the column, as text where the classes are text."""
        as_text = self.classes_.dtype.kind in "OU"
        return np.asarray(X[self.column].astype(str) if as_text else X[self.column])


def make_learner(name: str, classifier: bool, seed: int) -> Any:
    """Make a learner that takes tables with numbers, texts and missing values."""
    from sklearn import ensemble, linear_model

    kind = "Classifier" if classifier else "Regressor"
    if name == "linear":
        learner: Any = linear_model.LogisticRegression(max_iter=1000) if classifier else linear_model.Ridge()
    else:
        prefix = "RandomForest" if name == "forest" else "HistGradientBoosting"
        learner = getattr(ensemble, prefix + kind)(random_state=seed)
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=5)
    encoder = make_column_transformer(
        (numbers, make_column_selector(dtype_include=["number", "bool"])),
        (texts, make_column_selector(dtype_exclude=["number", "bool"])),
    )
    return make_pipeline(encoder, learner)
