"""What a metric looks at of an estimator: labels, or columns in the order of the training classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from validstats._typing import AnyArray, Int1D
from validstats.holdout.asking.metrics import Metric
from validstats.holdout.asking.sample import lent

__all__ = ["in_class_order", "method_of", "own_classes", "raw_response", "respond"]


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
    """Bring probabilities or scores from the order of an estimator's classes to that of the training classes.

    Parameters
    ----------
    prediction : ndarray of shape (n,) or (n, k)
        Predictions; probabilities in one dimension are those of the second of two classes.
    metric : Metric
        What looks at them.
    classes : ndarray
        Distinct training labels, in order; empty if they are no classes.
    own : array-like or None, default None
        Class of each column; None if they are the training classes.
    what : str, default "target"
        Whose predictions, for the message.

    Returns
    -------
    ndarray of shape (n,) or (n, number of training classes)
        Probability 0 for classes without a column; one score a row where the metric wants a decision.

    Raises
    ------
    ValueError
        If a class is not among the training labels, or the number of columns is another.

    Examples
    --------
    >>> from validstats.holdout.asking.metrics import as_metric
    >>> probabilities = np.array([[0.25, 0.75]])
    >>> in_class_order(probabilities, as_metric("brier"), np.array([0, 1, 2]), own=[0, 2]).tolist()
    [[0.25, 0.0, 0.75]]
    """
    if metric.response == "predict":
        return prediction
    if not len(classes):
        raise ValueError(
            f"metric={metric.name!r} compares with classes, and no training labels gave any: call fit(...) with class "
            "labels before calibrate(...). Nothing was charged."
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
