"""The largest sum of scores that a bounded sum of rank weights allows: hull, exact, and Lagrangian dual.

All functions bound from above; a lower bound is minus the upper bound of the reflected scores.
"""

from __future__ import annotations

import numpy as np

from validstats._typing import Float1D, Int1D
from validstats.kernels.extremal_sums import (
    dual_value,
    hull_value,
    knapsack_max,
    residue_costs,
    restricted_knapsack,
    upper_hull,
)

__all__ = ["dual_bound", "hull_bound", "knapsack_bound", "rank_sum_maximum"]

_BRACKET_STEPS = 60
_BISECTION_STEPS = 50


def hull_bound(scores: Float1D, weights: Float1D, m: int, q: float) -> float:
    r"""Bound the largest sum of m scores whose rank weights sum to at most q, by the concave envelope.

    Parameters
    ----------
    scores : ndarray of float64, shape (n + 1,)
        Non-decreasing scores of the ranks 1..n+1; the last is the known upper bound.
    weights : ndarray of float64, shape (n + 1,)
        Non-decreasing finite rank weights.
    m : int
        Batch size.
    q : float
        Largest sum of weights; infinite for no constraint.

    Returns
    -------
    float
        :math:`m \hat s(q / m)` with :math:`\hat s` the concave envelope of the points (weight, score): never
        below the exact maximum, by Jensen's inequality. Infinite if the last score is, and can be reached.

    Examples
    --------
    >>> hull_bound(np.array([0.0, 0.5, 1.0]), np.array([1.0, 2.0, 3.0]), 2, 4.0)
    1.0
    """
    if q >= m * weights[-1]:
        return float(m * scores[-1])
    if np.isinf(scores[-1]):
        return np.inf
    y = np.ascontiguousarray(scores, dtype=np.float64)
    x = np.ascontiguousarray(weights, dtype=np.float64)
    return float(m * hull_value(x, y, upper_hull(x, y), q / m))


def rank_sum_maximum(scores: Float1D, m: int, q: int) -> float:
    """Return the exact largest sum of m scores whose ranks sum to at most q.

    Parameters
    ----------
    scores : ndarray of float64, shape (n + 1,)
        Non-decreasing scores of the ranks 1..n+1, finite.
    m : int
        Batch size.
    q : int
        Largest rank sum, at least m.

    Returns
    -------
    float
        The maximum.

    Notes
    -----
    Gomory's group relaxation around the two hull vertices that enclose q / m: the cheapest multiset of other
    ranks by residue. Where that is not feasible, a knapsack over the ranks that can still pay off.

    Examples
    --------
    >>> rank_sum_maximum(np.array([0.0, 0.1, 1.0]), 2, 5)
    1.1
    """
    if q >= m * scores.size:
        return float(m * scores[-1])
    ranks = np.arange(1, scores.size + 1, dtype=np.float64)
    hull = upper_hull(ranks, scores)
    position = int(np.searchsorted(ranks[hull], q / m, side="right")) - 1
    a, b = int(hull[position]) + 1, int(hull[position + 1]) + 1
    slope = (scores[b - 1] - scores[a - 1]) / (b - a)
    reduced = np.maximum(scores[a - 1] + slope * (ranks - a) - scores, 0.0)
    relaxed = m * scores[a - 1] + slope * (q - m * a)
    remainder = (q - m * a) % (b - a)
    if remainder == 0:
        return float(relaxed)
    greedy = float(reduced[a - 1 + remainder])
    useful = np.flatnonzero(reduced < greedy) + 1
    others = useful[(useful != a) & (useful != b)]
    cost, count, shift = residue_costs(
        np.append(others - a, remainder), np.append(reduced[others - 1], greedy), b - a
    )
    n_upper = (q - m * a - int(shift[remainder])) // (b - a)
    if 0 <= n_upper <= m - int(count[remainder]):
        return float(relaxed - cost[remainder])
    menu = np.union1d(useful, [a, b, a + remainder]).astype(np.int64)
    return float(restricted_knapsack(menu, scores[menu - 1], m, q))


def knapsack_bound(scores: Float1D, m: int, q: int) -> float:
    """Return the largest sum of m scores with rank sum at most q by the O(m q n) dynamic programme.

    Parameters
    ----------
    scores : ndarray of float64, shape (n + 1,)
        Non-decreasing scores of the ranks 1..n+1, finite.
    m : int
        Batch size.
    q : int
        Largest rank sum.

    Returns
    -------
    float
        The maximum. This is the algorithm that the hull and the group relaxation replace.

    References
    ----------
    Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.

    Examples
    --------
    >>> knapsack_bound(np.array([0.0, 0.1, 1.0]), 2, 5)
    1.1
    """
    return float(
        knapsack_max(np.ascontiguousarray(scores, dtype=np.float64), m, min(int(q), m * scores.size))
    )


def dual_bound(scores: Float1D, weights: Float1D, lower: Int1D, upper: Int1D, q: float) -> float:
    r"""Bound the largest sum of scores whose ranks stay in a band and whose weights sum to at most q.

    Parameters
    ----------
    scores : ndarray of float64, shape (n + 1,)
        Non-decreasing scores of the ranks 1..n+1.
    weights : ndarray of float64, shape (n + 1,)
        Non-decreasing rank weights, finite within the band.
    lower, upper : ndarray of int64, shape (m,)
        Band of the sorted ranks, inclusive.
    q : float
        Largest sum of weights; infinite for no constraint beyond the band.

    Returns
    -------
    float
        The smallest found value of :math:`D(\lambda) = \lambda q + \sum_j \max_{L_j \le r \le U_j} (S_{(r)} -
        \lambda \phi_r)`. Every :math:`\lambda \ge 0` gives a valid bound and D is convex.

    Examples
    --------
    >>> s = np.array([0.0, 0.5, 1.0]); w = np.array([1.0, 2.0, 3.0])
    >>> dual_bound(s, w, np.array([1, 1]), np.array([3, 3]), 4.0)
    1.0
    """
    free = float(scores[upper - 1].sum())
    if not np.isfinite(q) or not np.isfinite(free):
        return free
    reachable = int(upper[-1])
    y = np.ascontiguousarray(scores[:reachable], dtype=np.float64)
    x = np.ascontiguousarray(weights[:reachable], dtype=np.float64)
    low = np.ascontiguousarray(lower, dtype=np.int64)
    high = np.ascontiguousarray(upper, dtype=np.int64)
    return min(free, _minimise_dual(y, x, low, high, float(q)))


def _minimise_dual(y: Float1D, x: Float1D, lower: Int1D, upper: Int1D, q: float) -> float:
    value, slope = dual_value(0.0, y, x, lower, upper, q)
    best = float(value)
    if slope >= 0:
        return best
    spread = float(x[-1] - x[0]) or 1.0
    left, right = 0.0, max(float(y[-1] - y[0]), 1e-300) / spread / 16
    for _ in range(_BRACKET_STEPS):
        value, slope = dual_value(right, y, x, lower, upper, q)
        best = min(best, float(value))
        if slope >= 0:
            break
        left, right = right, 2 * right
    for _ in range(_BISECTION_STEPS):
        middle = (left + right) / 2
        value, slope = dual_value(middle, y, x, lower, upper, q)
        best = min(best, float(value))
        if slope >= 0:
            right = middle
        else:
            left = middle
    return best
