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
    """Threshold above which a claim is made.

    Attributes
    ----------
    threshold : float
        Claim where the prediction exceeds it; infinity selects nothing.
    rank : int
        Its rank among the calibration scores.
    probability : float
        Exact probability, without ties, that the false claims stay within their bound.
    informative : bool
        Whether the threshold is a calibration score.
    """

    threshold: float
    rank: int
    probability: float
    informative: bool


def selection_scores(predictions: Any, labels: Any, above: Any) -> Float1D:
    """Return the score of a false claim: the prediction where the label is not above, else minus infinity.

    Parameters
    ----------
    predictions : array-like of shape (n,)
        Predictions; larger means more likely to be above.
    labels : array-like of shape (n,)
        Observed labels.
    above : float or array-like of shape (n,)
        The claim is that a label exceeds this value. Values by row must belong to the exchangeable tuple.

    Returns
    -------
    ndarray of shape (n,)
        The scores.

    Raises
    ------
    ValueError
        If the lengths differ or a value is NaN.

    Examples
    --------
    >>> selection_scores([0.2, 0.9], [0.0, 1.0], 0.5)
    array([ 0.2, -inf])
    """
    mu = check_vector(predictions, "predictions")
    y = check_vector(labels, "labels")
    if mu.size != y.size:
        raise ValueError(f"predictions and labels differ in length: {mu.size} and {y.size}.")
    limit = check_vector(np.broadcast_to(above, y.shape), "above")
    return np.where(y <= limit, mu, -np.inf)


def selection_threshold(
    predictions: Any, labels: Any, above: Any, m: int, eta: int, alpha: Level
) -> SelectionThreshold:
    """Return the threshold whose selection from a batch makes at most eta false claims.

    Parameters
    ----------
    predictions, labels : array-like of shape (n,)
        Predictions and labels of the calibration rows.
    above : float or array-like of shape (n,)
        The claim is that a label exceeds this value.
    m : int
        Batch size.
    eta : int
        False claims allowed, in 0..m-1; 0 is the familywise error rate.
    alpha : Fraction, float or str
        Probability allowed for more of them.

    Returns
    -------
    SelectionThreshold
        The threshold and its exact probability.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or the lengths differ.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.

    Examples
    --------
    >>> x = np.linspace(0, 1, 30)
    >>> round(selection_threshold(x, x > 0.7, 0.5, 10, 1, 0.1).threshold, 4)
    0.6897
    """
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
    r"""Return a p-value for "this row is no true claim", for every row of a batch.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n,)
        Scores of :func:`selection_scores`: large where a false claim looked convincing, -inf for true claims.
    batch_scores : ndarray of shape (m,)
        Predictions of the batch (their scores if the claim were false).
    random_state : int, numpy.random.Generator or None, default None
        Stream of the randomisation.
    randomised : bool, default False
        Whether ties, the row itself included, count by a uniform share instead of in full.

    Returns
    -------
    ndarray of shape (m,)
        :math:`p_j = (1 + \#\{i : S_i \ge \hat T_j\}) / (n + 1)`.

    References
    ----------
    Jin and Candes (2023), Selection by prediction with conformal p-values, arXiv 2210.01408: the score is
    their clipped one, monotone in the label.

    Examples
    --------
    >>> conformal_p_values(np.array([-np.inf, 0.2, 0.4]), np.array([0.3, 0.9]))
    array([0.5 , 0.25])
    """
    ordered = np.sort(calibration_scores)
    n = ordered.size
    larger = n - np.searchsorted(ordered, batch_scores, side="right")
    at_least = n - np.searchsorted(ordered, batch_scores, side="left")
    if not randomised:
        return np.asarray((1 + at_least) / (n + 1), dtype=np.float64)
    shares = check_random_state(random_state).random(batch_scores.size)
    return np.asarray((larger + shares * (1 + at_least - larger)) / (n + 1), dtype=np.float64)


def benjamini_hochberg(p_values: Float1D, fdr: Level) -> Bool1D:
    """Return the rejections of the Benjamini-Hochberg procedure.

    Parameters
    ----------
    p_values : array-like of shape (m,)
        P-values in [0, 1].
    fdr : Fraction, float or str
        Bound of the expected share of false rejections, in (0, 1).

    Returns
    -------
    ndarray of bool, shape (m,)
        True where rejected.

    Raises
    ------
    ValueError
        If a p-value is NaN or outside [0, 1], or fdr out of range.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.02, 0.8], 0.1)
    array([ True,  True, False])
    """
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
