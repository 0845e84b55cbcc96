"""Draws of a batch's ranks from the Polya urn, and exact Monte Carlo quantiles of any statistic of them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from validstats._typing import Float1D, Int1D, Int2D, RandomState
from validstats.batch.laws.levels import Level, ceil_fraction, exact_level
from validstats.intake import check_positive_int, check_random_state, check_vector
from validstats.kernels.ranks import urn_statistics

__all__ = ["monte_carlo_index", "monte_carlo_quantile", "sample_ranks", "sample_weight_sums"]

_CHUNK = 4_000_000
"""Ranks drawn at a time, so that memory stays small."""


def sample_ranks(n: int, m: int, n_draws: int, random_state: RandomState = None) -> Int2D:
    """Draw rank vectors uniformly from the C(n+m, m) non-decreasing ones."""
    # A Polya urn: rank k is drawn with weight one plus the number of earlier draws of k. Drawing ranks
    # independently and uniformly instead gives another law, which is too narrow.
    for name, value in (("n", n), ("m", m), ("n_draws", n_draws)):
        check_positive_int(value, name)
    draws = _urn_draws(n, m, n_draws, check_random_state(random_state))
    ranks = draws + 1
    for j in range(1, m):
        copied = draws[:, j] > n
        ranks[copied, j] = ranks[copied, draws[copied, j] - n - 1]
    ranks.sort(axis=1)
    return ranks


def sample_weight_sums(
    weights: Float1D,
    m: int,
    n_draws: int,
    random_state: RandomState = None,
    *,
    lower: Int1D | None = None,
    upper: Int1D | None = None,
) -> Float1D:
    """Draw the sum of rank weights of a batch, infinite where a sorted rank leaves its band."""
    rng = check_random_state(random_state)
    n = weights.size - 1
    empty = np.empty(0, dtype=np.int64)
    if (lower is None) != (upper is None):
        raise ValueError("lower and upper belong together: pass both limits of the band, or neither.")
    low = empty if lower is None else np.ascontiguousarray(lower, dtype=np.int64)
    high = empty if upper is None else np.ascontiguousarray(upper, dtype=np.int64)
    values = np.ascontiguousarray(weights, dtype=np.float64)
    sums = []
    for start in range(0, n_draws, step := max(1, _CHUNK // m)):
        draws = _urn_draws(n, m, min(step, n_draws - start), rng)
        sums.append(urn_statistics(draws, n, values, low, high))
    return np.concatenate(sums)


def monte_carlo_index(n_draws: int, alpha: Level) -> int | None:
    """Which order statistic of the draws is the exact Monte Carlo quantile."""
    level: Fraction = exact_level(alpha)
    k = ceil_fraction((1 - level) * (check_positive_int(n_draws, "n_draws") + 1))
    return k if k <= n_draws else None


def monte_carlo_quantile(draws: Float1D, alpha: Level) -> float:
    """A quantile of simulated values that keeps the level exactly, for any number of draws."""
    values = check_vector(draws, "draws", allow_infinite=True)
    k = monte_carlo_index(values.size, alpha)
    return np.inf if k is None else float(np.partition(values, k - 1)[k - 1])


def _urn_draws(n: int, m: int, n_draws: int, rng: np.random.Generator) -> Int2D:
    return rng.integers(0, n + 1 + np.arange(m), size=(n_draws, m), dtype=np.int64)
