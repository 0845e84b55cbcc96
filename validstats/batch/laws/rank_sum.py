"""The law of the sum of a batch's ranks: the Mann-Whitney null law, and that of any integer rank weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial

import numpy as np

from validstats._typing import Float1D, Int1D
from validstats.batch.laws.levels import Level, exact_level
from validstats.batch.laws.ranks import last_where
from validstats.intake import check_positive_int
from validstats.kernels.rank_sum import gaussian_binomial, weight_sum_law

__all__ = [
    "SumQuantile",
    "has_exact_law",
    "law_from_spectrum",
    "rank_sum_counts",
    "rank_sum_law",
    "rank_sum_quantile",
    "rank_sum_spectrum",
    "share_up_to",
    "weight_sum_probabilities",
    "weight_sum_quantile",
]

_RELATIVE_DOUBT = 1e-9
"""Relative distance of a probability from the level within which rounding may decide, and integers do."""
_EXACT_WORK = 3_000_000
"""Largest n m m for which a doubtful probability is decided in integers."""
_EXACT_LAW_WORK = 5_000_000_000
"""Largest work for which the law is computed; beyond, it is drawn."""
_RECURSION_UP_TO = 64
"""Largest min(n, m) for which the recursion is accurate to about 1e-13; beyond it, errors grow exponentially."""
_SPECTRAL_DOUBT = 1e-11
"""Absolute error of probabilities from the characteristic function."""
_REACH = 12.0
"""Standard deviations of a normal law at which its characteristic function is far below the precision of doubles."""


@dataclass(frozen=True)
class SumQuantile:
    """Upper quantile of a sum of rank weights."""

    # The sum is at most q with at least the stated probability; infinite where no finite value is.
    q: float
    # P(sum <= q).
    probability: float


def rank_sum_law(n: int, m: int) -> Float1D:
    """The law of the rank sum minus its minimum m."""
    # The Gaussian binomial [n+m choose m]: the null law of the Mann-Whitney statistic. Up to min(n, m) = 64
    # the lower half is computed by a recursion and mirrored. Beyond, where the recursion cancels, it is the
    # inverse Fourier transform of the characteristic function: probabilities below about 1e-15 are lost
    # there.
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    if min(n, m) > _RECURSION_UP_TO:
        return law_from_spectrum(n, m)
    return _mirror(_lower_half(n, m), n * m)


def has_exact_law(n: int, m: int) -> bool:
    """Whether the law of the rank sum is computed at these sizes; elsewhere it is drawn."""
    small = min(n, m)
    return small > _RECURSION_UP_TO or n * m * max(small, 32) <= _EXACT_LAW_WORK


def rank_sum_counts(n: int, m: int) -> list[int]:
    """The exact numbers of rank vectors by U = sum(r_j - 1)."""
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
    """The smallest q with P(sum of ranks <= q) >= 1 - alpha."""
    # A probability within a relative 1e-9 of the level is decided in integers for small problems; for large
    # ones the next value is taken, which is valid and hardly larger. Beyond min(n, m) = 64 probabilities
    # are known to an absolute 1e-11, so that levels of that size give the largest sum.
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
    """The law of the sum of non-negative integer weights of a batch's ranks."""
    values = np.ascontiguousarray(weights, dtype=np.int64)
    check_positive_int(m, "m")
    if values.size < 2 or values.min() < 0:
        raise ValueError("weights must hold at least two non-negative integers, one for each rank 1..n+1.")
    whole = int(values.max()) * m + 1
    return np.asarray(weight_sum_law(values, m, whole if size is None else min(size, whole)))


def weight_sum_quantile(weights: Int1D, m: int, alpha: Level) -> SumQuantile:
    """The smallest q with P(sum of rank weights <= q) >= 1 - alpha."""
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


def rank_sum_spectrum(n: int, m: int) -> Float1D:
    """The characteristic function of the centred rank sum at the lowest frequencies."""
    # The generating function of U is the Gaussian binomial, so that with x = pi k / (n m + 1) the value is
    # prod_{j=1}^{m} \frac{sin((n + j) x)}{n + j} \frac{j}{sin(j x)}, the same with n and m exchanged. No
    # argument of the denominator comes near pi before the product has vanished.
    # Source: Di Bucchianico (1999), Journal of Statistical Planning and Inference 79, 349-364, for the
    # generating function.
    large, small = max(n, m), min(n, m)
    period = n * m + 1
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    j = np.arange(1.0, small + 1)
    scale = j / (large + j)
    angles = np.pi / period * np.arange(1, math.ceil(_REACH * period / (2 * np.pi * spread)) + 1)
    return np.array([np.prod(scale * np.sin((large + j) * x) / np.sin(j * x)) for x in angles])


def share_up_to(t: int, n: int, m: int, spectrum: Float1D) -> float:
    """The probability that the rank sum minus its minimum is at most t."""
    x = np.pi / (n * m + 1) * np.arange(1, spectrum.size + 1)
    waves = spectrum * np.sin((t + 1) * x) / np.sin(x) * np.cos((t - n * m) * x)
    return float((t + 1 + 2.0 * waves.sum()) / (n * m + 1))


def law_from_spectrum(n: int, m: int) -> Float1D:
    """All probabilities of the rank sum minus its minimum."""
    spectrum, period = rank_sum_spectrum(n, m), n * m + 1
    k = np.arange(1, spectrum.size + 1)
    coefficients = np.zeros(period // 2 + 1, dtype=np.complex128)
    coefficients[0] = 1.0
    coefficients[1 : k.size + 1] = spectrum * np.exp(-1j * np.pi * n * m * k / period)
    return np.maximum(np.fft.irfft(coefficients, period), 0.0)
