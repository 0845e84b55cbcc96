"""Buehler's bound for a difference of two shares measured on the same rows.

Rows that one prediction has right and the other wrong are counted, n10 and n01; their law is binomial in the number of
discordant rows and in how these divide. Outcomes are ordered by a studentised difference, and a difference is excluded
if outcomes at least as large as the one seen have too small a probability for every share of discordant rows (Buehler
1957). The share runs over its own interval at a fiftieth of the level (Berger and Boos 1994), in cells on each of which
the probability is bounded, so that nothing between grid points is missed.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial

import numpy as np
from scipy import special

from validstats._typing import AnyArray, Float1D
from validstats.holdout.widths.counts import LOG_2, clopper_pearson, last_reached
from validstats.intake import check_positive_int

__all__ = ["paired_difference_interval", "paired_lower", "paired_tail_at_most"]

_CELLS = 192  # cells of the discordant share; they cost .0002 at n = 1319
_SHARE = 0.02  # of the level, for the interval of the discordant share
_PRECISION = 1e-5
_ASKED = 8  # cells that object which a bisection asks; those between them mostly follow
_FINE = (
    -18.0
)  # above this log level tails are added up by differences, whose rounding of some 1e-13 does not count
_EXTREME = -600.0  # below this log level Hoeffding's bound takes over


def paired_lower(n10: int, n01: int, n: int, log_alpha: float) -> float:
    """Return a lower bound for the difference of two shares."""
    # Buehler (1957); Berger and Boos (1994); Lloyd and Kabaila (2003).
    check_positive_int(n, "n")
    check_positive_int(n10, "n10", minimum=0, maximum=n)
    check_positive_int(n01, "n01", minimum=0, maximum=n - n10)
    if log_alpha >= 0.0:
        return 1.0
    if log_alpha < _EXTREME:
        return max(-1.0, (n10 - n01) / n - math.sqrt(-2.0 * log_alpha / n))  # Hoeffding, values in [-1, 1]
    tail = _Tail(n10, n01, n, log_alpha)
    if not tail.at_most_level(-1.0):
        return -1.0
    cells, high = np.array([_CELLS // 2]), min(1.0, (n10 - n01) / n)
    while True:  # the root of the cells that decide; then all cells are asked
        low = last_reached(partial(tail.room, cells), -1.0, high, _PRECISION)
        cells = tail.objecting(low)
        if not cells.size:
            return low
        cells, high = cells[:: max(len(cells) // _ASKED, 1)], low


@lru_cache(maxsize=4096)
def paired_difference_interval(n10: int, n01: int, n: int, log_alpha: float) -> tuple[float, float]:
    """Return the two-sided interval, half of the failure probability on each side."""
    one = log_alpha - LOG_2
    return paired_lower(n10, n01, n, one), -paired_lower(n01, n10, n, one)


def paired_tail_at_most(n10: int, n01: int, n: int, delta: float, log_alpha: float) -> bool:
    """Tell whether a difference is excluded from below: whether :func:`paired_lower` is at least ``delta``."""
    if log_alpha < _EXTREME or log_alpha >= 0.0:
        return paired_lower(n10, n01, n, log_alpha) >= delta
    return _Tail(n10, n01, n, log_alpha).at_most_level(delta)


class _Tail:
    """Largest probability of outcomes at least as large as the one seen, over the discordant share."""

    def __init__(self, n10: int, n01: int, n: int, log_alpha: float) -> None:
        self.n, self.level, self.log_level = n, math.exp(log_alpha), log_alpha
        low, high = clopper_pearson(n10 + n01, n, math.log(_SHARE) + log_alpha)
        self.half = 0.5 * (high - low) / _CELLS
        self.middles = low + self.half * (2.0 * np.arange(_CELLS) + 1.0)
        # all m that any cell needs: what is left out has probability below 1e-4 of the level, and is counted in
        reach = 12.0 - log_alpha
        spread = math.sqrt(2.0 * reach * n * 0.25 * min(4.0 * high, 1.0)) + reach
        self.first = max(0, math.floor(n * low - spread))
        self.last = min(n, math.ceil(n * high + spread))
        self.cuts = _cuts(n10, n01, n, log_alpha, self.first, self.last)
        self.m = np.arange(self.first, self.last + 1)
        self.log_choose = _log_choose(np.array(n), self.m)

    def at_most_level(self, delta: float) -> bool:
        """Whether the bound of the tail is at most the level in every cell."""
        return not self.objecting(delta).size

    def objecting(self, delta: float) -> np.ndarray:
        """Cells whose tail is above the level."""
        return np.flatnonzero(self._cells(delta, np.arange(_CELLS)) > (1.0 - _SHARE) * self.level)

    def room(self, cells: np.ndarray, delta: float) -> float:
        """Logarithm of the level over the largest tail of some cells, at most 99."""
        largest = float(self._cells(delta, cells).max())
        return min(math.log1p(-_SHARE) + self.log_level - math.log(largest), 99.0) if largest > 0.0 else 99.0

    def _cells(self, delta: float, which: np.ndarray) -> Float1D:
        """Bound of the tail on whole cells: its value at the middle and ``delta + h / 2``, h the width of a cell."""
        psi = self.middles[which]
        shifted = delta + self.half
        with np.errstate(divide="ignore", invalid="ignore"):
            theta = np.clip(0.5 * (1.0 + shifted / psi), 0.0, 1.0)
        possible = (
            psi + self.half >= -delta
        )  # a difference is never larger than the share of rows that differ
        # where delta is larger than some share of the cell, p10 <= psi and p01 >= 0 bound the tail
        beyond = shifted > psi
        psi = np.where(beyond, psi + self.half, psi)
        theta = np.where(beyond, 1.0, theta)
        sound = (theta > 0.0) & (theta < 1.0) & (psi < 1.0) & (self.log_level > _FINE)
        conditional = np.empty((len(which), len(self.m)))
        conditional[sound] = self._by_differences(theta[sound, None])
        conditional[~sound] = _binomial_tail(self.cuts, self.m, theta[~sound, None])
        weights = np.exp(
            self.log_choose
            + special.xlogy(self.m, psi[:, None])
            + special.xlog1py(self.n - self.m, -psi[:, None])
        )
        inside = np.einsum("cm,cm->c", weights, conditional)
        outside = special.bdtr(self.first - 1.0, self.n, psi) if self.first > 0 else 0.0
        above = special.bdtrc(float(self.last), self.n, psi) if self.last < self.n else 0.0
        return np.asarray(np.where(possible, inside + outside + above, 0.0))

    def _by_differences(self, theta: np.ndarray) -> np.ndarray:
        """:func:`_binomial_tail` for all m from that of the first, with a little more than rounding may take."""
        # P(Bin(m + 1) >= c) = P(Bin(m) >= c) + theta P(Bin(m) = c - 1), and P(Bin >= c + 1) = P(Bin >= c) - P(Bin = c);
        # from m to m + 1 the cut stays or rises by one.
        m, cut = self.m[:-1], self.cuts[:-1]
        log_theta, log_rest = np.log(theta), np.log1p(-theta)
        steps = np.exp(_log_choose(m, cut - 1) + cut * log_theta + (m - cut + 1) * log_rest)
        rises = np.flatnonzero(np.diff(self.cuts))
        m, cut = m[rises] + 1, cut[rises]
        steps[:, rises] -= np.exp(_log_choose(m, cut) + cut * log_theta + (m - cut) * log_rest)
        first = _binomial_tail(self.cuts[:1], self.m[:1], theta)
        tails = np.cumsum(np.concatenate([first, steps], axis=1), axis=1)
        return np.clip(tails, 0.0, 1.0) + 1e-15 * tails.shape[1] * tails.max(
            axis=1, keepdims=True, initial=0.0
        )


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Logarithm of the binomial coefficient, minus infinity where it is 0."""
    possible = (k >= 0) & (k <= n)
    k = np.where(possible, k, 0)
    log = special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)
    return np.where(possible, log, -np.inf)


def _binomial_tail(cuts: np.ndarray, m: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """P(Bin(m, theta) >= cut); 1 at cuts of 0, 0 at cuts above m."""
    inside = (cuts > 0) & (cuts <= m)
    a, b = np.where(inside, cuts, 1), np.where(inside, m - cuts + 1, 1)
    return np.where(cuts <= 0, 1.0, np.where(inside, special.betainc(a, b, theta), 0.0))


def _cuts(n10: int, n01: int, n: int, log_alpha: float, first: int, last: int) -> np.ndarray:
    """Smallest n10 among m discordant rows that is at least as large an outcome, for m in first..last.

    The order is by ``d - z sqrt(m - max(d, 0)^2 / n + 1)``, which rises in d. It is closed: one row more for the first,
    or one less for the second, keeps an outcome in the set, ``cut_m <= min(cut_{m-1} + 1, cut_{m+1})``.
    """
    z = max(-float(special.ndtri_exp(log_alpha)), 0.0)
    m = np.arange(first, last + 1, dtype=np.float64)

    def statistic(d: AnyArray, total: AnyArray) -> AnyArray:
        return d - z * np.sqrt(np.maximum(total - np.square(np.maximum(d, 0.0)) / n, 0.0) + 1.0)

    seen = statistic(np.array(n10 - n01), np.array(n10 + n01)) - 1e-9  # equal outcomes stay in one set
    low, high = np.zeros(len(m)), m + 1.0
    while np.any(low < high):
        middle = np.floor(0.5 * (low + high))
        inside = (middle > m) | (statistic(2.0 * middle - m, m) >= seen)
        high = np.where(inside, np.minimum(middle, high), high)
        low = np.where(inside, low, np.minimum(middle + 1.0, high))
    cuts = high.astype(np.int64)
    cuts = np.minimum.accumulate(cuts[::-1])[::-1]  # cut_m <= cut_{m+1}
    steps = np.arange(len(cuts))
    return np.minimum.accumulate(cuts - steps) + steps  # cut_m <= cut_{m-1} + 1
