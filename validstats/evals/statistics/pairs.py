"""Paired differences: exact tests and intervals of 0/1 pairs, sign flips, and one verdict from both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy import stats

from validstats._typing import AnyArray, FloatND
from validstats.holdout.widths import paired_difference_interval, paired_tail_at_most

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


def buehler_interval(b: int, c: int, n: int, confidence_level: float) -> tuple[float, float]:
    """Interval of ``P(a only) - P(b only)`` from b and c discordant of n pairs; each side errs at most by half."""
    low, high = paired_difference_interval(b, c, n, math.log1p(-confidence_level))
    return float(low), float(high)


def buehler_p_value(b: int, c: int, n: int) -> float:
    """Two-sided p-value that belongs to :func:`buehler_interval`: the least level at which it excludes 0."""
    wins, losses = max(b, c), min(b, c)
    low, high = math.log(1e-12), 0.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if paired_tail_at_most(wins, losses, n, 0.0, middle - math.log(2.0)):
            high = middle
        else:
            low = middle
    return math.exp(high)


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
            p = max(buehler_p_value(b, c, n), float(np.nextafter(1.0 - confidence_level, 2.0)))
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
