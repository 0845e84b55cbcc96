"""Cross-fitted predictions of expert labels from what is always observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D, Int2D

__all__ = ["CrossFitter", "LabelKind", "encode_features", "label_kind", "make_folds", "one_hot"]

LabelKind: TypeAlias = Literal["binary", "categorical", "continuous"]
"""Numbers 0 and 1; text or other named classes; any other numbers."""

_MAX_LEVELS = 50


def make_folds(
    n_rows: int, n_folds: int, generator: np.random.Generator, clusters: Int1D | None = None
) -> Int1D:
    """Assign rows, or whole clusters, to folds of nearly equal size at random."""
    # Folds are drawn without looking at which rows are labelled, so that they are independent of the
    # sampling.
    # Fold of every row, ``0..n_folds-1``.
    n_units = n_rows if clusters is None else int(clusters.max()) + 1
    if n_units < n_folds:
        raise ValueError(
            f"n_folds={n_folds} needs at least as many {'rows' if clusters is None else 'clusters'}; "
            f"there are {n_units}. Lower n_folds."
        )
    folds = generator.permutation(np.arange(n_units) % n_folds)
    return folds if clusters is None else folds[clusters]


def label_kind(values: AnyArray) -> LabelKind:
    """Tell whether observed labels are binary, categorical or continuous."""
    # ``"binary"`` for the numbers 0 and 1 or booleans, ``"categorical"`` for anything not numeric.
    if values.dtype.kind not in "fiub":
        return "categorical"
    return "binary" if np.all(np.isin(values, (0, 1))) else "continuous"


def one_hot(codes: Int1D, n_levels: int) -> Float2D:
    """Return indicator columns of integer codes."""
    indicators = np.zeros((len(codes), n_levels))
    indicators[np.arange(len(codes)), codes] = 1.0
    return indicators


def encode_features(columns: Mapping[str, AnyArray]) -> Float2D:
    """Turn always-observed columns into a numeric matrix for the learner."""
    blocks = []
    for name, values in columns.items():
        if values.dtype.kind in "fiub":
            numbers = values.astype(np.float64)
            if not np.all(np.isfinite(numbers)):
                raise ValueError(
                    f"The feature {name!r} has {int((~np.isfinite(numbers)).sum())} missing or infinite "
                    "value(s). What predicts the labels must be observed in every row: impute it, add an "
                    "indicator of being missing, or leave it out of features."
                )
            blocks.append(numbers[:, None])
            continue
        text = _as_text(values, name)
        levels, codes = np.unique(text, return_inverse=True)
        if len(levels) > _MAX_LEVELS:
            raise ValueError(
                f"The feature {name!r} has {len(levels)} classes, more than {_MAX_LEVELS}. Group its classes "
                "or leave it out of features."
            )
        blocks.append(one_hot(codes.reshape(-1), len(levels)))
    return np.hstack(blocks)


def _as_text(values: AnyArray, name: str) -> AnyArray:
    missing = np.array([v is None or v != v for v in values.tolist()])
    if missing.any():
        raise ValueError(
            f"The feature {name!r} has {int(missing.sum())} missing value(s). What predicts the labels must "
            "be observed in every row: give the missing ones a class of their own."
        )
    return values.astype(str)


@dataclass(frozen=True, kw_only=True)
class CrossFitter:
    """Fits a learner on the labelled rows outside each fold and predicts every row of the fold."""

    # scikit-learn estimator, one for each label by name, or None for penalised logistic and linear regression
    # on standardised features
    learner: Any
    folds: Int2D  # fold of every row in every repeat
    labelled: Bool1D  # which rows may be used for training

    def regress(
        self,
        name: str,
        target: Float1D,
        features: Float2D,
        extra_training: Float2D | None = None,
        extra_target: Sequence[Float2D] = (),
    ) -> FloatND:
        """Predict the mean of a numeric label."""
        # Cross-fitted means; ``n_predictions`` is 1 without further features.
        binary = label_kind(target) == "binary"
        learner = self._learner_for(name, "binary" if binary else "continuous")
        evaluations = list(extra_target) if extra_training is not None else [None]
        result = np.empty((len(self.folds), len(evaluations), len(self.labelled)))
        splits = self._splits()
        tasks = []
        for _, inside, training in splits:
            x = features[self.labelled][training]
            if extra_training is not None:
                x = np.hstack([x, extra_training[training]])
            at = [
                features[inside] if e is None else np.hstack([features[inside], e[inside]])
                for e in evaluations
            ]
            tasks.append(delayed(_fit_and_predict)(learner, x, target[training], at))
        for (repeat, inside, _), predictions in zip(splits, Parallel()(tasks), strict=True):
            for k, values in enumerate(predictions):
                result[repeat, k, inside] = values
        return result

    def classify(self, name: str, codes: Int1D, n_classes: int, features: Float2D) -> FloatND:
        """Predict class probabilities."""
        learner = self._learner_for(name, "categorical")
        result = np.zeros((len(self.folds), n_classes, len(self.labelled)))
        splits = self._splits()
        tasks = [
            delayed(_class_probabilities)(
                learner, features[self.labelled][training], codes[training], n_classes, features[inside]
            )
            for _, inside, training in splits
        ]
        for (repeat, inside, _), probability in zip(splits, Parallel()(tasks), strict=True):
            result[repeat][:, inside] = probability.T
        return result

    def residual_quantiles(self, name: str, target: Float1D, features: Float2D, n_draws: int) -> FloatND:
        """Return quantiles of honest residuals, from the training rows of each fold alone."""
        # Each training set is halved; a model of one half is scored on the other.
        learner = self._learner_for(name, "continuous")
        levels = (np.arange(n_draws) + 0.5) / n_draws
        result = np.empty((len(self.folds), n_draws, len(self.labelled)))
        splits = self._splits()
        tasks = [
            delayed(_honest_residuals)(learner, features[self.labelled][training], target[training])
            for _, _, training in splits
        ]
        for (repeat, inside, _), residual in zip(splits, Parallel()(tasks), strict=True):
            quantiles = np.quantile(residual, levels)
            result[repeat][:, inside] = (quantiles - quantiles.mean())[:, None]
        return result

    def _splits(self) -> list[tuple[int, Bool1D, Bool1D]]:
        """Repeat, rows of the fold, and which labelled rows train its model."""
        splits = []
        for repeat, folds in enumerate(self.folds):
            fold_of_labelled = folds[self.labelled]
            for fold in range(int(folds.max()) + 1):
                training = fold_of_labelled != fold
                if training.sum() < 4:
                    raise ValueError(
                        f"Only {int(training.sum())} labelled row(s) are left to train on outside fold "
                        f"{fold + 1}. Label more rows, or lower n_folds."
                    )
                splits.append((repeat, folds == fold, training))
        return splits

    def _learner_for(self, name: str, kind: LabelKind) -> Any:
        learner = self.learner
        if isinstance(learner, Mapping):
            if name not in learner:
                raise ValueError(
                    f"learner has no entry for the label {name!r}; it has {', '.join(map(repr, learner))}."
                )
            learner = learner[name]
        if learner is None:
            if kind == "continuous":
                return make_pipeline(StandardScaler(), Ridge(alpha=1.0))
            return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
        if kind == "continuous" and is_classifier(learner):
            raise ValueError(
                f"The label {name!r} is continuous, and {type(learner).__name__} is a classifier. Pass a "
                "regressor, or a dictionary with one learner a label."
            )
        return learner


def _fit(learner: Any, x: Float2D, y: Float1D) -> Any:
    """Fit a clone and return its mean function."""
    if np.ptp(y) == 0.0:
        return lambda at: np.full(len(at), y[0])
    if is_classifier(learner):
        classifier = clone(learner).fit(x, y.astype(np.int64))
        return lambda at: np.asarray(classifier.predict_proba(at)[:, 1], dtype=np.float64)
    model = clone(learner).fit(x, y)
    return lambda at: np.asarray(model.predict(at), dtype=np.float64).reshape(len(at))


def _fit_and_predict(learner: Any, x: Float2D, y: Float1D, at: Sequence[Float2D]) -> list[Float1D]:
    model = _fit(learner, x, y)
    return [model(rows) for rows in at]


def _honest_residuals(learner: Any, x: Float2D, y: Float1D) -> Float1D:
    half = np.arange(len(y)) % 2 == 0
    residual = np.empty(len(y))
    for part in (half, ~half):
        residual[part] = y[part] - _fit(learner, x[~part], y[~part])(x[part])
    return residual


def _class_probabilities(learner: Any, x: Float2D, y: Int1D, n_classes: int, at: Float2D) -> Float2D:
    probability = np.zeros((len(at), n_classes))
    present = np.unique(y)
    if len(present) == 1:
        probability[:, present[0]] = 1.0
        return probability
    if is_classifier(learner):
        model = clone(learner).fit(x, y)
        probability[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(at)
        return probability
    for k in present:
        probability[:, k] = np.clip(_fit(learner, x, (y == k).astype(np.float64))(at), 0.0, 1.0)
    total = probability.sum(axis=1, keepdims=True)
    return np.where(total > 0.0, probability / np.where(total > 0.0, total, 1.0), 1.0 / n_classes)
