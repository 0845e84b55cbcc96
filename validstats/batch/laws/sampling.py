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


def sample_ranks(n: int, m: int, n_draws: int, random_state: RandomState = None) -> Int2D:
    """Draw rank vectors uniformly from the C(n+m, m) non-decreasing ones.

    Parameters
    ----------
    n, m : int
        Calibration and batch sizes.
    n_draws : int
        Number of draws.
    random_state : int, numpy.random.Generator or None, default None
        Stream of the draws.

    Returns
    -------
    ndarray of int64, shape (n_draws, m)
        Sorted ranks in 1..n+1.

    Raises
    ------
    TypeError, ValueError
        If a size is not a positive integer.

    Notes
    -----
    A Polya urn: rank k is drawn with weight one plus the number of earlier draws of k. Drawing ranks
    independently and uniformly instead gives another law, which is too narrow.

    Examples
    --------
    >>> sample_ranks(4, 3, 2, random_state=0).shape
    (2, 3)
    """
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
    """Draw the sum of rank weights of a batch, infinite where a sorted rank leaves its band.

    Parameters
    ----------
    weights : ndarray of float64, shape (n + 1,)
        Weight of each rank; may be infinite.
    m : int
        Batch size.
    n_draws : int
        Number of draws.
    random_state : int, numpy.random.Generator or None, default None
        Stream of the draws.
    lower, upper : ndarray of int64, shape (m,), or None
        Band of the sorted ranks, inclusive.

    Returns
    -------
    ndarray of shape (n_draws,)
        The sums.

    Raises
    ------
    ValueError
        If only one limit of the band is given.

    Examples
    --------
    >>> sample_weight_sums(np.arange(1.0, 6.0), 3, 4, random_state=0)
    array([13.,  5.,  4., 13.])
    """
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
    r"""Return which order statistic of the draws is the exact Monte Carlo quantile.

    Parameters
    ----------
    n_draws : int
        Number of draws B.
    alpha : Fraction, float or str
        Miscoverage level.

    Returns
    -------
    int or None
        :math:`k = \lceil (1 - \alpha)(B + 1) \rceil`, or None where k exceeds B and nothing can be excluded.

    Examples
    --------
    >>> monte_carlo_index(19, 0.1), monte_carlo_index(8, 0.1)
    (18, None)
    """
    level: Fraction = exact_level(alpha)
    k = ceil_fraction((1 - level) * (check_positive_int(n_draws, "n_draws") + 1))
    return k if k <= n_draws else None


def monte_carlo_quantile(draws: Float1D, alpha: Level) -> float:
    """Return a quantile of simulated values that keeps the level exactly, for any number of draws.

    Parameters
    ----------
    draws : array-like of shape (B,)
        Independent draws of the statistic under its law; may be infinite.
    alpha : Fraction, float or str
        Miscoverage level.

    Returns
    -------
    float
        The k-th smallest draw with k = ceil((1 - alpha)(B + 1)), infinite where k > B. A further
        draw of the statistic is at most this value with probability at least 1 - alpha, averaged over the draws.

    Raises
    ------
    ValueError
        If a draw is NaN or alpha out of range.

    Examples
    --------
    >>> monte_carlo_quantile(np.arange(1.0, 20.0), 0.1)
    18.0
    """
    values = check_vector(draws, "draws", allow_infinite=True)
    k = monte_carlo_index(values.size, alpha)
    return np.inf if k is None else float(np.partition(values, k - 1)[k - 1])


def _urn_draws(n: int, m: int, n_draws: int, rng: np.random.Generator) -> Int2D:
    return rng.integers(0, n + 1 + np.arange(m), size=(n_draws, m), dtype=np.int64)
