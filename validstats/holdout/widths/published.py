"""Published analyses of the Gaussian mechanism: Rogers et al. 2020, Jung et al. 2020, Bassily et al. 2016.

They are selectable instead of the tight bound of :mod:`validstats.holdout.widths.gaussian`, which is smaller throughout.
Each function returns the optimal noise level and its half-width; ``rho`` is the zero-concentrated DP of all k
answers together, ``k / (2 n^2 sigma^2)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from validstats.holdout.widths.gaussian import GaussianWidth

__all__ = ["bassily_optimum", "jung_optimum", "rogers_optimum", "zcdp_log_delta"]


def zcdp_log_delta(epsilon: float, rho: float) -> float:
    """Return ``ln delta`` such that rho-zCDP implies (epsilon, delta)-DP."""
    # ``min(1/2 ln(pi rho), 0) - (epsilon - rho)^2 / (4 rho)``, and 0 where ``epsilon <= rho``.
    # Source: Bun and Steinke (2016), arXiv 1605.02065, Lemma 3.5 and Proposition 1.3.
    if epsilon <= rho:
        return 0.0
    return min(0.0, 0.5 * math.log(math.pi * rho)) - (epsilon - rho) ** 2 / (4.0 * rho)


@lru_cache(maxsize=1024)
def rogers_optimum(n: int, queries: int, log_alpha: float) -> GaussianWidth:
    """Return the half-width by mutual information and the second moment of the bias."""
    # ``sqrt(min_l (2 rho n - ln(1 - l)) / l / (2 n beta)) + sigma sqrt(2 ln(4 k / beta))``, at the best
    # sigma.
    # Source: Rogers et al. (2020), arXiv 1906.09231, Theorem 2.1. (The functions with names ending in
    # ``_new`` of the code published with it halve the noise term; this is the statement of the theorem.)
    beta = math.exp(log_alpha)
    noise_scale = math.sqrt(2.0 * (math.log(4.0 * queries) - log_alpha))

    def half_width(log_sigma: float) -> float:
        sigma = math.exp(log_sigma)
        information = queries / (n * sigma**2)

        def moment(t: float) -> float:
            share = special.expit(t)
            return (information - math.log1p(-share)) / share

        best = optimize.minimize_scalar(moment, bounds=(-15.0, 15.0), method="bounded")
        return math.sqrt(float(best.fun) / (2.0 * n * beta)) + sigma * noise_scale

    return _best_sigma(half_width, n, queries, "rogers2020")


@lru_cache(maxsize=1024)
def jung_optimum(n: int, queries: int, log_alpha: float) -> GaussianWidth:
    """Return the half-width by the transfer theorem from the posterior of the data."""
    # ``a + (e^epsilon - 1) + 2 c + d`` with ``beta = delta / c + b / d`` split equally, where all noises
    # exceed a with probability b; the best sigma, epsilon and b.
    # Source: Jung, Ligett, Neel, Roth, Sharifi-Malvajerdi and Shenfeld (2020), arXiv 1909.03577, Theorem 3.5.
    beta = math.exp(log_alpha)

    def half_width(point: np.ndarray) -> float:
        log_sigma, log_epsilon, log_b = point
        if log_epsilon > 1.5 or log_b > -1.0 or log_sigma > 3.0:
            return 99.0
        sigma, epsilon, b = math.exp(log_sigma), math.exp(log_epsilon), math.exp(log_b)
        delta = math.exp(zcdp_log_delta(epsilon, queries / (2.0 * (n * sigma) ** 2)))
        per_answer = -math.expm1(math.log1p(-b) / queries)
        accuracy = -sigma * float(special.ndtri(per_answer / 2.0))
        return accuracy + math.expm1(epsilon) + 4.0 * delta / beta + 2.0 * b / beta

    return _simplex(half_width, n, queries, (-1.5, math.log(beta) - 4.0), "jung2020")


@lru_cache(maxsize=1024)
def bassily_optimum(n: int, queries: int, log_alpha: float) -> GaussianWidth:
    """Return the half-width by the monitor argument with ``floor(1 / beta)`` copies."""
    # ``(e^epsilon - 1 + 2 T delta + sigma sqrt(2 ln(4 k / delta))) / (1 - (1 - beta)^T)`` with ``T = floor(1
    # / beta)``, at the best sigma and epsilon. All k noises of a copy stay below the last term of the sum
    # with probability ``1 - delta / 2``.
    # Source: Bassily, Nissim, Smith, Steinke, Stemmer and Ullman (2016), arXiv 1511.02513, Theorem 3.4 and
    # Lemma 3.3, with the accuracy term and the constants of the code published with Rogers et al. (2020),
    # arXiv 1906.09231.
    beta = math.exp(log_alpha)
    copies = math.floor((1.0 + 1e-12) / beta)  # exp(log(0.05)) is a little above 1 / 20
    share = -math.expm1(copies * math.log1p(-beta))

    def half_width(point: np.ndarray) -> float:
        log_sigma, log_epsilon = point
        if log_epsilon > 1.5 or log_sigma > 3.0:
            return 99.0
        sigma, epsilon = math.exp(log_sigma), math.exp(log_epsilon)
        log_delta = zcdp_log_delta(epsilon, queries / (2.0 * (n * sigma) ** 2))
        noise = sigma * math.sqrt(2.0 * (math.log(4.0 * queries) - log_delta))
        return (math.expm1(epsilon) + 2.0 * copies * math.exp(log_delta) + noise) / share

    return _simplex(half_width, n, queries, (-1.5,), "bassily2016")


def _best_sigma(half_width: Callable[[float], float], n: int, queries: int, analysis: str) -> GaussianWidth:
    centre = math.log(queries**0.25 / math.sqrt(n))
    found = optimize.minimize_scalar(
        half_width, bounds=(centre - 6.0, centre + 4.0), method="bounded", options={"xatol": 1e-7}
    )
    return GaussianWidth(float(found.fun), math.exp(float(found.x)), analysis)


def _simplex(
    half_width: Callable[[np.ndarray], float], n: int, queries: int, start: tuple[float, ...], analysis: str
) -> GaussianWidth:
    best = None
    for shift in (-1.5, 0.0):
        first = np.array([math.log(queries**0.25 / math.sqrt(n)) + shift, start[0] + shift, *start[1:]])
        found = optimize.minimize(
            half_width, first, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-8, "maxfev": 900}
        )
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    return GaussianWidth(float(best.fun), math.exp(float(best.x[0])), analysis)
