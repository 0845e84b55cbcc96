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
    """A noise level and what it promises."""

    half_width: float  # all answers are within it of the truth, at the stated level
    sigma: float  # standard deviation of the noise
    analysis: str  # whose bound it is


def _log_exceedance(t: float | np.ndarray, k: int) -> np.ndarray:
    """Return ``ln P(max of k |N(0, 1)| > t)``."""
    log_tail = math.log(2.0) + special.log_ndtr(-np.asarray(t, dtype=np.float64))
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(k * np.log1p(-np.minimum(np.exp(log_tail), 1.0))))
    return np.where(log_tail + math.log(k) < -30.0, log_tail + math.log(k), exact)


@lru_cache(maxsize=4096)
def tail_quantile_of_maximum(k: int, log_p: float) -> float:
    """Return the value that the largest of k absolute standard normals exceeds with probability ``exp(log_p)``."""
    high = math.sqrt(2.0 * (math.log(2.0 * k) - log_p)) + 1.0
    return float(optimize.brentq(lambda t: float(_log_exceedance(t, k)) - log_p, 0.0, high, xtol=1e-13))


@lru_cache(maxsize=4096)
def tail_mean_of_maximum(k: int, log_p: float) -> float:
    """Return c_{k, p}: the mean of the largest of k absolute standard normals over its upper p-tail."""
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
    """Return the Gaussian-DP parameter of noisy means of values in [0, 1] (replace-one neighbours)."""
    # ``sqrt(queries) / (n sigma)``, exact under composition.
    # Source: Dong, Roth and Su (2022), "Gaussian differential privacy", Corollary 3.3.
    return math.sqrt(queries) / (n * check_in_range(sigma, "sigma", 0, low_open=True))


def gaussian_dp_delta(epsilon: float, mu: float) -> float:
    """Return the smallest delta for which mu-Gaussian-DP implies (epsilon, delta)-DP."""
    # ``Phi(mu/2 - epsilon/mu) - exp(epsilon) Phi(-mu/2 - epsilon/mu)``.
    # Source: Dong, Roth and Su (2022), Corollary 2.13; Balle and Wang (2018), Theorem 8.
    first = float(special.log_ndtr(mu / 2.0 - epsilon / mu))
    second = epsilon + float(special.log_ndtr(-mu / 2.0 - epsilon / mu))
    return math.exp(first) * -math.expm1(min(second - first, 0.0))


def gaussian_dp_bias(mu: float, log_p: float) -> float:
    """Return ``G_mu(p) / p``, route A's bound on the bias over an event of probability p."""
    # ``G_mu(p) = max_{u <= p} min{F(u) - u, (p - u) - F^-1(p - u)}`` with ``F(u) = Phi(Phi^-1(u) + mu)``. The
    # first term is concave in u with its largest value where ``Phi^-1(u) = -mu/2``, the second decreases, so
    # the maximum is at their crossing or at that point.
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
    """Return route B's bound on the bias over an event of probability p, divided by p."""
    # ``sqrt(queries) / (4 sigma (n - 1) sqrt(p))``.
    return math.sqrt(queries) / (4.0 * sigma * (n - 1)) * math.exp(-0.5 * log_p)


def tight_half_width(n: int, queries: int, sigma: float, log_alpha: float) -> float:
    """Return the half-width that all noisy answers keep together with probability ``1 - exp(log_alpha)``."""
    check_positive_int(n, "n", minimum=2)
    mu = gaussian_dp_mu(n, queries, sigma)
    bias = min(gaussian_dp_bias(mu, log_alpha), stability_bias(n, queries, sigma, log_alpha))
    return sigma * tail_mean_of_maximum(queries, log_alpha) + bias


@lru_cache(maxsize=1024)
def tight_optimum(n: int, queries: int, log_alpha: float) -> GaussianWidth:
    """Return the noise level with the smallest half-width, and that half-width."""
    # Route B's optimum ``sqrt(c sqrt(k) / ((n - 1) sqrt(beta)))``, or route A's by a search over sigma where
    # it is smaller.
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
    """Return the half-width of every answer of an epoch that mixes noisy and rounded answers."""
    # For each fixed sequence of rounded answers the rest is the Gaussian mechanism, so the bound applies at
    # the level ``alpha`` times the weight of that sequence; a rounded answer differs from q(S) by at most
    # half a cell.
    half_cell = 0.5 * check_in_range(resolution, "resolution", 0)
    return half_cell + tight_half_width(n, queries, sigma, log_alpha)


def grid_cell(sigma: float) -> float:
    """Return the cell that noisy answers are rounded to: a power of two between sigma/128 and sigma/64."""
    # Source: Mironov (2012), "On significance of the least significant bits for differential privacy".
    return 2.0 ** math.floor(math.log2(check_in_range(sigma, "sigma", 0, low_open=True) / 64.0))
