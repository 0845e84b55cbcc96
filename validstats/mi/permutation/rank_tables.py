"""Tests of many features against one target by cross-tables of ranks, whose null law is tabulated once for all features."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.special import chdtrc

from validstats._typing import Float1D, Float2D, Int1D, Int2D
from validstats.kernels.rank_tables import permuted_chi_squares
from validstats.mi.sides import Side
from validstats.runtime import forecast, progress

__all__ = ["RankTest", "rank_p_values", "rank_screen"]

BINS = (4, 8, 12)
MOST_LEVELS = 12
"""Levels up to which a feature or a target is read by its levels; of more values the ranks are, ties in random order."""
FIRST_TABLE = 200_000
FEW_LEVELS_TABLE = 2_000
"""Permutations tabulated for all untied features, and first for each pattern of ties."""
LONGER = 15
"""The longer table has so many permutations for each p / alpha, which a feature without a single exceedance is compared with."""
MOST_PERMUTATIONS = 20_000_000
PIECE = 25_000
SMALLEST = 1e-300
"""Chi-square tails below this count as equal: no table of permutations is long enough to tell them apart."""


@dataclass(frozen=True)
class RankTest:
    """Exact p-values of features, and how many permutations each was compared with."""

    p_values: list[Fraction]
    n_permutations: Int1D


def _cells(
    values: Float1D, codes: Int1D | None, bins: tuple[Int2D, Float2D], generator: np.random.Generator
) -> tuple[Int2D, Float2D]:
    """Cells of a column in each of three tables, and their sizes: levels, or equal bins of ranks with ties in random order."""
    if codes is not None:
        cells = np.tile(codes, (len(BINS), 1))
        return np.ascontiguousarray(cells), np.tile(np.bincount(codes).astype(np.float64), (len(BINS), 1))
    order = np.argsort(values)
    if (np.diff(values[order]) == 0).any():
        order = np.lexsort((generator.random(len(values)), values))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values))
    return np.ascontiguousarray(bins[0][:, ranks]), bins[1]


def _rank_bins(n: int) -> tuple[Int2D, Float2D]:
    """Bin of each rank in each of three tables, and the sizes of the bins."""
    cells = np.stack([np.arange(n) * bins // n for bins in BINS])
    sizes = [np.bincount(row, minlength=BINS[-1]) for row in cells]
    return cells, np.stack(sizes).astype(np.float64)


def _level_codes(side: Side) -> Int1D | None:
    """Levels of a column that has few of them, numbered by how often they occur: only their sizes matter."""
    values = side.keys[:, 0]
    if len(np.unique(values[: 4 * MOST_LEVELS])) > MOST_LEVELS:
        return None
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
    tails = chdtrc(np.maximum(freedom, 1), np.maximum(squares, 0.0))
    return np.asarray(np.round(np.log(np.maximum(tails.min(axis=1), SMALLEST)), 9))


def rank_p_values(
    features: list[Side], target: Side, alpha: float, seed: int, verbose: bool = False
) -> RankTest:
    """Exact p-values of features that are independent of the target, by tables of permutations that they share.

    Ranks of a feature that is independent of the target are a uniform permutation, ties being put in random order, so that one table
    serves every untied feature; a feature with few levels is compared with the table of its pattern of ties. A feature with no exceedance
    takes its p-value from a longer table of other permutations, the others keep theirs: for u below the floor of the first table
    {p <= u} lies in {p2 <= u}, above it in {p1 <= u}.
    """
    if target.is_constant:
        return RankTest([Fraction(1)] * len(features), np.zeros(len(features), dtype=np.int64))
    goal, members, groups = _tables(features, target, seed)
    p_values = [Fraction(1)] * len(features)
    drawn = np.zeros(len(features), dtype=np.int64)
    longer = int(min(max(LONGER * len(features) / alpha, FIRST_TABLE), MOST_PERMUTATIONS))
    for number, (key, positions) in enumerate(groups.items()):
        first = members[positions[0]]
        assert first is not None
        squares = np.array([_chi_squares(members[j], goal) for j in positions])
        observed = _minima(squares, first[1], goal[1])
        size = FIRST_TABLE if key == b"ranks" else FEW_LEVELS_TABLE
        null = np.sort(_null(first, goal, size, seed + 2 * number + 1, verbose))
        exceeding = np.searchsorted(null, observed, side="right")
        for place, j in enumerate(positions):
            p_values[j], drawn[j] = Fraction(int(exceeding[place]) + 1, size + 1), size
        none = [place for place in range(len(positions)) if exceeding[place] == 0]
        if none:
            best = np.sort(_null(first, goal, longer, seed + 2 * number + 2, verbose))
            for place in none:
                count = int(np.searchsorted(best, observed[place], side="right"))
                p_values[positions[place]], drawn[positions[place]] = Fraction(count + 1, longer + 1), longer
    return RankTest(p_values, drawn)


def rank_screen(features: list[Side], target: Side, count: int) -> Int1D:
    """The positions of the features with the smallest chi-square p-values over the three tables, in order of position."""
    goal, members, groups = _tables(features, target, 0)
    strength = np.zeros(len(features))  # a constant feature: p = 1
    for positions in groups.values():
        squares = np.array([_chi_squares(members[j], goal) for j in positions])
        strength[positions] = _minima(squares, members[positions[0]][1], goal[1])
    return np.sort(np.argsort(strength, kind="stable")[:count])


def _tables(features: list[Side], target: Side, seed: int) -> tuple[Any, list[Any], dict[bytes, list[int]]]:
    """Cells of the target and of each feature, None of a constant one, and the features of each pattern of ties."""
    generator = np.random.default_rng([seed, 0])
    bins = _rank_bins(target.n_rows)
    goal = _cells(target.keys[:, 0], _level_codes(target), bins, generator)
    groups: dict[bytes, list[int]] = {}
    members: list[Any] = []
    for j, side in enumerate(features):
        codes = None if side.is_constant else _level_codes(side)
        cells = None if side.is_constant else _cells(side.keys[:, 0], codes, bins, generator)
        members.append(cells)
        if cells is not None:
            key = b"ranks" if codes is None else cells[1].tobytes()
            groups.setdefault(key, []).append(j)
    return goal, members, groups


def _null(
    feature: tuple[Int2D, Float2D], goal: tuple[Int2D, Float2D], count: int, seed: int, verbose: bool
) -> Float1D:
    """Smallest logarithms of p-values under permutations, in pieces that bound memory."""
    parts = []
    starts = range(0, count, PIECE)
    told = forecast(
        starts, len(starts), f"Tabulating {count:,} permutations", "Fewer rows or a larger alpha take less."
    )
    for start in progress(told, len(starts), "permutations, in pieces", verbose):
        size = min(PIECE, count - start)
        squares = permuted_chi_squares(feature[0], goal[0], feature[1], goal[1], size, (seed + start) % 2**32)
        parts.append(_minima(squares, feature[1], goal[1]))
    return np.concatenate(parts)
