"""From what a caller hands over to a question: one value a unit, a guess, and what the cache is keyed by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.utils.validation import check_is_fitted

from validstats._typing import AnyArray, Float1D
from validstats.holdout.asking.metrics import AUC, Metric, auc_score, checked_rows
from validstats.holdout.asking.responses import in_class_order, method_of, respond
from validstats.holdout.asking.sample import HoldoutSample, lent
from validstats.holdout.ledger import ask_digest

__all__ = ["Question", "TrainingPart", "class_indices", "is_estimator", "subject_of"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Question:
    """One question about the holdout, on the scale of [0, 1].

    Attributes
    ----------
    units : ndarray of shape (n_units,)
        One value an independent unit.
    guess : float or None
        What the training part says, in [0, 1].
    query : str or None
        Keyed digest of what was asked.
    label : str
        In words.
    metric : Metric
        Scale and direction.
    subject : str or None
        What the caller's own name for the question stands for; None where there is no such name.
    """

    units: Float1D
    guess: float | None
    query: str | None
    label: str
    metric: Metric
    subject: str | None = None


@dataclass(frozen=True, repr=False, eq=False)
class TrainingPart:
    """The training rows: the source of guesses.

    Attributes
    ----------
    X : array-like or data frame of n rows
        Features.
    y : ndarray of shape (n,)
        Labels.
    classes : ndarray
        Distinct labels, empty for a continuous target.
    seed : int
        Of the splits.
    folds : int
        Number of folds of a cross-validated guess.
    """

    X: Any
    y: AnyArray
    classes: AnyArray
    seed: int
    folds: int = 5

    def fitted(self, estimator: Any) -> Any:
        """Return the estimator if it is fitted, else a copy fitted on the training rows."""
        if not hasattr(estimator, "fit"):
            return estimator
        try:
            check_is_fitted(estimator)
        except NotFittedError:
            return clone(estimator).fit(lent(self.X), lent(self.y))
        return estimator

    def guess(self, estimator: Any, metric: Metric, how: str) -> float:
        """Score an estimator on the training rows, on the metric's own scale.

        Parameters
        ----------
        estimator : estimator
            Fitted or not.
        metric : Metric
            What to measure.
        how : {"cv", "train"}
            Cross-validated, or on the rows that it was fitted to (optimistic).

        Returns
        -------
        float
            The guess.
        """
        if how == "train":
            prediction = respond(self.fitted(estimator), self.X, metric, self.classes)
        else:
            raw = cross_val_predict(
                clone(estimator),
                self.X,
                self.y,
                cv=self.splits(estimator),
                method=method_of(estimator, metric),
            )
            prediction = in_class_order(
                raw, metric, self.classes, np.unique(self.y), type(estimator).__name__
            )
        return self.score(prediction, metric, self.X, self.y)

    def score(self, prediction: AnyArray, metric: Metric, X: Any, y: AnyArray) -> float:
        """Return the mean of the metric on given rows, on its own scale."""
        if metric.name == AUC:
            return auc_score(class_indices(y, self.classes), prediction)
        truth = y if metric.response == "predict" else class_indices(y, self.classes)
        return float(metric.values(truth, prediction, X).mean())

    def splits(self, estimator: Any) -> Any:
        """Return the folds: stratified for classifiers where every class is large enough."""
        stratify = is_classifier(estimator) and len(self.classes) > 0
        if stratify and np.unique(self.y, return_counts=True)[1].min() >= self.folds:
            return StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        return KFold(self.folds, shuffle=True, random_state=self.seed)


def subject_of(asked: Metric | Callable[..., Any], bounds: tuple[float, float]) -> str:
    """Say what a caller's name for a question stands for, as far as that can be told.

    Parameters
    ----------
    asked : Metric or callable
        What is asked: the metric's name is told, or the qualified name of the function. What the function does,
        and the predictions that a metric is applied to, are not.
    bounds : tuple of float
        Least and largest value.

    Returns
    -------
    str
        In words.

    Examples
    --------
    >>> from validstats.holdout.asking.metrics import as_metric
    >>> subject_of(as_metric("accuracy"), (0, 1))
    "the metric 'accuracy' with bounds (0.0, 1.0)"
    >>> subject_of(abs, (0, 2))
    "the function 'abs' with bounds (0.0, 2.0)"
    """
    if isinstance(asked, Metric):
        what = f"the metric {asked.name!r}"
    else:
        inner = getattr(asked, "func", asked)  # of functools.partial
        what = f"the function {getattr(inner, '__qualname__', type(inner).__qualname__)!r}"
    return f"{what} with bounds ({float(bounds[0])!r}, {float(bounds[1])!r})"


def is_estimator(target: Any) -> bool:
    """Tell whether a target can predict."""
    return hasattr(target, "predict") and not isinstance(target, type)


def class_indices(y: AnyArray, classes: AnyArray) -> AnyArray:
    """Return the index of each label among sorted classes, -1 for one that is not among them."""
    if not len(classes):
        return np.full(len(y), -1, dtype=np.int64)
    index = np.clip(np.searchsorted(classes, y), 0, len(classes) - 1)
    return np.where(classes[index] == y, index, -1).astype(np.int64)


def truth_for(sample: HoldoutSample, metric: Metric) -> AnyArray:
    """Return the labels in the form that a metric compares with."""
    return sample.y if metric.response == "predict" else sample.labels


def question_of_predictions(
    sample: HoldoutSample, prediction: AnyArray, metric: Metric, secret: bytes
) -> tuple[Float1D, str]:
    """Return the unit values and the cache key of predictions in the sample's order."""
    values = metric.to_unit(metric.values(_locked(truth_for(sample, metric)), prediction, _locked(sample.X)))
    return sample.unit_means(values), ask_digest(secret, "rows", metric.name, prediction)


def quietly(function: Callable[[], Any], what: str) -> Any:
    """Call something that sees holdout rows; its errors are reported without their text, which might quote rows.

    Parameters
    ----------
    function : callable
        Takes no arguments.
    what : str
        What it is, for the message.

    Returns
    -------
    object
        What it returned.

    Raises
    ------
    ValueError
        If it failed.
    """
    try:
        return function()
    except Exception as error:
        kind = type(error).__name__
    raise ValueError(
        f"The {what} failed on the holdout with {kind}; nothing was charged. The text of the error is withheld, "
        "since it may quote holdout rows: try it on the training rows to see it."
    )


def values_of_query(
    function: Callable[..., Any], sample: HoldoutSample, bounds: tuple[float, float]
) -> Float1D:
    """Evaluate a caller's query on the holdout rows, and check its values."""
    raw = quietly(lambda: function(lent(sample.X), lent(sample.y)), "query")
    return checked_rows(raw, sample.n_rows, bounds, "query")


def _locked(rows: Any) -> Any:
    """Return a view of an array that cannot be written to; a copy of anything else."""
    if not isinstance(rows, np.ndarray):
        return lent(rows)
    view = rows.view()
    view.flags.writeable = False
    return view
