"""Bounds of the mean of a batch's scores by the method that its sizes, level and known bounds choose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from validstats._typing import Float1D, Int1D, RandomState
from validstats.batch.laws.betting import betting_upper_mean
from validstats.batch.laws.counts import count_bounds
from validstats.batch.laws.envelope import rank_envelope
from validstats.batch.laws.extremal_sums import dual_bound, hull_bound, rank_sum_maximum
from validstats.batch.laws.interval import Interval
from validstats.batch.laws.levels import BoundSide, Level, ceil_fraction, check_scores, exact_level
from validstats.batch.laws.order_statistics import order_statistic_interval
from validstats.batch.laws.rank_sum import has_exact_law, rank_sum_quantile
from validstats.batch.laws.sampling import monte_carlo_quantile, sample_weight_sums
from validstats.batch.laws.swap import swap_bounds
from validstats.batch.laws.textbook import textbook_interval
from validstats.intake import check_literal, check_positive_int, check_random_state
from validstats.kernels.ranks import local_upper_ranks

__all__ = [
    "MeanMethod",
    "BoundSide",
    "choose_mean_method",
    "learned_weights",
    "mean_interval",
    "partition_available",
    "partition_interval",
    "smallest_partition_n",
]

MeanMethod: TypeAlias = Literal[
    "auto", "swap", "bet", "count", "partition", "rank", "asymptotic", "phi-band", "phi-sum", "rank-sum"
]
"""How the mean of a batch is bounded."""

_Memo: TypeAlias = Callable[[Any, Callable[[], Any]], Any]
_SWAP_RATIO = 8
"""Exchanges and bets have widths within .05 of each other where n = 8 m, measured on residuals."""
_SWAP_LARGEST = 200
"""Batch size from which bets are faster and at least as narrow."""
_EXACT_UP_TO = 20
_EXACT_N = 20_000
_BAND_SHARE = Fraction(1, 4)
_ENVELOPE_WORK = 1_000_000


def smallest_partition_n(m: int, alpha_side: Level) -> int:
    """Return the smallest calibration size at which the partition method has a finite bound."""
    # Returns ``m (ceil(1 / alpha_side) - 1)``, at least m. It is also the smallest size at which any method
    # has a finite bound for the mean of unbounded scores, up to divisibility by m.
    check_positive_int(m, "m")
    return m * max(ceil_fraction(1 / exact_level(alpha_side)) - 1, 1)


def partition_available(n: int, m: int, alpha_side: Level) -> bool:
    """Tell whether the partition method excludes anything: floor(n / m) + 1 >= 1 / alpha_side."""
    return n // m >= 1 and Fraction(n // m + 1) >= 1 / exact_level(alpha_side)


def choose_mean_method(
    n: int,
    m: int,
    alpha_side: Level,
    bounds: tuple[float, float],
    *,
    side: BoundSide = "two-sided",
    lattice: bool = False,
) -> MeanMethod:
    """Choose the method for the mean from sizes, level and known bounds alone, before any score is seen."""
    if m == 1:
        return "rank"
    finite = np.isfinite(bounds)
    if finite.all():
        return "swap" if _SWAP_RATIO * m <= n and m <= _SWAP_LARGEST and not lattice else "bet"
    if (side == "upper" and finite[1]) or (side == "lower" and finite[0]):
        return "bet"
    return "partition"


def mean_interval(
    scores: Float1D,
    m: int,
    alpha: Level,
    *,
    side: BoundSide = "two-sided",
    bounds: tuple[float, float] = (-np.inf, np.inf),
    method: MeanMethod = "auto",
    values: tuple[float, float] | None = None,
    lattice: bool = False,
    width: float | None = None,
    reference_scores: Float1D | None = None,
    reference_bounds: tuple[float, float] | None = None,
    exact: bool | None = None,
    drop_extreme: bool | None = None,
    n_resamples: int = 9999,
    random_state: RandomState = 0,
    smallest: int | None = None,
    memo: _Memo = lambda key, compute: compute(),
) -> Interval:
    """Bound the mean of a batch of m scores that are exchangeable with the calibration scores."""
    # Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990, for the rank sum; Waudby-Smith and Ramdas
    # (2020), arXiv 2006.04347, for bets without replacement.
    sorted_scores = memo(("checked", values, bounds), lambda: check_scores(scores, bounds))
    check_positive_int(m, "m")
    check_literal(side, "side", get_args(BoundSide))
    check_literal(method, "method", get_args(MeanMethod))
    level = exact_level(alpha)
    alpha_side = level / 2 if side == "two-sided" else level
    n = sorted_scores.size
    chosen: MeanMethod = method
    if method == "auto":
        chosen = "count"
        if values is None:
            chosen = choose_mean_method(n, m, alpha_side, bounds, side=side, lattice=lattice)
    if chosen == "count":
        return _count_interval(sorted_scores, m, level, side, values)
    if chosen == "rank":
        return _rank_interval(sorted_scores, m, level, side, bounds)
    if chosen == "asymptotic":
        return _textbook_bound(sorted_scores, m, level, side, bounds)
    if chosen == "swap":
        return _swap_interval(sorted_scores, m, level, side, bounds, _seed_of(random_state), smallest, memo)
    if chosen == "bet":
        return _bet_interval(sorted_scores, m, alpha_side, side, bounds, width, random_state)
    if chosen == "partition":
        if method == "auto" and np.isfinite(bounds).any():
            return _half_bounded_interval(
                sorted_scores, m, level, side, bounds, width, random_state, smallest, memo
            )
        return partition_interval(sorted_scores, m, alpha_side, side, bounds, np.mean, random_state)
    return _weighted_rank_interval(
        sorted_scores,
        m,
        alpha_side,
        side,
        bounds,
        chosen,
        None if reference_scores is None else check_scores(reference_scores),
        bounds if reference_bounds is None else reference_bounds,
        exact,
        drop_extreme,
        n_resamples,
        random_state,
    )


def _seed_of(random_state: RandomState) -> int:
    if isinstance(random_state, int):
        return _seed_of_integer(random_state)
    return int(check_random_state(random_state).integers(2**63))


@lru_cache(maxsize=16)
def _seed_of_integer(random_state: int) -> int:
    return int(check_random_state(random_state).integers(2**63))


def _bound(low: float, high: float, method: str, side: BoundSide, bounds: tuple[float, float]) -> Interval:
    """A bound whose ends are in order and within what is known; it informs if every wanted side excludes something."""
    low, high = min(low, high), max(low, high)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    tight = (side == "lower" or high < bounds[1]) and (side == "upper" or low > bounds[0])
    return Interval(low=float(low), high=float(high), method=method, informative=bool(tight))


def _count_interval(
    scores: Float1D, m: int, alpha: Fraction, side: BoundSide, values: tuple[float, float] | None
) -> Interval:
    """Two values a < b: the mean is a + (b - a) times the share of b, whose count has an exact law."""
    if values is None or not values[0] < values[1] or not np.isin(scores, values).all():
        raise ValueError(
            f'method="count" needs scores with two declared values, got values={values!r}; take "bet" for other scores.'
        )
    smaller, larger = values
    low, high = count_bounds(scores.size, int((scores == larger).sum()), m, alpha, side)
    span = larger - smaller
    return _bound(smaller + span * low / m, smaller + span * high / m, "count", side, values)


def _rank_interval(
    scores: Float1D, m: int, alpha: Fraction, side: BoundSide, bounds: tuple[float, float]
) -> Interval:
    """One row: the mean is the row's own score, whose rank is uniform."""
    if m != 1:
        raise ValueError(
            f'method="rank" bounds the score of one row, got a batch of m = {m} rows; take "auto".'
        )
    return replace(
        order_statistic_interval(scores, 1, 1, alpha, side=side, bounds=bounds), method="rank", ranks=()
    )


def _textbook_bound(
    scores: Float1D, m: int, alpha: Fraction, side: BoundSide, bounds: tuple[float, float]
) -> Interval:
    """Normal theory, cut at what is known; one calibration score says nothing."""
    low, high = textbook_interval(scores, m, alpha, side=side)
    return Interval(
        low=max(low, bounds[0]), high=min(high, bounds[1]), method="asymptotic", informative=scores.size > 1
    )


def _swap_interval(
    scores: Float1D,
    m: int,
    alpha: Fraction,
    side: BoundSide,
    bounds: tuple[float, float],
    seed: int,
    smallest: int | None,
    memo: _Memo,
) -> Interval:
    """Exchanges; sides without a known bound give up batches with a score beyond the calibration."""
    drop = (not np.isfinite(bounds[0]), not np.isfinite(bounds[1]))
    if scores.size < 2 or m < 2:
        raise ValueError(
            f'method="swap" needs at least two calibration rows and two rows of the batch, got n = {scores.size} and m = {m}; '
            'take "auto".'
        )
    found = swap_bounds(
        scores,
        m,
        alpha,
        bounds,
        sides=(side != "upper", side != "lower"),
        drop=drop,
        seed=seed,
        smallest=smallest,
        memo=memo,
    )
    return _bound(found.low, found.high, "swap", side, bounds)


def _bet_interval(
    scores: Float1D,
    m: int,
    alpha_side: Fraction,
    side: BoundSide,
    bounds: tuple[float, float],
    width: float | None,
    random_state: RandomState,
) -> Interval:
    """Bets against each side in one random order of the sorted scores, which does not depend on the order of rows."""
    ends = _bet_ends(check_random_state(random_state).permutation(scores), m, alpha_side, side, bounds, width)
    return _bound(*ends, "bet", side, bounds)


def _bet_ends(
    x: Float1D,
    m: int,
    alpha_side: Fraction,
    side: BoundSide,
    bounds: tuple[float, float],
    width: float | None,
) -> tuple[float, float]:
    low, high = bounds
    span = width if not np.isfinite(high - low) else None
    if not np.isfinite(high - low) and span is None:
        return low, high
    if side != "lower" and np.isfinite(high):
        high = betting_upper_mean(x, m, alpha_side, bounds[1], low=bounds[0], width=span)
    if side != "upper" and np.isfinite(low):
        x = -x  # takes the place of what the caller handed over
        low = -betting_upper_mean(x, m, alpha_side, -bounds[0], low=-bounds[1], width=span)
    return low, high


def _half_bounded_interval(
    scores: Float1D,
    m: int,
    alpha: Fraction,
    side: BoundSide,
    bounds: tuple[float, float],
    width: float | None,
    random_state: RandomState,
    smallest: int | None,
    memo: _Memo,
) -> Interval:
    """One known bound: bets on its side and partition on the other, or exchanges without the other side's extremes."""
    alpha_side = alpha / 2 if side == "two-sided" else alpha
    n, rng = scores.size, check_random_state(random_state)
    seed = _seed_of(rng)
    if partition_available(n, m, alpha_side):
        found = partition_interval(scores, m, alpha_side, side, bounds, np.mean, rng)
        if side != "two-sided" or width is None:
            return found
        low, high = _bet_ends(rng.permutation(scores), m, alpha_side, side, bounds, width)
        if np.isfinite(bounds[1]):
            low = found.low
        else:
            high = found.high
        return _bound(low, high, "bet, partition", side, bounds)
    if Fraction(m, n + m) < alpha and n >= 2:
        return _swap_interval(scores, m, alpha, side, bounds, seed, smallest, memo)
    return _bet_interval(scores, m, alpha_side, side, bounds, width, rng)


def _weighted_rank_interval(
    values: Float1D,
    m: int,
    alpha_side: Fraction,
    side: BoundSide,
    bounds: tuple[float, float],
    chosen: MeanMethod,
    reference: Float1D | None,
    tops: tuple[float, float],
    exact: bool | None,
    drop_extreme: bool | None,
    n_resamples: int,
    random_state: RandomState,
) -> Interval:
    """Largest mean in a level set of the sum of rank weights."""
    seeds = check_random_state(random_state).integers(2**63, size=2).tolist()
    low, high = bounds
    plus = None if reference is None else learned_weights(reference, values.size, tops[1])
    minus = None if reference is None else learned_weights(-reference, values.size, -tops[0])
    options = (exact, drop_extreme, n_resamples)
    if side != "lower":
        high = _upper_mean(values, m, alpha_side, bounds[1], chosen, plus, *options, seeds[0])
    if side != "upper":
        low = -_upper_mean(-values[::-1], m, alpha_side, -bounds[0], chosen, minus, *options, seeds[1])
    tight = (side == "lower" or high < bounds[1]) and (side == "upper" or low > bounds[0])
    return Interval(low=float(low), high=float(high), method=chosen, informative=bool(tight))


def partition_interval(
    scores: Float1D,
    m: int,
    alpha_side: Level,
    side: BoundSide,
    bounds: tuple[float, float],
    statistic: Callable[[Float1D], float],
    random_state: RandomState = 0,
) -> Interval:
    """Bound any symmetric statistic of a batch by split conformal prediction on blocks of calibration scores."""
    alpha = exact_level(alpha_side)
    n_blocks = scores.size // m
    blocks = check_random_state(random_state).permutation(scores)[: n_blocks * m].reshape(n_blocks, m)
    values = np.sort([float(statistic(block)) for block in blocks])
    k = ceil_fraction((1 - alpha) * (n_blocks + 1))
    low, high = bounds
    if k > n_blocks:
        return Interval(low=low, high=high, method="partition", probability=1.0, informative=False)
    if side != "lower":
        high = min(high, float(values[k - 1]))
    if side != "upper":
        low = max(low, float(values[n_blocks - k]))
    failure = (1 - k / (n_blocks + 1)) * (2 if side == "two-sided" else 1)
    return Interval(low=low, high=high, method="partition", probability=max(0.0, 1.0 - failure))


def learned_weights(reference: Float1D, n: int, top: float) -> Float1D:
    """Turn reference scores into a non-decreasing weight of each rank 1..n+1."""
    # Returns quantiles of the reference at (r - 1/2) / n, and the known bound for rank n + 1.
    weights = np.quantile(reference, (np.arange(1, n + 1) - 0.5) / n)
    last = max(top, float(weights[-1])) if np.isfinite(top) else float(max(reference.max(), weights[-1]))
    return np.append(weights, last)


def _upper_mean(
    values: Float1D,
    m: int,
    alpha: Fraction,
    top: float,
    method: str,
    learned: Float1D | None,
    exact: bool | None,
    drop_extreme: bool | None,
    n_resamples: int,
    seed: int,
) -> float:
    """Upper bound of the mean by the chosen method; ``values`` are sorted."""
    n = values.size
    padded = np.append(values, top)
    drop = bool(np.isinf(top)) if drop_extreme is None else drop_extreme
    if drop and Fraction(n, n + m) < 1 - alpha:
        return top
    if method == "rank-sum" and has_exact_law(n, m):
        return _rank_sum_mean(padded, m, alpha, drop, m <= _EXACT_UP_TO if exact is None else exact)
    weights = np.arange(1.0, n + 2) if learned is None or method == "rank-sum" else learned
    band = method == "phi-band"
    q, lower, upper = _weight_quantile(weights.tobytes(), m, alpha, drop, band, n_resamples, seed)
    if np.isinf(q):
        return top
    if method == "phi-band":
        return min(top, dual_bound(padded, weights, lower, upper, q) / m)
    reachable = n if drop else n + 1
    return min(top, hull_bound(padded[:reachable], weights[:reachable], m, q) / m)


@lru_cache(maxsize=8)
def _weight_quantile(
    packed: bytes, m: int, alpha: Fraction, drop: bool, band: bool, n_resamples: int, seed: int
) -> tuple[float, Int1D, Int1D]:
    """Exact Monte Carlo quantile of the sum of rank weights in its band; the same for all batches of one size."""
    weights = np.frombuffer(packed, dtype=np.float64)
    n = weights.size - 1
    if band:
        lower, upper = _weight_band(n, m, alpha, drop)
    else:
        lower, upper = np.ones(m, dtype=np.int64), np.full(m, n if drop else n + 1, dtype=np.int64)
    sums = sample_weight_sums(weights, m, n_resamples, seed, lower=lower, upper=upper)
    return monte_carlo_quantile(sums, alpha), lower, upper


def _rank_sum_mean(padded: Float1D, m: int, alpha: Fraction, drop: bool, exact: bool) -> float:
    q = rank_sum_quantile(padded.size - 1, m, alpha, drop_extreme=drop).q
    scores = padded[:-1] if drop else padded
    if np.isinf(scores[-1]):
        return np.inf
    if exact and scores.size <= _EXACT_N:
        return rank_sum_maximum(scores, m, int(q)) / m
    return hull_bound(scores, np.arange(1.0, scores.size + 1), m, q) / m


def _weight_band(n: int, m: int, alpha: Fraction, drop: bool) -> tuple[Int1D, Int1D]:
    """A band that costs at most about a quarter of the level that is left; its exact cost does not matter to validity."""
    spent = Fraction(m, n + m) if drop else Fraction(0)
    cost = (alpha - spent) * _BAND_SHARE
    if n * math.isqrt(m) <= _ENVELOPE_WORK and cost > 0:
        band = rank_envelope(n, m, spent + cost, "two-sided", drop_extreme=drop)
        return band.lower, band.upper
    ranks = local_upper_ranks(n, m, float(cost) / (24 + 12 * math.log(m)))
    return n + 2 - ranks[::-1], np.minimum(ranks, n) if drop else ranks
