r"""Exact laws of the ranks of a batch's order statistics among the calibration scores.

With :math:`S_{(1)} \le \dots \le S_{(n)}` the sorted calibration scores and :math:`T_{(1)} \le \dots \le T_{(m)}`
those of the batch, the rank of :math:`T_{(\zeta)}` is :math:`r_\zeta = 1 + \#\{i: S_i < T_{(\zeta)}\}`, so that
:math:`S_{(r_\zeta - 1)} \le T_{(\zeta)} \le S_{(r_\zeta)}`. If all scores are exchangeable, :math:`r_\zeta - 1` has
the beta-binomial (negative hypergeometric) law, whatever the scores are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from validstats._typing import Float1D
from validstats.batch.laws.levels import Level, ceil_fraction, exact_level
from validstats.intake import as_decimal, check_in_range, check_positive_int
from validstats.kernels.ranks import upper_rank

__all__ = [
    "RankBound",
    "batch_coverage_probability",
    "error_count_upper",
    "last_where",
    "order_statistic_counts",
    "quantile_index",
    "rank_lower",
    "rank_upper",
    "selection_rank",
    "simultaneous_rank",
    "smallest_informative_n",
]

_RELATIVE_DOUBT = 1e-9
"""Relative distance of a tail from the level within which integers decide."""
_NEGLIGIBLE = 1e-30
"""Weight beside the mode, which is 1, at which a tail is cut."""
_COMPILED_FROM = 20_000
"""Calibration size from which the compiled search is faster."""


@dataclass(frozen=True)
class RankBound:
    """A rank whose calibration score bounds an order statistic of the batch."""

    # Rank z in 1..n+1. An upper bound is the z-th smallest score, a lower bound the (z-1)-th smallest one.
    rank: int
    # Exact probability of the bound when there are no ties; with ties it can only be larger.
    probability: float
    # Whether the bound is a calibration score, not the end of the score's range.
    informative: bool


def rank_upper(n: int, m: int, zeta: int, alpha: Level) -> RankBound:
    r"""The smallest rank z with :math:`P(r_\zeta \le z) \ge 1 - \alpha`."""
    # The tail of the law is summed against alpha in floating point by the ratio recurrence from the mode; a
    # tail within a relative 1e-9 of alpha is decided again in integers.
    # Source: Lee, Tchetgen Tchetgen and Dobriban (2024), arXiv 2409.13990.
    n, m, zeta, level = _check_arguments(n, m, zeta, alpha)
    return _rank_upper(n, m, zeta, level)


def rank_lower(n: int, m: int, zeta: int, alpha: Level) -> RankBound:
    r"""The largest rank z with :math:`P(r_\zeta \ge z) \ge 1 - \alpha`."""
    n, m, zeta, level = _check_arguments(n, m, zeta, alpha)
    mirrored = _rank_upper(n, m, m + 1 - zeta, level)
    return RankBound(n + 2 - mirrored.rank, mirrored.probability, mirrored.informative)


def quantile_index(m: int, q: float | Fraction) -> int:
    """Which order statistic of a batch is its q-quantile."""
    check_positive_int(m, "m")
    check_in_range(float(q), "q", 0, 1, low_open=True)
    return ceil_fraction(as_decimal(q) * m)


def simultaneous_rank(n: int, m: int, miss: float | Fraction, alpha: Level) -> tuple[int, RankBound]:
    """The rank of the threshold that covers all but a share ``miss`` of a batch."""
    # Source: Lee et al. (2024), arXiv 2409.13990; Marques (2023), arXiv 2303.02770, for the law of batch
    # coverage.
    try:
        return _simultaneous_rank(n, m, miss, alpha)
    except TypeError:  # an argument without a hash gets the message of its own check
        return _simultaneous_rank.__wrapped__(n, m, miss, alpha)


@lru_cache(maxsize=4096, typed=True)
def _simultaneous_rank(n: int, m: int, miss: float | Fraction, alpha: Level) -> tuple[int, RankBound]:
    check_in_range(float(miss), "miss", 0, 1, high_open=True)
    check_positive_int(m, "m")
    k = ceil_fraction((1 - as_decimal(miss)) * m)
    return k, rank_upper(n, m, k, alpha)


def selection_rank(n: int, m: int, eta: int, alpha: Level) -> RankBound:
    """The rank of the selection threshold that allows at most ``eta`` false claims."""
    # Source: Lee et al. (2024), arXiv 2409.13990.
    check_positive_int(m, "m")
    check_positive_int(eta, "eta", minimum=0)
    if eta >= m:
        raise ValueError(f"eta must be below the batch size m = {m}, got {eta}: any selection would do.")
    return rank_upper(n, m, m - eta, alpha)


def error_count_upper(n: int, n_errors: int, m: int, alpha: Level) -> int:
    """Bound the number of errors in a batch from the number of errors on the calibration rows."""
    # The score is 1 for an error and 0 otherwise, so the bound is m - zeta with zeta the largest order
    # statistic whose upper rank is at most n - n_errors. As the bound grows with the calibration errors,
    # the choice of zeta by the data is a one-sided inversion of nested tests and keeps the level.
    n, m, _, level = _check_arguments(n, m, 1, alpha)
    check_positive_int(n_errors, "n_errors", minimum=0, maximum=n)
    allowed = n - n_errors
    return m - last_where(lambda zeta: _rank_upper(n, m, zeta, level).rank <= allowed, 0, m)


def batch_coverage_probability(n: int, m: int, k: int, rank: int) -> float:
    """The exact probability that a threshold covers at least k rows of a batch."""
    # Source: Marques (2023), arXiv 2303.02770.
    check_positive_int(n, "n")
    check_positive_int(m, "m")
    check_positive_int(k, "k", maximum=m)
    check_positive_int(rank, "rank", maximum=n + 1)
    if rank == n + 1:
        return 1.0
    first, tails = _tail_window(n, m, k)
    if rank < first:
        return 0.0
    return 1.0 - (float(tails[rank - first]) if rank - first < tails.size else 0.0)


def order_statistic_counts(n: int, m: int, zeta: int) -> list[int]:
    """How many of the C(n+m, m) equally likely rank vectors give each rank."""
    n, m, zeta, _ = _check_arguments(n, m, zeta, Fraction(1, 2))
    return [
        math.comb(k + zeta - 2, zeta - 1) * math.comb(n + m - k - zeta + 1, m - zeta) for k in range(1, n + 2)
    ]


def smallest_informative_n(m: int, zeta: int, alpha: Level, side: str = "upper") -> int:
    """The smallest calibration size at which an order statistic has a bound that says something."""
    _, m, zeta, level = _check_arguments(1, m, zeta, alpha)
    return _smallest_informative_n(m, zeta if side == "upper" else m + 1 - zeta, level)


@lru_cache(maxsize=4096)
def _smallest_informative_n(m: int, index: int, level: Fraction) -> int:
    low, high = 0, 1
    while not _last_rank_is_spare(high, m, index, level):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _last_rank_is_spare(middle, m, index, level):
            high = middle
        else:
            low = middle
    return high


def _check_arguments(n: int, m: int, zeta: int, alpha: Level) -> tuple[int, int, int, Fraction]:
    n = check_positive_int(n, "n")
    m = check_positive_int(m, "m")
    zeta = check_positive_int(zeta, "zeta", maximum=m)
    return n, m, zeta, exact_level(alpha)


@lru_cache(maxsize=4096)
def _rank_upper(n: int, m: int, zeta: int, alpha: Fraction) -> RankBound:
    search = _search_compiled if n > _COMPILED_FROM else _search_numpy
    rank, tail = search(n, m, zeta, alpha)
    return RankBound(rank, 1.0 - tail, rank <= n)


def _search_numpy(n: int, m: int, zeta: int, alpha: Fraction) -> tuple[int, float]:
    """Rank and tail beyond it, from the whole window of the law."""
    first, tails = _tail_window(n, m, zeta)
    level = float(alpha)
    index = max(int(np.searchsorted(-tails, -level * (1 + _RELATIVE_DOUBT))), 1 - first)
    while index < tails.size and tails[index] > level * (1 - _RELATIVE_DOUBT):
        if (exact := _exact_tail(n, m, zeta, first + index)) <= alpha:
            return first + index, float(exact)
        index += 1
    return min(first + index, n + 1), float(tails[index]) if index < tails.size else 0.0


def _search_compiled(n: int, m: int, zeta: int, alpha: Fraction) -> tuple[int, float]:
    """Rank and tail beyond it, by a kernel that holds nothing in memory."""
    hopeful, _, _ = upper_rank(n, m, zeta, float(alpha) * (1 + _RELATIVE_DOUBT))
    certain, tail, _ = upper_rank(n, m, zeta, float(alpha) * (1 - _RELATIVE_DOUBT))
    for rank in range(hopeful, certain):
        if (exact := _exact_tail(n, m, zeta, rank)) <= alpha:
            return int(rank), float(exact)
    return int(certain), float(tail)


def _tail_window(n: int, m: int, zeta: int) -> tuple[int, Float1D]:
    """First kappa whose probability is not negligible, and P(r - 1 >= kappa) from there on."""
    first, weights = _weight_window(n, m, zeta)
    tails = np.cumsum(weights[::-1])[::-1]
    return first, tails / tails[0]


def _weight_window(n: int, m: int, zeta: int) -> tuple[int, Float1D]:
    """Beta-binomial weights around the mode by their ratio recurrence, until they are negligible."""
    a, c = float(zeta), float(m - zeta)
    mode = 0 if m == 1 else min(max(math.floor((n * (a - 1) - c) / (m - 1)) + 1, 0), n)
    mean = zeta / (m + 1)
    spread = math.sqrt(n * mean * (1 - mean) * (1 + (n - 1) / (m + 2)))
    width = int(13 * spread) + 32
    while True:
        start, stop = max(mode - width, 0), min(mode + width, n)
        k = np.arange(start, stop, dtype=np.float64)
        left = n - k
        steps = (k + a) * left / ((k + 1) * (left + c))
        upper = np.cumprod(steps[mode - start :])
        lower = np.cumprod(1 / steps[: mode - start][::-1])
        done_above = stop == n or upper[-1] < _NEGLIGIBLE
        done_below = start == 0 or lower[-1] < _NEGLIGIBLE
        if done_above and done_below:
            return start, np.concatenate([lower[::-1], [1.0], upper])
        width *= 2


def _exact_tail(n: int, m: int, zeta: int, z: int) -> Fraction:
    """P(r - 1 >= z) as a fraction, by whichever of four equal sums has the fewest terms."""
    choices = {
        "above": n - z + 1,
        "below": z,
        "few": zeta,
        "many": min(m, z + zeta - 1) - zeta + 1,
    }
    shortest = min(choices, key=lambda name: choices[name])
    if shortest in ("above", "below"):
        ks = range(z, n + 1) if shortest == "above" else range(z)
        total = math.comb(n + m, m)
        part = sum(math.comb(k + zeta - 1, zeta - 1) * math.comb(n - k + m - zeta, m - zeta) for k in ks)
    else:
        drawn = z + zeta - 1
        js = range(zeta) if shortest == "few" else range(zeta, min(m, drawn) + 1)
        total = math.comb(n + m, drawn)
        part = sum(math.comb(m, j) * math.comb(n, drawn - j) for j in js if drawn - j <= n)
    return Fraction(part if shortest in ("above", "few") else total - part, total)


def _last_rank_is_spare(n: int, m: int, zeta: int, alpha: Fraction) -> bool:
    """Whether P(r = n + 1) = prod_{i=zeta}^m i / (n + i) is at most alpha."""
    i = np.arange(zeta, m + 1, dtype=np.float64)
    log_tail = float(-np.log1p(n / i).sum())
    doubt = 1e-9 * max(1.0, -log_tail)
    gap = log_tail - math.log(alpha)
    if abs(gap) > doubt:
        return gap < 0
    return Fraction(math.comb(n + zeta - 1, n), math.comb(n + m, n)) <= alpha


def last_where(holds: Callable[[int], bool], first: int, last: int) -> int:
    """The last whole number at which a statement holds that stops holding from some number on."""
    low, high = first, last + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
