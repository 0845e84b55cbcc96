"""A band that holds all sorted ranks of a batch at once: every monotone question, also after looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from scipy import special

from validstats._typing import Bool1D, Float1D, Int1D
from validstats.batch.laws.levels import Level, exact_level
from validstats.intake import check_literal, check_positive_int, check_vector
from validstats.kernels.envelope import band_probability, band_probability_by_limits
from validstats.kernels.ranks import local_upper_ranks, upper_rank

__all__ = [
    "EnvelopeShape",
    "ShapeFunction",
    "RankBand",
    "envelope_probability",
    "extremes_cost",
    "false_claim_curve",
    "interpolated_curve",
    "limited_probability",
    "order_statistic_box",
    "rank_envelope",
    "shape_weights",
    "spread_band",
    "weighted_envelope",
]

EnvelopeShape: TypeAlias = Literal["equal", "largest", "simes"]
"""How an envelope shares its level between the limits of the sorted ranks."""

ShapeFunction: TypeAlias = Callable[[int, int], float]
"""``shape(k, m)``: relative level of the limit of the k-th largest of m sorted ranks, positive."""

_SAFETY = 1e-12
"""Added to the probability that is asked for, against the rounding of the recursion."""
_MAX_STEPS = 60
"""Halvings of the local level at most; doubles have 53 digits."""
_SPREAD_STEPS = 14
_SPREAD_SPENT, _SPREAD_AIM = 0.9, 0.985
"""Least share of its level that a spread band spends, and the share it aims at; what is left goes to the exchanges."""
_LARGEST_BY_RANKS = 50_000
"""Largest n m for which a path count over all ranks is as fast as one over the limits."""
_LARGEST_BY_LIMITS = 256
"""Largest batch whose band is counted from limit to limit; e^-m must be far from underflow."""


@dataclass(frozen=True)
class RankBand:
    """Limits of the sorted ranks of a batch that hold all at once."""

    # lower[j] <= r_(j+1) <= upper[j].
    lower: Int1D
    upper: Int1D
    # Exact joint probability when there are no ties; with ties it can only be larger.
    probability: float
    # Tail probability given to each limit.
    local_level: float

    def bounds(self, sorted_scores: Float1D, low: float, high: float) -> tuple[Float1D, Float1D]:
        """Turn ranks into bounds of the sorted batch scores."""
        padded = np.concatenate([[low], sorted_scores, [high]])
        return padded[self.lower - 1], padded[self.upper]


def envelope_probability(n: int, lower: Int1D, upper: Int1D) -> float:
    """The probability that every sorted rank stays between its limits."""
    # Source: Gazin, Blanchard and Roquain (2024), arXiv 2310.18108, for the joint law.
    check_positive_int(n, "n")
    low = np.maximum.accumulate(np.asarray(lower, dtype=np.int64))
    high = np.minimum.accumulate(np.asarray(upper, dtype=np.int64)[::-1])[::-1]
    if low.shape != high.shape or low.ndim != 1 or low.size == 0:
        raise ValueError(f"lower and upper must be vectors of one length, got {low.shape} and {high.shape}.")
    if low.min() < 1 or high.max() > n + 1:
        raise ValueError(f"The limits must lie in 1..n+1 = 1..{n + 1}.")
    if np.any(low > high):
        return 0.0
    if n * low.size > _LARGEST_BY_RANKS and low.size <= _LARGEST_BY_LIMITS:
        return limited_probability(n, low, high)
    return float(band_probability(n, np.ascontiguousarray(low), np.ascontiguousarray(high)))


def rank_envelope(
    n: int,
    m: int,
    alpha: Level,
    side: str = "two-sided",
    *,
    drop_extreme: bool = False,
    shape: EnvelopeShape | ShapeFunction = "equal",
) -> RankBand:
    """The widest-level band of a shape whose joint probability is at least 1 - alpha."""
    # Source: Gazin, Blanchard and Roquain (2024), arXiv 2310.18108.
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    check_literal(side, "side", ("two-sided", "upper", "lower"))
    return weighted_envelope(n, m, alpha, side, shape_weights(shape, m), drop_extreme=drop_extreme)


def weighted_envelope(
    n: int, m: int, alpha: Level, side: str, weights: str | bytes, *, drop_extreme: bool = False
) -> RankBand:
    """The same for a shape from :func:`shape_weights`."""
    every = np.ones(m, dtype=bool).tobytes()
    return _rank_envelope(n, m, exact_level(alpha), side, every, drop_extreme, weights)


def spread_band(n: int, m: int, alpha: Level, *, drop: tuple[bool, bool] = (False, False)) -> RankBand:
    """Band with lower limits for the smaller half of the ranks and upper limits for the larger half."""
    # The limits that are left out do not matter to the most spread batch inside the band, so the others are
    # narrower.
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    return _spread_band(n, m, exact_level(alpha), drop)


def extremes_cost(n: int, m: int, drop: tuple[bool, bool]) -> Fraction:
    """Probability that a batch score lies beyond all calibration scores, on the sides that are dropped."""
    # n of n + m equally likely rows hold the largest score; then n - 1 of n + m - 1 the smallest
    inside = Fraction(n, n + m) if any(drop) else Fraction(1)
    return 1 - (inside * Fraction(n - 1, n + m - 1) if all(drop) else inside)


@lru_cache(maxsize=1024)
def _spread_band(n: int, m: int, alpha: Fraction, drop: tuple[bool, bool]) -> RankBand:
    half, dropped = m // 2, float(extremes_cost(n, m, drop))
    allowed = float(alpha) - dropped
    # limits miss together, so that those of m ranks cost less than m times one; about so much less, for a first guess
    together = (1 / m + max(allowed, 0.0) ** 0.12 / 22) / (1.02 + max(m - 60, 0) / 900)
    low, high, level = 0.0, np.inf, _SPREAD_AIM * allowed * together
    best = None
    for _ in range(_SPREAD_STEPS):
        lower, upper = _spread_limits(n, m, half, level, drop)
        found = RankBand(lower, upper, limited_probability(n, lower, upper), level)
        cost = 1 - found.probability
        if cost <= float(alpha) - _SAFETY:
            low, best = level, found
            if cost >= dropped + _SPREAD_SPENT * allowed or high < 1.02 * low:
                break
        else:
            high = level
        # the cost of the limits is nearly proportional to their level; between a valid level and one too large, halve
        guess = level * _SPREAD_AIM * allowed / max(cost - dropped, 0.1 * allowed)
        level = guess if low < guess < high else (low * high) ** 0.5 if low else high / 4
        level = min(level, 0.5)
    if best is not None:
        return best
    lower, upper = _spread_limits(n, m, half, 0.0, drop)
    return RankBand(lower, upper, float(1 - extremes_cost(n, m, drop)), 0.0)


def _spread_limits(n: int, m: int, half: int, level: float, drop: tuple[bool, bool]) -> tuple[Int1D, Int1D]:
    """Lower limits of the first half and upper limits of the others, nearly at one local level; any limits are allowed."""
    lower, upper = np.full(m, 1 + drop[0], dtype=np.int64), np.full(m, n + 1 - drop[1], dtype=np.int64)
    if level > 0.0:
        j = np.arange(half + 1, m + 1)
        middle = j / (m + 1)
        # ranks are beta-binomial: quantiles of the beta law, spread by the variance that n draws add
        share = middle + (special.betaincinv(j, m - j + 1.0, 1 - level) - middle) * np.sqrt(1 + (m + 1) / n)
        limits = 1 + np.minimum(np.floor(n * share + 0.5), n).astype(np.int64)
        limits = np.maximum.accumulate(limits)
        upper[half:] = np.minimum(upper[half:], limits)
        lower[:half] = np.maximum(lower[:half], (n + 2 - limits[::-1])[:half])
    return np.maximum.accumulate(lower), np.minimum.accumulate(upper[::-1])[::-1]


def limited_probability(n: int, lower: Int1D, upper: Int1D) -> float:
    """Exact probability of a band with limits in order, at a cost that does not grow with n; for moderate m."""
    m = lower.size
    if m > _LARGEST_BY_LIMITS:
        return float(band_probability(n, lower, upper))
    return float(band_probability_by_limits(n, lower, upper, *np.zeros((3, m + 1))))


def order_statistic_box(
    n: int, m: int, indices: list[int], alpha: Level, side: str = "two-sided"
) -> RankBand:
    """Return limits of several order statistics of a batch that hold at once."""
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    check_literal(side, "side", ("two-sided", "upper", "lower"))
    wanted = np.zeros(m, dtype=bool)
    for index in indices:
        wanted[check_positive_int(index, "indices", maximum=m) - 1] = True
    return _rank_envelope(n, m, exact_level(alpha), side, wanted.tobytes(), False, "equal")


def shape_weights(shape: Any, m: int) -> str | bytes:
    """A shape by its name, or the levels of its limits in relation to the largest one, for k = m, ..., 1."""
    if not callable(shape):
        check_literal(shape, "shape", get_args(EnvelopeShape))
        if shape != "largest":
            return str(shape)
        return (1 / np.arange(m, 0, -1.0)).tobytes()
    found = check_vector([shape(k, m) for k in range(m, 0, -1)], "the shape")
    if found.min() <= 0:
        raise ValueError(f"shape(k, m) must be positive for k = 1, ..., m = {m}, got {found.min():g}.")
    return (found / found.max()).tobytes()


def interpolated_curve(selected: Int1D, most: Int1D) -> Int1D:
    """Sharpen bounds of false claims in nested selections: rows that are added can at most all be false."""
    gained = np.minimum.accumulate(np.minimum(most, selected) - selected)
    return np.asarray(gained + selected, dtype=np.int64)


def false_claim_curve(upper_bounds: Float1D, thresholds: Float1D) -> Int1D:
    """Bound the number of batch scores above each threshold, for all thresholds at once."""
    # Source: Song, Jin and Candes (2026), arXiv 2605.20726; Gazin, Blanchard and Roquain (2024), arXiv
    # 2310.18108.
    bounds = check_vector(upper_bounds, "upper_bounds", allow_infinite=True)
    return np.asarray(bounds.size - np.searchsorted(bounds, thresholds, side="right"), dtype=np.int64)


@lru_cache(maxsize=64)
def _rank_envelope(
    n: int, m: int, alpha: Fraction, side: str, mask: bytes, drop_extreme: bool, shape: str | bytes
) -> RankBand:
    wanted = np.frombuffer(mask, dtype=bool)

    def band(level: float) -> RankBand:
        lower, upper = _local_band(n, m, level, side, wanted, drop_extreme, shape)
        return RankBand(lower, upper, envelope_probability(n, lower, upper), level)

    target = float(1 - alpha) + _SAFETY
    widest = RankBand(np.ones(m, dtype=np.int64), np.full(m, n + 1, dtype=np.int64), 1.0, 0.0)
    least = np.frombuffer(shape).sum() if isinstance(shape, bytes) else m
    smallest = float(alpha) * (1e-9 if drop_extreme else 1.0) / (2 * least)
    # limits of the Simes shape depend on one another, so that their level may exceed alpha
    largest = min(4 * float(alpha), 1.0) if shape == "simes" else float(alpha)
    return _largest_level(band, target, smallest, largest, widest)


def _local_band(
    n: int, m: int, level: float, side: str, wanted: Bool1D, drop_extreme: bool, shape: str | bytes
) -> tuple[Int1D, Int1D]:
    upper = np.full(m, n + 1, dtype=np.int64)
    lower = np.ones(m, dtype=np.int64)
    ranks = _upper_ranks(n, m, level, shape)
    if side != "lower":
        upper[wanted] = ranks[wanted]
        if drop_extreme:
            upper = np.minimum(upper, n)
    if side != "upper":
        lower[wanted] = (n + 2 - ranks[::-1])[wanted]
    return lower, upper


def _upper_ranks(n: int, m: int, level: float, shape: str | bytes) -> Int1D:
    """Upper limits of the sorted ranks at one level of a shape."""
    k = np.arange(m, 0, -1)  # the last of m sorted scores is the first from the end
    if shape == "simes":
        # the k-th smallest of (n + 2 - rank) / (n + 1) is at least level k / m
        steps = np.ceil(level * k * (n + 1) / m * (1 - 1e-12)).astype(np.int64)
        return np.asarray(np.clip(n + 2 - steps, 1, n + 1), dtype=np.int64)
    if shape == "equal":
        return np.asarray(local_upper_ranks(n, m, level), dtype=np.int64)
    assert isinstance(shape, bytes)
    levels = level * np.frombuffer(shape)
    ranks = np.array(
        [upper_rank(n, m, m + 1 - j, share)[0] for j, share in zip(k.tolist(), levels.tolist())],
        dtype=np.int64,
    )
    return np.minimum.accumulate(ranks[::-1])[::-1]


def _largest_level(
    band: Callable[[float], RankBand], target: float, low: float, high: float, widest: RankBand
) -> RankBand:
    """Bisect the local level in log scale until the band no longer changes; return the last valid band."""
    low, high = low * (1 - 1e-9), high * (1 + 1e-9)
    failing = band(high)
    if failing.probability >= target:
        return failing
    best = band(low)
    if best.probability < target:
        return widest
    large = failing.lower.size * failing.upper[-1] > 10**7
    for _ in range(_MAX_STEPS):
        if _same(best, failing) or high / low < (1.002 if large else 1 + 1e-12):
            break
        middle = float(np.sqrt(low * high))
        trial = band(middle)
        if trial.probability >= target:
            low, best = middle, trial
        else:
            high, failing = middle, trial
    return best


def _same(first: RankBand, second: RankBand) -> bool:
    return np.array_equal(first.lower, second.lower) and np.array_equal(first.upper, second.upper)
