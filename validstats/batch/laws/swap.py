"""Bounds of a batch's mean by a permutation test that exchanges batch scores for calibration scores."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy import special, stats

from validstats._typing import Float1D, Float2D, Int1D
from validstats.batch.laws.envelope import extremes_cost, spread_band
from validstats.batch.laws.levels import Level, exact_level
from validstats.kernels.subset_sums import subset_sum_counts

__all__ = ["SwapBound", "swap_bounds"]

_BAND_SHARE = Fraction(1, 10)
"""Share of the level that the rank band takes: flat between 1/20 and 1/5, measured."""
_NUMERICAL_SHARE = 1e-3
"""Share of a side's level that pays for simulated tail probabilities and for subset sizes outside the range."""
_RUNS = 100_000
_POINTS = 50_000
_KNOT_STEP = 0.025
_KNOT_REACH = 4.5
_STANDARD_ERRORS = 5.0
_CHUNK = 2_000_000
_FLOOR = 1e-4
"""Smallest spread of a subset's sum, as a share of the band's range, so that constant scores have knots."""


@dataclass(frozen=True)
class SwapBound:
    """Bounds of the mean of a batch that hold together; one of them alone does not have half of the level.

    Attributes
    ----------
    low, high : float
        The bounds.
    band_cost : float
        Part of the level that the rank band spent.
    """

    low: float
    high: float
    band_cost: float


def swap_bounds(
    scores: Float1D,
    m: int,
    alpha: Level,
    bounds: tuple[float, float],
    *,
    sides: tuple[bool, bool] = (True, True),
    drop: tuple[bool, bool] = (False, False),
    seed: int = 0,
) -> SwapBound:
    r"""Bounds of the mean of m scores, for m much smaller than n.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Calibration scores, n > m >= 2.
    m : int
        Batch size.
    alpha : Fraction, float or str
        Level of both bounds together.
    bounds : tuple of float
        Known bounds of the scores; finite on every side whose extremes are not dropped.
    sides : tuple of bool, default (True, True)
        Whether a lower and an upper bound are wanted.
    drop : tuple of bool, default (False, False)
        Whether batches with a score below, or above, all calibration scores are given up first: m / (n + m) of the level
        for each side, which makes unbounded scores finite.
    seed : int, default 0
        Seed of the simulated subset sums.

    Returns
    -------
    SwapBound
        The bounds; those of the scores where nothing better can be said.

    Notes
    -----
    A uniform m-subset S of all n + m scores has at least the batch's mean with a probability p that is a valid
    p-value. With k the number of calibration scores in S, p is the probability that a random k-subset of the
    calibration sums to at least a random k-subset of the batch. Over all batches inside a rank band and with a given
    mean, p is largest for the most spread one, if tail probabilities of calibration sums are replaced by convex ones
    (Schur convexity). The level is kept up to numerical quadrature (5 standard errors).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> bound = swap_bounds(rng.random(200), 10, 0.1, (0.0, 1.0))
    >>> bool(0.3 < bound.low < 0.4), bool(0.7 < bound.high < 0.8)
    (True, True)
    """
    x, level = np.sort(scores), exact_level(alpha)
    n = x.size
    dropped = extremes_cost(n, m, drop)
    if level <= dropped:
        return SwapBound(*bounds, float(dropped))
    band = spread_band(n, m, dropped + (level - dropped) * _BAND_SHARE, drop=drop)
    cost = 1 - band.probability
    alpha_side = (float(level) - cost) / sum(sides)
    low_end, high_end = np.append(bounds[0], x)[band.lower - 1], np.append(x, bounds[1])[band.upper - 1]
    spread = float(high_end[-1] - low_end[0])
    if spread == 0.0:
        return SwapBound(float(low_end[0]), float(high_end[-1]), cost)
    law = _subset_law(n, m, alpha_side)
    above, below = _tail_functions(x - x.mean(), law, _FLOOR * spread, alpha_side, seed)
    points = _quadrature(n, m, law.first, law.last, seed)
    reach = 0.002 * np.sqrt((x.var() + (_FLOOR * spread) ** 2) * (1 / n + 1 / m))
    high, low = bounds[1], bounds[0]
    if sides[1]:
        high = _largest_mean(low_end - x.mean(), high_end - x.mean(), above, points, law, alpha_side, reach)
        high = min(high + x.mean(), bounds[1])
    if sides[0]:
        mirrored = x.mean() - high_end[::-1], x.mean() - low_end[::-1]
        low = x.mean() - _largest_mean(*mirrored, below, points, law, alpha_side, reach)
        low = max(low, bounds[0])
    return SwapBound(float(low), float(high), cost)


@dataclass(frozen=True)
class _SubsetLaw:
    """Numbers of calibration scores in a random subset that are looked at, and the mass of all others."""

    first: int
    last: int
    outside: float


def _subset_law(n: int, m: int, alpha_side: float) -> _SubsetLaw:
    """Range of the hypergeometric number of calibration scores with all but a tiny part of its mass."""
    support = np.arange(min(n, m) + 1)
    weights = stats.hypergeom.pmf(support, n + m, n, m)
    allowed = alpha_side * _NUMERICAL_SHARE / 4
    first = int(np.searchsorted(np.cumsum(weights), allowed, side="right"))
    last = weights.size - 1 - int(np.searchsorted(np.cumsum(weights[::-1]), allowed, side="right"))
    outside = weights[:first].sum() + weights[last + 1 :].sum()
    return _SubsetLaw(int(support[first]), int(support[last]), float(outside))


@dataclass(frozen=True)
class _Tails:
    """Convex, non-increasing functions, piecewise linear, one for each subset size."""

    origin: Float1D
    step: Float1D
    values: Float2D


def _tail_functions(
    x: Float1D, law: _SubsetLaw, floor: float, alpha_side: float, seed: int
) -> tuple[_Tails, _Tails]:
    """Convex upper limits of P(sum of a random k-subset >= s), for the scores and for their mirror image."""
    n, first = x.size, max(law.first, 1)
    sizes = np.arange(first, max(law.last, first) + 1)
    # variance of the sum of k of n numbers without replacement: k (n - k) / (n - 1) times their variance
    spread = np.sqrt(x.var() * sizes * (n - sizes) / max(n - 1, 1))
    spread = np.maximum(spread, floor)
    step, origin = _KNOT_STEP * spread, -_KNOT_REACH * spread
    knots = round(2 * _KNOT_REACH / _KNOT_STEP) + 1
    above = np.zeros((sizes.size, knots + 1), dtype=np.int64)
    below = np.zeros_like(above)
    rng = np.random.default_rng(seed)
    limits = np.arange(n, n - sizes[-1], -1)
    values = np.ascontiguousarray(x, dtype=np.float64).copy()
    for start in range(0, _RUNS, chunk := max(1, _CHUNK // int(sizes[-1]))):
        draws = rng.integers(0, limits, size=(min(chunk, _RUNS - start), sizes[-1]), dtype=np.int64)
        subset_sum_counts(draws, values, first, origin, step, above, below)
    risk = alpha_side * _NUMERICAL_SHARE / 2 / (knots * sizes.size)
    return (
        _Tails(origin, step, _convex_limits(above, risk)),
        _Tails(origin, step, _convex_limits(below, risk)),
    )


def _convex_limits(counts: np.ndarray, risk: float) -> Float2D:
    """Clopper-Pearson limits of the tails at the knots, moved right by one cell and made convex from the right."""
    reached = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]  # sums at or above each knot
    # upper limit of a probability with c successes in B runs: the 1 - risk quantile of Beta(c + 1, B - c)
    distinct, inverse = np.unique(reached, return_inverse=True)
    limit = special.betaincinv(distinct + 1.0, np.maximum(_RUNS - distinct, 1e-300), 1 - risk)
    limit[distinct == _RUNS] = 1.0
    values = np.hstack([np.ones((counts.shape[0], 1)), limit[inverse].reshape(reached.shape)])[:, :-1]
    drop = np.zeros(counts.shape[0])
    for column in range(values.shape[1] - 2, -1, -1):
        values[:, column] = np.maximum(values[:, column], values[:, column + 1] + drop)
        drop = values[:, column] - values[:, column + 1]
    return values


@dataclass(frozen=True)
class _Points:
    """Random subsets of batch positions, as index lists of the smaller of each subset and its complement."""

    sizes: Int1D
    is_complement: np.ndarray
    starts: Int1D
    index: Int1D


@lru_cache(maxsize=16)
def _quadrature(n: int, m: int, first: int, last: int, seed: int) -> _Points:
    """Subset sizes from their law, restricted to the range, and uniform subsets of the batch of those sizes."""
    rng = np.random.default_rng([seed, 1])
    support = np.arange(first, last + 1)
    weights = stats.hypergeom.pmf(support, n + m, n, m)
    sizes = rng.choice(support, size=_POINTS, p=weights / weights.sum())
    is_complement = sizes > m // 2
    lengths = np.where(is_complement, m - sizes, sizes)
    index = []
    for start in range(0, _POINTS, chunk := max(1, _CHUNK // m)):
        part = lengths[start : start + chunk]
        order = rng.random((part.size, m)).argsort(axis=1)
        index.append(order[np.arange(m) < part[:, None]])
    return _Points(
        sizes, is_complement, np.concatenate([[0], np.cumsum(lengths)[:-1]]), np.concatenate(index)
    )


def _largest_mean(
    low: Float1D,
    high: Float1D,
    tails: _Tails,
    points: _Points,
    law: _SubsetLaw,
    alpha_side: float,
    reach: float,
) -> float:
    """Smallest mean, up to the reach of bisection, whose most spread batch in the band is rejected."""
    accepted, rejected, error = float(low.mean()), float(high.mean()), 0.0
    goal = alpha_side * (1 - 1.5 * _NUMERICAL_SHARE)
    rising = np.concatenate([[0.0], np.cumsum(low)])
    falling = np.concatenate([np.cumsum(high[::-1])[::-1], [0.0]])
    while rejected - accepted > reach:
        middle = (accepted + rejected) / 2
        batch = _most_spread(low, high, rising, falling, middle)
        terms = _tail_values(batch, tails, points, max(law.first, 1))
        error = max(error, _STANDARD_ERRORS * float(terms.std()) / np.sqrt(_POINTS))
        if law.outside + (1 - law.outside) * (float(terms.mean()) + error) > goal:
            accepted = middle
        else:
            rejected = middle
    return rejected


def _most_spread(low: Float1D, high: Float1D, rising: Float1D, falling: Float1D, mean: float) -> Float1D:
    """The batch at its lower limits below one index, at its upper ones above it, with the given mean."""
    m = low.size
    total = mean * m
    # index i: low before i, one element between, high after i; totals with element i at its lower limit
    starts = rising[1:] + falling[1:]
    index = int(np.argmax(starts <= total)) if bool((starts <= total).any()) else m - 1
    batch = np.concatenate([low[:index], [0.0], high[index + 1 :]])
    batch[index] = min(max(total - rising[index] - falling[index + 1], low[index]), high[index])
    return batch


def _tail_values(batch: Float1D, tails: _Tails, points: _Points, first: int) -> Float1D:
    """Convex tail of each point's subset size at the sum of its subset of the batch."""
    taken = np.append(batch[points.index], 0.0)
    sums = np.add.reduceat(taken, points.starts)
    empty = np.diff(np.append(points.starts, points.index.size)) == 0
    sums[empty] = 0.0
    sums = np.where(points.is_complement, batch.sum() - sums, sums)
    row = np.maximum(points.sizes - first, 0)
    place = (sums - tails.origin[row]) / tails.step[row]
    last = tails.values.shape[1] - 1
    cell = np.clip(np.floor(place).astype(np.int64), 0, last - 1)
    left, right = tails.values[row, cell], tails.values[row, cell + 1]
    # left of the first knot the first slope goes on; right of the last one the value stays
    value = left + np.minimum(place - cell, last - cell) * (right - left)
    return np.where(points.sizes == 0, 1.0, value)
