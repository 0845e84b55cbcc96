"""Metrics that are no means of row values: each owns a score and an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics as sk

from validstats._typing import AnyArray
from validstats.holdout.asking.metrics import NAMED_METRICS, Metric
from validstats.holdout.widths import (
    auc_interval,
    average_precision_interval,
    balanced_accuracy_interval,
    f_score_interval,
    r2_interval,
)
from validstats.intake import check_in_range

__all__ = ["WHOLE_METRICS", "WholeMetric", "r2"]

Bound = Callable[[AnyArray, AnyArray, float], tuple[float, float]]
"""``bound(truth, prediction, log_alpha)`` returns an interval for the score of new rows."""


def _none(y: AnyArray, prediction: AnyArray, X: Any) -> AnyArray:
    return np.zeros(len(y))


@dataclass(frozen=True, kw_only=True)
class WholeMetric(Metric):
    """A metric of all rows together, with an interval of its own.

    Parameters
    ----------
    measure : callable
        ``measure(truth, prediction)`` returns the score; labels come as indices of the training classes, and so do
        predictions of labels.
    bound : callable
        ``bound(truth, prediction, log_alpha)`` returns an interval that covers the score of new rows but for
        ``exp(log_alpha)``, for independent rows.
    classes : int, default 0
        Number of classes that it is for; 0 for a continuous outcome, -1 for any number of classes.

    Examples
    --------
    >>> WHOLE_METRICS["f1"].measure(np.array([1, 1, 0]), np.array([1, 0, 0]))
    0.6666666666666666
    """

    row_mean = False

    rows: Callable[[AnyArray, AnyArray, Any], AnyArray] = _none
    measure: Callable[[AnyArray, AnyArray], float]
    bound: Bound
    classes: int = 0

    def score(self, truth: AnyArray, prediction: AnyArray, X: Any = None) -> float:
        """Return the score of given rows.

        Parameters
        ----------
        truth : ndarray of shape (n,)
            Class indices, or outcomes.
        prediction : ndarray of shape (n,)
            Class indices, scores or predicted outcomes.
        X : object
            Not used.

        Returns
        -------
        float
            The score.
        """
        return float(self.measure(truth, prediction))


# Measures and bounds are objects of the module, so that a metric can be sent to other processes.


@dataclass(frozen=True)
class _FScore:
    """F score of the second class, with its interval; beta 0 is precision, infinity recall."""

    beta: float

    def __call__(self, y: AnyArray, said: AnyArray) -> float:
        truth, positive = y == 1, said == 1
        hit, wrong, missed = ((truth & positive).sum(), (~truth & positive).sum(), (truth & ~positive).sum())
        if math.isinf(self.beta):
            return float(hit / max(hit + missed, 1))
        weight = 1.0 + self.beta**2
        total = weight * hit + self.beta**2 * missed + wrong
        return float(weight * hit / total) if total else 0.0

    def bound(self, y: AnyArray, said: AnyArray, log_alpha: float) -> tuple[float, float]:
        """The interval of the score of new rows."""
        return f_score_interval(y, said, log_alpha, positive=1, beta=self.beta)


def _balanced_accuracy(y: AnyArray, said: AnyArray) -> float:
    return float(np.mean([(said[y == kind] == kind).mean() for kind in np.unique(y)]))


def _balanced_bound(y: AnyArray, said: AnyArray, log_alpha: float) -> tuple[float, float]:
    return balanced_accuracy_interval(y == said, y, log_alpha)


def _auc(y: AnyArray, score: AnyArray) -> float:
    return float(sk.roc_auc_score(y == 1, score))


def _average_precision(y: AnyArray, score: AnyArray) -> float:
    return float(sk.average_precision_score(y == 1, score))


def _auc_bound(y: AnyArray, score: AnyArray, log_alpha: float) -> tuple[float, float]:
    positive, negative = score[y == 1], score[y != 1]
    return auc_interval(positive, negative, log_alpha) if len(positive) and len(negative) else (0.0, 1.0)


def _average_precision_bound(y: AnyArray, score: AnyArray, log_alpha: float) -> tuple[float, float]:
    positive, negative = score[y == 1], score[y != 1]
    both = len(positive) and len(negative)
    return average_precision_interval(positive, negative, log_alpha) if both else (0.0, 1.0)


@dataclass(frozen=True)
class _R2:
    """Explained variance of an outcome that is cut to bounds, with its interval: the target is the cut outcome's."""

    low: float
    high: float

    def __call__(self, y: AnyArray, said: AnyArray) -> float:
        return float(sk.r2_score(np.clip(y, self.low, self.high), np.clip(said, self.low, self.high)))

    def bound(self, y: AnyArray, said: AnyArray, log_alpha: float) -> tuple[float, float]:
        """The interval of the score of new rows."""
        return r2_interval(np.clip(y, self.low, self.high), said, log_alpha, bounds=(self.low, self.high))


def _f_metric(name: str, beta: float) -> WholeMetric:
    score = _FScore(beta)
    return WholeMetric(name=name, measure=score, bound=score.bound, classes=2)


WHOLE_METRICS = {
    "f1": _f_metric("f1", 1.0),
    "precision": _f_metric("precision", 0.0),
    "recall": _f_metric("recall", math.inf),
    "balanced_accuracy": WholeMetric(
        name="balanced_accuracy", measure=_balanced_accuracy, bound=_balanced_bound, classes=-1
    ),
    "auc": WholeMetric(name="auc", response="decision", measure=_auc, bound=_auc_bound, classes=2),
    "average_precision": WholeMetric(
        name="average_precision",
        response="decision",
        measure=_average_precision,
        bound=_average_precision_bound,
        classes=2,
    ),
}
"""Metrics of all rows together, by name."""


def r2(*, bounds: tuple[float, float]) -> WholeMetric:
    """Share of the variance of an outcome that is explained, for an outcome between known bounds.

    Parameters
    ----------
    bounds : tuple of (float, float)
        Smallest and largest possible outcome, fixed without looking at the holdout. Outcomes and predictions are cut to
        them.

    Returns
    -------
    WholeMetric
        At most 1. Scores below -1 are published as -1, with an interval that is open below.

    Examples
    --------
    >>> r2(bounds=(0, 10)).measure(np.array([0.0, 10.0]), np.array([0.0, 10.0]))
    1.0
    """
    low, high = (float(end) for end in bounds)
    check_in_range(high, "bounds[1]", low, math.inf, low_open=True)
    score = _R2(low, high)
    return WholeMetric(
        name=f"r2(bounds={(low, high)!r})", measure=score, bound=score.bound, bounds=(-1.0, 1.0)
    )


NAMED_METRICS.update(WHOLE_METRICS)
