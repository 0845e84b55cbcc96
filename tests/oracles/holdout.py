"""Slow, obvious versions of the algorithms of validstats.holdout."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from scipy import integrate, optimize, stats

# ---------------------------------------------------------------------------------------------- trees


def count_guess_nodes(queries: int, failures: int, cells: int) -> int:
    """Walk the tree of guess-and-check: pass, or one of the cells, while at most ``failures`` have failed."""

    def walk(position: int, failed: int) -> int:
        if position == queries or failed > failures:
            return 0
        return 1 + walk(position + 1, failed) + cells * walk(position + 1, failed + 1)

    return walk(0, 0)


def count_full_nodes(queries: int, cells: int) -> int:
    """Enumerate every transcript of at most ``queries - 1`` rounded answers."""
    return sum(1 for length in range(queries) for _ in itertools.product(range(cells), repeat=length))


def count_ladder_nodes(queries: int, steps: int) -> int:
    """Enumerate every transcript of a ladder: each step stays, or falls to a lower rung."""

    def walk(position: int, rung: int) -> int:
        if position == queries:
            return 0
        return 1 + walk(position + 1, rung) + sum(walk(position + 1, lower) for lower in range(rung))

    return walk(0, steps)


def count_capped_ladder_nodes(queries: int, values: int, improvements: int) -> int:
    """Enumerate every transcript of a ladder with at most so many improvements before a node."""

    def walk(position: int, rung: int, done: int) -> int:
        if position == queries or done > improvements:
            return 0
        lower = sum(walk(position + 1, r, done + 1) for r in range(rung))
        return 1 + walk(position + 1, rung, done) + lower

    return walk(0, values, 0)


def count_argmax_intervals(batches: int, candidates: int, cells: int) -> int:
    """Enumerate transcripts of winners and scores; each node may issue an interval for each candidate."""
    outcomes = list(itertools.product(range(candidates), range(cells)))
    nodes = sum(1 for length in range(batches) for _ in itertools.product(outcomes, repeat=length))
    return nodes * candidates


# ------------------------------------------------------------------------------------------ intervals


def kl(p: float, q: float) -> float:
    """Divergence of Bernoulli(p) from Bernoulli(q), by cases."""
    total = 0.0
    for a, b in ((p, q), (1 - p, 1 - q)):
        if a > 0:
            if b <= 0:
                return math.inf
            total += a * math.log(a / b)
    return total


def kl_interval(mean: float, n: int, log_inverse: float) -> tuple[float, float]:
    """Ends of the set of means with divergence at most ``log_inverse / n``, by root finding."""

    def excess(q: float) -> float:
        return kl(mean, q) - log_inverse / n

    low = 0.0 if mean == 0 or excess(1e-300) <= 0 else optimize.brentq(excess, 1e-300, mean, xtol=1e-14)
    high = (
        1.0 if mean == 1 or excess(1 - 1e-16) <= 0 else optimize.brentq(excess, mean, 1 - 1e-16, xtol=1e-14)
    )
    return low, high


def clopper_pearson(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Exact interval by inverting the two binomial tails."""
    low = (
        0.0
        if successes == 0
        else optimize.brentq(lambda p: stats.binom.sf(successes - 1, n, p) - alpha / 2, 0, 1, xtol=1e-14)
    )
    high = (
        1.0
        if successes == n
        else optimize.brentq(lambda p: stats.binom.cdf(successes, n, p) - alpha / 2, 0, 1, xtol=1e-14)
    )
    return low, high


def betting_excludes(x: np.ndarray, null_mean: float, log_alpha: float) -> bool:
    """Play both gamblers against one candidate mean, row by row."""
    target = math.log(2) - log_alpha
    up = down = total = squares = 0.0
    n = len(x)
    for t, value in enumerate(x):
        variance = (0.25 + squares) / (t + 1)
        stake = math.sqrt(2 * target / (n * variance))
        up += math.log1p(min(stake, 0.5 / null_mean if null_mean > 0 else math.inf) * (value - null_mean))
        down += math.log1p(
            min(stake, 0.5 / (1 - null_mean) if null_mean < 1 else math.inf) * (null_mean - value)
        )
        total += value
        mean = (0.5 + total) / (t + 2)
        squares += (value - mean) ** 2
    return up >= target or down >= target


# ------------------------------------------------------------------------------------------- gaussian


def tail_mean_monte_carlo(k: int, p: float, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean of the upper p-tail of max |N(0, 1)| over k, with its standard error, by simulation."""
    maxima = np.sort(np.abs(rng.standard_normal((draws, k))).max(axis=1))
    tail = maxima[-round(p * draws) :]
    return float(tail.mean()), float(tail.std() / math.sqrt(len(tail)) + 0.5 / math.sqrt(len(tail)))


def tail_mean_quad(k: int, p: float) -> float:
    """The same by adaptive quadrature of the quantile function."""

    def quantile(u: float) -> float:
        return float(stats.norm.isf(0.5 * -math.expm1(math.log1p(-u) / k)))

    value, _ = integrate.quad(quantile, 0, p, epsabs=0.0, epsrel=1e-10, limit=400)
    return value / p


def gaussian_bias_grid(mu: float, p: float, points: int = 200_001) -> float:
    """G_mu(p) / p by a search over a fine grid of u."""
    u = np.linspace(0, p, points)[1:-1]
    forward = stats.norm.cdf(stats.norm.ppf(u) + mu) - u
    v = p - u
    backward = v - stats.norm.cdf(stats.norm.ppf(v) - mu)
    return float(np.minimum(forward, backward).max() / p)


def gdp_delta_integral(epsilon: float, mu: float) -> float:
    """Delta of mu-GDP as the integral of the positive part of the difference of two normal densities."""

    def positive_part(x: float) -> float:
        return max(stats.norm.pdf(x, mu) - math.exp(epsilon) * stats.norm.pdf(x), 0.0)

    start = epsilon / mu + mu / 2
    return integrate.quad(positive_part, start, start + 40, limit=200)[0]


# ----------------------------------------------------------------------------------------- mechanisms


def thresholdout_rows(tau: float, queries: int, overfits: int, alpha: float) -> float:
    """Rows that Theorem 25 asks for: ``min{n0, n1}`` of Lemma 24 at ``tau / 8`` and ``alpha / (2 k)``."""
    sigma = tau / (96.0 * math.log(4.0 * queries / alpha))
    t, beta = tau / 8.0, alpha / (2.0 * queries)
    pure = max(2.0 * overfits / (sigma * t), math.log(6.0 / beta) / t**2)
    odds = math.log(1.0 / (t * beta))
    return min(pure, 80.0 * math.sqrt(overfits * odds) / (t * sigma) if odds > 0 else math.inf)


def thresholdout(
    train: list[float],
    holdout: list[float],
    threshold: float,
    budget: int,
    gamma: list[float],
    eta: list[float],
    xi: list[float],
) -> list[tuple[float | None, bool | None, int]]:
    """Figure 1 of arXiv 1506.02629 with the noise given: gamma and xi are consumed at overfits, eta at queries."""
    out: list[tuple[float | None, bool | None, int]] = []
    gammas, xis, etas = iter(gamma), iter(xi), iter(eta)
    noisy_threshold = threshold + next(gammas)
    for a, b in zip(train, holdout, strict=True):
        if budget < 1:
            out.append((None, None, 0))
            continue
        if abs(b - a) > noisy_threshold + next(etas):
            budget -= 1
            noisy_threshold = threshold + next(gammas)
            out.append((b + next(xis), True, budget))
        else:
            out.append((a, False, budget))
    return out


def ladder(losses: list[float], eta: float, start: float = 1.0) -> list[float]:
    """Algorithm 1 of arXiv 1502.04585."""
    out, released = [], start
    for loss in losses:
        if loss < released - eta:
            released = math.floor(loss / eta + 0.5) * eta
        out.append(released)
    return out


def guess_and_check(
    guesses: list[float], holdout: list[float], n: int, beta: float, tau: float, cells: int, max_fail: int
) -> list[tuple[float, float, bool, float] | None]:
    """Guess-and-check without a declared horizon: (answer, half-width, passed, w), None once exhausted."""
    out: list[tuple[float, float, bool, float] | None] = []
    f = 0
    for i, (g, q) in enumerate(zip(guesses, holdout, strict=True)):
        if f >= max_fail:
            out.append(None)
            continue

        def z(t: int) -> float:
            return 6 / (math.pi**2 * (t + 1) ** 2)

        level = beta * z(i) * z(f) / (math.comb(i, f) * cells**f)
        w = math.sqrt(math.log(2 / level) / (2 * n))
        if abs(g - q) <= tau - w:
            out.append((g, tau, True, w))
        else:
            f += 1
            out.append(((math.floor(q * cells) + 0.5) / cells, w + 1 / (2 * cells), False, w))
    return out


def total_weight(weight: Callable[[tuple[int, ...]], float], outcomes: int, depth: int) -> float:
    """Sum a weight over every transcript of fewer than ``depth`` answers."""
    return sum(
        weight(t) for length in range(depth) for t in itertools.product(range(outcomes), repeat=length)
    )


def e_bh(e_values: list[float], alpha: float) -> list[int]:
    """Indices rejected by e-BH, from its definition."""
    m = len(e_values)
    order = sorted(range(m), key=lambda i: -e_values[i])
    best = 0
    for k in range(1, m + 1):
        if e_values[order[k - 1]] >= m / (alpha * k):
            best = k
    return sorted(order[:best])


# --------------------------------------------------------------------------------- published comparators


def log_sparse_prefixes(position: int, ones: int) -> float:
    """Logarithm of the number of 0-1 transcripts with at most so many ones (arXiv 1506.02629, Theorem 27)."""
    return math.log(sum(math.comb(position, j) for j in range(min(position, ones) + 1)))


def blum_hardt_width(n: int, queries: int, log_alpha: float) -> float:
    """Half-width of the ladder as published (arXiv 1502.04585, Theorem 3.1), at the best step."""

    def cost(log_eta: float) -> float:
        eta = math.exp(log_eta)
        exponent = (1 / eta + 2) * math.log(4 * queries / eta) + 1 - log_alpha
        return eta + math.sqrt(exponent / (2 * n))

    return float(optimize.minimize_scalar(cost, bounds=(-9.0, 0.0), method="bounded").fun)
