"""Cross-fitted predictions of expert labels from what is always observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from validstats._typing import AnyArray, Bool1D, Float1D, Float2D, FloatND, Int1D, Int2D
from validstats.dsl.labels.stack import StackedLearner, distinct_rows
from validstats.intake import check_literal

__all__ = [
    "CrossFitter",
    "FoldModels",
    "LabelKind",
    "LearnerName",
    "check_enough_units",
    "encode_features",
    "fold_of_units",
    "fold_seed",
    "label_kind",
    "make_folds",
    "one_hot",
]

LabelKind: TypeAlias = Literal["binary", "categorical", "continuous"]
"""Numbers 0 and 1; text or other named classes; any other numbers."""

LearnerName: TypeAlias = Literal["stack", "linear", "boosting"]
"""Learners by name: the stack (default), penalised linear and logistic regression, histogram boosting."""

_MAX_LEVELS = 50

_MANY_ROWS = 5000
"""Rows from which distinct rows of features are looked for, each of which is then predicted once."""


def make_folds(
    n_rows: int, n_folds: int, generator: np.random.Generator, clusters: Int1D | None = None
) -> Int1D:
    """Assign rows, or whole clusters, to folds of nearly equal size at random."""
    # Folds are drawn without looking at which rows are labelled, so that they are independent of the sampling.
    n_units = n_rows if clusters is None else int(clusters.max()) + 1
    check_enough_units(n_units, n_folds, "rows" if clusters is None else "clusters")
    units = np.arange(n_rows) if clusters is None else clusters
    return fold_of_units(units, n_units, n_folds, fold_seed(generator))


def check_enough_units(n_units: int, n_folds: int, what: str) -> None:
    """Refuse more folds than rows or clusters."""
    if n_units < n_folds:
        raise ValueError(
            f"n_folds={n_folds} needs at least as many {what}; there are {n_units}. Lower n_folds."
        )


def fold_seed(generator: np.random.Generator) -> int:
    """Draw the seed of one assignment to folds."""
    return int(generator.integers(2**63))


def fold_of_units(units: Int1D, n_units: int, n_folds: int, seed: int) -> Int1D:
    """Return the folds of some of the units ``0..n_units-1``, the same in every pass and on every machine."""
    return _permuted(units.astype(np.uint64), n_units, seed).astype(np.int64) % n_folds


def _permuted(units: AnyArray, n_units: int, seed: int) -> AnyArray:
    """Return the positions of units in a random order of all, in constant memory."""
    # A keyed bijection of the integers below the next power of two, walked along its cycles until it falls below
    # n_units (Black and Rogaway 2002, CT-RSA, LNCS 2271, 114-130). Each round multiplies by an odd number, adds and
    # folds the upper half of the bits into the lower one, all of which can be undone.
    bits = max(int(n_units - 1).bit_length(), 2)
    mask, shift = np.uint64(2**bits - 1), np.uint64((bits + 1) // 2)
    keys = np.random.default_rng(seed).integers(2**63, size=(6, 2), dtype=np.uint64)
    found, waiting = units.copy(), np.ones(len(units), dtype=np.bool_)
    with np.errstate(over="ignore"):
        while waiting.any():
            state = found[waiting]
            for odd, added in keys:
                state = (state * (odd | np.uint64(1)) + added) & mask
                state ^= state >> shift
            found[waiting] = state
            waiting = found >= n_units
    return found


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


@dataclass(frozen=True)
class FoldModels:
    """Fitted functions, one for each repeat and fold, none of which has seen the labels of its fold."""

    functions: tuple[tuple[Callable[[Float2D], FloatND], ...], ...]

    def predict(self, features: Float2D, folds: Int2D) -> FloatND:
        """Return what the function of every row's fold gives, repeats on the first axis, rows on the second."""
        if len(features) > _MANY_ROWS:
            compact = distinct_rows(features)
            if compact is not None:
                return self._by_distinct_row(*compact, folds)
        found: FloatND | None = None
        for repeat, (functions, fold) in enumerate(zip(self.functions, folds, strict=True)):
            for k, function in enumerate(functions):
                inside = fold == k
                if not inside.any():
                    continue
                values = function(features[inside])
                if found is None:
                    found = np.empty((len(folds), len(features), *values.shape[1:]))
                found[repeat, inside] = values
        assert found is not None
        return found

    def _by_distinct_row(self, rows: Float2D, code: Int1D, folds: Int2D) -> FloatND:
        """Predict every distinct row of features once by each function."""
        found: FloatND | None = None
        for repeat, (functions, fold) in enumerate(zip(self.functions, folds, strict=True)):
            table = np.stack([np.asarray(function(rows)) for function in functions])
            values = table[fold, code]
            if found is None:
                found = np.empty((len(folds), *values.shape))
            found[repeat] = values
        assert found is not None
        return found


@dataclass(frozen=True, kw_only=True)
class CrossFitter:
    """Fits a learner on the labelled rows outside each fold and predicts every row of the fold."""

    # scikit-learn estimator, name of one, one for each label by name, or None for the stack; classes of more than two
    # values have penalised logistic regression
    learner: Any
    folds: Int2D  # fold of every row in every repeat, shape ``(n_repeats, n)``
    labelled: Bool1D  # which rows may be used for training
    n_surrogates: int | None = None  # leading features on which predictions may depend freely; None is all
    numbers: list[float] = field(default_factory=list)  # effective numbers of parameters of what was fitted

    @property
    def n_effective(self) -> float:
        """Mean effective number of parameters of the learners fitted so far."""
        return float(np.mean(self.numbers)) if self.numbers else 0.0

    def check_learners(self, gold: Mapping[str, AnyArray]) -> None:
        """Refuse learners that do not fit the kinds of the labels, before anything is fitted."""
        for name, values in gold.items():
            self._learner_for(name, label_kind(values))

    def regress(
        self,
        name: str,
        target: Float1D,
        features: Float2D,
        extra_training: Float2D | None = None,
        extra_target: Sequence[Float2D] = (),
    ) -> FloatND:
        """Predict the mean of a numeric label, repeats first, one prediction for each setting of further features."""
        known = features[self.labelled]
        if extra_training is None:
            return self.means(name, target, known).predict(features, self.folds)[:, None]
        models = self.means(name, target, np.hstack([known, extra_training]))
        at = [models.predict(np.hstack([features, extra]), self.folds) for extra in extra_target]
        return np.stack(at, axis=1)

    def classify(self, name: str, codes: Int1D, n_classes: int, features: Float2D) -> FloatND:
        """Predict class probabilities, shape ``(n_repeats, n_classes, n)``."""
        models = self.classes(name, codes, n_classes, features[self.labelled])
        return np.moveaxis(models.predict(features, self.folds), 2, 1)

    def residual_quantiles(self, name: str, target: Float1D, features: Float2D, n_draws: int) -> FloatND:
        """Return quantiles of honest residuals, shape ``(n_repeats, n_draws, n)``."""
        models = self.residuals(name, target, features[self.labelled], n_draws)
        return np.moveaxis(models.predict(features, self.folds), 2, 1)

    def means(self, name: str, target: Float1D, features: Float2D) -> FoldModels:
        """Fit the mean of a numeric label; features are those of the labelled rows."""
        binary = label_kind(target) == "binary"
        return self._fitted(
            _fit, self._learner_for(name, "binary" if binary else "continuous"), features, target
        )

    def classes(self, name: str, codes: Int1D, n_classes: int, features: Float2D) -> FoldModels:
        """Fit class probabilities."""
        work = partial(_fit_classes, n_classes=n_classes)
        return self._fitted(work, self._learner_for(name, "categorical"), features, codes)

    def residuals(self, name: str, target: Float1D, features: Float2D, n_draws: int) -> FoldModels:
        """Fit quantiles of honest residuals, from the training rows of each fold alone."""
        # Each training set is halved; a model of one half is scored on the other.
        work = partial(_fit_residuals, levels=(np.arange(n_draws) + 0.5) / n_draws)
        return self._fitted(work, self._learner_for(name, "continuous"), features, target)

    def _fitted(self, work: Any, learner: Any, features: Float2D, target: AnyArray) -> FoldModels:
        trainings = self._trainings()
        tasks = [
            delayed(work)(learner, features[rows], target[rows]) for repeat in trainings for rows in repeat
        ]
        fitted = Parallel()(tasks)
        self.numbers.extend(_effective_numbers(f, len(features)) for f in fitted)
        done = iter(fitted)
        return FoldModels(tuple(tuple(next(done) for _ in repeat) for repeat in trainings))

    def _trainings(self) -> list[list[Bool1D]]:
        """Return for every repeat and fold which labelled rows train its model."""
        found = []
        for folds in self.folds:
            fold_of_labelled = folds[self.labelled]
            found.append([fold_of_labelled != k for k in range(int(folds.max()) + 1)])
            for k, training in enumerate(found[-1]):
                if training.sum() < 4:
                    raise ValueError(
                        f"Only {int(training.sum())} labelled row(s) are left to train on outside fold "
                        f"{k + 1}. Label more rows, or lower n_folds."
                    )
        return found

    def _learner_for(self, name: str, kind: LabelKind) -> Any:
        learner = self.learner
        if isinstance(learner, Mapping):
            if name not in learner:
                raise ValueError(
                    f"learner has no entry for the label {name!r}; it has {', '.join(map(repr, learner))}."
                )
            learner = learner[name]
        if learner is None or isinstance(learner, str):
            return _named_learner(learner or "stack", kind, self.n_surrogates)
        if kind == "continuous" and is_classifier(learner):
            raise ValueError(
                f"The label {name!r} is continuous, and {type(learner).__name__} is a classifier. Pass a "
                "regressor, or a dictionary with one learner a label."
            )
        return learner


def _named_learner(name: str, kind: LabelKind, n_surrogates: int | None) -> Any:
    """Return a learner by its name, for one kind of label."""
    check_literal(name, "learner", get_args(LearnerName))
    if name == "boosting":
        if kind == "continuous":
            return HistGradientBoostingRegressor(max_iter=100, max_leaf_nodes=4)
        return HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=4)
    if name == "stack" and kind != "categorical":
        return StackedLearner(None if n_surrogates is None else tuple(range(n_surrogates)))
    if kind == "continuous":
        return make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))


def _effective_numbers(fitted: Any, n_rows: int) -> float:
    """Return the effective number of parameters of a fitted function, a third of the rows where it is not known."""
    model = getattr(fitted, "model", None)
    if model is None:
        return 1.0
    last = model[-1] if hasattr(model, "steps") else model
    if hasattr(last, "n_effective_"):
        return float(last.n_effective_)
    if hasattr(last, "coef_"):
        return float(np.size(last.coef_) + np.size(getattr(last, "intercept_", 0.0)))
    return n_rows / 3.0


@dataclass(frozen=True)
class _Mean:
    """Mean function of a fitted learner, or a constant where all labels were equal."""

    model: Any
    constant: float = 0.0

    def __call__(self, at: Float2D) -> Float1D:
        if self.model is None:
            return np.full(len(at), self.constant)
        if is_classifier(self.model):
            return np.asarray(self.model.predict_proba(at)[:, 1], dtype=np.float64)
        return np.asarray(self.model.predict(at), dtype=np.float64).reshape(len(at))


def _fit(learner: Any, x: Float2D, y: Float1D) -> _Mean:
    """Fit a clone and return its mean function."""
    if np.ptp(y) == 0.0:
        return _Mean(None, float(y[0]))
    return _Mean(clone(learner).fit(x, y.astype(np.int64) if is_classifier(learner) else y))


@dataclass(frozen=True)
class _Rows:
    """The same values for every row."""

    values: Float1D

    def __call__(self, at: Float2D) -> Float2D:
        return np.broadcast_to(self.values, (len(at), len(self.values)))


def _fit_residuals(learner: Any, x: Float2D, y: Float1D, levels: Float1D) -> _Rows:
    half = np.arange(len(y)) % 2 == 0
    residual = np.empty(len(y))
    for part in (half, ~half):
        residual[part] = y[part] - _fit(learner, x[~part], y[~part])(x[part])
    quantiles = np.quantile(residual, levels)
    return _Rows(quantiles - quantiles.mean())


@dataclass(frozen=True)
class _Classes:
    """Class probabilities, adding to one; a class that the training rows lack gets none."""

    n_classes: int
    present: Int1D
    model: Any = None  # classifier
    means: tuple[_Mean, ...] = ()  # or one mean function a class that is present

    def __call__(self, at: Float2D) -> Float2D:
        probability = np.zeros((len(at), self.n_classes))
        if len(self.present) == 1:
            probability[:, self.present[0]] = 1.0
            return probability
        if self.model is not None:
            probability[:, np.asarray(self.model.classes_, dtype=np.int64)] = self.model.predict_proba(at)
            return probability
        for k, mean in zip(self.present, self.means, strict=True):
            probability[:, k] = np.clip(mean(at), 0.0, 1.0)
        total = probability.sum(axis=1, keepdims=True)
        return np.where(total > 0.0, probability / np.where(total > 0.0, total, 1.0), 1.0 / self.n_classes)


def _fit_classes(learner: Any, x: Float2D, y: Int1D, n_classes: int) -> _Classes:
    present = np.unique(y)
    if len(present) == 1:
        return _Classes(n_classes, present)
    if is_classifier(learner):
        return _Classes(n_classes, present, clone(learner).fit(x, y))
    means = tuple(_fit(learner, x, (y == k).astype(np.float64)) for k in present)
    return _Classes(n_classes, present, means=means)
