"""Bounds of a batch's mean by a permutation test that exchanges batch scores for calibration scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from validstats._typing import AnyArray, Float1D, Float2D, Int1D, Int2D
from validstats.batch.laws.envelope import extremes_cost, spread_band
from validstats.batch.laws.levels import Level, exact_level, in_increasing_order
from validstats.kernels.subset_sums import random_subsets, rejected_mean, subset_sum_counts

__all__ = ["SubsetCounts", "SwapBound", "subset_counts", "swap_bounds"]

_BAND_SHARE = Fraction(1, 10)
"""Share of the level that the rank band takes: flat between 1/20 and 1/5, measured."""
_NUMERICAL_SHARE = 1e-3
"""Share of a side's level that pays for simulated tail probabilities and for subset sizes outside the range."""
_RUNS = 100_000
_TABLE, _BLOCK = 2**15, 64
"""Places of a table that stays in the nearest memory of a processor, and runs whose sums are made at a time."""
_NODES = 500
_INTERPOLATION = 1e-7
"""Numbers of runs whose limits are computed, and what those between them may be too small by."""
_POINTS = 50_000
_KNOT_STEP = 0.025
_KNOT_REACH = 4.5
_KNOTS = round(2 * _KNOT_REACH / _KNOT_STEP) + 1
_STANDARD_ERRORS = 5.0
_BISECTION = 0.002
"""Standard errors of the mean to which the bound is found."""
_STRIDE = 25
"""One point in 25 shows first where the bound lies."""
_FLOOR = 1e-4
"""Smallest spread of a subset's sum, as a share of the band's range, so that constant scores have knots."""


@dataclass(frozen=True)
class SwapBound:
    """Bounds of the mean of a batch that hold together; one of them alone does not have half of the level."""

    low: float  # low, high: The bounds
    high: float


def swap_bounds(
    scores: Float1D,
    m: int,
    alpha: Level,
    bounds: tuple[float, float],
    *,
    sides: tuple[bool, bool] = (True, True),
    drop: tuple[bool, bool] = (False, False),
    seed: int = 0,
    smallest: int | None = None,
    memo: Callable[[Any, Callable[[], Any]], Any] = lambda key, compute: compute(),
) -> SwapBound:
    r"""Bounds of the mean of m scores, for m much smaller than n."""
    # A uniform m-subset S of all n + m scores has at least the batch's mean with a probability p that is a
    # valid p-value. With k the number of calibration scores in S, p is the probability that a random k-subset
    # of the calibration sums to at least a random k-subset of the batch. Over all batches inside a rank band
    # and with a given mean, p is largest for the most spread one, if tail probabilities of calibration sums
    # are replaced by convex ones (Schur convexity). The level is kept up to numerical quadrature (5 standard
    # errors). ``smallest`` is the size of the smallest batch that will be asked about with the same memo: one
    # simulation then serves all of them, and changes none.
    level = exact_level(alpha)
    x = memo("in order", lambda: in_increasing_order(scores))
    n = x.size
    dropped = extremes_cost(n, m, drop)
    if level <= dropped:
        return SwapBound(*bounds)
    band = spread_band(n, m, dropped + (level - dropped) * _BAND_SHARE, drop=drop)
    cost = 1 - band.probability
    alpha_side = (float(level) - cost) / sum(sides)
    low_end, high_end = _at_ranks(x, bounds[0], band.lower - 1), _at_ranks(x, bounds[1], band.upper)
    spread = float(high_end[-1] - low_end[0])
    if spread == 0.0:
        return SwapBound(float(low_end[0]), float(high_end[-1]))
    law = _subset_law(n, m, alpha_side)
    centre, variance = memo("moments", lambda: (float(x.mean()), float(x.var())))
    above, below = _tail_functions(
        x, variance, spread, law, m if smallest is None else min(smallest, m), alpha_side, bounds, seed, memo
    )
    points = _quadrature(n, m, law.first, law.last, seed)
    reach = math.sqrt((variance + (_FLOOR * spread) ** 2) * (1 / n + 1 / m))
    high, low = bounds[1], bounds[0]
    if sides[1]:
        high = _largest_mean(low_end - centre, high_end - centre, above, points, law, alpha_side, reach)
        high = min(high + centre, bounds[1])
    if sides[0]:
        mirrored = centre - high_end[::-1], centre - low_end[::-1]
        low = centre - _largest_mean(*mirrored, below, points, law, alpha_side, reach)
        low = max(low, bounds[0])
    return SwapBound(float(low), float(high))


def _at_ranks(x: Float1D, end: float, ranks: Int1D) -> Float1D:
    """Sorted scores at 1-based ranks; ranks 0 and n + 1 are the known end."""
    outside = (ranks == 0) | (ranks == x.size + 1)
    return np.where(outside, end, x[np.where(outside, 1, ranks) - 1])


@dataclass(frozen=True)
class _SubsetLaw:
    """Numbers of calibration scores in a random subset that are looked at, and the mass of all others."""

    first: int
    last: int
    outside: float


@lru_cache(maxsize=16)
def _subset_weights(n: int, m: int) -> Float1D:
    """Hypergeometric probabilities of the number k of calibration scores in an m-subset of all, for k = 0..m."""
    k = np.arange(min(n, m), dtype=np.float64)
    # P(k + 1) / P(k) = (n - k) (m - k) / (k + 1)^2
    logs = np.append(0.0, np.log((n - k) * (m - k) / (k + 1) ** 2).cumsum())
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def _subset_law(n: int, m: int, alpha_side: float) -> _SubsetLaw:
    """Range of the hypergeometric number of calibration scores with all but a tiny part of its mass."""
    weights = _subset_weights(n, m)
    allowed = alpha_side * _NUMERICAL_SHARE / 4
    first = int(weights.cumsum().searchsorted(allowed, side="right"))
    last = weights.size - 1 - int(weights[::-1].cumsum().searchsorted(allowed, side="right"))
    outside = weights[:first].sum() + weights[last + 1 :].sum()
    return _SubsetLaw(first, last, float(outside))


@dataclass(frozen=True)
class _Tails:
    """Convex, non-increasing functions, piecewise linear, one for each subset size from 1 on."""

    origin: Float1D
    step: Float1D
    values: Float2D


@dataclass(frozen=True)
class SubsetCounts:
    """Simulated sums of random subsets of the calibration, of all sizes from the smallest to the largest."""

    smallest: int
    spread: Float1D  # Standard deviation of the sum of each size from 1 on, never 0
    above: AnyArray  # above, below: Runs whose sum, or mirrored sum, lies in each cell between knots
    below: AnyArray

    @property
    def largest(self) -> int:
        """The largest size."""
        return len(self.spread)

    def tails(self, risk: float) -> tuple[_Tails, _Tails]:
        """Convex upper limits of the tails of sums and of mirrored sums."""
        both = _convex_limits(np.vstack([self.above, self.below]), risk)
        above, below = np.split(both, 2)
        return self._from_first(above), self._from_first(below)

    def _from_first(self, found: Float2D) -> _Tails:
        """Tails of all sizes from 1 on; those of sizes that are not asked for are 1."""
        values = np.vstack([np.ones((self.smallest - 1, found.shape[1])), found])
        return _Tails(-_KNOT_REACH * self.spread, _KNOT_STEP * self.spread, values)


def subset_counts(x: Float1D, smallest: int, largest: int, floor: float, seed: int) -> SubsetCounts:
    """Simulate subset sums of centred scores; those of one size do not depend on the other sizes asked for."""
    n = x.size
    sizes = np.arange(1, largest + 1)
    # variance of the sum of k of n numbers without replacement: k (n - k) / (n - 1) times their variance
    spread = np.maximum(np.sqrt(x.var() * sizes * (n - sizes) / max(n - 1, 1)), floor)
    origin, step = -_KNOT_REACH * spread[smallest - 1 :], _KNOT_STEP * spread[smallest - 1 :]
    above = np.zeros((len(step), _KNOTS + 1), dtype=np.int32)
    ties = np.zeros_like(above)
    # room for the kernel: a table of what a run has seen, and draws, sums and cells of the runs of a block
    room = (
        np.zeros(_TABLE, dtype=np.uint8),
        np.empty((_BLOCK, largest), dtype=np.uint32),
        np.empty(_BLOCK),
        np.empty(_BLOCK, dtype=np.uint32),
    )
    subset_sum_counts(x, _key(seed, 0), largest, origin, step, above, ties, *room, _RUNS)
    # a sum in cell c is mirrored in cell _KNOTS - c; one at a knot counts there and in the mirror, so one cell further
    below = (above - ties)[:, ::-1]
    below[:, 1:] += ties[:, :0:-1]
    below[:, -1] += ties[:, 0]
    return SubsetCounts(smallest, spread, above, below)


def _tail_functions(
    x: Float1D,
    variance: float,
    spread: float,
    law: _SubsetLaw,
    least: int,
    alpha_side: float,
    bounds: tuple[float, float],
    seed: int,
    memo: Callable[[Any, Callable[[], Any]], Any],
) -> tuple[_Tails, _Tails]:
    """Convex upper limits of P(sum of a random k-subset >= s), for the scores and for their mirror image; ``least``: the smallest batch."""
    # sizes up to the next power of two, where batches of many sizes share a simulation
    smallest, largest = max(law.first, 1), min(1 << (max(law.last, 1) - 1).bit_length(), x.size)
    floor = _FLOOR * float(min(bounds[1], x[-1] + spread) - max(bounds[0], x[0] - spread))
    # bounds that differ from batch to batch share a simulation: a power of two, and none where no sum needs it
    n, floor = x.size, 2.0 ** math.floor(math.log2(floor))
    narrowest = math.sqrt(variance * min(n - 1, largest * (n - largest)) / max(n - 1, 1))
    floor = 0.0 if floor <= narrowest else floor
    known: list[SubsetCounts] = memo(("subset sums", floor, seed), list)
    # a simulation of more sizes serves as well, and gives the same; the first batch gets those that are asked for alone
    if not any(c.smallest <= smallest and law.last <= c.largest for c in known):
        # the range of a smaller batch at half of this level holds that at its own, which differs by what its band costs
        first = 1 if known else min(_subset_law(n, least, alpha_side / 2).first, smallest)
        last = largest if known else max(law.last, 1)
        known.append(subset_counts(x - x.mean(), max(first, 1), last, floor, seed))
    place, counts = next(
        (place, c)
        for place, c in enumerate(known)
        if c.smallest <= smallest and max(law.last, 1) <= c.largest
    )
    sizes = law.last - smallest + 1
    # rounded down to a power of 4, so that batches of many sizes share a table of limits
    risk = 4.0 ** math.floor(math.log2(alpha_side * _NUMERICAL_SHARE / 2 / (_KNOTS * sizes)) / 2)
    key = ("subset tails", place, floor, seed, risk)
    found: tuple[_Tails, _Tails] = memo(key, lambda: counts.tails(risk))
    return found


def _convex_limits(counts: np.ndarray, risk: float) -> Float2D:
    """Clopper-Pearson limits of the tails at the knots, moved right by one cell and made convex from the right."""
    reached = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]  # sums at or above each knot
    values = np.hstack([np.ones((counts.shape[0], 1)), _upper_limits(reached, risk)])[:, :-1]
    drop = np.zeros(counts.shape[0])
    for column in range(values.shape[1] - 2, -1, -1):
        values[:, column] = np.maximum(values[:, column], values[:, column + 1] + drop)
        drop = values[:, column] - values[:, column + 1]
    return values


@lru_cache(maxsize=8)
def _limit_nodes(risk: float) -> tuple[Float1D, Float1D]:
    """Where upper limits of a probability are computed, and how far they are away, both as angles arcsin sqrt(p)."""
    # the distance hardly changes along this scale; it bends where nearly all runs are successes, so all of those are nodes
    apart, last = np.sin(np.linspace(0.0, math.pi / 2, _NODES)) ** 2, 1 - np.arange(1, 200) / _RUNS
    shares = np.sort(np.append(apart, last))
    # c successes in B runs: the quantile of Beta(c + 1, B - c) that is exceeded with this risk
    limits = np.ones(shares.size)
    limits[:-1] = special.betainccinv(shares[:-1] * _RUNS + 1, (1 - shares[:-1]) * _RUNS, risk)
    angles = np.arcsin(np.sqrt(shares))
    return angles, np.arcsin(np.sqrt(limits)) - angles


def _upper_limits(counts: Int2D, risk: float) -> Float2D:
    """Clopper-Pearson upper limits of probabilities by their numbers of successes in all runs."""
    angles = np.arcsin(np.sqrt(counts / _RUNS))
    limits = np.sin(angles + np.interp(angles, *_limit_nodes(risk))) ** 2
    return np.asarray(np.minimum(limits + _INTERPOLATION, 1.0))


@dataclass(frozen=True)
class _Points:
    """Random subsets of batch positions, as index lists of the smaller of each subset and its complement."""

    sizes: Int1D  # sizes of the subsets, in increasing order
    counts: Int1D  # how many subsets have each size
    lengths: Int1D  # length of each of their lists
    index: Int1D


@lru_cache(maxsize=16)
def _quadrature(n: int, m: int, first: int, last: int, seed: int) -> _Points:
    """Subset sizes from their law, restricted to the range, and uniform subsets of the batch."""
    steps = _subset_weights(n, m)[first : last + 1].cumsum()
    ends = np.append(np.searchsorted(_sorted_uniforms(seed), steps[:-1] / steps[-1]), _POINTS)
    sizes, counts = np.arange(first, last + 1), ends.copy()
    counts[1:] -= ends[:-1]
    lengths = np.minimum(sizes, m - sizes)
    return _Points(sizes, counts, lengths, random_subsets(m, lengths, counts, _key(seed, 2)))


@lru_cache(maxsize=16)
def _key(seed: int, stream: int) -> np.uint64:
    """The key of one stream of random numbers."""
    return np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]


@lru_cache(maxsize=16)
def _sorted_uniforms(seed: int) -> Float1D:
    """One set of independent uniform numbers for the subset sizes of all batches."""
    return np.sort(np.random.default_rng([seed, 1]).random(_POINTS))


def _largest_mean(
    low: Float1D,
    high: Float1D,
    tails: _Tails,
    points: _Points,
    law: _SubsetLaw,
    alpha_side: float,
    reach: float,
) -> float:
    """A mean whose most spread batch in the band is rejected, at most a small part of a standard error above the smallest one."""
    goal = alpha_side * (1 - 1.5 * _NUMERICAL_SHARE)
    z, root = -float(special.ndtri(goal)), math.sqrt(-2 * math.log(goal))
    # p-values are compared as t = sqrt(-2 log p), which falls nearly as their normal quantile does: dz = p t / phi(z) dt, whose
    # factor falls in t, so that a distance beyond the goal is at most this factor times that of t
    factor = goal * root * math.sqrt(2 * math.pi) * math.exp(z * z / 2)
    return float(
        rejected_mean(
            low,
            high,
            np.empty(low.size),
            (points.index, points.sizes, points.counts, points.lengths),
            (tails.origin, tails.step, tails.values),
            law.outside,
            root,
            _STANDARD_ERRORS / math.sqrt(_POINTS),
            1.25 * z * reach,
            1 / (factor * reach),
            _BISECTION / factor,
            _BISECTION * reach,
            _STRIDE,
        )
    )
