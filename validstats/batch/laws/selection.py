"""Selections with bounded false claims: a threshold for their number, p-values for their expected share."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from validstats._typing import Bool1D, Float1D, RandomState
from validstats.batch.laws.levels import Level, exact_level
from validstats.batch.laws.order_statistics import score_at_rank
from validstats.batch.laws.ranks import selection_rank
from validstats.intake import check_random_state, check_vector

__all__ = [
    "SelectionThreshold",
    "benjamini_hochberg",
    "conformal_p_values",
    "selection_scores",
    "selection_threshold",
]


@dataclass(frozen=True)
class SelectionThreshold:
    """Threshold above which a claim is made."""

    # Claim where the prediction exceeds it; infinity selects nothing.
    threshold: float
    # Its rank among the calibration scores.
    rank: int
    # Exact probability, without ties, that the false claims stay within their bound.
    probability: float
    # Whether the threshold is a calibration score.
    informative: bool


def selection_scores(predictions: Any, labels: Any, above: Any) -> Float1D:
    """The score of a false claim: the prediction where the label is not above, else minus infinity."""
    mu = check_vector(predictions, "predictions")
    y = check_vector(labels, "labels")
    if mu.size != y.size:
        raise ValueError(f"predictions and labels differ in length: {mu.size} and {y.size}.")
    limit = check_vector(np.broadcast_to(above, y.shape), "above")
    return np.where(y <= limit, mu, -np.inf)


def selection_threshold(
    predictions: Any, labels: Any, above: Any, m: int, eta: int, alpha: Level
) -> SelectionThreshold:
    """The threshold whose selection from a batch makes at most eta false claims."""
    # Source: Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.
    scores = selection_scores(predictions, labels, above)
    bound = selection_rank(scores.size, m, eta, alpha)
    return SelectionThreshold(
        score_at_rank(scores, bound.rank), bound.rank, bound.probability, bound.informative
    )


def conformal_p_values(
    calibration_scores: Float1D,
    batch_scores: Float1D,
    random_state: RandomState = None,
    *,
    randomised: bool = False,
) -> Float1D:
    """A p-value for "this row is no true claim", for every row of a batch."""
    # Source: Jin and Candes (2023), Selection by prediction with conformal p-values, arXiv 2210.01408: the
    # score is their clipped one, monotone in the label.
    ordered = np.sort(calibration_scores)
    n = ordered.size
    larger = n - np.searchsorted(ordered, batch_scores, side="right")
    at_least = n - np.searchsorted(ordered, batch_scores, side="left")
    if not randomised:
        return np.asarray((1 + at_least) / (n + 1), dtype=np.float64)
    shares = check_random_state(random_state).random(batch_scores.size)
    return np.asarray((larger + shares * (1 + at_least - larger)) / (n + 1), dtype=np.float64)


def benjamini_hochberg(p_values: Float1D, fdr: Level) -> Bool1D:
    """The rejections of the Benjamini-Hochberg procedure."""
    p = check_vector(p_values, "p_values")
    if p.min() < 0 or p.max() > 1:
        raise ValueError(f"p_values must lie in [0, 1], got {p.min():g} to {p.max():g}.")
    level: Fraction = exact_level(fdr, "fdr")
    ordered = np.sort(p)
    limits = np.array([float(level * k / p.size) for k in range(1, p.size + 1)])
    passing = np.flatnonzero(ordered <= limits * (1 + 1e-12))
    if passing.size == 0:
        return np.zeros(p.size, dtype=bool)
    return np.asarray(p <= ordered[passing[-1]])
