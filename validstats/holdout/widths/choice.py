"""Choice of a mechanism for shares of rows: the smallest mean half-width over honest questions, by quadrature.

Three ways of answering k questions about a share compete before the first look: one look (the count itself, k = 1),
splitting (k disjoint parts of the rows, Clopper-Pearson on each), and answers coded around guesses with a gap, a cell
and a weight of failures out of a short list. All that enters is public: numbers of rows, the level and an expected
share, so that the choice itself costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import stats

from validstats._typing import Float1D
from validstats.holdout.widths.coded import GROWTH_OF_PAIRS, free_count
from validstats.holdout.widths.counts import (
    LOG_2,
    GuessCells,
    clopper_pearson_ends,
    guess_deviation,
    split_log_level,
)
from validstats.holdout.widths.mass import (
    GuessAllocation,
    log_cell_code,
    log_coded_outcome,
    log_coded_share,
    log_near_code,
)
from validstats.holdout.widths.paired import paired_lower
from validstats.intake import check_in_range, check_literal, check_positive_int

__all__ = [
    "CountCandidate",
    "CountMechanism",
    "count_candidates",
    "difference_half_widths",
    "free_half_widths",
]

CountMechanism = Literal["one_look", "splitting", "guess_coded"]
Ranking = Literal["mean", "worst"]

_GAPS = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)  # t, in deviations of an honest guess
_WEIGHTS = (0.5, 1.0, 2.0, 4.0)  # F k: weight of a failure, times the number of questions
_CELLS = (0.5, 1.0)  # c, in standard errors
_MOST_CELLS = 6  # cells of the quadrature on either side; the last takes the tail
_NODES = 24  # levels at which half-widths are computed; those between are interpolated
_WORST = 0.95  # quantile of single answers that is printed beside the mean


@dataclass(frozen=True)
class CountCandidate:
    """One way of answering k questions about a share, and what an honest day gives."""

    mechanism: CountMechanism
    mean: float
    worst: float
    t: float | None = None
    c: float | None = None
    failure_weight: float | None = None


def count_candidates(
    n: int,
    queries: int,
    *,
    log_alpha: float,
    n_guess: int | None = None,
    failures: int | None = None,
    expected: float = 0.85,
    rank: Ranking = "mean",
) -> tuple[CountCandidate, ...]:
    """List the ways of answering questions about a share, the best first."""
    check_positive_int(n, "n")
    check_positive_int(queries, "queries")
    check_in_range(expected, "expected", 0.0, 1.0)
    check_literal(rank, "rank", ("mean", "worst"))
    # a plan and the budget that follows it state one level, each with its own rounding, and have one answer
    return _count_candidates(n, queries, float(f"{log_alpha:.12g}"), n_guess, failures, expected, rank)


@lru_cache(maxsize=1024)
def _count_candidates(
    n: int,
    queries: int,
    log_alpha: float,
    n_guess: int | None,
    failures: int | None,
    expected: float,
    rank: Ranking,
) -> tuple[CountCandidate, ...]:
    found = []
    if queries == 1:
        found.append(_plain("one_look", n, math.log(0.99) + log_alpha, expected))
    if queries <= n:
        found.append(_plain("splitting", n // queries, split_log_level(queries, log_alpha), expected))
    if n_guess != 0:
        found.append(_best_coded(n, queries, log_alpha, n_guess or n, failures, expected, rank))
    return tuple(sorted(found, key=lambda c: getattr(c, rank)))


def _plain(mechanism: CountMechanism, rows: int, log_alpha: float, expected: float) -> CountCandidate:
    """Clopper-Pearson on so many rows, averaged over the counts that the expected share gives."""
    u = (np.arange(41) + 0.5) / 41.0
    counts = stats.binom.ppf(u, rows, expected)
    low, high = clopper_pearson_ends(counts, counts, rows, np.full(41, log_alpha))
    half = 0.5 * (high - low)
    return CountCandidate(mechanism, float(half.mean()), float(np.quantile(half, _WORST)))


def _best_coded(
    n: int,
    queries: int,
    log_alpha: float,
    n_guess: int,
    failures: int | None,
    expected: float,
    rank: Ranking,
) -> CountCandidate:
    """Return the best gap, cells and weight of failures; what cannot be better than one that is known is not computed."""
    ways = []
    for t in _GAPS:
        for c in _CELLS:
            for times in _WEIGHTS:
                allocation = GuessAllocation(queries, failures, min(1.0, times / queries))
                ways.append(_Way.of(n, allocation, log_alpha, n_guess, t, c, expected))
    limits = np.array([way.least_mean() if rank == "mean" else 0.0 for way in ways])
    best, place = math.inf, 0
    found: dict[int, CountCandidate] = {}
    for i in np.argsort(limits, kind="stable"):
        if limits[i] > best:
            break
        found[i] = ways[i].candidate()
        score = getattr(found[i], rank)
        if (score, i) < (best, place) or len(found) == 1:
            best, place = score, i
    return found[place]


@dataclass(frozen=True, eq=False)
class _Way:
    """Levels at which answers of one gap, cells and weight are given on an honest day, and how often."""

    n: int
    t: float
    c: float
    failure_weight: float | None
    cells: np.ndarray  # first and last count of the gap and of the cells
    probability: Float1D  # of these
    levels: Float1D  # by the number of earlier failures
    weights: Float1D  # probabilities of these

    @classmethod
    def of(
        cls,
        n: int,
        allocation: GuessAllocation,
        log_alpha: float,
        n_guess: int,
        t: float,
        c: float,
        expected: float,
    ) -> _Way:
        """Find the levels for honest guesses of an expected share."""
        parts = GuessCells.of(n, expected, n_guess=n_guess, t=t, c=c)
        cells, codes, probability = _cells_of(parts, guess_deviation(expected, n, n_guess))
        fails = 1.0 - probability[0]
        earlier, weights = _failures_before(allocation, float(fails))
        mean_code = float(np.dot(probability[1:], codes[1:]) / fails) if fails > 0 else 0.0
        penalty = math.log(float(allocation.failure_weight or 1.0)) + mean_code
        levels = log_alpha + allocation.log_share(*allocation.start) + earlier * penalty
        return cls(n, t, c, allocation.failure_weight, cells, probability, levels, weights)

    def half_widths_at(self, levels: Float1D) -> np.ndarray:
        """Return the half-widths of the gap and of the cells at some levels."""
        low, high = clopper_pearson_ends(self.cells[:, :1], self.cells[:, 1:], self.n, levels[None, :])
        return np.asarray(0.5 * (high - low))

    def half_widths(self) -> tuple[Float1D, Float1D]:
        """Return half-widths and their probabilities; between some levels they are interpolated."""
        nodes = np.linspace(self.levels.min() - 1e-9, self.levels.max() + 1e-9, _NODES)
        half = np.array([np.interp(self.levels, nodes, row) for row in self.half_widths_at(nodes)])
        return half.ravel(), np.outer(self.probability, self.weights).ravel()

    def least_mean(self) -> float:
        """Return what the mean half-width exceeds: half-widths are concave in the level, so that a chord lies below them."""
        ends = np.array([self.levels.min() - 1e-9, self.levels.max() + 1e-9])
        share = float(np.dot(self.weights, ends[1] - self.levels)) / (ends[1] - ends[0])
        chord = self.half_widths_at(ends) @ [share, 1.0 - share]
        return (1.0 - 1e-6) * float(np.dot(self.probability, chord))

    def candidate(self) -> CountCandidate:
        """Return what an honest day gives."""
        half, probability = self.half_widths()
        order = np.argsort(half)
        at = np.searchsorted(np.cumsum(probability[order]), _WORST * probability.sum())
        worst = float(half[order][min(at, len(half) - 1)])
        mean = float(np.dot(half, probability) / probability.sum())
        return CountCandidate("guess_coded", mean, worst, self.t, self.c, self.failure_weight)


def free_half_widths(
    n: int, allocation: GuessAllocation, *, log_alpha: float, c: float, expected: float
) -> Float1D:
    """Return the half-widths of successive answers without guesses; the code of earlier ones enters by its mean."""
    k, f = allocation.start
    first, last, code = free_count(round(n * expected), n, c, ())
    # two honest shares near the expected one differ by a normal error with variance 2 p (1 - p) / n
    cells = np.arange(-60, 61)
    law = stats.norm.pdf(
        cells, scale=max(math.sqrt(2.0 * n * expected * (1.0 - expected)) / (last - first + 1), 0.1)
    )
    codes = [log_near_code(int(d), (0,), math.exp(-code)) for d in cells]
    later = float(np.dot(law, codes) / law.sum())
    shares = np.array([allocation.log_share(k - i, f) for i in range(k)])
    kept = np.log1p(-np.exp(shares)) + np.r_[code, np.full(k - 1, later)]
    levels = log_alpha + shares + np.r_[0.0, np.cumsum(kept)[:-1]]
    low, high = clopper_pearson_ends(np.full(k, first), np.full(k, last), n, levels)
    return np.asarray(0.5 * (high - low))


def difference_half_widths(n: int, queries: int, *, log_alpha: float, discordant: float, t: float) -> Float1D:
    """Return the half-widths of successive differences of two shares on the same rows, for honest guesses; codes by their mean."""
    deviation = math.sqrt(2.0 * discordant / n)  # of a difference and its guess, from n rows each
    left = np.arange(queries, 0, -1)
    shares = np.array([log_coded_share(int(r)) for r in left])
    each = round(0.5 * discordant * n)

    def radius_at(level: float) -> float:
        return -paired_lower(each, each, n, level - LOG_2)  # both ends are alike

    def levels_for(codes: Float1D) -> Float1D:
        return log_alpha + shares + np.r_[0.0, np.cumsum(np.log1p(-np.exp(shares)) + codes)[:-1]]

    first = radius_at(log_alpha + float(shares[0]))
    growth, code = _pair_cells(first, n, discordant, t * deviation)
    if queries == 1:
        return np.minimum([first * growth + t * deviation], 1.0)
    levels = levels_for(np.full(queries, code))
    # later radii are larger, so that their cells are enlarged more often and cost more
    top, low = levels.max(), levels.max() - _BEYOND * (levels.max() - levels.min())
    # radii go about as the root of minus the level
    nodes = -np.square(np.linspace(math.sqrt(-top), math.sqrt(-low), 3))
    radii = np.array([radius_at(float(level)) for level in nodes])
    radius = np.poly1d(np.polyfit(np.sqrt(-nodes), radii, 2))
    nodes = -np.square(np.linspace(math.sqrt(-top), math.sqrt(-low), _NODES // 4))[::-1]
    radii = radius(np.sqrt(-nodes))
    growths, codes = np.array([_pair_cells(each, n, discordant, t * deviation) for each in radii]).T
    for _ in range(3):
        levels = levels_for(np.interp(levels, nodes, codes))
    return np.minimum(np.interp(levels, nodes, radii * growths) + t * deviation, 1.0)


_BEYOND = 1.5  # how far below the first estimate of the levels half-widths of differences are computed
_PLACES = 201  # quantiles of a difference and of a number of discordant rows, in the quadrature over cells


def _pair_cells(radius: float, n: int, discordant: float, half: float) -> tuple[float, float]:
    """Mean enlargement of a published difference, and the mean of the log code of its cell, for honest guesses from n rows."""
    u = (np.arange(_PLACES) + 0.5) / _PLACES
    away = stats.norm.ppf(u)[:, None] * math.sqrt(2.0 * discordant / n)
    # a radius goes as the root of the discordant rows, counted in the holdout and in the training rows
    rows = np.maximum(n * discordant, 1.0)
    ratio = np.sqrt(np.maximum(1.0 + stats.norm.ppf(u)[None, :] * math.sqrt(2.0 / rows), 0.1))
    seen = radius * ratio
    enlarged = np.zeros(np.broadcast_shapes(away.shape, seen.shape))
    distance = np.full(enlarged.shape, np.nan)
    for e in range(_MOST_ENLARGED + 1):
        # as in coded_cell, with cells of half-width `half`
        reach = radius * GROWTH_OF_PAIRS**e if e < _MOST_ENLARGED else math.inf
        first = np.ceil(0.5 * (away + seen - reach) / half - 0.5)
        last = np.floor(0.5 * (away - seen + reach) / half + 0.5)
        found = np.isnan(distance) & (first <= last)
        distance = np.where(found, np.minimum(np.maximum(0.0, first), last), distance)
        enlarged = np.where(found, float(e), enlarged)
    least = -math.log1p(-math.exp(log_coded_share(2)))
    d = np.minimum(np.abs(distance), _MOST_CELLS).astype(int)
    place = np.array([log_coded_outcome(2, i, 0) + least for i in range(_MOST_CELLS + 1)])[d]
    more = log_coded_outcome(2, 0, 1) - log_coded_outcome(2, 0, 0)
    return float((GROWTH_OF_PAIRS**enlarged).mean()), float((place + enlarged * more).mean())


_MOST_ENLARGED = 4  # enlargements in the quadrature; the last takes the tail


@lru_cache(maxsize=64)  # the same cells for every weight of failures
def _cells_of(parts: GuessCells, deviation: float) -> tuple[np.ndarray, Float1D, Float1D]:
    """Counts, log codes and probabilities of the gap and of the cells, for a normal error of the guess."""
    reach = parts.gap + parts.width * np.arange(_MOST_CELLS + 1)
    reach[-1] = math.inf
    tails = stats.norm.sf(reach / deviation)
    ends, codes, probability = [parts.gap_counts], [0.0], [1.0 - 2.0 * tails[0]]
    low, high = parts.gap_counts
    for d in range(1, _MOST_CELLS + 1):
        for side, room in ((1, parts.n_above), (-1, parts.n_below)):
            if room:
                cell = side * min(d, room)
                count = high + 1 if side > 0 else low - 1
                found = parts.find(
                    min(max(count + side * round((d - 1) * parts.n * parts.width), 0), parts.n)
                )
                ends.append((found.low, found.high))
                codes.append(log_cell_code(cell, parts.n_below, parts.n_above))
                probability.append(float(tails[d - 1] - tails[d]))
    share = np.array(probability)
    if ends[0][0] > ends[0][1]:  # no count lies within the gap
        ends[0], share[0] = ends[1] if len(ends) > 1 else (0, parts.n), 0.0
    return np.array(ends), np.array(codes), share / share.sum()


def _failures_before(allocation: GuessAllocation, fails: float) -> tuple[Float1D, Float1D]:
    """Failures before a question that is drawn from those answered, and their probabilities.

    ``sum_{i<k} C(i, j) p^j (1 - p)^(i - j) = P(Bin(k, p) > j) / p``.
    """
    k, f = allocation.start
    j = np.arange(min(f, k))
    if fails <= 0.0:
        return j[:1].astype(np.float64), np.ones(1)
    weights = stats.binom.sf(j, k, fails) / (k * fails)
    kept = weights > 1e-12
    return j[kept].astype(np.float64), weights[kept] / weights[kept].sum()
