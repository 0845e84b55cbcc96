"""Tests of many features against one target by cross-tables of ranks, whose null law is tabulated once for all features."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.stats import chi2

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.kernels.rank_tables import permuted_chi_squares
from validstats.mi.sides import Side

__all__ = ["RankTest", "rank_p_values"]

BINS = (4, 8, 12)
MOST_LEVELS = 12
"""Levels up to which a feature or a target is read by its levels; of more values the ranks are, ties in random order."""
FIRST_TABLE = 200_000
FEW_LEVELS_TABLE = 2_000
"""Permutations tabulated for all untied features, and first for each pattern of ties."""
LONGER = 15
"""The longer table has so many permutations for each p / alpha, which a feature without a single exceedance is compared with."""
MOST_PERMUTATIONS = 20_000_000


@dataclass(frozen=True)
class RankTest:
    """Exact p-values of features, and how many permutations each was compared with."""

    p_values: list[Fraction]
    n_permutations: Int1D


def _cells(values: Float1D, codes: Int1D | None, generator: np.random.Generator) -> tuple[Int2D, Float2D]:
    """Cells of a column in each of three tables, and their sizes: levels, or equal bins of ranks with ties in random order."""
    n = len(values)
    if codes is not None:
        cells = np.tile(codes, (len(BINS), 1))
    else:
        ranks = np.empty(n, dtype=np.int64)
        ranks[np.lexsort((generator.random(n), values))] = np.arange(n)
        cells = np.stack([ranks * bins // n for bins in BINS])
    width = int(cells.max()) + 1
    counts = np.stack([np.bincount(row, minlength=width) for row in cells]).astype(np.float64)
    return np.ascontiguousarray(cells), np.ascontiguousarray(counts)


def _level_codes(side: Side) -> Int1D | None:
    """Levels of a column that has few of them, numbered by how often they occur: only their sizes matter."""
    values = side.keys[:, 0]
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(counts) > MOST_LEVELS:
        return None
    number = np.empty(len(counts), dtype=np.int64)
    number[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return number[codes]


def _chi_squares(feature: tuple[Int2D, Float2D], target: tuple[Int2D, Float2D]) -> Float1D:
    (cells, sizes), (other, other_sizes) = feature, target
    n = cells.shape[1]
    out = np.empty(len(cells))
    for t in range(len(cells)):
        width = other_sizes.shape[1]
        counts = np.bincount(cells[t] * width + other[t], minlength=sizes.shape[1] * width).reshape(-1, width)
        expected = np.outer(sizes[t], other_sizes[t])
        out[t] = n * ((counts**2 / np.where(expected > 0, expected, np.inf)).sum() - 1.0)
    return out


def _minima(squares: Float2D, feature_sizes: Float2D, target_sizes: Float2D) -> Float1D:
    """Smallest p-value over the three tables, on the logarithmic scale and rounded so that equal tables tie."""
    freedom = ((feature_sizes > 0).sum(axis=1) - 1) * ((target_sizes > 0).sum(axis=1) - 1)
    logs = chi2.logsf(np.maximum(squares, 0.0), np.maximum(freedom, 1))
    return np.asarray(np.round(logs.min(axis=1), 9))


def rank_p_values(features: list[Side], target: Side, alpha: float, seed: int) -> RankTest:
    """Exact p-values of features that are independent of the target, by tables of permutations that they share.

    Ranks of a feature that is independent of the target are a uniform permutation, ties being put in random order, so that one table
    serves every untied feature; a feature with few levels is compared with the table of its pattern of ties. A feature with no exceedance
    takes its p-value from a longer table of other permutations, the others keep theirs: for u below the floor of the first table
    {p <= u} lies in {p2 <= u}, above it in {p1 <= u}.
    """
    if target.is_constant:
        return RankTest([Fraction(1)] * len(features), np.zeros(len(features), dtype=np.int64))
    generator = np.random.default_rng([seed, 0])
    goal = _cells(target.keys[:, 0], _level_codes(target), generator)
    groups: dict[bytes, list[int]] = {}
    members = []
    for j, side in enumerate(features):
        codes = None if side.is_constant else _level_codes(side)
        cells = None if side.is_constant else _cells(side.keys[:, 0], codes, generator)
        members.append(cells)
        if cells is not None:
            key = b"ranks" if codes is None else cells[1].tobytes()
            groups.setdefault(key, []).append(j)
    p_values = [Fraction(1)] * len(features)
    drawn = np.zeros(len(features), dtype=np.int64)
    longer = int(min(max(LONGER * len(features) / alpha, FIRST_TABLE), MOST_PERMUTATIONS))
    for number, (key, positions) in enumerate(groups.items()):
        first = members[positions[0]]
        assert first is not None
        observed = np.array([_observed(members[j], goal) for j in positions])
        size = FIRST_TABLE if key == b"ranks" else FEW_LEVELS_TABLE
        null = np.sort(_null(first, goal, size, seed + 2 * number + 1))
        exceeding = np.searchsorted(null, observed, side="right")
        for place, j in enumerate(positions):
            p_values[j], drawn[j] = Fraction(int(exceeding[place]) + 1, size + 1), size
        none = [place for place in range(len(positions)) if exceeding[place] == 0]
        if none:
            best = np.sort(_null(first, goal, longer, seed + 2 * number + 2))
            for place in none:
                count = int(np.searchsorted(best, observed[place], side="right"))
                p_values[positions[place]], drawn[positions[place]] = Fraction(count + 1, longer + 1), longer
    return RankTest(p_values, drawn)


def _observed(feature: tuple[Int2D, Float2D] | None, goal: tuple[Int2D, Float2D]) -> float:
    assert feature is not None
    return float(_minima(_chi_squares(feature, goal)[None, :], feature[1], goal[1])[0])


def _null(feature: tuple[Int2D, Float2D], goal: tuple[Int2D, Float2D], count: int, seed: int) -> Float1D:
    """Smallest logarithms of p-values under permutations, in pieces that bound memory."""
    parts = []
    for start in range(0, count, 500_000):
        size = min(500_000, count - start)
        squares = permuted_chi_squares(feature[0], goal[0], feature[1], goal[1], size, (seed + start) % 2**32)
        parts.append(_minima(squares, feature[1], goal[1]))
    return np.concatenate(parts)
