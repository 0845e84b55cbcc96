"""Answers about a share of rows that are coded around a guess: nothing but "within the gap" or a cell is published.

The counts 0..n are parted into those within a gap of the guess and cells on either side of it. The published interval
is Clopper-Pearson's at both ends of the part in which the count lies; it contains the interval of the count itself,
since both ends of Clopper-Pearson's interval increase in the count. Everything that parts the counts is computed from
the guess and from numbers of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from validstats._typing import AnyArray, Float1D
from validstats.intake import check_in_range, check_positive_int, check_vector

__all__ = [
    "CountCell",
    "GuessCells",
    "betting_interval",
    "cell_interval",
    "clopper_pearson",
    "clopper_pearson_ends",
    "guess_deviation",
    "hoeffding_half_width",
    "kl_bounds",
    "kl_divergence",
    "kl_interval",
    "last_reached",
    "log_capital",
    "predictable_stakes",
    "rounded_counts",
    "split_log_level",
]


LOG_2 = math.log(2.0)
# below it special.betaincinv has no relative precision; the KL interval takes over
_SMALLEST_LOG_LEVEL = -650.0


def last_reached(
    excess: Callable[[float], float], inside: float, outside: float, precision: float = 1e-11
) -> float:
    """Last point, seen from ``inside``, at which a continuous excess is known to be at least 0; rounded outwards."""
    if excess(outside) >= 0.0:
        return outside
    root = float(optimize.brentq(excess, inside, outside, xtol=precision, rtol=1e-11))
    step = math.copysign(precision, inside - outside)
    while abs(root - outside) < abs(inside - outside) and excess(root) < 0.0:
        root, step = root + step, 2.0 * step
    return root if abs(root - outside) < abs(inside - outside) else inside


def hoeffding_half_width(n: float, log_alpha: float) -> float:
    """Return the half-width of Hoeffding's two-sided interval for a mean of values in [0, 1]."""
    # ``sqrt((ln 2 - log_alpha) / (2 n))``; may exceed 1, where it says nothing.
    # Source: Hoeffding (1963), Theorem 1.
    check_in_range(n, "n", 0, math.inf, low_open=True)
    return math.sqrt((LOG_2 - log_alpha) / (2.0 * n))


def kl_divergence(p: float, q: float) -> float:
    """Return the Kullback-Leibler divergence of Bernoulli(p) from Bernoulli(q)."""
    return float(special.rel_entr(p, q) + special.rel_entr(1.0 - p, 1.0 - q))


def kl_bounds(mean: float, n: float, log_inverse_alpha: float) -> tuple[float, float]:
    """Return the interval of all means whose divergence from the observed one is at most ``log_inverse_alpha / n``."""
    # Each end holds with probability at least ``1 - exp(-log_inverse_alpha)``, by Chernoff's bound, for the
    # mean of any independent values in [0, 1].
    # Source: Hoeffding (1963), Theorem 1, equation (2.1); Chernoff (1952).
    check_in_range(mean, "mean", 0, 1)
    check_in_range(n, "n", 0, math.inf, low_open=True)
    radius = max(float(log_inverse_alpha), 0.0) / n
    upper = _kl_upper(float(mean), radius)
    return 1.0 - _kl_upper(1.0 - float(mean), radius), upper


def _kl_upper(mean: float, radius: float) -> float:
    if mean >= 1.0:
        return 1.0
    if mean <= 0.0:
        return -math.expm1(-radius)
    low, high = mean, 1.0
    entropy = mean * math.log(mean) + (1.0 - mean) * math.log1p(-mean)
    for _ in range(80):
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
        if entropy - mean * math.log(middle) - (1.0 - mean) * math.log1p(-middle) > radius:
            high = middle
        else:
            low = middle
    return high


def kl_interval(mean: float, n: float, log_alpha: float) -> tuple[float, float]:
    """Return the two-sided KL interval, half of the failure probability on each side."""
    return kl_bounds(mean, n, LOG_2 - log_alpha)


def clopper_pearson(successes: int, n: int, log_alpha: float) -> tuple[float, float]:
    """Return the exact two-sided interval for a probability from a binomial count."""
    # Source: Clopper and Pearson (1934).
    check_positive_int(n, "n")
    check_positive_int(successes, "successes", minimum=0, maximum=n)
    if log_alpha - LOG_2 < _SMALLEST_LOG_LEVEL:
        return kl_interval(successes / n, n, log_alpha)
    tail = math.exp(log_alpha - LOG_2)
    # the upper end by the mirrored count, which keeps its precision near 1
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else 1.0 - float(special.betaincinv(n - successes, successes + 1, tail))
    if math.isnan(low + high):  # betaincinv gives up at some tails below e^-300
        return kl_interval(successes / n, n, log_alpha)
    return low, high


def betting_interval(values: Float1D, log_alpha: float) -> tuple[float, float]:
    """Return the betting interval for a mean of values in [0, 1], which adapts to their variance."""
    # Two gamblers bet against each candidate mean, one on larger values and one on smaller ones, with stakes
    # fixed by the values seen so far; a candidate is excluded once a capital reaches ``2 / alpha``. The
    # interval depends on the order of the rows: the order must be fixed before the query is asked.
    # Source: Waudby-Smith and Ramdas (2023), "Estimating means of bounded random variables by betting",
    # Theorem 3.
    x = check_vector(values, "values")
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"values must lie in [0, 1], got values from {x.min()} to {x.max()}.")
    target = LOG_2 - log_alpha
    stakes = predictable_stakes(x, target)
    low = _betting_lower(x, stakes, target)
    high = 1.0 - _betting_lower(1.0 - x, stakes, target)
    return min(low, high), max(low, high)


def predictable_stakes(x: Float1D, log_inverse_alpha: float) -> Float1D:
    """Return the stakes that are near optimal for a variance estimated from the earlier values."""
    n = x.size
    t = np.arange(1, n + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (t + 1)
    previous = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2.0 * log_inverse_alpha / (n * previous))


def log_capital(x: Float1D, stakes: Float1D, null_mean: float) -> float:
    """Return the logarithm of the capital of a gambler who bets on values larger than ``null_mean``."""
    # It decreases in ``null_mean``, and its exponential has mean at most 1 where the true mean is at most
    # ``null_mean``.
    return float(log_gains(x, stakes, null_mean).sum())


def log_gains(x: Float1D, stakes: Float1D, null_mean: float) -> Float1D:
    """Return ``log(1 + stake * (x - null_mean))`` of each row, with stakes of at most ``1 / (2 null_mean)``."""
    limit = 0.5 / null_mean if null_mean > 0 else math.inf
    return np.log1p(np.minimum(stakes, limit) * (x - null_mean))


def _betting_lower(x: Float1D, stakes: Float1D, target: float) -> float:
    if log_capital(x, stakes, 0.0) < target:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if log_capital(x, stakes, middle) >= target:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True)
class CountCell:
    """A part of the counts 0..n."""

    cell: int
    low: int
    high: int


def guess_deviation(guess: float, n: float, n_guess: float) -> float:
    """Return the standard deviation of the difference of a holdout share and its guess, for an honest guess."""
    # Returns ``sqrt(g' (1 - g') (1/n + 1/n_g))`` with ``g' = (n_g g + 1) / (n_g + 2)``.
    smoothed = (n_guess * guess + 1.0) / (n_guess + 2.0)  # Laplace: never 0 or 1
    return math.sqrt(smoothed * (1.0 - smoothed) * (1.0 / n + 1.0 / n_guess))


@dataclass(frozen=True)
class GuessCells:
    """The parts of the counts around one guess."""

    n: int
    guess: float
    gap: float
    width: float

    @classmethod
    def of(cls, n: int, guess: float, *, n_guess: float, t: float, c: float) -> GuessCells:
        """Return the parts for a gap of ``t`` deviations and cells of ``c`` standard errors."""
        check_positive_int(n, "n")
        check_in_range(guess, "guess", 0.0, 1.0)
        standard_error = math.sqrt(max(guess * (1.0 - guess), 1.0 / n) / n)  # not 0 at a guess of 0 or 1
        return cls(n, float(guess), t * guess_deviation(guess, n, n_guess), c * standard_error)

    @property
    def gap_counts(self) -> tuple[int, int]:
        """Smallest and largest count within the gap; the first is larger if there is none."""
        low = math.ceil(self.n * (self.guess - self.gap))
        high = math.floor(self.n * (self.guess + self.gap))
        return max(low, 0), min(high, self.n)

    @property
    def n_below(self) -> int:
        """Number of cells below the gap."""
        return self._number(self.gap_counts[0])

    @property
    def n_above(self) -> int:
        """Number of cells above the gap."""
        return self._number(self.n - self.gap_counts[1])

    def find(self, count: int) -> CountCell:
        """Return the part in which a count lies."""
        x = check_positive_int(count, "count", minimum=0, maximum=self.n)
        low, high = self.gap_counts
        if low <= x <= high:
            return CountCell(0, low, high)
        # d = number of the cell; its ends are integers, so that no rounding moves a count between cells
        side, beyond = (1, x - high) if x > high else (-1, low - x)
        d = max(1, math.floor(beyond / max(self.n * self.width, 1.0)))
        while self._end(d) < beyond:
            d += 1
        while d > 1 and self._end(d - 1) >= beyond:
            d -= 1
        room = self.n - high if side > 0 else low
        first, last = self._end(d - 1) + 1, min(self._end(d), room)
        ends = (high + first, high + last) if side > 0 else (low - last, low - first)
        return CountCell(side * d, *ends)

    def _end(self, d: int) -> int:
        """Last count of cell d, counted from the end of the gap; at least one count a cell."""
        return max(math.floor(d * self.n * self.width), d)

    def _number(self, room: int) -> int:
        if room <= 0:
            return 0
        d = max(1, math.floor(room / max(self.n * self.width, 1.0)) - 1)
        while self._end(d) < room:
            d += 1
        return d


def cell_interval(low: int, high: int, n: int, log_alpha: float) -> tuple[float, float]:
    """Return the interval that covers whichever count of a cell was seen."""
    return clopper_pearson(low, n, log_alpha)[0], clopper_pearson(high, n, log_alpha)[1]


def rounded_counts(score: float, decimals: int, n: int, *, truncated: bool = False) -> tuple[int, int]:
    """Return the smallest and largest count whose share is shown as a rounded score."""
    # Returns first and last count, both ends outwards: all counts from ``(s - h) n`` to ``(s + h) n``, h half
    # of the last decimal, or from ``s n`` to below ``(s + 2 h) n``.
    check_in_range(score, "score", 0.0, 1.0)
    half = 0.5 * 10.0 ** -check_positive_int(decimals, "decimals", minimum=0)
    # 1e-6 of a row: decimal ends are no binary fractions, and a count at an end belongs to both cells
    if truncated:
        low, high = math.ceil(score * n - 1e-6), math.ceil((score + 2.0 * half) * n + 1e-6) - 1
    else:
        low, high = math.ceil((score - half) * n - 1e-6), math.floor((score + half) * n + 1e-6)
    low, high = max(low, 0), min(high, n)
    if low > high:
        raise ValueError(
            f"No share of n={n} rows is shown as {score} with decimals={decimals}. Check the number of rows and "
            "decimals, and whether the board cut decimals off instead of rounding (truncated=True)."
        )
    return low, high


def split_log_level(queries: int, log_alpha: float) -> float:
    """Return the level of each of k intervals on parts of the rows, together at ``.99 alpha``."""
    # Returns ``ln(1 - (1 - .99 alpha)^(1/k))``: the parts are independent, so that coverages multiply.
    k = check_positive_int(queries, "queries")
    return math.log(-math.expm1(math.log1p(-0.99 * math.exp(log_alpha)) / k))


def clopper_pearson_ends(
    low: AnyArray, high: AnyArray, n: int, log_alpha: AnyArray
) -> tuple[Float1D, Float1D]:
    """Ends of :func:`cell_interval` for arrays of cells and levels, for plans; Hoeffding's below e^-650."""
    log_tail = np.asarray(log_alpha, dtype=np.float64) - LOG_2
    tail = np.exp(np.maximum(log_tail, _SMALLEST_LOG_LEVEL))
    with np.errstate(all="ignore"):
        lower = np.where(low <= 0, 0.0, special.betaincinv(np.maximum(low, 1), n - low + 1.0, tail))
        upper = np.where(high >= n, 1.0, 1.0 - special.betaincinv(np.maximum(n - high, 1), high + 1.0, tail))
    hoeffding = np.sqrt(-log_tail / (2.0 * n))
    far = (log_tail < _SMALLEST_LOG_LEVEL) | np.isnan(
        lower + upper
    )  # betaincinv gives up at some tails below e^-300
    lower = np.where(far, np.maximum(low / n - hoeffding, 0.0), lower)
    upper = np.where(far, np.minimum(high / n + hoeffding, 1.0), upper)
    return lower, upper
