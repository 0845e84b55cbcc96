"""The Gaussian mechanism: answers ``q(S) + N(0, sigma^2)`` with a half-width that holds for all of them together.

The proof, for k adaptive queries with values in [0, 1], independent rows and fresh noise. Let Pi be the set of
transcripts with some ``|a_j - q_j(P)| > W`` and p its probability; in each take the worst query, or one minus
it. Then ``p W < E[noise; Pi] + E[q(S) - q(P); Pi]``.

* The noise term is at most ``p sigma c`` with c the mean of ``max_j |N_j|`` over its upper p-tail.
* Route A: the k answers are mu-Gaussian-DP with ``mu = sqrt(k) / (n sigma)``; comparing a row of the sample with
  an exchangeable fresh row bounds the bias by ``G_mu(p)``, applied to q and to one minus q.
* Route B: by Donsker and Varadhan with the leave-one-out Kullback-Leibler divergence, and since an empirical
  variance is at most 1/4, the bias is at most ``p sqrt(k) / (4 sigma (n - 1) sqrt(p))``.

Both bounds divided by p decrease in p, so p > beta contradicts
``W = sigma c_{k, beta} + min{G_mu(beta) / beta, sqrt(k) / (4 sigma (n - 1) sqrt(beta))}``.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from validstats.intake import check_in_range, check_positive_int

__all__ = [
    "GaussianWidth",
    "gaussian_dp_bias",
    "gaussian_dp_delta",
    "gaussian_dp_mu",
    "grid_cell",
    "mixed_half_width",
    "stability_bias",
    "tail_mean_of_maximum",
    "tail_quantile_of_maximum",
    "tight_half_width",
    "tight_optimum",
]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)


@dataclass(frozen=True)
class GaussianWidth:
    """A noise level and what it promises.

    Attributes
    ----------
    half_width : float
        All answers are within it of the truth, at the stated level.
    sigma : float
        Standard deviation of the noise.
    analysis : str
        Whose bound it is.
    """

    half_width: float
    sigma: float
    analysis: str


def _log_exceedance(t: float | np.ndarray, k: int) -> np.ndarray:
    """Return ``ln P(max of k |N(0, 1)| > t)``."""
    log_tail = math.log(2.0) + special.log_ndtr(-np.asarray(t, dtype=np.float64))
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(k * np.log1p(-np.minimum(np.exp(log_tail), 1.0))))
    return np.where(log_tail + math.log(k) < -30.0, log_tail + math.log(k), exact)


@lru_cache(maxsize=4096)
def tail_quantile_of_maximum(k: int, log_p: float) -> float:
    """Return the value that the largest of k absolute standard normals exceeds with probability ``exp(log_p)``.

    Parameters
    ----------
    k : int
        Number of normals, at least 1.
    log_p : float
        Logarithm of the probability, below 0.

    Returns
    -------
    float
        The quantile.

    Examples
    --------
    >>> round(tail_quantile_of_maximum(1, math.log(0.05)), 4)
    1.96
    """
    high = math.sqrt(2.0 * (math.log(2.0 * k) - log_p)) + 1.0
    return float(optimize.brentq(lambda t: float(_log_exceedance(t, k)) - log_p, 0.0, high, xtol=1e-13))


@lru_cache(maxsize=4096)
def tail_mean_of_maximum(k: int, log_p: float) -> float:
    """Return c_{k, p}: the mean of the largest of k absolute standard normals over its upper p-tail.

    Parameters
    ----------
    k : int
        Number of normals, at least 1.
    log_p : float
        Logarithm of the probability p of the tail, below 0.

    Returns
    -------
    float
        The mean.

    Examples
    --------
    >>> round(tail_mean_of_maximum(100, math.log(0.05)), 4)
    3.73
    """
    k = check_positive_int(k, "k")
    start = tail_quantile_of_maximum(k, log_p)
    end = math.sqrt(start**2 + 2.0 * 60.0) + 0.5
    edges = start + (end - start) * np.array([0.0, 0.08, 0.25, 0.5, 1.0])
    total = 0.0
    for left, right in itertools.pairwise(edges):
        t = left + (right - left) * 0.5 * (_NODES + 1.0)
        total += 0.5 * (right - left) * float(_WEIGHTS @ np.exp(_log_exceedance(t, k) - log_p))
    return float(start + total)


def gaussian_dp_mu(n: int, queries: int, sigma: float) -> float:
    """Return the Gaussian-DP parameter of noisy means of values in [0, 1] (replace-one neighbours).

    Parameters
    ----------
    n, queries : int
        Rows and number of noisy answers, at least 1.
    sigma : float
        Standard deviation of the noise, above 0.

    Returns
    -------
    float
        ``sqrt(queries) / (n sigma)``, exact under composition.

    References
    ----------
    Dong, Roth and Su (2022), "Gaussian differential privacy", Corollary 3.3.

    Examples
    --------
    >>> gaussian_dp_mu(100, 25, 0.05)
    1.0
    """
    return math.sqrt(queries) / (n * check_in_range(sigma, "sigma", 0, low_open=True))


def gaussian_dp_delta(epsilon: float, mu: float) -> float:
    """Return the smallest delta for which mu-Gaussian-DP implies (epsilon, delta)-DP.

    Parameters
    ----------
    epsilon : float
        At least 0.
    mu : float
        Above 0.

    Returns
    -------
    float
        ``Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu)``.

    References
    ----------
    Dong, Roth and Su (2022), Corollary 2.13; Balle and Wang (2018), Theorem 8.

    Examples
    --------
    >>> round(gaussian_dp_delta(0.5, 1.0), 6)
    0.238422
    """
    first = float(special.log_ndtr(mu / 2.0 - epsilon / mu))
    second = epsilon + float(special.log_ndtr(-mu / 2.0 - epsilon / mu))
    return math.exp(first) * -math.expm1(min(second - first, 0.0))


def gaussian_dp_bias(mu: float, log_p: float) -> float:
    """Return ``G_mu(p) / p``, route A's bound on the bias over an event of probability p.

    ``G_mu(p) = max_{u <= p} min{F(u) - u, (p - u) - F^-1(p - u)}`` with ``F(u) = Phi(Phi^-1(u) + mu)``. The first
    term is concave in u with its largest value where ``Phi^-1(u) = -mu/2``, the second decreases, so the maximum
    is at their crossing or at that point.

    Parameters
    ----------
    mu : float
        Gaussian-DP parameter, at least 0.
    log_p : float
        Logarithm of p, which is at most 1/2.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> round(gaussian_dp_bias(0.1, math.log(0.05)), 6)
    0.116469
    """
    check_in_range(mu, "mu", 0)
    if log_p > -math.log(2.0):
        raise ValueError(f"log_p must be at most log(1/2), got {log_p!r}.")
    if mu == 0.0:
        return 0.0

    def gain(share: float) -> float:
        log_u = log_p + math.log(share)
        return math.exp(min(_shifted(log_u, mu) - log_p, 700.0)) - share

    def loss(share: float) -> float:
        log_v = log_p + math.log1p(-share)
        return (1.0 - share) - math.exp(_shifted(log_v, -mu) - log_p)

    low = 0.0
    high = min(math.exp(min(float(special.log_ndtr(-mu / 2.0)) - log_p, 0.0)), 1.0 - 1e-15)
    if high == 0.0:
        return 1.0
    if gain(high) < loss(high):
        return gain(high)
    for _ in range(60):
        middle = 0.5 * (low + high)
        if middle <= low or middle >= high:
            break
        if gain(middle) < loss(middle):
            low = middle
        else:
            high = middle
    return min(gain(high), loss(low) if low > 0.0 else 1.0, 1.0)


def _shifted(log_u: float, mu: float) -> float:
    return float(special.log_ndtr(special.ndtri_exp(log_u) + mu))


def stability_bias(n: int, queries: int, sigma: float, log_p: float) -> float:
    """Return route B's bound on the bias over an event of probability p, divided by p.

    Parameters
    ----------
    n, queries : int
        Rows, at least 2, and number of noisy answers.
    sigma : float
        Standard deviation of the noise, above 0.
    log_p : float
        Logarithm of p.

    Returns
    -------
    float
        ``sqrt(queries) / (4 sigma (n - 1) sqrt(p))``.

    Examples
    --------
    >>> round(stability_bias(1001, 100, 0.05, math.log(0.04)), 6)
    0.25
    """
    return math.sqrt(queries) / (4.0 * sigma * (n - 1)) * math.exp(-0.5 * log_p)


def tight_half_width(n: int, queries: int, sigma: float, log_alpha: float) -> float:
    """Return the half-width that all noisy answers keep together with probability ``1 - exp(log_alpha)``.

    Parameters
    ----------
    n : int
        Independent rows, at least 2.
    queries : int
        Declared number of noisy answers.
    sigma : float
        Standard deviation of the noise, above 0.
    log_alpha : float
        Logarithm of the failure probability, at most ``log(1/2)``.

    Returns
    -------
    float
        The smaller of the two routes.

    Examples
    --------
    >>> round(tight_half_width(10_000, 100, 0.0173139, math.log(0.05)), 4)
    0.1292
    """
    check_positive_int(n, "n", minimum=2)
    mu = gaussian_dp_mu(n, queries, sigma)
    bias = min(gaussian_dp_bias(mu, log_alpha), stability_bias(n, queries, sigma, log_alpha))
    return sigma * tail_mean_of_maximum(queries, log_alpha) + bias


@lru_cache(maxsize=1024)
def tight_optimum(n: int, queries: int, log_alpha: float) -> GaussianWidth:
    """Return the noise level with the smallest half-width, and that half-width.

    Parameters
    ----------
    n : int
        Independent rows, at least 2.
    queries : int
        Declared number of noisy answers.
    log_alpha : float
        Logarithm of the failure probability, at most ``log(1/2)``.

    Returns
    -------
    GaussianWidth
        Route B's optimum ``sqrt(c sqrt(k) / ((n - 1) sqrt(beta)))``, or route A's by a search over sigma where
        it is smaller.

    Examples
    --------
    >>> best = tight_optimum(10_000, 100, math.log(0.05))
    >>> round(best.half_width, 6), round(best.sigma, 6)
    (0.129161, 0.017314)
    """
    check_positive_int(n, "n", minimum=2)
    c = tail_mean_of_maximum(queries, log_alpha)
    by_stability = math.sqrt(c * math.sqrt(queries) / ((n - 1) * math.exp(0.5 * log_alpha)))
    sigma = float(by_stability / (2.0 * c))

    def by_dp(log_sigma: float) -> float:
        s = math.exp(log_sigma)
        return s * c + gaussian_dp_bias(gaussian_dp_mu(n, queries, s), log_alpha)

    span = (math.log(sigma) - 3.0, math.log(sigma) + 2.0)
    found = optimize.minimize_scalar(by_dp, bounds=span, method="bounded", options={"xatol": 1e-7})
    if float(found.fun) < by_stability:
        return GaussianWidth(float(found.fun), math.exp(float(found.x)), "tight")
    return GaussianWidth(float(by_stability), sigma, "tight")


def mixed_half_width(log_alpha: float, n: int, queries: int, sigma: float, resolution: float) -> float:
    """Return the half-width of every answer of an epoch that mixes noisy and rounded answers.

    For each fixed sequence of rounded answers the rest is the Gaussian mechanism, so the bound applies at the
    level ``alpha`` times the weight of that sequence; a rounded answer differs from q(S) by at most half a cell.

    Parameters
    ----------
    log_alpha : float
        Logarithm of the failure probability minus the description nats of the node (its Kraft weight).
    n, queries : int
        Rows, and declared number of noisy answers of the epoch (not the number given so far).
    sigma : float
        Standard deviation of the noise.
    resolution : float
        Cell of the coarsest rounded answer of the epoch, noisy answers' grid included, at least 0.

    Returns
    -------
    float
        Half-width that all answers of the epoch, rounded ones included, keep together.

    Examples
    --------
    >>> plain = tight_half_width(10_000, 100, 0.0173, math.log(0.05))
    >>> mixed = mixed_half_width(math.log(0.05) - 10.0, 10_000, 100, 0.0173, 0.01)
    >>> bool(mixed > plain)
    True
    """
    half_cell = 0.5 * check_in_range(resolution, "resolution", 0)
    return half_cell + tight_half_width(n, queries, sigma, log_alpha)


def grid_cell(sigma: float) -> float:
    """Return the cell that noisy answers are rounded to: a power of two between sigma/128 and sigma/64.

    Parameters
    ----------
    sigma : float
        Standard deviation of the noise, above 0.

    Returns
    -------
    float
        The cell; half of it is added to the half-width. A power of two makes the rounding exact.

    References
    ----------
    Mironov (2012), "On significance of the least significant bits for differential privacy".

    Examples
    --------
    >>> grid_cell(1.0)
    0.015625
    """
    return 2.0 ** math.floor(math.log2(check_in_range(sigma, "sigma", 0, low_open=True) / 64.0))
