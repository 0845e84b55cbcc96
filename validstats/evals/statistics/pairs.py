"""Paired differences: exact tests and intervals of 0/1 pairs, sign flips, and one verdict from both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import special, stats

from validstats._typing import AnyArray, FloatND, Int1D

__all__ = [
    "Direction",
    "PairedAnswer",
    "PairedInterval",
    "bonett_price",
    "buehler_interval",
    "buehler_p_value",
    "consistent_answer",
    "direction_code",
    "exact_mcnemar",
    "paired_binary",
    "sign_flip_p_value",
]

PairedInterval: TypeAlias = Literal["buehler", "bonett-price"]
"""Interval of a paired 0/1 difference: exact, or the adjusted Wald interval by name."""

Direction: TypeAlias = Literal["worse", "better", "same", "not_worse", "undecided"]
"""What an interval of a - b says about a, in the order in which it is tried."""

_CELLS = 192
"""Cells of the discordance over which Buehler's tail is maximised."""

_BERGER_BOOS = 0.02
"""Share of the error probability spent on the interval of the discordance (Berger and Boos 1994)."""

_TRIM = 9.0
"""Standard deviations of the number of discordant pairs that are summed; the rest counts as extreme."""


@dataclass(frozen=True)
class PairedAnswer:
    """A difference with an interval and a p-value that never contradict each other."""

    estimate: float
    conf_low: float
    conf_high: float
    p_value: float


def exact_mcnemar(b: FloatND | int, c: FloatND | int) -> FloatND:
    """Two-sided exact p-value of b against c discordant pairs: ``min(1, 2 P(Bin(b + c, 1/2) <= min(b, c)))``."""
    b, c = np.asarray(b), np.asarray(c)
    return np.minimum(1.0, 2.0 * stats.binom.cdf(np.minimum(b, c), b + c, 0.5))


def bonett_price(b: int, c: int, n: int, confidence_level: float) -> tuple[float, float]:
    """Adjusted Wald interval of Bonett and Price (2012); it covers as little as .928 where c is 0."""
    p1, p2 = (b + 1.0) / (n + 2.0), (c + 1.0) / (n + 2.0)
    d = p1 - p2
    half = float(stats.norm.isf((1.0 - confidence_level) / 2.0)) * _bonett_price_error(b, c, n)
    return max(d - half, -1.0), min(d + half, 1.0)


def _bonett_price_error(b: int, c: int, n: int) -> float:
    """Standard error of Bonett and Price."""
    p1, p2 = (b + 1.0) / (n + 2.0), (c + 1.0) / (n + 2.0)
    return float(np.sqrt((p1 + p2 - (p1 - p2) ** 2) / (n + 2.0)))


class _BuehlerTail:
    """Probability, at its worst discordance, of tables that speak for a at least as much as the one seen."""

    def __init__(self, b: int, c: int, n: int, alpha: float) -> None:
        self.alpha = alpha
        spent = _BERGER_BOOS * alpha
        # Clopper-Pearson interval of the discordance psi at error probability `spent`.
        low = float(special.betaincinv(b + c, n - b - c + 1, spent / 2.0)) if b + c else 0.0
        high = float(special.betainccinv(b + c + 1, n - b - c, spent / 2.0)) if b + c < n else 1.0
        edges = np.linspace(low, high, _CELLS + 1)
        self.low, self.high = edges[:-1], edges[1:]
        spread = _TRIM * np.sqrt(
            n * max(0.25 if low < 0.5 < high else 0.0, low * (1 - low), high * (1 - high))
        )
        first, last = max(0, int(n * low - spread) - 1), min(n, int(n * high + spread) + 2)
        self.m = np.arange(first, last + 1)
        self.cut = _closed_cuts(b, c, n, float(stats.norm.isf(alpha)))[first : last + 1]
        self.n = n

    def __call__(self, delta: float) -> float:
        """Largest tail over all discordances in the cells, Berger and Boos' share included."""
        # The tail rises in p10 and falls in p01, so over a cell of psi it is at most its value at the largest
        # p10 = (high + delta)/2 and the smallest p01 = (low - delta)/2 in it. |delta| <= psi: cells below -delta
        # are impossible; cells below delta stay at their largest delta, so that the maximum rises throughout.
        possible = self.high >= -delta
        p10 = np.maximum((self.high + np.minimum(delta, self.high)) / 2.0, 0.0)
        p01 = np.maximum((self.low - delta) / 2.0, 0.0)
        psi = np.minimum(p10 + p01, 1.0)
        success = np.divide(p10, psi, out=np.zeros_like(psi), where=psi > 0)
        weight = stats.binom.pmf(self.m[None, :], self.n, psi[:, None])
        impossible, certain = self.cut > self.m, self.cut <= 0
        a = np.where(impossible | certain, 1.0, self.cut)
        z = np.where(impossible | certain, 1.0, self.m - self.cut + 1.0)
        beyond = special.betainc(a[None, :], z[None, :], success[:, None])
        beyond[:, impossible] = 0.0
        beyond[:, certain] = 1.0
        left_out = np.maximum(1.0 - weight.sum(axis=1), 0.0)
        tail = np.where(possible, (weight * beyond).sum(axis=1) + left_out, 0.0)
        return min(1.0, float(tail.max()) + _BERGER_BOOS * self.alpha)


def _closed_cuts(b: int, c: int, n: int, z: float) -> Int1D:
    """For every number m of discordant pairs, the fewest wins of a that count as extreme as (b, c)."""
    m = np.arange(n + 1)
    observed = _order(b - c, b + c, n, z) - 1e-9
    # The order d - z sqrt(m + 1 - d^2/n) rises in the number of wins; find the least number by bisection.
    low, high = np.zeros(n + 1, dtype=np.int64), m + 1
    while np.any(low < high):
        middle = (low + high) // 2
        enough = _order(2 * middle - m, m, n, z) >= observed
        high, low = np.where(enough, middle, high), np.where(enough, low, np.minimum(middle + 1, high))
    cut = high.copy()
    # Where nearly all pairs are discordant (m > n - z^2) the order turns round at its low end: look at every table.
    for full in range(max(0, n - int(z * z) - 3), n + 1):
        wins = np.flatnonzero(_order(2 * np.arange(full + 1) - full, full, n, z) >= observed)
        cut[full] = wins[0] if len(wins) else full + 1
    # Closed both ways: a win more, or a loss less, stays in the set (cut_m <= min(cut_{m-1} + 1, cut_{m+1})).
    cut = np.minimum.accumulate(cut - m) + m
    return np.minimum.accumulate(cut[::-1])[::-1]


def _order(d: AnyArray | int, m: AnyArray | int, n: int, z: float) -> FloatND:
    """Lower end of a Wald interval of the difference, times n: the order of tables."""
    return np.asarray(d - z * np.sqrt(np.maximum(np.asarray(m) + 1.0 - np.square(d) / n, 0.0)))


def _buehler_lower(b: int, c: int, n: int, alpha: float) -> float:
    """Lower bound of p10 - p01 that errs with probability at most alpha (Buehler 1957)."""
    tail = _BuehlerTail(b, c, n, alpha)
    low, high = (0.0, (b - c) / n) if b > c and tail(0.0) <= alpha else (-1.0, min(0.0, (b - c) / n))
    if high <= low:
        return low
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        if tail(middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


def buehler_interval(b: int, c: int, n: int, confidence_level: float) -> tuple[float, float]:
    """Interval of ``P(a only) - P(b only)`` from b and c discordant of n pairs; each side errs at most by half."""
    alpha = (1.0 - confidence_level) / 2.0
    return _buehler_lower(b, c, n, alpha), -_buehler_lower(c, b, n, alpha)


def buehler_p_value(b: int, c: int, n: int, confidence_level: float) -> float:
    """Two-sided p-value that belongs to :func:`buehler_interval`: twice its tail at 0."""
    tail = _BuehlerTail(max(b, c), min(b, c), n, (1.0 - confidence_level) / 2.0)
    return min(1.0, 2.0 * tail(0.0))


def paired_binary(
    b: int, c: int, n: int, confidence_level: float, interval: PairedInterval = "buehler"
) -> PairedAnswer:
    """Difference of two paired rates with an exact p-value and an interval that agree."""
    p = float(exact_mcnemar(b, c))
    if interval == "buehler":
        low, high = buehler_interval(b, c, n, confidence_level)
    else:
        low, high = bonett_price(b, c, n, confidence_level)
    if p <= 1.0 - confidence_level and low <= 0.0 <= high:
        # The interval does not decide: its own p-value is printed, so that no sentence says "p = .008, undecided".
        if interval == "buehler":
            p = buehler_p_value(b, c, n, confidence_level)
        else:
            centre = abs((b - c) / (n + 2.0))
            p = float(2.0 * stats.norm.sf(centre / _bonett_price_error(b, c, n)))
    return consistent_answer((b - c) / n, low, high, p, confidence_level)


def consistent_answer(
    estimate: float, low: float, high: float, p_value: float, confidence_level: float
) -> PairedAnswer:
    """Extend the interval to touch 0 where the p-value does not reject."""
    if p_value > 1.0 - confidence_level:
        low, high = min(low, 0.0), max(high, 0.0)
    return PairedAnswer(estimate, float(low), float(high), float(p_value))


def sign_flip_p_value(sums: AnyArray, generator: np.random.Generator, n_draws: int = 9_999) -> float:
    """Two-sided p-value of sign flips of cluster sums: all of them up to 16, else at random."""
    size = np.abs(sums[sums != 0.0])
    if len(size) == 0:
        return 1.0
    observed = abs(float(sums.sum())) - 1e-9 * float(size.sum())
    if len(size) <= 16:
        flips = 2.0 * ((np.arange(2 ** len(size))[:, None] >> np.arange(len(size))) & 1) - 1.0
        return float(np.mean(np.abs(flips @ size) >= observed))
    # Equal sizes flip together: their sum is size * (2 Bin(count, 1/2) - count), the same law.
    values, counts = np.unique(size, return_counts=True)
    total = np.zeros(n_draws)
    many = counts > 1
    for value, count in zip(values[many], counts[many]):
        total += value * (2.0 * generator.binomial(count, 0.5, n_draws) - count)
    single = values[~many]
    for start in range(0, len(single), 512):
        block = single[start : start + 512]
        bits = generator.integers(0, 256, (n_draws, (len(block) + 7) // 8), dtype=np.uint8)
        total += (2.0 * np.unpackbits(bits, axis=1)[:, : len(block)] - 1.0) @ block
    # The data themselves are one of the equally likely flips: (1 + count) / (draws + 1).
    return float((1 + np.count_nonzero(np.abs(total) >= observed)) / (n_draws + 1))


def direction_code(low: float, high: float, margin: float = 0.0) -> Direction:
    """What an interval of a - b says about a, the first that holds: worse, better, same, not_worse, undecided."""
    if high < -margin:
        return "worse"
    if low > margin:
        return "better"
    if margin > 0.0 and -margin < low and high < margin:
        return "same"
    if margin > 0.0 and low > -margin:
        return "not_worse"
    return "undecided"
