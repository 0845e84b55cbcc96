"""Bounds of a batch's mean by betting against it, one calibration score after the other without replacement."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy import special

from validstats._typing import Float1D
from validstats.batch.laws.levels import Level, exact_level
from validstats.kernels.betting import chain_of_rejections

__all__ = ["betting_upper_mean", "grid_points"]

_TAU = 1.5
"""The hedge reaches its goal only at the end, so it aims at 1.5 / alpha: flat between 1.3 and 1.8, measured."""
_PRIOR_ROWS = 4.0
"""Rows that the prior variance (width / 6)^2 counts for."""
_TABLE = 2_001
_BLOCK = 2**14
"""Draws that are worked on at a time, so that no more than two numbers a draw are kept."""
_STAGES = ((400, 0.01), (20, 0.01), (1, 0.98))
"""Steps of the grids, in steps of the finest, and the share of the level that each one's chain may spend."""


def grid_points(n: int, m: int) -> float:
    """Number of steps of the grid of population means between the bounds: a step is a small part of a standard error."""
    return min(max(500 * math.sqrt(n * (n + m) / m), 2e3), 4e6)


def betting_upper_mean(
    scores: Float1D, m: int, alpha: Level, high: float, *, low: float = -np.inf, width: float | None = None
) -> float:
    """Upper bound of the mean of a batch of m scores that holds with probability 1 - alpha over a random order."""
    # If the mean of all N = n + m scores is at least g, the scores still to come have conditional mean at
    # least mu_i = (N g - S_{i-1}) / (N - i + 1), so the capital prod_i (1 + lambda_i (mu_i - x_i)) of bets
    # that know earlier scores only is a non-negative supermartingale: it reaches 1 / alpha with probability
    # at most alpha (Ville). Means on a fixed grid are tested from the top; an error needs the largest grid
    # point below the true mean to be rejected, which is one test. Chains on coarser grids at a hundredth of
    # the level skip what is far off.
    # Source: Waudby-Smith and Ramdas (2020), arXiv 2006.04347, for betting without replacement.
    x = np.ascontiguousarray(scores, dtype=np.float64)
    level, n = float(exact_level(alpha)), x.size
    size, span = n + m, high - low if width is None else width
    if span <= 0:
        return high
    centred = x - high  # sums of small numbers: no digits are lost to a far origin
    scale, total = _bet_scales(centred, m, span)
    step = span / grid_points(n, m)
    # means above (sum x + m high) / N are impossible; with centred scores high is 0
    start = max(int(-total / size / step) - 2, 0)
    for factor, share in _STAGES:
        coarse = factor * step
        bound = chain_of_rejections(
            centred,
            scale,
            size,
            0.0,
            coarse,
            start // factor,
            level * share,
            _TAU,
            low - high,
            0.0,
            1e-12 * span,
            _hedge_table(),
        )
        start = max(start, (int(bound) - 1) * factor)
    # the smallest rejected mean g bounds the batch by (N g - sum x) / m
    return min(high, high + (-size * start * step - total) / m)


def _bet_scales(x: Float1D, m: int, width: float) -> tuple[Float1D, float]:
    """What a bet of each draw is scaled by, which knows the draws before it, and the sum of all draws."""
    size, scale = x.size + m, np.empty_like(x)
    total = squares = 0.0
    for begin in range(0, x.size, _BLOCK):
        part = x[begin : begin + _BLOCK]
        counts = np.arange(begin, begin + part.size, dtype=np.float64)
        sums = np.cumsum(np.concatenate([[total], part]))
        powers = np.cumsum(np.concatenate([[squares], part * part]))
        total, squares = float(sums[-1]), float(powers[-1])
        variance = _running_variance(counts, sums[:-1], powers[:-1], width)
        left = size - counts  # N - i + 1 for i = 1..n
        # remaining variance of the last mean: var (1/m - 1/(N - i + 1)) + var / (N - i)^2
        remaining = variance * (1 / m - 1 / left) + variance / (left - 1) ** 2
        scale[begin : begin + _BLOCK] = 1 / (np.sqrt(remaining) * (left - 1))
    return scale, total


def _running_variance(counts: Float1D, sums: Float1D, squares: Float1D, width: float) -> Float1D:
    """Variance of the draws before each draw, held up by a prior of a sixth of the width."""
    deviations = np.maximum(squares - sums**2 / np.maximum(counts, 1), 0.0)
    return np.asarray(
        (_PRIOR_ROWS * (width / 6) ** 2 + deviations) / (_PRIOR_ROWS + np.maximum(counts - 1, 0.0)),
        dtype=np.float64,
    )


@cache
def _hedge_table() -> Float1D:
    """phi(Phi^-1(p)) / p, the bet of a digital option's hedge, at p = (i / 2000)^2."""
    p = (np.arange(_TABLE) / (_TABLE - 1)) ** 2
    p[0] = p[1]
    z = special.ndtri(p)
    table = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) / p
    table[-1] = 0.0
    return np.asarray(table, dtype=np.float64)
