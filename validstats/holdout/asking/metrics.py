"""Metrics: a value between declared bounds for every row, whose mean is the score, and what they ask of an estimator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from validstats._typing import AnyArray, Float1D, Int1D
from validstats.intake import as_floats, check_in_range, check_vector

__all__ = [
    "NAMED_METRICS",
    "Metric",
    "absolute_error",
    "as_metric",
    "checked_rows",
    "comparison_of",
    "coverage",
    "in_class_order",
    "lent",
    "log_loss",
    "method_of",
    "metric_names",
    "own_classes",
    "quietly",
    "raw_response",
    "respond",
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
        Whether every value is 0 or 1, so that the number of ones is binomial; only with bounds of 0 and 1.
    reads_features : bool, default True
        Whether ``rows`` looks at X. Rows in parts are read once less where it does not.

    Examples
    --------
    >>> import numpy as np
    >>> metric = NAMED_METRICS["accuracy"]
    >>> metric.values(np.array([0, 1, 1]), np.array([0, 1, 0])).tolist()
    [1.0, 1.0, 0.0]
    """

    row_mean: ClassVar[bool] = True
    """Whether the score is the mean of row values."""

    name: str
    rows: Callable[[AnyArray, AnyArray, Any], AnyArray]
    response: Response = "predict"
    bounds: tuple[float, float] = (0.0, 1.0)
    greater_is_better: bool = True
    binary: bool = False
    reads_features: bool = True

    @property
    def built_in(self) -> bool:
        """Whether the package computes it: a function of the caller's that sees labels pays for its errors."""
        return all(code.__module__.startswith("validstats.") for code in (self.rows, type(self)))

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
            If the values are not one number a row within the bounds, or neither 0 nor 1 where they are declared to be.
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
        rows = checked_rows(values, len(y), self.bounds, f"metric {self.name!r} of the target")
        if self.binary and (tuple(self.bounds) != (0, 1) or not ((rows == 0) | (rows == 1)).all()):
            raise ValueError(
                f"The metric {self.name!r} is declared with binary=True, which is for values of 0 or 1 and bounds=(0, 1), and "
                "it has others; nothing was charged. Leave binary out for other values."
            )
        return rows

    def score(self, truth: AnyArray, prediction: AnyArray, X: Any = None) -> float:
        """Return the score of given rows.

        Parameters
        ----------
        truth : ndarray of shape (n,)
            Labels, or their class indices where the metric compares with classes.
        prediction : ndarray of shape (n,) or (n, p)
            Predictions in the same order.
        X : array-like or data frame of n rows, or None, default None
            Features, for metrics that look at them.

        Returns
        -------
        float
            The mean of the row values.
        """
        return float(self.values(truth, prediction, X).mean())

    def to_unit(self, value: float | Float1D) -> Any:
        """Rescale from the bounds to [0, 1].

        Parameters
        ----------
        value : float or ndarray
            Scores within ``bounds``.

        Returns
        -------
        float or ndarray
            The same place within [0, 1].
        """
        low, high = self.bounds
        if low == 0.0 and high == 1.0:
            return value
        return value - low if high - low == 1.0 else (value - low) / (high - low)

    def from_unit(self, value: float) -> float:
        """Rescale from [0, 1] to the bounds.

        Parameters
        ----------
        value : float
            A place within [0, 1].

        Returns
        -------
        float
            The score at this place between the bounds.
        """
        low, high = self.bounds
        return low + value * (high - low)


def rescaling(bounds: tuple[float, float]) -> Callable[[float], float]:
    """Return what rescales a released number from [0, 1] to bounds; no code of the caller's runs then."""
    return lambda value: bounds[0] + value * (bounds[1] - bounds[0])


def checked_rows(values: Any, n: int, bounds: tuple[float, float], what: str) -> Float1D:
    """Check that there is one finite number a row within the bounds, without quoting any of them."""
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
    low, high = rows.min(initial=bounds[1]), rows.max(initial=bounds[0])  # NaN where there is one
    if not (low >= bounds[0] - slack and high <= bounds[1] + slack):
        raise ValueError(
            f"The {what} returned values outside its declared bounds [{bounds[0]:zg}, {bounds[1]:zg}] or NaN; "
            "nothing was charged. Declare the bounds, or clip: without bounds there is no guarantee."
        )
    return np.clip(rows, *bounds) if low < bounds[0] or high > bounds[1] else rows


def _accuracy_rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    return np.asarray(y == prediction, dtype=np.float64)


def _error_rows(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    return np.asarray(y != prediction, dtype=np.float64)


def comparison_of(metric: Metric) -> np.ufunc | None:
    """Return what compares labels with predictions row by row, if that is all that a metric does."""
    if not metric.built_in or not metric.binary:
        return None
    if metric.rows is _accuracy_rows:
        return np.equal
    return np.not_equal if metric.rows is _error_rows else None


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
        return np.log(1.0 / np.maximum(true, clip))

    return Metric(
        name=f"log_loss(clip={clip!r})",
        rows=rows,
        response="predict_proba",
        bounds=(0.0, -math.log(clip)),
        greater_is_better=False,
        reads_features=False,
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
        name=f"absolute_error(bound={bound!r})",
        rows=rows,
        bounds=(0.0, bound),
        greater_is_better=False,
        reads_features=False,
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
        name=f"squared_error(bound={bound!r})",
        rows=rows,
        bounds=(0.0, bound),
        greater_is_better=False,
        reads_features=False,
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
    return Metric(name="coverage", rows=_coverage_rows, binary=True, reads_features=False)


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


def _negated(metric: Metric, name: str) -> Metric:
    """The metric times minus one, as scikit-learn scores losses."""
    low, high = metric.bounds
    return replace(
        metric,
        name=name,
        rows=_Negative(metric.rows),
        bounds=(0.0 - high, 0.0 - low),  # no -0.0
        greater_is_better=True,
        binary=False,
    )


@dataclass(frozen=True)
class _Negative:
    """Row values times minus one."""

    rows: Callable[[AnyArray, AnyArray, Any], AnyArray]

    def __call__(self, y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
        return -np.asarray(self.rows(y, prediction, X), dtype=np.float64)


NAMED_METRICS: dict[str, Metric] = {
    "accuracy": Metric(name="accuracy", rows=_accuracy_rows, binary=True, reads_features=False),
    "error": Metric(
        name="error", rows=_error_rows, binary=True, greater_is_better=False, reads_features=False
    ),
    "brier": Metric(
        name="brier",
        rows=_brier_rows,
        response="predict_proba",
        greater_is_better=False,
        reads_features=False,
    ),
    "log_loss": log_loss(),
    "coverage": coverage(),
}
NAMED_METRICS["neg_brier_score"] = _negated(NAMED_METRICS["brier"], "neg_brier_score")
NAMED_METRICS["neg_log_loss"] = _negated(NAMED_METRICS["log_loss"], "neg_log_loss")
"""Metrics by their names, some of them those of scikit-learn's scorers; metrics of all rows together join them."""


_ALIASES = {"roc_auc": "auc"}
_NEED_BOUNDS = {
    "r2": "r2(bounds=(low, high))",
    "neg_mean_absolute_error": "absolute_error(bound=...)",
    "neg_mean_squared_error": "squared_error(bound=...)",
    "neg_root_mean_squared_error": "squared_error(bound=...), and take the root of what it says",
}
"""Names of scikit-learn's scorers of outcomes without bounds, and what to pass instead."""


def metric_names() -> tuple[str, ...]:
    """Return every name that a metric without bounds of its own has."""
    return (*NAMED_METRICS, *_ALIASES)


def as_metric(metric: str | Metric) -> Metric:
    """Return a metric by its name: the package's own, or that of scikit-learn's scorer."""
    if isinstance(metric, Metric):
        return metric
    found = NAMED_METRICS.get(_ALIASES.get(metric, metric))
    if found is not None:
        return found
    if metric in _NEED_BOUNDS:
        raise ValueError(
            f"metric={metric!r} has no bounds, and without bounds there is no guarantee: from validstats.holdout pass "
            f"metric={_NEED_BOUNDS[metric]}."
        )
    raise ValueError(
        f"metric must be one of {', '.join(map(repr, metric_names()))}, or a Metric such as "
        f"absolute_error(bound=...), squared_error(bound=...) or r2(bounds=...), got {metric!r}. An unbounded loss "
        "needs a declared bound."
    )


def _numbers(values: AnyArray) -> Float1D:
    return np.asarray(as_floats(np.asarray(values), "target"), dtype=np.float64)


def method_of(estimator: Any, metric: Metric) -> str:
    """Return the name of the method that a metric calls."""
    if metric.response != "decision":
        return metric.response
    return "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"


def raw_response(estimator: Any, X: Any, metric: Metric) -> AnyArray:
    """Return what an estimator answers for a metric, its columns in the estimator's own order."""
    return np.asarray(getattr(estimator, method_of(estimator, metric))(lent(X)))


def respond(estimator: Any, X: Any, metric: Metric, classes: AnyArray) -> AnyArray:
    """Return what a metric looks at of an estimator, its columns in the order of the training classes."""
    raw = raw_response(estimator, X, metric)
    return in_class_order(raw, metric, classes, own_classes(estimator), type(estimator).__name__)


def own_classes(estimator: Any) -> Any:
    """Return the class of each of an estimator's columns, or None if it does not say."""
    own = getattr(estimator, "classes_", None)
    several_outputs = isinstance(own, list) and any(np.ndim(labels) > 0 for labels in own)
    return None if several_outputs else own


def in_class_order(
    prediction: AnyArray, metric: Metric, classes: AnyArray, own: Any = None, what: str = "target"
) -> AnyArray:
    """Bring probabilities or scores from the order of an estimator's classes to that of the training classes."""
    if metric.response == "predict":
        return prediction
    if not len(classes):
        raise ValueError(
            f"metric={metric.name!r} compares with classes, and none are known: pass classes= to calibrate(...), or call "
            "fit(...) with class labels before. Nothing was charged."
        )
    index = np.arange(len(classes)) if own is None else _class_positions(own, classes, what)
    if metric.response == "decision":
        return _second_class_score(prediction, index, own is not None, what)
    return _class_probabilities(prediction, index, len(classes), what)


def _class_positions(own: Any, classes: AnyArray, what: str) -> Int1D:
    known = {label: i for i, label in enumerate(classes.tolist())}
    labels = np.asarray(own).tolist()
    foreign = [repr(label) for label in labels if label not in known]
    if foreign:
        raise ValueError(
            f"{what} has classes that are not among the {len(classes)} training labels: {', '.join(foreign[:5])}. Fit it "
            "on labels of the same kind as fit(...) was given; nothing was charged."
        )
    return np.array([known[label] for label in labels], dtype=np.int64)


def _class_probabilities(prediction: AnyArray, index: Int1D, n_classes: int, what: str) -> AnyArray:
    """Put each column where its class belongs; what is in order already stays as it is, for the cache."""
    in_order = index.tolist() == list(range(n_classes))
    if prediction.ndim == 1 and len(index) == 2:
        if in_order:
            return prediction
        prediction = np.column_stack([1 - prediction, prediction])
    if prediction.ndim != 2 or prediction.shape[1] != len(index):
        raise ValueError(
            f"{what} must give one column of probabilities for each of {len(index)} classes, got shape "
            f"{prediction.shape}; nothing was charged."
        )
    if in_order:
        return prediction
    placed = np.zeros((len(prediction), n_classes))
    placed[:, index] = prediction
    return placed


def _second_class_score(prediction: AnyArray, index: Int1D, known: bool, what: str) -> AnyArray:
    """Return a score that is larger where the second training class is more likely."""
    columns = len(index) if known else 2
    if prediction.ndim > 2 or (prediction.ndim == 2 and prediction.shape[1] != columns):
        raise ValueError(f"AUC is for two classes, got predictions of shape {prediction.shape} from {what}.")
    if known and index.max() > 1:
        raise ValueError(
            f"AUC is for the first two training classes, and {what} knows others; nothing was charged."
        )
    if prediction.ndim == 2:
        column = np.flatnonzero(index == 1)
        return prediction[:, column[0]] if len(column) else np.zeros(len(prediction))
    return -prediction if known and index.tolist() == [1, 0] else prediction


def lent(rows: Any) -> Any:
    """Return a copy of rows or labels for code that might write into what it is given."""
    for method in ("copy", "clone"):
        if hasattr(rows, method):
            return getattr(rows, method)()
    return rows


def quietly(function: Callable[[], Any], what: str) -> Any:
    """Call something that sees holdout rows; its errors are reported without their text, which might quote rows."""
    try:
        return function()
    except Exception as error:
        kind = type(error).__name__
    raise ValueError(
        f"The {what} failed on the holdout with {kind}; nothing was charged. The text of the error is withheld, "
        "since it may quote holdout rows: try it on the training rows to see it."
    )
