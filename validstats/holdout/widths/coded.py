"""Cells in which unpublished intervals are published: around a centre known beforehand, in few sizes.

The interval itself would tell much about the rows. A cell ``[g + (d - 1/2) w - r', g + (d + 1/2) w + r']`` that contains
it tells only d and how often the radius was enlarged, and covers whenever the interval does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from validstats._typing import Float1D
from validstats.holdout.widths.capital import capital_interval, capital_lower, planned_radius
from validstats.holdout.widths.counts import LOG_2
from validstats.holdout.widths.mass import log_near_code
from validstats.holdout.widths.paired import paired_difference_interval
from validstats.intake import check_in_range, check_vector

__all__ = [
    "CodedCell",
    "CodedGuess",
    "FreeCell",
    "GROWTH_OF_PAIRS",
    "PairSign",
    "coded_cell",
    "coded_mean",
    "coded_pairs",
    "free_cell",
    "free_count",
    "free_mean",
    "pair_sign",
]

PairSign = Literal["first", "undecided", "second"]

# enlargement of the radius: counts of pairs vary less than variances
GROWTH_OF_PAIRS = 1.3
_GROWTH_VALUES = 2.0


@dataclass(frozen=True)
class CodedGuess:
    """What is known of an answer before the holdout is looked at."""

    centre: float
    radius: float
    width: float
    growth: float
    bounds: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("radius", "width"):
            check_in_range(getattr(self, name), name, 0.0, math.inf, low_open=True)
        check_in_range(self.growth, "growth", 1.0, math.inf, low_open=True)


@dataclass(frozen=True)
class CodedCell:
    """The cell that is published."""

    distance: int
    enlarged: int
    low: float
    high: float


def coded_cell(guess: CodedGuess, low: float, high: float) -> CodedCell:
    """Return the cell with the least enlargement, then the least distance, that contains an interval."""
    g, w = guess.centre, guess.width
    bottom, top = guess.bounds
    enlarged, radius = 0, guess.radius
    while True:
        # g + (d - 1/2) w - r' <= low and high <= g + (d + 1/2) w + r'
        first, last = math.ceil((high - g - radius) / w - 0.5), math.floor((low - g + radius) / w + 0.5)
        if first <= last:
            d = min(max(0, first), last)
            ends = g + (d - 0.5) * w - radius, g + (d + 0.5) * w + radius
            if ends[0] <= low and high <= ends[1]:  # rounding at an end enlarges instead of losing coverage
                return CodedCell(d, enlarged, max(ends[0], bottom), min(ends[1], top))
        enlarged, radius = enlarged + 1, radius * guess.growth


def coded_mean(
    values: Float1D, training: Float1D, *, t: float, log_alpha: float
) -> tuple[CodedCell, CodedGuess]:
    """Publish a mean of values in [0, 1] as a cell around that of the training rows."""
    x, prior = check_vector(values, "values"), check_vector(training, "training")
    n, variance = len(x), float(np.var(prior))
    deviation = math.sqrt(max(variance, len(prior) ** -1.5) * (1.0 / n + 1.0 / len(prior)))
    guess = CodedGuess(
        float(np.mean(prior)),
        planned_radius(prior, n, log_alpha),
        2.0 * t * deviation,
        _GROWTH_VALUES,
        (0.0, 1.0),
    )
    return coded_cell(guess, *capital_interval(x, variance, log_alpha)), guess


def coded_pairs(
    n10: int, n01: int, n: int, training: tuple[int, int, int], *, t: float, log_alpha: float
) -> tuple[CodedCell, CodedGuess]:
    """Publish a difference of two shares on the same rows as a cell around that of the training rows."""
    a, b, m = training
    p10, p01 = (a + 0.5) / (m + 1.0), (b + 0.5) / (m + 1.0)
    centre = p10 - p01
    deviation = math.sqrt((p10 + p01 - centre**2) * (1.0 / n + 1.0 / m))
    planned = round(n * p10), round(n * p01)
    low, high = paired_difference_interval(*planned, n, log_alpha)
    guess = CodedGuess(centre, 0.5 * (high - low), 2.0 * t * deviation, GROWTH_OF_PAIRS, (-1.0, 1.0))
    return coded_cell(guess, *paired_difference_interval(n10, n01, n, log_alpha)), guess


# ---------------------------------------------------------------------- answers without a guess

_HALVING = 4  # sizes of cells between one and half of it
_PLACES = 4  # places of a cell within its half-width


@dataclass(frozen=True)
class FreeCell:
    """A cell that was published without any guess, by a code around the answers that were released before."""

    value: float  # its centre
    size: int  # number of its size: four sizes halve the cell
    log_code: float  # logarithm of the probability that the code gives it
    low: float
    high: float


def free_count(count: int, n: int, c: float, near: Sequence[float]) -> tuple[int, int, float]:
    """Return the cell of a count that is published without a guess, and the logarithm of its code."""
    width = max(1, round(0.5 * c * math.sqrt(n)))
    last = n // width
    cell = count // width
    code = log_near_code(cell, [min(int(share * n) // width, last) for share in near], last + 1.0)
    return cell * width, min((cell + 1) * width - 1, n), code


def free_mean(values: Float1D, log_alpha: float, near: Sequence[float], size: int | None) -> FreeCell:
    """Publish a mean of values in [0, 1] of which nothing was expected."""
    x = check_vector(values, "values")
    one = log_alpha - LOG_2
    low, high = capital_lower(x, one), 1.0 - capital_lower(1.0 - x, one)
    return free_cell(low, max(low, high), len(x), near, size)


def free_cell(low: float, high: float, n: int, near: Sequence[float], size: int | None) -> FreeCell:
    """Return the smallest cell of a fixed list that contains an unpublished interval within [0, 1]."""
    # [v - 9/8 r, v + 9/8 r] for r = 1/2, 2^-5/4, ..., 1 / (4 n) and v on a grid of width r / 4
    sizes = _HALVING * math.ceil(math.log2(2.0 * n)) + 1
    chosen = sizes - 1
    while chosen > 0 and 0.5 * 2.0 ** (-chosen / _HALVING) < 0.5 * (high - low):
        chosen -= 1
    radius = 0.5 * 2.0 ** (-chosen / _HALVING)
    step = radius / _PLACES
    places = math.ceil(1.0 / step)
    place = min(int(0.5 * (low + high) / step), places - 1)
    code = log_near_code(chosen, () if size is None else (size,), sizes)
    code += log_near_code(place, [min(int(value / step), places - 1) for value in near], places)
    value, reach = (place + 0.5) * step, (1.0 + 1e-12) * (radius + 0.5 * step)
    return FreeCell(value, chosen, code, max(value - reach, 0.0), min(value + reach, 1.0))


def pair_sign(n10: int, n01: int, n: int, log_alpha: float) -> PairSign:
    """Return which of two predictions is better, if the unpublished interval excludes 0."""
    low, high = paired_difference_interval(n10, n01, n, log_alpha)
    return "first" if low > 0.0 else "second" if high < 0.0 else "undecided"
