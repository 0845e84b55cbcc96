"""Metrics as statistical queries: a value between declared bounds for every row, whose mean is the score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from validstats._typing import AnyArray, Float1D
from validstats.intake import check_in_range, check_vector

__all__ = [
    "AUC",
    "Metric",
    "absolute_error",
    "as_metric",
    "auc_score",
    "coverage",
    "log_loss",
    "squared_error",
    "subgroup_accuracy",
]

Response = Literal["predict", "predict_proba", "decision"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number for every row, between declared bounds; the score is their mean.

    Parameters
    ----------
    name : str
        Name in reports, and part of what the cache is keyed by: one name, one meaning.
    rows : callable
        ``rows(y, prediction, X)`` returns an array of shape (n,).
    response : {"predict", "predict_proba", "decision"}, default "predict"
        What of an estimator is handed over as the prediction.
    bounds : tuple of float, default (0, 1)
        Least and largest possible value.
    greater_is_better : bool, default True
        Direction of the score.
    binary : bool, default False
        Whether every value is 0 or 1, so that the number of ones is binomial.

    Examples
    --------
    >>> import numpy as np
    >>> metric = as_metric("accuracy")
    >>> metric.values(np.array([0, 1, 1]), np.array([0, 1, 0])).tolist()
    [1.0, 1.0, 0.0]
    """

    name: str
    rows: Callable[[AnyArray, AnyArray, Any], AnyArray]
    response: Response = "predict"
    bounds: tuple[float, float] = (0.0, 1.0)
    greater_is_better: bool = True
    binary: bool = False

    def values(self, y: AnyArray, prediction: AnyArray, X: Any = None) -> Float1D:
        """Return the value of every row.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Labels.
        prediction : ndarray of shape (n,) or (n, p)
            Predictions in the same order.
        X : array-like or data frame of n rows, or None, default None
            Features, for metrics that look at them.

        Returns
        -------
        ndarray of shape (n,), float64
            Within ``bounds``.

        Raises
        ------
        ValueError
            If the values are not one number a row within the bounds.
        """
        failure = ""
        try:
            values = self.rows(y, prediction, X)
        except Exception as error:
            failure = type(error).__name__
        if failure:
            raise ValueError(
                f"The metric {self.name!r} failed with {failure} on the predictions of this target; nothing was charged. "
                "The text of the error is withheld, because it might quote rows."
            )
        return checked_rows(values, len(y), self.bounds, f"metric {self.name!r} of the target")

    def to_unit(self, value: float | Float1D) -> Any:
        """Rescale from the bounds to [0, 1]."""
        low, high = self.bounds
        return (value - low) / (high - low)

    def from_unit(self, value: float) -> float:
        """Rescale from [0, 1] to the bounds."""
        low, high = self.bounds
        return low + value * (high - low)


def checked_rows(values: Any, n: int, bounds: tuple[float, float], what: str) -> Float1D:
    """Check that there is one finite number a row within the bounds, without quoting any of them.

    Parameters
    ----------
    values : array-like of shape (n,)
        What a query returned.
    n : int
        Number of rows.
    bounds : tuple of float
        Least and largest allowed value.
    what : str
        Name of the query, for the message.

    Returns
    -------
    ndarray of shape (n,), float64
        The values.

    Raises
    ------
    ValueError
        If they are not; nothing was charged then.
    """
    try:
        rows = check_vector(values, what, allow_nan=True, allow_infinite=True, allow_empty=True)
    except (TypeError, ValueError):
        raise ValueError(f"The {what} must return numbers; nothing was charged.") from None
    if rows.shape != (n,):
        raise ValueError(
            f"The {what} must return one number for each of the {n} rows, got an array of shape {rows.shape}; "
            "nothing was charged."
        )
    slack = 1e-12 * (bounds[1] - bounds[0])
    if not np.all((rows >= bounds[0] - slack) & (rows <= bounds[1] + slack)):
        raise ValueError(
            f"The {what} returned values outside its declared bounds [{bounds[0]:g}, {bounds[1]:g}] or NaN; "
            "nothing was charged. Declare the bounds, or clip: without bounds there is no guarantee."
        )
    return np.clip(rows, *bounds)


def _accuracy_rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    return np.asarray(y == prediction, dtype=np.float64)


def _error_rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    return np.asarray(y != prediction, dtype=np.float64)


def _true_class_probability(y: AnyArray, prediction: AnyArray) -> tuple[Float1D, AnyArray]:
    """Return the probability of the true class (0 for one that training did not show), and all probabilities."""
    probabilities = np.asarray(prediction, dtype=np.float64)
    if probabilities.ndim == 1:
        probabilities = np.column_stack([1 - probabilities, probabilities])
    if np.any(~(probabilities >= 0) | ~(probabilities <= 1)):
        raise ValueError("Probabilities must lie between 0 and 1; nothing was charged.")
    index = np.asarray(y, dtype=np.int64)
    known = (index >= 0) & (index < probabilities.shape[1])
    true = np.where(known, probabilities[np.arange(len(index)), np.where(known, index, 0)], 0.0)
    return true, probabilities


def _brier_rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    true, probabilities = _true_class_probability(y, prediction)
    return np.clip(((probabilities**2).sum(axis=1) - 2 * true + 1) / 2, 0.0, 1.0)


def log_loss(*, clip: float = 0.01) -> Metric:
    """Logarithmic loss with probabilities clipped from below, which bounds it.

    Parameters
    ----------
    clip : float in (0, 0.5), default 0.01
        Least probability; a row's loss is at most ``-log(clip)``.

    Returns
    -------
    Metric
        With bounds [0, -log(clip)].

    Examples
    --------
    >>> import numpy as np
    >>> metric = log_loss(clip=0.01)
    >>> metric.values(np.array([1, 0]), np.array([1.0, 1.0])).round(3).tolist()
    [0.0, 4.605]
    """
    check_in_range(clip, "clip", 0.0, 0.5, low_open=True, high_open=True)

    def rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
        true, _ = _true_class_probability(y, prediction)
        return np.log(1.0 / np.clip(true, clip, 1.0))

    return Metric(
        name=f"log_loss(clip={clip!r})",
        rows=rows,
        response="predict_proba",
        bounds=(0.0, -math.log(clip)),
        greater_is_better=False,
    )


def absolute_error(*, bound: float) -> Metric:
    """Absolute error, clipped at a bound.

    Parameters
    ----------
    bound : float
        Largest value, above 0, fixed without looking at the holdout. Larger errors count as this one.

    Returns
    -------
    Metric
        With bounds [0, bound].

    Examples
    --------
    >>> import numpy as np
    >>> absolute_error(bound=2.0).values(np.array([0.0, 5.0]), np.array([1.0, 0.0])).tolist()
    [1.0, 2.0]
    """
    bound = check_in_range(bound, "bound", 0.0, low_open=True)

    def rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
        return np.minimum(np.abs(_numbers(y) - _numbers(prediction)), bound)

    return Metric(
        name=f"absolute_error(bound={bound!r})", rows=rows, bounds=(0.0, bound), greater_is_better=False
    )


def squared_error(*, bound: float) -> Metric:
    """Squared error, clipped at a bound.

    Parameters
    ----------
    bound : float
        Largest value, above 0, fixed without looking at the holdout. Larger squared errors count as this one.

    Returns
    -------
    Metric
        With bounds [0, bound].

    Examples
    --------
    >>> import numpy as np
    >>> squared_error(bound=9.0).values(np.array([0.0, 5.0]), np.array([2.0, 0.0])).tolist()
    [4.0, 9.0]
    """
    bound = check_in_range(bound, "bound", 0.0, low_open=True)

    def rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
        return np.minimum((_numbers(y) - _numbers(prediction)) ** 2, bound)

    return Metric(
        name=f"squared_error(bound={bound!r})", rows=rows, bounds=(0.0, bound), greater_is_better=False
    )


def coverage() -> Metric:
    """Share of labels inside prediction intervals (columns lower, upper) or sets (one boolean column a class).

    Returns
    -------
    Metric
        For predictions of shape (n, 2), or boolean ones of shape (n, classes).

    Examples
    --------
    >>> import numpy as np
    >>> intervals = np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> coverage().values(np.array([0.5, 2.0]), intervals).tolist()
    [1.0, 0.0]
    """
    return Metric(name="coverage", rows=_coverage_rows, binary=True)


def _coverage_rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    sets = np.asarray(prediction)
    if sets.dtype == bool and sets.ndim == 2:
        return sets[np.arange(len(sets)), np.asarray(y, dtype=np.int64)]
    if sets.ndim != 2 or sets.shape[1] != 2:
        raise ValueError(
            "Coverage needs intervals of shape (n, 2) or boolean sets of shape (n, classes), got shape "
            f"{sets.shape}; nothing was charged."
        )
    return (sets[:, 0] <= y) & (y <= sets[:, 1])


def subgroup_accuracy(member: Callable[[Any], Any], *, share: float, name: str) -> Metric:
    """Accuracy within a subgroup, with a denominator fixed beforehand.

    A ratio whose denominator is estimated on the same rows is no mean of row values. With the subgroup's share
    known from elsewhere (the training rows, say), the accuracy is the mean of ``member * correct / share``.

    Parameters
    ----------
    member : callable
        ``member(X)`` returns a boolean array of shape (n,).
    share : float in (0, 1]
        Share of the subgroup in the population.
    name : str
        Name of the subgroup; one name, one meaning.

    Returns
    -------
    Metric
        With bounds [0, 1 / share].

    Examples
    --------
    >>> import numpy as np
    >>> metric = subgroup_accuracy(lambda X: X[:, 0] > 0, share=0.5, name="positive")
    >>> X = np.array([[1.0], [-1.0]])
    >>> metric.values(np.array([1, 1]), np.array([1, 1]), X).tolist()
    [2.0, 0.0]
    """
    check_in_range(share, "share", 0.0, 1.0, low_open=True)

    def rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
        return np.asarray(member(X), dtype=bool) * _accuracy_rows(y, prediction, X) / share

    return Metric(name=f"accuracy[{name}](share={share!r})", rows=rows, bounds=(0.0, 1.0 / share))


AUC = "auc"
"""Area under the ROC curve: no mean of row values, so it has a bound and a release of its own."""


def auc_score(y: AnyArray, score: AnyArray) -> float:
    """Area under the ROC curve: the share of pairs that are in the right order, ties counting one half.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Labels 0 and 1, both present.
    score : ndarray of shape (n,)
        Larger means more likely 1.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> auc_score(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    from scipy.stats import rankdata

    positive = np.asarray(y) == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    rank_sum = float(rankdata(score)[positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


_NAMED = {
    "accuracy": Metric(name="accuracy", rows=_accuracy_rows, binary=True),
    "error": Metric(name="error", rows=_error_rows, binary=True, greater_is_better=False),
    "brier": Metric(name="brier", rows=_brier_rows, response="predict_proba", greater_is_better=False),
    "log_loss": log_loss(),
    "coverage": coverage(),
    AUC: Metric(name=AUC, rows=_accuracy_rows, response="decision"),
}


def as_metric(metric: str | Metric) -> Metric:
    """Return a metric by its name.

    Parameters
    ----------
    metric : {"accuracy", "error", "brier", "log_loss", "coverage", "auc"} or Metric
        What to measure.

    Returns
    -------
    Metric
        The metric.

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> as_metric("brier").greater_is_better
    False
    """
    if isinstance(metric, Metric):
        return metric
    if metric not in _NAMED:
        raise ValueError(
            f"metric must be one of {', '.join(map(repr, _NAMED))}, or a Metric such as "
            f"absolute_error(bound=...) or squared_error(bound=...), got {metric!r}. An unbounded loss needs a "
            "declared bound."
        )
    return _NAMED[metric]


def _numbers(values: AnyArray) -> Float1D:
    return np.asarray(values, dtype=np.float64)
