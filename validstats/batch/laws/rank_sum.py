"""The law of the sum of a batch's ranks: the Mann-Whitney null law, and that of any integer rank weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

import numpy as np

from validstats._typing import Float1D, Int1D
from validstats.batch.laws.bisection import last_where
from validstats.batch.laws.levels import Level, exact_level
from validstats.batch.laws.rank_sum_spectrum import law_from_spectrum, rank_sum_spectrum, share_up_to
from validstats.intake import check_positive_int
from validstats.kernels.rank_sum import gaussian_binomial, weight_sum_law

__all__ = [
    "SumQuantile",
    "has_exact_law",
    "rank_sum_counts",
    "rank_sum_law",
    "rank_sum_quantile",
    "weight_sum_probabilities",
    "weight_sum_quantile",
]

_RELATIVE_DOUBT = 1e-9
_EXACT_WORK = 3_000_000
_EXACT_LAW_WORK = 5_000_000_000
_RECURSION_UP_TO = 64
"""Largest min(n, m) for which the recursion is accurate to about 1e-13; beyond it, errors grow exponentially."""
_SPECTRAL_DOUBT = 1e-11


@dataclass(frozen=True)
class SumQuantile:
    """Upper quantile of a sum of rank weights.

    Attributes
    ----------
    q : float
        The sum is at most q with at least the stated probability; infinite where no finite value is.
    probability : float
        P(sum <= q).
    """

    q: float
    probability: float


def rank_sum_law(n: int, m: int) -> Float1D:
    """Return the law of the rank sum minus its minimum m.

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes.

    Returns
    -------
    ndarray of shape (n * m + 1,)
        Probability of U = sum(r_j - 1) = 0, 1, ..., n m.

    Raises
    ------
    TypeError, ValueError
        If a size is not a positive integer.

    Notes
    -----
    The Gaussian binomial [n+m choose m]: the null law of the Mann-Whitney statistic. Up to min(n, m) = 64 the lower
    half is computed by a recursion and mirrored. Beyond, where the recursion cancels, it is the inverse Fourier
    transform of the characteristic function: probabilities below about 1e-15 are lost there.

    Examples
    --------
    >>> rank_sum_law(5, 3)[:3] * 56
    array([1., 1., 2.])
    """
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    if min(n, m) > _RECURSION_UP_TO:
        return law_from_spectrum(n, m)
    return _mirror(_lower_half(n, m), n * m)


def has_exact_law(n: int, m: int) -> bool:
    """Tell whether the law of the rank sum is computed at these sizes; elsewhere it is drawn.

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes.

    Returns
    -------
    bool
        False where min(n, m) is at most 64 and the recursion would take too much time or memory.

    Examples
    --------
    >>> has_exact_law(10**6, 10**4), has_exact_law(10**8, 10)
    (True, False)
    """
    small = min(n, m)
    return small > _RECURSION_UP_TO or n * m * max(small, 32) <= _EXACT_LAW_WORK


def rank_sum_counts(n: int, m: int) -> list[int]:
    """Return the exact numbers of rank vectors by U = sum(r_j - 1).

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes; time grows as n m^2 in Python integers.

    Returns
    -------
    list of int
        Coefficients of the Gaussian binomial.

    Raises
    ------
    TypeError, ValueError
        If a size is not a positive integer.

    Examples
    --------
    >>> rank_sum_counts(5, 3)
    [1, 1, 2, 3, 4, 5, 6, 6, 6, 6, 5, 4, 3, 2, 1, 1]
    """
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    half = (n * m) // 2 + 1
    counts = [1] + [0] * (half - 1)
    for j in range(1, m + 1):
        for u in range(half - 1, n + j - 1, -1):
            counts[u] -= counts[u - n - j]
        for u in range(j, half):
            counts[u] += counts[u - j]
    return counts + counts[: n * m + 1 - half][::-1]


def rank_sum_quantile(n: int, m: int, alpha: Level, *, drop_extreme: bool = False) -> SumQuantile:
    """Return the smallest q with P(sum of ranks <= q) >= 1 - alpha.

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes.
    alpha : Fraction, float or str
        Miscoverage level.
    drop_extreme : bool, default False
        Whether rank vectors that contain n + 1 count as infinite, which keeps bounds finite for unbounded
        scores. Possible only if n / (n + m) >= 1 - alpha.

    Returns
    -------
    SumQuantile
        The quantile and its probability.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    A probability within a relative 1e-9 of the level is decided in integers for small problems; for large
    ones the next value is taken, which is valid and hardly larger. Beyond min(n, m) = 64 probabilities are known to an
    absolute 1e-11, so that levels of that size give the largest sum.

    Examples
    --------
    >>> rank_sum_quantile(5, 3, 0.1)
    SumQuantile(q=15.0, probability=0.928...)
    """
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    return _rank_sum_quantile(n, m, exact_level(alpha), drop_extreme)


@lru_cache(maxsize=256)
def _rank_sum_quantile(n: int, m: int, level: Fraction, drop_extreme: bool) -> SumQuantile:
    share = Fraction(1)
    if drop_extreme:
        share = Fraction(n, n + m)
        if share < 1 - level:
            return SumQuantile(np.inf, 1.0)
        if n == 1:
            return SumQuantile(float(m), float(share))
        level, n = 1 - (1 - level) / share, n - 1
    hopeful, certain, below = _largest_below(n, m, float(level))
    t = certain
    if hopeful > certain and n * m * m <= _EXACT_WORK:
        t = _decided_in_integers(n, m, level, certain, hopeful)
    # P(U >= top - t) = P(U <= t): the quantile is top - t - 1 for the largest t with P(U <= t) <= level.
    return SumQuantile(float(n * m - t - 1 + m), float(share) * (1.0 - max(below(t), 0.0)))


def _largest_below(n: int, m: int, level: float) -> tuple[int, int, Callable[[int], float]]:
    """Largest t with P(U <= t) at most the level perhaps, and for certain, and that probability as a function of t."""
    low, high = level * (1 - _RELATIVE_DOUBT), level * (1 + _RELATIVE_DOUBT)
    if min(n, m) > _RECURSION_UP_TO:
        below = partial(share_up_to, n=n, m=m, spectrum=rank_sum_spectrum(n, m))
        hopeful = last_where(lambda t: below(t) <= high + _SPECTRAL_DOUBT, -1, n * m)
        certain = last_where(lambda t: below(t) < low - _SPECTRAL_DOUBT, -1, n * m)
        return hopeful, certain, below
    sums = np.cumsum(rank_sum_law(n, m))
    hopeful = int(np.searchsorted(sums, high, side="right")) - 1
    certain = int(np.searchsorted(sums, low, side="left")) - 1
    return hopeful, certain, lambda t: float(sums[t]) if t >= 0 else 0.0


def weight_sum_probabilities(weights: Int1D, m: int, size: int | None = None) -> Float1D:
    """Return the law of the sum of non-negative integer weights of a batch's ranks.

    Parameters
    ----------
    weights : ndarray of int64, shape (n + 1,)
        Weight of each rank.
    m : int
        Batch size.
    size : int or None, default None
        Number of leading values; all if None.

    Returns
    -------
    ndarray of shape (size,)
        P(sum = 0), P(sum = 1), ...

    Raises
    ------
    ValueError
        If a weight is negative.

    Examples
    --------
    >>> weight_sum_probabilities(np.array([0, 1]), 2)
    array([0.33333333, 0.33333333, 0.33333333])
    """
    values = np.ascontiguousarray(weights, dtype=np.int64)
    check_positive_int(m, "m")
    if values.size < 2 or values.min() < 0:
        raise ValueError("weights must hold at least two non-negative integers, one for each rank 1..n+1.")
    whole = int(values.max()) * m + 1
    return np.asarray(weight_sum_law(values, m, whole if size is None else min(size, whole)))


def weight_sum_quantile(weights: Int1D, m: int, alpha: Level) -> SumQuantile:
    """Return the smallest q with P(sum of rank weights <= q) >= 1 - alpha.

    Parameters
    ----------
    weights : ndarray of int64, shape (n + 1,)
        Non-negative weight of each rank.
    m : int
        Batch size.
    alpha : Fraction, float or str
        Miscoverage level.

    Returns
    -------
    SumQuantile
        The quantile and its probability. A probability within a relative 1e-9 of the level is decided in
        integers for small problems, and goes to the next value, which is valid, for large ones.

    Raises
    ------
    ValueError
        If a weight is negative or alpha out of range.

    Examples
    --------
    >>> weight_sum_quantile(np.array([0, 0, 1, 1, 2, 3, 6]), 3, 0.2)
    SumQuantile(q=9.0, probability=0.857...)
    """
    exact = exact_level(alpha)
    law = weight_sum_probabilities(weights, m)
    above = np.concatenate([np.cumsum(law[::-1])[::-1][1:], [0.0]])
    q = int(np.argmax(above <= float(exact) * (1 + _RELATIVE_DOUBT)))
    while above[q] > float(exact) * (1 - _RELATIVE_DOUBT):
        if law.size * m * len(weights) <= _EXACT_WORK and _exact_weight_tail(weights, m, q) <= exact:
            break
        q += 1
    return SumQuantile(float(q), float(1.0 - above[q]))


def _lower_half(n: int, m: int) -> Float1D:
    return np.asarray(gaussian_binomial(max(n, m), min(n, m), (n * m) // 2 + 1))


def _mirror(half: Float1D, top: int) -> Float1D:
    return np.concatenate([half, half[: top + 1 - half.size][::-1]])


def _decided_in_integers(n: int, m: int, level: Fraction, certain: int, hopeful: int) -> int:
    """Largest t from one that is certain to one that is hopeful with P(U <= t) at most the level."""
    counts = rank_sum_counts(n, m)
    limit, part = level * sum(counts), sum(counts[: certain + 1])
    for t in range(certain + 1, hopeful + 1):
        part += counts[t]
        if part > limit:
            return t - 1
    return hopeful


def _exact_weight_tail(weights: Int1D, m: int, q: int) -> Fraction:
    """P(sum of weights > q) in integers."""
    size = int(max(weights)) * m + 1
    counts = [[1] + [0] * (size - 1)] + [[0] * size for _ in range(m)]
    for weight in (int(w) for w in weights):
        for j in range(1, m + 1):
            for v in range(weight, size):
                counts[j][v] += counts[j - 1][v - weight]
    return Fraction(sum(counts[m][q + 1 :]), sum(counts[m]))
