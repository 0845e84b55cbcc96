"""Intervals for metrics that are no means of rows: F1 and its parts, R2, balanced accuracy, AUC, average precision.

Ratios of means are bounded by bets (:func:`validstats.holdout.widths.capital.ratio_interval`), areas by bets on
disjoint pairs of a positive and a negative row, averages of shares by Clopper-Pearson a class.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy import special

from validstats._typing import AnyArray, Float1D
from validstats.holdout.widths.capital import ratio_interval
from validstats.holdout.widths.counts import LOG_2, clopper_pearson
from validstats.intake import check_in_range, check_vector

__all__ = [
    "auc_interval",
    "average_precision_interval",
    "balanced_accuracy_interval",
    "f_score_interval",
    "r2_interval",
]

_MATCHINGS = 50
_FACTORS = (0.5, 1.0, 2.0)  # stakes around the best one for a variance of a quarter
_CUT = 0.95
_F_VARIANCE = (
    0.05  # of a - c b for models of middling quality: stakes are made for it, coverage does not depend on it
)
_CELLS = 4000  # of recall, for the integral of average precision


def f_score_interval(
    y: AnyArray, predicted: AnyArray, log_alpha: float, *, positive: object = 1, beta: float = 1.0
) -> tuple[float, float]:
    """Return an interval for an F score, ``(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp)``."""
    truth, said = np.asarray(y) == positive, np.asarray(predicted) == positive
    tp, fp, fn = truth & said, ~truth & said, truth & ~said
    if math.isinf(beta):
        a, b, top = tp.astype(float), (tp | fn).astype(float), (1.0, 1.0)
    else:
        weight = 1.0 + beta**2
        a, b, top = weight * tp, weight * tp + beta**2 * fn + fp, (weight, max(weight, 1.0))
    low, high = ratio_interval(a, b, log_alpha, largest=top, variance=_F_VARIANCE)
    return max(low, 0.0), min(high, 1.0)


def r2_interval(
    y: Float1D, predicted: Float1D, log_alpha: float, *, bounds: tuple[float, float]
) -> tuple[float, float]:
    """Return an interval for the share of variance that predictions explain, for an outcome between known bounds."""
    # Rows come in pairs: ``a = ((y1 - f1)^2 + (y2 - f2)^2) / 2`` and ``b = (y1 - y2)^2 / 2`` have the
    # residual and the total variance as means, and ``R2 = 1 - E a / E b``.
    bottom, top = bounds
    span = top - bottom
    values = (check_vector(y, "y") - bottom) / span
    if values.min() < 0.0 or values.max() > 1.0:
        raise ValueError(f"y must lie within its bounds {bounds}, got values from {min(y)} to {max(y)}.")
    fitted = np.clip((check_vector(predicted, "predicted") - bottom) / span, 0.0, 1.0)
    half = len(values) // 2
    squares = np.square(values - fitted)[: 2 * half].reshape(half, 2)
    a = squares.mean(axis=1)
    b = 0.5 * np.square(values[0 : 2 * half : 2] - values[1 : 2 * half : 2])
    low, high = ratio_interval(a, b, log_alpha, largest=(1.0, 0.5), variance=0.01, guess=0.3)
    return 1.0 - high, 1.0 - low


def balanced_accuracy_interval(right: AnyArray, classes: AnyArray, log_alpha: float) -> tuple[float, float]:
    """Return an interval for the mean over classes of the share of right rows, given the class counts."""
    correct, labels = np.asarray(right, dtype=np.bool_), np.asarray(classes)
    kinds = np.unique(labels)
    each = log_alpha - math.log(len(kinds))
    ends = [
        clopper_pearson(int(correct[labels == kind].sum()), int((labels == kind).sum()), each)
        for kind in kinds
    ]
    low, high = np.mean(ends, axis=0)
    return float(low), float(high)


def auc_interval(
    positive: Float1D, negative: Float1D, log_alpha: float, *, random_state: int = 0
) -> tuple[float, float]:
    """Return an interval for the area under the ROC curve by bets on disjoint pairs."""
    # Each of 50 matchings pairs positives with negatives; given the labels its pairs are independent, and the
    # capital of a gambler on them is an e-value. An average of e-values is one.
    p, q = check_vector(positive, "positive"), check_vector(negative, "negative")
    m = min(len(p), len(q))
    generator = np.random.default_rng(random_state)
    won = np.empty((_MATCHINGS, 3))
    for i in range(_MATCHINGS):
        a, b = p[generator.permutation(len(p))[:m]], q[generator.permutation(len(q))[:m]]
        won[i] = (a > b).sum(), (a == b).sum(), (a < b).sum()
    target = LOG_2 - log_alpha
    low = _auc_lower(won, m, target)
    return low, 1.0 - _auc_lower(won[:, ::-1], m, target)


def _auc_lower(won: AnyArray, m: int, target: float) -> float:
    """Largest c against which the average capital reaches exp(target); pairs are worth 1, 1/2 or 0."""
    stakes = np.asarray(_FACTORS) * math.sqrt(8.0 * target / m)
    values = np.array([1.0, 0.5, 0.0])

    def rich(c: float) -> bool:
        lam = np.minimum(stakes, _CUT / c) if c > 0.0 else stakes
        logs = won @ np.log1p(lam[None, :] * (values - c)[:, None])
        return float(special.logsumexp(logs)) - math.log(logs.size) >= target

    if not rich(0.0):
        return 0.0
    inside, outside = 0.0, 1.0
    for _ in range(50):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if rich(middle) else (inside, middle)
    return inside


def average_precision_interval(
    positive: Float1D, negative: Float1D, log_alpha: float, *, share: tuple[int, int] | None = None
) -> tuple[float, float]:
    """Return a valid, wide interval for the average precision: the worst case over bands of the two score laws."""
    # Massart (1990) for the bands.
    p, q = np.sort(check_vector(positive, "positive")), np.sort(check_vector(negative, "negative"))
    third = log_alpha - math.log(3.0)
    count, rows = share or (len(p), len(p) + len(q))
    shares = clopper_pearson(count, rows, third)
    bands = [math.sqrt((LOG_2 - third) / (2.0 * len(x))) for x in (p, q)]
    u = np.linspace(0.0, 1.0, _CELLS + 1)
    # recall u is reached at a threshold between those at which the positives' survival is u + band and u - band
    fall = _survival(q, _threshold(p, u + bands[0])) + bands[1]
    rise = _survival(q, _threshold(p, u - bands[0]), strict=True) - bands[1]
    low = _precision(u[:-1], np.clip(fall[1:], 0.0, 1.0), shares[0])
    high = _precision(u[1:], np.clip(rise[:-1], 0.0, 1.0), shares[1])
    return float(low.mean()), float(high.mean())


def _threshold(ordered: Float1D, recall: Float1D) -> Float1D:
    """Score down to which a share of the positives lies; minus infinity beyond all, infinity for none."""
    n = len(ordered)
    taken = np.ceil(np.maximum(recall, 0.0) * n - 1e-9).astype(int)
    padded = np.concatenate([[-np.inf], ordered, [np.inf]])
    return padded[np.clip(n + 1 - taken, 0, n + 1)]


def _survival(ordered: Float1D, at: Float1D, *, strict: bool = False) -> Float1D:
    """Share of the negatives at or above a threshold, or above it."""
    side: Literal["left", "right"] = "right" if strict else "left"
    return 1.0 - np.searchsorted(ordered, at, side=side) / len(ordered)


def _precision(recall: Float1D, fall_out: Float1D, share: float) -> Float1D:
    check_in_range(share, "share", 0.0, 1.0)
    found = share * recall
    total = found + (1.0 - share) * fall_out
    return np.divide(found, total, out=np.ones_like(total), where=total > 0.0)
