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
"""Doublings of the multiplier until the dual is past its minimum."""
_BISECTION_STEPS = 50
"""Halvings of the bracket; any multiplier gives a valid bound, a better one a tighter bound."""


def hull_bound(scores: Float1D, weights: Float1D, m: int, q: float) -> float:
    """Bound the largest sum of m scores whose rank weights sum to at most q, by the concave envelope."""
    if q >= m * weights[-1]:
        return float(m * scores[-1])
    if np.isinf(scores[-1]):
        return np.inf
    y = np.ascontiguousarray(scores, dtype=np.float64)
    x = np.ascontiguousarray(weights, dtype=np.float64)
    return float(m * hull_value(x, y, upper_hull(x, y), q / m))


def rank_sum_maximum(scores: Float1D, m: int, q: int) -> float:
    """The exact largest sum of m scores whose ranks sum to at most q."""
    # Gomory's group relaxation around the two hull vertices that enclose q / m: the cheapest multiset of
    # other ranks by residue. Where that is not feasible, a knapsack over the ranks that can still pay off.
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
    """The largest sum of m scores with rank sum at most q by the O(m q n) dynamic programme."""
    # Source: Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.
    return float(
        knapsack_max(np.ascontiguousarray(scores, dtype=np.float64), m, min(int(q), m * scores.size))
    )


def dual_bound(scores: Float1D, weights: Float1D, lower: Int1D, upper: Int1D, q: float) -> float:
    """Bound the largest sum of scores whose ranks stay in a band and whose weights sum to at most q."""
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
