"""Bounds of a batch's mean by a permutation test that exchanges batch scores for calibration scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special, stats

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.batch.laws.envelope import extremes_cost, spread_band
from validstats.batch.laws.levels import Level, exact_level
from validstats.kernels.subset_sums import subset_sum_counts

__all__ = ["SubsetCounts", "SwapBound", "subset_counts", "swap_bounds"]

_BAND_SHARE = Fraction(1, 10)
"""Share of the level that the rank band takes: flat between 1/20 and 1/5, measured."""
_NUMERICAL_SHARE = 1e-3
"""Share of a side's level that pays for simulated tail probabilities and for subset sizes outside the range."""
_RUNS = 100_000
_POINTS = 50_000
_KNOT_STEP = 0.025
_KNOT_REACH = 4.5
_KNOTS = round(2 * _KNOT_REACH / _KNOT_STEP) + 1
_BLOCKS = 4
_STANDARD_ERRORS = 5.0
_BISECTION = 0.002
"""Standard errors of the mean to which the bound is found."""
_CHUNK = 2_000_000
_FLOOR = 1e-4
"""Smallest spread of a subset's sum, as a share of the band's range, so that constant scores have knots."""


@dataclass(frozen=True)
class SwapBound:
    """Bounds of the mean of a batch that hold together; one of them alone does not have half of the level."""

    low: float  # low, high: The bounds
    high: float
    band_cost: float  # Part of the level that the rank band spent


def swap_bounds(
    scores: Float1D,
    m: int,
    alpha: Level,
    bounds: tuple[float, float],
    *,
    sides: tuple[bool, bool] = (True, True),
    drop: tuple[bool, bool] = (False, False),
    seed: int = 0,
    memo: Callable[[Any, Callable[[], Any]], Any] = lambda key, compute: compute(),
) -> SwapBound:
    r"""Bounds of the mean of m scores, for m much smaller than n."""
    # A uniform m-subset S of all n + m scores has at least the batch's mean with a probability p that is a
    # valid p-value. With k the number of calibration scores in S, p is the probability that a random k-subset
    # of the calibration sums to at least a random k-subset of the batch. Over all batches inside a rank band
    # and with a given mean, p is largest for the most spread one, if tail probabilities of calibration sums
    # are replaced by convex ones (Schur convexity). The level is kept up to numerical quadrature (5 standard
    # errors).
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
    # sizes up to the next power of two, so that batches of many sizes share a simulation
    largest = min(1 << (max(law.last, 1) - 1).bit_length(), n)
    floor = _FLOOR * float(min(bounds[1], x[-1] + spread) - max(bounds[0], x[0] - spread))
    counts = memo(
        ("subset sums", largest, floor, seed), lambda: subset_counts(x - x.mean(), largest, floor, seed)
    )
    above, below = _tail_functions(counts, law, alpha_side)
    points = _quadrature(n, m, law.first, law.last, seed)
    reach = _BISECTION * np.sqrt((x.var() + (_FLOOR * spread) ** 2) * (1 / n + 1 / m))
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


@dataclass(frozen=True)
class SubsetCounts:
    """Simulated sums of random subsets of the calibration, of all sizes up to the largest."""

    spread: Float1D  # Standard deviation of the sum of each size, never 0
    above: Int2D  # above, below: Runs whose sum, or mirrored sum, lies in each cell between knots
    below: Int2D


def subset_counts(x: Float1D, largest: int, floor: float, seed: int) -> SubsetCounts:
    """Simulate subset sums of centred scores; those of one size do not depend on the largest size asked for."""
    n = x.size
    sizes = np.arange(1, largest + 1)
    # variance of the sum of k of n numbers without replacement: k (n - k) / (n - 1) times their variance
    spread = np.maximum(np.sqrt(x.var() * sizes * (n - sizes) / max(n - 1, 1)), floor)
    above = np.zeros((largest, _KNOTS + 1), dtype=np.int64)
    below = np.zeros_like(above)
    for block in range(_BLOCKS):
        draws = np.empty((_RUNS // _BLOCKS, largest), dtype=np.int32)
        for j in range(largest):
            draws[:, j] = np.random.default_rng([seed, block, j]).integers(0, n - j, size=len(draws))
        values = np.ascontiguousarray(x, dtype=np.float64).copy()
        subset_sum_counts(draws, values, 1, -_KNOT_REACH * spread, _KNOT_STEP * spread, above, below)
    return SubsetCounts(spread, above, below)


def _tail_functions(counts: SubsetCounts, law: _SubsetLaw, alpha_side: float) -> tuple[_Tails, _Tails]:
    """Convex upper limits of P(sum of a random k-subset >= s), for the scores and for their mirror image."""
    first, last = max(law.first, 1), max(law.last, 1)
    spread = counts.spread[first - 1 : last]
    step, origin = _KNOT_STEP * spread, -_KNOT_REACH * spread
    # rounded down to a power of 2, so that batches of many sizes share a table of limits
    risk = 2.0 ** math.floor(math.log2(alpha_side * _NUMERICAL_SHARE / 2 / (_KNOTS * spread.size)))
    return (
        _Tails(origin, step, _convex_limits(counts.above[first - 1 : last], risk)),
        _Tails(origin, step, _convex_limits(counts.below[first - 1 : last], risk)),
    )


def _convex_limits(counts: np.ndarray, risk: float) -> Float2D:
    """Clopper-Pearson limits of the tails at the knots, moved right by one cell and made convex from the right."""
    reached = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]  # sums at or above each knot
    values = np.hstack([np.ones((counts.shape[0], 1)), _upper_limits(risk)[reached]])[:, :-1]
    drop = np.zeros(counts.shape[0])
    for column in range(values.shape[1] - 2, -1, -1):
        values[:, column] = np.maximum(values[:, column], values[:, column + 1] + drop)
        drop = values[:, column] - values[:, column + 1]
    return values


@lru_cache(maxsize=8)
def _upper_limits(risk: float) -> Float1D:
    """Upper limits of a probability by the number of successes in all runs; those of the next number of a grid."""
    counts = np.arange(_RUNS + 1)
    # steps of a twentieth of a standard deviation: limits are five deviations and more away
    steps = np.maximum(0.05 * np.sqrt(counts * (1 - counts / _RUNS)), 1.0)
    grid = np.unique(np.append(np.searchsorted(np.cumsum(1 / steps), np.arange((1 / steps).sum())), _RUNS))
    # c successes in B runs: the 1 - risk quantile of Beta(c + 1, B - c)
    limits = special.betaincinv(grid + 1.0, np.maximum(_RUNS - grid, 1e-300), 1 - risk)
    limits[-1] = 1.0
    return np.asarray(limits[np.searchsorted(grid, counts)])


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
    longest = int(lengths.max())
    for start in range(0, _POINTS, chunk := max(1, _CHUNK // m)):
        part = lengths[start : start + chunk]
        order = np.tile(np.arange(m, dtype=np.int32), (part.size, 1))
        rows = np.arange(part.size)
        for place in range(longest):  # the first places of a random order, exchanged one after the other
            other = rng.integers(place, m, size=part.size)
            order[rows, other], order[:, place] = order[:, place].copy(), order[rows, other]
        index.append(order[:, :longest][np.arange(longest) < part[:, None]])
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
    goal = alpha_side * (1 - 1.5 * _NUMERICAL_SHARE)
    rising = np.concatenate([[0.0], np.cumsum(low)])
    falling = np.concatenate([np.cumsum(high[::-1])[::-1], [0.0]])
    largest_error = 0.0

    def excess(mean: float) -> float:
        """Normal quantile of the goal minus that of the largest p-value of batches with this mean; positive if accepted."""
        nonlocal largest_error
        terms = _tail_values(_most_spread(low, high, rising, falling, mean), tails, points, max(law.first, 1))
        largest_error = max(largest_error, _STANDARD_ERRORS * float(terms.std()) / np.sqrt(_POINTS))
        p = law.outside + (1 - law.outside) * (float(terms.mean()) + largest_error)
        return z - float(special.ndtri(1 - min(max(p, 1e-15), 1 - 1e-15)))

    z = float(special.ndtri(1 - goal))
    accepted, rejected = float(low.mean()), float(high.mean())
    if rejected - accepted <= reach:
        return rejected
    # normal theory's bound and a quarter more enclose most answers
    normal = z * reach / _BISECTION
    below = above = math.nan
    for guess in (1.25 * normal, normal):
        if accepted < guess < rejected:
            if (value := excess(guess)) > 0:
                accepted, below = guess, value
                break
            rejected, above = guess, value
    if math.isnan(above) and (above := excess(rejected)) > 0:
        return rejected
    below = excess(accepted) if math.isnan(below) else below
    stale = 0
    while rejected - accepted > reach:
        # false position by the Illinois rule, kept inside; every third step without progress halves the bracket
        share = below / (below - above) if below > 0 > above and stale < 2 else 0.5
        width = rejected - accepted
        middle = accepted + min(max(share, reach / width / 2), 1 - reach / width / 2) * width
        value = excess(middle)
        if value > 0:
            accepted, below, above = middle, value, above / 2
        else:
            rejected, above, below = middle, value, below / 2
        stale = stale + 1 if rejected - accepted > width / 2 else 0
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
