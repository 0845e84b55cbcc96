"""Confidence intervals for one mean in [0, 1], at levels so small that only their logarithm can be stored.

Every function takes ``log_alpha``, the natural logarithm of the two-sided failure probability. These are the
ordinary, non-adaptive intervals; what makes them valid under adaptivity is the level at which they are called
(:mod:`validstats.holdout.widths.counting`).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from validstats._typing import Float1D
from validstats.intake import check_in_range, check_positive_int, check_vector

__all__ = [
    "betting_interval",
    "clopper_pearson",
    "hoeffding_half_width",
    "kl_bounds",
    "kl_divergence",
    "kl_interval",
    "log_capital",
    "predictable_stakes",
]

LOG_2 = math.log(2.0)
_SMALLEST_LOG_LEVEL = -650.0


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
    # Sum of ``log(1 + stake * (x - null_mean))``.
    limit = 0.5 / null_mean if null_mean > 0 else math.inf
    return float(np.log1p(np.minimum(stakes, limit) * (x - null_mean)).sum())


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
